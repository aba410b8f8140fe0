"""What took long to make or fetch, kept for the next time: ~/.cache/container-cloud/NAME-KEY/.

An entry appears under its name only when it is complete, with the SHA-256 of each of its files beside them, and is
verified whenever it is used. What a killed run leaves is a directory NAME-KEY.part, thrown away by the next.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.process import LabError
from lab.progress import say

MANIFEST = "SHA256SUMS"


def root() -> Path:
    """The cache's directory: CONTAINER_CLOUD_CACHE, or ~/.cache/container-cloud."""
    return Path(os.environ.get("CONTAINER_CLOUD_CACHE") or "~/.cache/container-cloud").expanduser()


def key_of(*parts: str) -> str:
    """A short name for exactly these inputs."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def sha256(path: Path) -> str:
    """A file's SHA-256, in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def get(name: str, key: str, make: Callable[[Path, Path], None]) -> Path:
    """The directory of a cache entry, made first if it is missing or was damaged.

    Args:
        name: what it is ("kubernetes").
        key: which one ("1.20.2-3f2a…"): another key, another entry.
        make: called with the directory to fill and a scratch directory that is thrown away afterwards.

    Raises:
        LabError: it could not be made.
    """
    entry = root() / f"{name}-{key}"
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(f"cannot write the cache {root()}: {error.strerror}") from None
    with _locked(entry):
        if entry.exists():
            trouble = problem(entry)
            if not trouble:
                return entry
            say(f"  {entry.name} in the cache is damaged ({trouble}): making it again")
            shutil.rmtree(entry)
        part = entry.with_name(f"{entry.name}.part")
        _discard(part)
        (part / "files").mkdir(parents=True)
        (part / "scratch").mkdir()
        make(part / "files", part / "scratch")
        write_manifest(part / "files")
        os.sync()
        (part / "files").rename(entry)
        _discard(part)
    return entry


def write_manifest(directory: Path) -> None:
    """Record the SHA-256 of every file below a directory, as `sha256sum` writes it."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    lines = [f"{sha256(path)}  {path.relative_to(directory)}\n" for path in files]
    (directory / MANIFEST).write_text("".join(lines))


def read_manifest(directory: Path) -> dict[str, str]:
    """File -> SHA-256, as recorded when the entry was made."""
    lines = (directory / MANIFEST).read_text().splitlines()
    return {name: digest for digest, name in (line.split("  ", 1) for line in lines)}


def problem(directory: Path) -> str | None:
    """What is wrong with an entry: None, or one phrase about the first trouble found."""
    if not (directory / MANIFEST).is_file():
        return f"no {MANIFEST}"
    try:
        recorded = read_manifest(directory)
    except ValueError:
        return f"{MANIFEST} cannot be read"
    if not recorded:
        return f"{MANIFEST} is empty"
    for name, digest in recorded.items():
        if not (directory / name).is_file():
            return f"{name} is missing"
        if sha256(directory / name) != digest:
            return f"{name} has changed"
    return None


@contextmanager
def _locked(entry: Path) -> Iterator[None]:
    """Let one process at a time make an entry; the kernel frees the lock of a killed one."""
    with entry.with_name(f"{entry.name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _discard(directory: Path) -> None:
    if directory.exists():
        # Go's module cache is read-only, directories included.
        for path in [directory, *directory.rglob("*")]:
            if path.is_dir() and not path.is_symlink() and not os.access(path, os.W_OK):
                path.chmod(0o755)
        shutil.rmtree(directory)
