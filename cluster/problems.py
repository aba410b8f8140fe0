"""What is wrong with the settings, in one line each."""

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]

HIDDEN = object()  # in place of a value that is not shown, because it may be a secret
_LONGEST = 100  # characters of a value in a message


@dataclass(frozen=True)
class Problem:
    """One refusal or warning.

    `setting` is its name as one would write it (`release_files["kubelet"]["sha256"]`), `value` what it holds, `advice`
    what is wrong and what to write instead, `host` the host whose data holds it (None: the cluster's settings).
    """

    setting: str
    value: object
    advice: str
    host: str | None = None
    severity: Severity = "error"

    def __str__(self) -> str:
        where = f"{self.host}: " if self.host else ""
        what = self.setting if self.value is HIDDEN else f"{self.setting} = {show(self.value)}"
        return f"{where}{what}: {self.advice}"


class BadSettings(Exception):
    """Settings that cannot be used: `problems` holds every error, `warnings` what else was noticed."""

    def __init__(self, problems: Iterable[Problem], warnings: Iterable[Problem] = ()) -> None:
        self.problems = list(problems)
        self.warnings = list(warnings)
        super().__init__(self.problems)

    def __str__(self) -> str:
        count = "1 setting" if len(self.problems) == 1 else f"{len(self.problems)} settings"
        return "\n".join([f"{count} cannot be used:", *(f"  {problem}" for problem in self.problems)])


def show(value: object) -> str:
    """The value as one would write it, on one line, shortened, without a URL's user and password."""
    text = re.sub(r"//[^/@\s]*@", "//…@", _written(value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _written(value: object) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_written(key)}: {_written(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_written, value)) + "]"
    if value is None or isinstance(value, (bool, int, float)):
        return str(value)
    return _written(str(value))


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like this one; None when none is like it."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.7)
    return by_lower[found[0]] if found else None


def either(choices: Iterable[object]) -> str:
    """The choices as a phrase: "vxlan", "host-gw" or "udp"."""
    *others, last = [show(choice) for choice in choices]
    return f"{', '.join(others)} or {last}" if others else last


def instead(name: str, known: Iterable[str]) -> str:
    """Advice for a name that is not among the known: the nearest, or all of them."""
    known = sorted(known)
    near = nearest(name, known)
    return f"did you mean {show(near)}?" if near else f"write {either(known)}"
