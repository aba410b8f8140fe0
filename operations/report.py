"""What a run says of itself: each change as it is announced, and the summary at the end."""

import atexit
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pyinfra import logger, state
from pyinfra.api.host import Host as PyinfraHost
from rich.console import Console
from rich.table import Table

from cluster.plan import Start


@dataclass
class Report:
    """What the run says of itself.

    + changes: by host, what it has changed
    + planned: by host, packages and programs that a dry run would have installed so far
    + turns: by service, the hosts on which a dry run would have restarted it one after another
    + refused: whether it was ended before its end
    + next_command: what to type after it, given whether it failed
    """

    began: float = field(default_factory=time.monotonic)
    changes: dict[str, list[str]] = field(default_factory=dict)
    planned: dict[str, set[str]] = field(default_factory=dict)
    turns: dict[str, list[str]] = field(default_factory=dict)
    refused: bool = False
    next_command: Callable[[bool], str] | None = None


report = Report()


def announce(host: PyinfraHost, lines: list[str], installs: Iterable[str] = ()) -> None:
    """Say what an operation changes on a host: before it does, or, in a dry run, would.

    Args:
        host: the host at hand.
        lines: the changes, one each.
        installs: packages and programs among them, for the operations that come later in a dry run.
    """
    for line in lines:
        logger.info(f"{host.print_prefix}{line}")
    if state.is_executing:
        report.changes.setdefault(host.name, []).extend(lines)
    else:
        report.planned.setdefault(host.name, set()).update(installs)


def arriving(host_name: str) -> frozenset[str]:
    """Packages and programs that an earlier operation of a dry run would have installed by now."""
    return frozenset() if state.is_executing else frozenset(report.planned.get(host_name, ()))


def take_turns(host: PyinfraHost, starts: Iterable[Start]) -> None:
    """Remember of a dry run what hosts would take turns at."""
    for start in starts:
        if start.turn:
            report.turns.setdefault(start.unit.name, []).append(host.name)


def summarise_at_end(next_command: Callable[[bool], str]) -> None:
    """Have the closing summary printed when the process ends, with what to type next."""
    report.next_command = next_command
    atexit.register(summarise)


def cut_short() -> None:
    """Print the closing summary of a run that is ended here and now."""
    report.refused = True
    summarise()


def _show_order() -> None:
    """Print in which order a dry run would have restarted what hosts take turns at."""
    console = Console(stderr=True)
    for service, names in report.turns.items():
        listed = [h.name for h in state.inventory if h.name in names]
        if len(listed) > 1:
            console.print(f"{service} is restarted host by host: {', '.join(listed)}", highlight=False, soft_wrap=True)


def summarise() -> None:
    """Print the closing summary: hosts, what changed, what restarted, how long, and what to type next."""
    if state.initialised and not state.is_executing and not report.refused:
        _show_order()
    if not (state.initialised and state.is_executing) or (report.refused and not report.changes):
        return
    console = Console(stderr=True, width=None if Console(stderr=True).is_terminal else 120)
    table = Table("Host", "Changed", "Started or restarted", "Result", title="This run")
    for host in state.inventory:
        if host not in state.activated_hosts:
            continue
        lines = report.changes.get(host.name, [])
        services = [line.split(" (")[0] for line in lines if line.startswith(("start ", "restart "))]
        table.add_row(
            host.name, str(len(lines)) if lines else "nothing", ", ".join(services) or "nothing", _result(host)
        )
    console.print(table)
    seconds = time.monotonic() - report.began
    failed = report.refused or bool(state.failed_hosts) or any(map(_is_unfinished, state.activated_hosts))
    following = f" Next: {report.next_command(failed)}" if report.next_command else ""
    console.print(f"{seconds:.0f} s.{following}", highlight=False, markup=False, soft_wrap=True)


def _result(host: PyinfraHost) -> str:
    if host in state.failed_hosts:
        return "[red]failed"
    return "[yellow]unfinished" if _is_unfinished(host) else "[green]ok"


def _is_unfinished(host: PyinfraHost) -> bool:
    """Whether operations of this host were not carried out: another host failed, or the run was interrupted."""
    return bool(state.get_results_for_host(host).ops < state.get_meta_for_host(host).ops)
