"""`python -m release lock`: the command line."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from cluster import lock
from cluster.distributions import AMD64, ARCHITECTURES
from cluster.downloads import public
from cluster.model import Settings
from cluster.settings import BadSettings, load
from facts.inventory import groups
from facts.opening import hosts_of
from release import locking
from release.fetching import FetchError, Told
from release.locking import Missing, Refused

console = Console(width=None if Console().is_terminal else 200, highlight=False, soft_wrap=True)


def main(argv: list[str] | None = None) -> int:
    """Carry out a command; the exit code is 0 when every digest is known then, else 1."""
    arguments = parser().parse_args(argv)
    try:
        return make_lock(settings_of(arguments.inventory), dict.fromkeys(arguments.arch or [AMD64]))
    except BadSettings as error:
        print(error, file=sys.stderr)
    except BlockingIOError:
        print(f"release: another run fetches into {locking.cache()}; wait for it", file=sys.stderr)
    except (OSError, ValueError) as error:
        print(f"release: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("release: interrupted, nothing was locked; run it again, it goes on from there", file=sys.stderr)
        return 130
    return 1


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    top = argparse.ArgumentParser(prog="python -m release", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser(
        "lock",
        help="make the digests known of what the hosts will fetch",
        description="Fetches, on this machine, each file that the settings need and nobody has a digest of; compares "
        "it with its publisher's checksum file where there is one; writes a lock file (the setting release_lock) to be "
        "read and committed. No host is contacted.",
        epilog="Exit code: 0 every digest is known; 1 a file could not be had or was refused, and nothing is written.",
    )
    command.add_argument(
        "--inventory", type=Path, default=Path("inventory.py"), metavar="PATH", help="default: inventory.py"
    )
    command.add_argument(
        "--arch",
        action="append",
        choices=list(ARCHITECTURES.values()),
        help=f"of the hosts; default: {AMD64}. Repeat it for both",
    )
    return top


def make_lock(settings: Settings, architectures: Iterable[str]) -> int:
    """Lock what some settings need for these architectures; the exit code.

    Raises OSError, and ValueError when the present lock file cannot be read.
    """
    path, locked = settings.lock_path, _locked(settings)
    files = locking.missing(settings, architectures)
    if not files:
        console.print("nothing to fetch: every digest is known")
        return 0
    directory = locking.cache()
    with locking.alone(directory):
        entries, failures = _all(files, directory)
        if failures:
            for failure in failures:
                print(f"release: {failure}", file=sys.stderr)
            reach = "; this machine has to reach the publishers, or a mirror that release_files names"
            hint = reach if len(failures) == len(files) > 1 else ""
            print(f"release: {len(failures)} of {len(files)} files: nothing was locked{hint}", file=sys.stderr)
            return 1
        locking.write(path, [*locked.values(), *entries])
        locking.forget(files, directory)
    unsure = sum(not entry.is_verified for entry in entries)
    compared = f"; of {unsure} nobody publishes a digest: what came is what hosts will accept" if unsure else ""
    console.print(f"{path}: {len(entries)} file{'s' if len(entries) != 1 else ''} locked{compared}")
    return 0


def _locked(settings: Settings) -> dict[str, lock.Entry]:
    try:
        return settings.lock
    except ValueError as error:
        raise ValueError(f"{settings.lock_path} {error}") from None


def settings_of(path: Path) -> Settings:
    """An inventory's settings, checked but for what nobody has a digest of. Raises BadSettings, OSError."""
    inventory = hosts_of(path)
    cluster, _ = load({h.name: h.data.dict() for h in inventory}, groups(inventory, path), without_digests=True)
    return cluster.settings


def _all(files: list[Missing], directory: Path) -> tuple[list[lock.Entry], list[str]]:
    """Every file, and what went wrong with some."""
    entries, failures = [], []
    for number, file in enumerate(files, 1):
        with _shown(f"{number}/{len(files)} {public(file.url)}") as told:
            try:
                entries.append(locking.found(file, directory, told))
            except (FetchError, Refused) as error:
                failures.append(str(error))
                console.print("    not locked: see below")
                continue
        console.print(f"    verified: {entries[-1].verified}")
    return entries, failures


@contextmanager
def _shown(line: str) -> Iterator[Told]:
    """Show how far a file is: a bar on a terminal, else a line a file."""
    console.print(line)
    columns = (TextColumn("   "), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda there, whole: bar.update(task, completed=there, total=whole)


if __name__ == "__main__":
    sys.exit(main())
