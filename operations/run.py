"""One run of pyinfra: its checked settings, its certificate store, and what it reports at the end."""

import atexit
import runpy
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, wraps
from pathlib import Path

import click
from pyinfra import inventory, logger, state
from pyinfra.api.state import State
from rich.console import Console
from rich.table import Table

from cluster.settings import BadSettings, Cluster, Host, load
from pki import Store


@dataclass
class Report:
    """What the run did, for the closing summary only: nothing is decided from it."""

    began: float = field(default_factory=time.monotonic)
    changes: dict[str, list[str]] = field(default_factory=dict)
    finished: bool = False

    def add(self, host: str, lines: list[str]) -> None:
        """Note what is being changed on a host."""
        self.changes.setdefault(host, []).extend(lines)


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
        for problem in error.problems:
            logger.error(f"{problem.severity}: {problem}")
        count = sum(p.severity == "error" for p in error.problems)
        logger.error(f"{count} setting{'s are' if count > 1 else ' is'} refused; no host was contacted.")
        raise SystemExit(1) from None
    for problem in warnings:
        logger.warning(f"warning: {problem}")
    return cluster


def this_host(name: str) -> Host:
    """The checked form of one of the inventory's hosts."""
    return the_cluster().host(name)


@cache
def store() -> Store:
    """The certificate store on this machine, as the settings describe it."""
    settings = the_cluster().settings
    passphrase = None
    if settings.pki_passphrase_file:
        passphrase = Path(settings.pki_passphrase_file).expanduser().read_text().splitlines()[0]
    return Store(
        settings.pki_path,
        key_type=settings.pki_key_type,
        authority_days=settings.pki_authority_days,
        certificate_days=settings.pki_certificate_days,
        renew_days=settings.pki_renew_days,
        passphrase=passphrase,
    )


def announce(host_prefix: str, host_name: str, lines: list[str]) -> None:
    """Say what an operation changes on a host: before it does, or, in a dry run, would."""
    for line in lines:
        logger.info(f"{host_prefix}{line}")
    if state.is_executing:
        report.add(host_name, lines)


def summarise() -> None:
    """Print the closing summary: hosts, what changed, what restarted, how long, and what to type next."""
    if not (state.initialised and state.is_executing):
        return
    console = Console(stderr=True, width=None if Console(stderr=True).is_terminal else 120)
    table = Table("Host", "Changed", "Started or restarted", "Result", title="This run")
    for host in state.inventory:
        if host not in state.activated_hosts:
            continue
        lines = report.changes.get(host.name, [])
        services = [line.split(" (")[0] for line in lines if line.startswith(("start ", "restart "))]
        result = "[red]failed" if host in state.failed_hosts else "[green]ok"
        table.add_row(host.name, str(len(lines)) if lines else "nothing", ", ".join(services) or "nothing", result)
    console.print(table)
    seconds = time.monotonic() - report.began
    console.print(f"{seconds:.0f} s. Next: {_next_command(bool(state.failed_hosts))}", highlight=False, soft_wrap=True)


def _next_command(failed: bool) -> str:
    if failed:
        return "mend what the failed host says above and run the same command again; it goes on from there"
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
