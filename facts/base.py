"""What every fact of the project is: shell that reads, and a way to understand what it prints."""

import inspect
import time
from collections.abc import Iterable
from typing import Any, Generic, TypeVar

from pyinfra.api import FactBase
from pyinfra.api.exceptions import FactProcessError

from facts.shell import DIRECT, FIND_PROGRAMS

T = TypeVar("T")

PREAMBLE = f"{DIRECT}; {FIND_PROGRAMS}"
MARK = "@@ container-cloud answers"  # whatever a login shell prints comes before it


def in_one_piece(script: str) -> str:
    """Shell that prints what a script does once that has ended: each of its lines would be a packet."""
    return f'told() {{\n{script}\n}}; told=$(told); code=$?; printf "%s\\n" "$told"; exit $code'


class Fact(FactBase[T], Generic[T]):
    """
    A fact is a `script` and a way to `read` what it prints.

    A shell that prints before it (a greeting in ~/.bashrc), a locale and a proxy of the host's make no difference.

    + program: what must be on the host; where it is not, the fact has its default. "": nothing
    + asks: the service whose answer it is: none at all means that it does not answer. "": nothing may be the answer
    + asked_at: when the question was made, in seconds of this machine's clock; None: that is not known
    """

    program = ""
    asks = ""
    asked_at: float | None = None

    def script(self, *_: Any, **__: Any) -> str:
        """The shell that reads; it ends with exit code 0, whatever it finds. Takes the fact's arguments."""
        raise NotImplementedError

    def read(self, lines: list[str]) -> T:
        """The fact's value of what the script printed: at least one line.

        What it raises means that the answer makes no sense, and fails this fact on its host alone.
        """
        raise NotImplementedError

    def __init_subclass__(cls) -> None:
        def command(self: Any, **arguments: Any) -> str:
            self.asked_at = time.time()
            # On a line of its own, also behind a greeting without a line's end.
            return f"printf '\\n%s\\n' '{MARK}'; {in_one_piece(f'{PREAMBLE}; {self.question(**arguments)}')}"

        # pyinfra asks the signature which arguments the fact takes.
        command.__signature__ = inspect.signature(cls.script)  # type: ignore[attr-defined]
        cls.command = command
        super().__init_subclass__()

    def question(self, **arguments: Any) -> str:
        """The script, which answers nothing on a host without the program; PREAMBLE comes before."""
        needed = f"command -v {self.program} >/dev/null || exit 0; " if self.program else ""
        return f"{needed}{self.script(**arguments)}"

    def process(self, output: Iterable[str]) -> T:
        """The fact's value of what a host printed."""
        lines = list(output)
        if MARK not in lines:
            raise FactProcessError(f"no answer, but: {' '.join(lines)[:200]}")
        return self.understand(lines[lines.index(MARK) + 1 :])

    def understand(self, lines: list[str]) -> T:
        """`read`, with its default for no answer. Raises FactProcessError for one that makes no sense."""
        try:
            return self.read(lines) if any(lines) else self.default()
        except FactProcessError:
            raise
        except Exception as error:
            raise FactProcessError(f"{type(error).__name__}: {error}, in: {' '.join(lines)[:200]!r}") from error
