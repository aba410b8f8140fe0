"""Several facts in one command: a round trip for all of them."""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pyinfra.api import FactBase
from pyinfra.api.exceptions import FactProcessError

from facts.base import PREAMBLE, Fact, in_one_piece

_MARK = "@@ container-cloud"
_FEW = 2  # are as quickly asked one after the other


Questions = Mapping[str, tuple[type[Fact[Any]], Mapping[str, Any]]]  # by a name of the caller's: a fact, its arguments


class Unread(str):
    """In place of a fact's value: why it could not be read.

    + asks: the service that did not answer; "": that is not the reason
    """

    asks: str

    def __new__(cls, why: str, asks: str = "") -> "Unread":
        made = super().__new__(cls, why)
        made.asks = asks
        return made


class Several(FactBase[dict[str, Any]]):
    """
    What several facts say, asked in one command: by the names given to them, or `Unread`.

    + questions: by name, a fact and its arguments

    Source: that of each.
    """

    def command(self, questions: Questions) -> str:
        self.questions, self.asked_at = questions, time.time()
        return _beside(questions) if len(questions) > _FEW else command(questions)

    def process(self, output: Iterable[str]) -> dict[str, Any]:
        return answers(self.questions, output, self.asked_at)

    def default(self) -> dict[str, Any]:
        return answers(self.questions, ())


def command(facts: Questions) -> str:
    """One command that answers all facts, each behind a line with its name, and its exit code after it."""
    return in_one_piece("; ".join([PREAMBLE, *_marked(facts)]))


def _marked(facts: Questions) -> Iterator[str]:
    for name, (fact, arguments) in facts.items():
        # Each mark on a line of its own, also behind a line without an end.
        asked = f"( {fact().question(**arguments)}\n)"
        yield f"printf '\\n%s\\n' '{_MARK} {name}'; {asked}; printf '\\n%s\\n' \"{_MARK} $?\""


def _beside(facts: Questions) -> str:
    """The same, all at once: each writes where no other does. For root."""
    jobs = [f"{{ {asked}; }} >$answers/{number} &" for number, asked in enumerate(_marked(facts))]
    # Outside of what is told in one piece: bash, where that is sh, has no such trap of a function's in a subshell.
    begin = (
        "answers=$(mktemp -d /run/container-cloud.XXXXXX) || exit 1; "
        "trap 'rm -rf \"$answers\"' EXIT; trap 'exit 1' HUP INT TERM"
    )
    every = " ".join(f"$answers/{number}" for number in range(len(jobs)))
    return f"{PREAMBLE}; {begin}; {in_one_piece(' '.join([*jobs, 'wait; cat', every]))}"


def answers(facts: Questions, output: Iterable[str], asked_at: float | None = None) -> dict[str, Any]:
    """What such a command's output means: by the caller's names the facts' values, or why there is none (`Unread`).

    Args:
        facts: the questions.
        output: what the host printed.
        asked_at: when it was asked, in seconds of this machine's clock.
    """
    lines: dict[str, list[str]] = {}
    codes: dict[str, str] = {}
    name = ""
    for line in output:
        if not line.startswith(_MARK):
            lines.setdefault(name, []).append(line)
        elif rest := line.removeprefix(_MARK).strip():
            if rest.isdigit():
                codes[name] = rest
            else:
                name = rest
    return {name: _value(fact(), lines.get(name, []), codes.get(name), asked_at) for name, (fact, _) in facts.items()}


def _value(fact: Fact[Any], lines: list[str], code: str | None, asked_at: float | None) -> Any:
    fact.asked_at = asked_at
    if code != "0":
        return Unread("the answer is cut off" if code is None else f"exit code {code}")
    if fact.asks and not any(lines):
        return Unread(f"{fact.asks} does not answer", fact.asks)
    try:
        return fact.understand("\n".join(lines).rstrip("\n").split("\n"))  # without the empty ones before marks
    except FactProcessError as error:
        return Unread(str(error))
