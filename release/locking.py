"""What nobody has a digest of: fetched, compared with what its publisher says, and written down."""

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from cluster import digests, lock
from cluster.downloads import public
from cluster.model import Settings
from cluster.needs import needs
from release.fetching import NotThere, Told, fetch, read
from release.publishers import checksum_url, digest_in


class Refused(Exception):
    """A file is not what its publisher says, or cannot be told to be; the text has both digests."""


class Missing(NamedTuple):
    """A file that nobody has a digest of: what it is called in `release_files`, and where it is."""

    name: str
    url: str


def missing(settings: Settings, architectures: Iterable[str]) -> list[Missing]:
    """The files the settings need for these architectures and nobody has a digest of, each once."""
    every = (need for architecture in architectures for need in needs(settings, architecture))
    return list(dict.fromkeys(Missing(need.name, need.url) for need in every if need.digest is None))


def found(file: Missing, directory: Path, told: Told) -> lock.Entry:
    """Fetch a file and compare it with what its publisher says of it.

    Args:
        file: which.
        directory: where it is kept until the lock file has it.
        told: is called as it comes.

    Raises FetchError, Refused; then what was fetched and refused is gone.
    """
    said, verified = _said(file)
    path = _place(file, directory)
    if not path.is_file():
        fetch(file.url, path, told)
    own = _digest(path, digests.algorithm(said) if said else "sha256")
    if said and own != said:
        path.unlink()
        kind = digests.name(said)
        raise Refused(f"{public(file.url)} has {kind} {own}, {verified} says {said}: not locked")
    return lock.Entry(public(file.url), own, path.stat().st_size, datetime.now(UTC).date(), verified)


def _said(file: Missing) -> tuple[str | None, str]:
    """What the publisher says, and where; or that it says nothing."""
    where = checksum_url(file.name, file.url)
    if where is None:
        return None, lock.unverified()
    try:
        text = read(where)
    except NotThere as error:
        return None, lock.unverified(str(error))
    said = digest_in(text, file.url)
    if said is None:
        raise Refused(f"{public(where)} has no digest of {public(file.url)}: not locked")
    return said, public(where)


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _place(file: Missing, directory: Path) -> Path:
    """Where a file is kept: by its whole address, so that no two are one."""
    return directory / f"{hashlib.sha256(file.url.encode()).hexdigest()[:16]}-{Path(file.url).name[:80]}"


def write(path: Path, entries: Iterable[lock.Entry]) -> None:
    """Write a lock file, whole or not at all."""
    new = path.with_name(f".{path.name}.new")
    try:
        with new.open("w") as file:
            file.write(lock.text(entries))
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def forget(files: Iterable[Missing], directory: Path) -> None:
    """Remove what was fetched: the lock file has it."""
    for file in files:
        _place(file, directory).unlink(missing_ok=True)


def cache() -> Path:
    """Where files are kept until they are locked."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "container-cloud" / "release"


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Raises BlockingIOError where another process fetches into the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
