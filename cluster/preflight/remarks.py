"""What the preflight says of a host, and how much it matters."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Weight = Literal["refusal", "warning", "note"]


@dataclass(frozen=True)
class Remark:
    """One line: a reason not to begin, something worth a warning, or what the run leaves as somebody else made it."""

    weight: Weight
    text: str


def refusal(host: str, text: str) -> Remark:
    """A reason not to begin."""
    return Remark("refusal", f"{host}: {text}")


def warning(host: str, text: str) -> Remark:
    """What may go wrong, and may not."""
    return Remark("warning", f"{host}: {text}")


def note(host: str, text: str) -> Remark:
    """What is left as it is."""
    return Remark("note", f"{host}: {text}")


def texts(remarks: Iterable[Remark], weight: Weight) -> list[str]:
    """The lines of one weight."""
    return [remark.text for remark in remarks if remark.weight == weight]
