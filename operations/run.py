"""One run of pyinfra: its checked settings, its certificate store, and what it reports at the end."""

import atexit
import os
import runpy
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, wraps
from pathlib import Path
from typing import NoReturn

import click
import gevent
from pyinfra import inventory, logger, state
from pyinfra.api.host import Host as PyinfraHost
from pyinfra.api.state import State
from rich.console import Console
from rich.table import Table

from cluster.certificates import open_store
from cluster.settings import BadSettings, Cluster, Host, load
from pki import Store


@dataclass
class Report:
    """What the run says of itself: what it changed, and what a dry run has announced so far."""

    began: float = field(default_factory=time.monotonic)
    changes: dict[str, list[str]] = field(default_factory=dict)
    planned: dict[str, set[str]] = field(default_factory=dict)
    refused: bool = False


report = Report()


def guard(running: State) -> None:
    """Check the settings after the inventory is read and before any host is contacted.

    pyinfra offers no hook between the two (handlers are dropped by `State.init`), so `init` is extended on this one
    state. A refusal ends the process with exit code 1 and every error on stderr.
    """
    initialise = running.init

    @wraps(initialise)
    def init(*args: object, **kwargs: object) -> None:
        initialise(*args, **kwargs)
        the_cluster()
        atexit.register(summarise)

    running.init = init


@cache
def the_cluster() -> Cluster:
    """The checked settings and hosts of this run's inventory.

    Raises:
        SystemExit: when a setting is refused; every error has then been printed.
    """
    hosts = {h.name: h.data.dict() for h in inventory}
    try:
        cluster, warnings = load(hosts, _groups())
    except BadSettings as error:
        for warning in error.warnings:
            logger.warning(f"warning: {warning}")
        refuse_all([f"error: {p}" for p in error.problems], "refused; no host was contacted")
    for warning in warnings:
        logger.warning(f"warning: {warning}")
    return cluster


def refuse_all(reasons: list[str], verdict: str) -> NoReturn:
    """End the whole run, on every host and in every phase, with its reasons on stderr and exit code 1."""
    for reason in reasons:
        logger.error(reason)
    logger.error(f"{len(reasons)} reason{'s' if len(reasons) != 1 else ''} not to go on: {verdict}.")
    if gevent.getcurrent().parent is not None:
        # In one host's greenlet an exception would end that one only, or drag a traceback of each into the message.
        report.refused = True
        summarise()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)
    raise SystemExit(1)


def this_host(name: str) -> Host:
    """The checked form of one of the inventory's hosts."""
    return the_cluster().host(name)


@cache
def store() -> Store:
    """The certificate store on this machine, as the settings describe it."""
    try:
        return open_store(the_cluster().settings)
    except ValueError as error:
        refuse_all([str(error)], "no key")


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


def summarise() -> None:
    """Print the closing summary: hosts, what changed, what restarted, how long, and what to type next."""
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
    console.print(f"{seconds:.0f} s. Next: {_next_command(failed)}", highlight=False, soft_wrap=True)


def _result(host: PyinfraHost) -> str:
    if host in state.failed_hosts:
        return "[red]failed"
    return "[yellow]unfinished" if _is_unfinished(host) else "[green]ok"


def _is_unfinished(host: PyinfraHost) -> bool:
    """Whether operations of this host were not carried out: another host failed, or the run was interrupted."""
    return state.get_results_for_host(host).ops < state.get_meta_for_host(host).ops


def _next_command(failed: bool) -> str:
    if failed:
        return "mend what is said above and run the same command again; it goes on from there"
    first = the_cluster().masters[0].name
    return f"ssh {first} kubectl --kubeconfig=/etc/kubernetes/kubeconfig get nodes"


def _groups() -> Mapping[str, list[str]]:
    """The inventory's groups by name, with hosts listed twice still listed twice, which pyinfra's own no longer are."""
    groups = {name: [h.name for h in hosts] for name, hosts in inventory.groups.items() if name}
    context = click.get_current_context(silent=True)
    path = Path(str(context.params.get("inventory", ""))) if context else Path()
    if path.is_file():
        for name, value in runpy.run_path(str(path)).items():
            listed = value[0] if isinstance(value, tuple) else value
            if name in groups and isinstance(listed, list):
                groups[name] = [item[0] if isinstance(item, tuple) else item for item in listed]
    # pyinfra's own groups: every host, and one named after the inventory file.
    return {n: hosts for n, hosts in groups.items() if n not in ("all", path.stem)}
