"""Digests of files, SHA-256 or SHA-512 in hex: what they are called, and those that this project ships."""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

LENGTHS = {"sha256": 64, "sha512": 128}  # hex digits, by algorithm
_SHIPPED = Path(__file__).with_name("digests.txt")


class File(NamedTuple):
    """A release file as its publisher knows it: the last part of its address, its version and architecture."""

    name: str
    version: str
    architecture: str


def algorithm(digest: str) -> str:
    """What a digest was made by, sha256 or sha512: its length tells."""
    return next(name for name, length in LENGTHS.items() if length == len(digest))


def name(digest: str) -> str:
    """What people call that: "SHA-256"."""
    return f"SHA-{LENGTHS[algorithm(digest)] * 4}"


def is_digest(text: str) -> bool:
    """Whether this is a digest, in lower case."""
    return re.fullmatch(r"[0-9a-f]{64}|[0-9a-f]{128}", text) is not None


@cache
def shipped() -> dict[File, str]:
    """The digests in digests.txt, which says where each was read."""
    lines = [line for line in _SHIPPED.read_text().splitlines() if line and line[0] not in "#["]
    return {File(*known): digest for *known, _, digest in map(str.split, lines)}
