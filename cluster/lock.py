"""The lock file: digests that `python -m release lock` has found, for people to read and to commit."""

import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from cluster import digests

_HEAD = """\
# Written by `python -m release lock`: the digests of files that hosts fetch, as this machine has fetched them.
# `verified` is the publisher's own checksum file that has the same digest, or says that there is none: what was
# fetched then is all there is to compare with. A file whose digest is another is refused. Commit this.
"""
_NOTHING = "nothing published"


@dataclass(frozen=True)
class Entry:
    """A file that was fetched.

    + size: in bytes
    + verified: the address of the checksum file that has its digest, or "nothing published" and why
    """

    url: str
    digest: str
    size: int
    date: date
    verified: str

    @property
    def is_verified(self) -> bool:
        """Whether its publisher says the same."""
        return not self.verified.startswith(_NOTHING)


def unverified(why: str = "") -> str:
    """How an entry says that its publisher has no checksum file."""
    return f"{_NOTHING}: {why}" if why else _NOTHING


def read(path: Path) -> dict[str, Entry]:
    """The entries of a lock file by address; none where there is no such file.

    Raises ValueError, which says what is wrong with it.
    """
    try:
        known = path.stat()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    return _read(path, known.st_mtime_ns, known.st_size)


@lru_cache
def _read(path: Path, _changed: int, _size: int) -> dict[str, Entry]:
    try:
        found = tomllib.loads(path.read_text())
        return {entry.url: entry for entry in map(_entry, found.get("file", []))}
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    except (ValueError, TypeError) as error:
        raise ValueError(f"is no lock file ({error}); mend it, or remove it and write it anew") from None


def _entry(table: Any) -> Entry:
    if not isinstance(table, dict):
        raise ValueError("write [[file]] above each entry")
    given = [(kind, table[kind]) for kind in digests.LENGTHS if kind in table]
    keys = {"url": str, "size": int, "date": date, "verified": str}
    for key, kind in keys.items():
        if not isinstance(table.get(key), kind):
            raise ValueError(f"an entry without {key}")
    if len(given) != 1 or not digests.is_digest(str(given[0][1])) or digests.algorithm(given[0][1]) != given[0][0]:
        raise ValueError(f"{table['url']} has no digest")
    return Entry(digest=given[0][1], **{key: table[key] for key in keys})


def text(entries: Iterable[Entry]) -> str:
    """A lock file of these entries, in the order of their addresses."""
    return "\n".join([_HEAD, *map(_block, sorted(entries, key=lambda e: e.url))])


def _block(entry: Entry) -> str:
    return (
        "[[file]]\n"
        f"url = {json.dumps(entry.url)}\n"
        f"{digests.algorithm(entry.digest)} = {json.dumps(entry.digest)}\n"
        f"size = {entry.size}\n"
        f"date = {entry.date.isoformat()}\n"
        f"verified = {json.dumps(entry.verified)}\n"
    )
