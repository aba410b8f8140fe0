"""What goes wrong on hosts, done to them: a process killed or stopped, a plug or a cable pulled."""

from collections.abc import Iterator
from contextlib import contextmanager

from lab import lifecycle, state
from lab.process import run
from lab.ssh import command


def kill(host: str, unit: str) -> None:
    """Kill a unit's main process with SIGKILL, and nothing else of it; systemd does with the unit as it is told."""
    _signal(host, unit, "KILL")


@contextmanager
def frozen(host: str, unit: str) -> Iterator[None]:
    """A unit's main process stopped while in the block: it holds its connections and answers nothing."""
    _signal(host, unit, "STOP")
    try:
        yield
    finally:
        _signal(host, unit, "CONT")


def pull_the_plug(*hosts: str) -> None:
    """Take hosts' power away: nothing in them is told, and no connection is closed. `lifecycle.start` boots them."""
    lifecycle.unplug([state.host(name) for name in hosts])


@contextmanager
def cut_off(*hosts: str) -> Iterator[None]:
    """Hosts' cables pulled while in the block."""
    chosen = [state.host(name) for name in hosts]
    lifecycle.cut(chosen)
    try:
        yield
    finally:
        lifecycle.heal(chosen)


def _signal(host: str, unit: str, name: str) -> None:
    run(*command(state.host(host)), f"systemctl kill --kill-whom=main --signal={name} {unit}")
