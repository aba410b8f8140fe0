"""`python -m audit`: the command line."""

import argparse
import logging
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from audit.judge import judge
from audit.model import Report
from audit.reading import open_inventory, read
from audit.report import machine, page, table
from cluster.certificates import open_store
from cluster.membership import Record
from cluster.settings import BadSettings
from pki import StoreError


def main(argv: list[str] | None = None) -> int:
    """Audit a cluster; the exit code is the report's, 1 also when there is none."""
    arguments = parser().parse_args(argv)
    logging.getLogger("pyinfra").setLevel(logging.CRITICAL)  # what it has to say is in the findings
    try:
        if arguments.export:
            export(arguments.inventory, arguments.export)
            return 0
        report = audit(arguments.inventory, arguments.store)
    except BadSettings as error:
        print(error, file=sys.stderr)
        return 1
    except (OSError, ValueError, StoreError) as error:
        print(f"audit: {error}", file=sys.stderr)
        return 1
    show(report, arguments)
    return report.exit_code


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    top = argparse.ArgumentParser(
        prog="python -m audit",
        description="What the hosts are, against what the inventory and the settings say. Reads, and changes nothing.",
        epilog="Exit code: 0 clean, 2 something differs or will break, 1 something could not be read.",
    )
    top.add_argument(
        "--inventory", type=Path, default=Path("inventory.py"), metavar="PATH", help="default: inventory.py"
    )
    top.add_argument("--json", action="store_true", help="for machines: docs/audit-schema.json says what")
    top.add_argument("--html", type=Path, metavar="FILE", help="for people: one page, with a picture of the network")
    top.add_argument("--all", action="store_true", help="show also what is as it shall be, line by line")
    top.add_argument(
        "--export", type=Path, metavar="FILE", help="write the certificate store's public parts there; audit nothing"
    )
    top.add_argument(
        "--store", type=Path, metavar="FILE", help="what --export wrote, in place of the certificate store"
    )
    return top


def export(path: Path, to: Path) -> None:
    """Write what an audit needs of an inventory's certificate store, and nobody must hide. No host is contacted.

    Raises:
        BadSettings, OSError, StoreError: as `audit`.
    """
    _, cluster, _ = open_inventory(path)
    to.write_text(open_store(cluster.settings).export())
    print(f"{to}: the certificate store's public parts; python -m audit --store {to}", file=sys.stderr)


def audit(path: Path, store: Path | None = None) -> Report:
    """Read every host of an inventory file and judge it.

    Args:
        path: the inventory.
        store: what `export` has written, where the certificate store itself is not at hand.

    Raises:
        BadSettings: the settings cannot be used; it holds every error.
        OSError, StoreError: the inventory or the certificate store cannot be read.
    """
    if store and not store.is_file():
        raise FileNotFoundError(f"there is no file {store}: python -m audit --export writes it, where the store is")
    inventory, cluster, _ = open_inventory(path, store)
    began, clock = datetime.now(UTC), time.monotonic()
    kept = open_store(cluster.settings)
    record = None if store else Record.read(kept.directory)  # which is not exported
    readings = read(inventory, cluster, kept)
    return judge(cluster, readings, began, time.monotonic() - clock, record, kept.directory)


def show(report: Report, arguments: argparse.Namespace) -> None:
    """Print, and write, what was asked for."""
    if arguments.html:
        arguments.html.write_text(page.page(report))
    if arguments.json:
        print(machine.text(report))
    else:
        console = Console(width=None if Console().is_terminal else 120)
        console.print(table.table(report, everything=arguments.all))


if __name__ == "__main__":
    sys.exit(main())
