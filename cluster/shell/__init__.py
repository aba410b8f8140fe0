"""Shell programs, one a file, and how values reach them: by variables in capitals, never as part of the text."""

import re
import shlex
from functools import cache
from pathlib import Path

_DIRECTORY = Path(__file__).parent


def program(name: str, **values: str | int) -> str:
    """A shell program.

    Args:
        name: its file's, without ".sh".
        values: what its variables in capitals hold.

    Returns the program's text, behind its variables; each is one quoted word, whatever it holds.

    Raises ValueError for a variable that the program does not have.
    """
    text = _read(name)
    if unknown := [v for v in values if not re.search(rf"\b{v}\b", text)]:
        raise ValueError(f"{name}.sh has no {', '.join(unknown)}")
    return "".join(f"{key}={shlex.quote(str(value))}\n" for key, value in values.items()) + text


@cache
def _read(name: str) -> str:
    lines = (_DIRECTORY / f"{name}.sh").read_text().splitlines(keepends=True)
    # Without what is for the reader and for shellcheck alone.
    return "".join(line for line in lines if not line.lstrip().startswith("#"))
