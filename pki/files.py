"""The store's files: a private directory, files written whole or not at all, one writer at a time."""

import fcntl
import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK_DEADLINE = 60.0  # seconds to wait for another process that writes
_LOCK_POLL = 0.02  # seconds


class StoreError(Exception):
    """The store cannot be used as it is; the message says what is wrong and what to do."""


def exists(directory: Path) -> bool:
    """Whether the store's `directory` exists; raises StoreError when others than its owner could read it."""
    try:
        status = directory.stat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StoreError(f"the certificate store {directory} cannot be read: {error.strerror}") from error
    if not stat.S_ISDIR(status.st_mode):
        raise StoreError(f"the certificate store {directory} is not a directory")
    if status.st_uid != os.geteuid():
        raise StoreError(
            f"the certificate store {directory} belongs to user {status.st_uid}, this is user {os.geteuid()}: "
            "run as its owner, or chown it"
        )
    if status.st_mode & 0o077:
        raise StoreError(
            f"the certificate store {directory} has mode {stat.S_IMODE(status.st_mode):04o}, which lets others at the "
            f"keys in it: chmod 700 {directory}"
        )
    return True


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the store's lock against other processes, making `directory` first if need be.

    Raises StoreError, naming the holder, when another process keeps the lock for LOCK_DEADLINE seconds. What a killed
    writer left behind is removed.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        exists(directory)
        lock = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"the certificate store {directory} cannot be written: {error.strerror}") from error
    try:
        _wait_for(lock, directory)
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
        for leftover in directory.rglob(".*.tmp"):
            leftover.unlink()
        yield
    finally:
        # Closing would not do while a forked child still has the descriptor.
        fcntl.flock(lock, fcntl.LOCK_UN)
        os.close(lock)


def _wait_for(lock: int, directory: Path) -> None:
    # Polled, because a blocking flock would stop every other greenlet of this process, the holder perhaps among them.
    deadline = time.monotonic() + LOCK_DEADLINE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                holder = os.pread(lock, 200, 0).decode(errors="replace") or "another process"
                raise StoreError(
                    f"the certificate store {directory} is still being written by {holder} "
                    f"after {LOCK_DEADLINE:.0f} s: wait for it, or stop it"
                ) from None
            time.sleep(_LOCK_POLL)


def write(path: Path, text: str) -> None:
    """Put `text` into `path`, 0600, atomically and durably: a crash leaves the old file or the new one."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        _make_directories(path)
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(descriptor, "w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync(path.parent)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}") from error


def move(old: Path, new: Path) -> None:
    """Give the file `old` the path `new`, durably; nothing is moved when it is not there (any more)."""
    try:
        _make_directories(new)
        old.rename(new)
        _sync(new.parent)
        _sync(old.parent)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"{old} cannot be moved to {new}: {error.strerror}") from error


def _make_directories(path: Path) -> None:
    for directory in reversed(path.parents):  # one by one: with parents=True the mode is the last one's only
        if not directory.exists():
            directory.mkdir(mode=0o700)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
