"""`python -m lab`: the command line."""

import argparse
import os
import sys
import time
from pathlib import Path

from lab import lifecycle, machine, network, sets, ssh, state
from lab.process import LabError
from lab.progress import say


def main(argv: list[str] | None = None) -> int:
    """Run one command; 1 and one line on standard error if it cannot be done."""
    arguments = parser().parse_args(argv)
    try:
        state.check_name()
        machine.require_root()
        machine.complete_path()
        return int(arguments.action(arguments) or 0)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted; the next up or down clears what is half-made", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """The commands and their arguments."""
    top = argparse.ArgumentParser(prog="python -m lab", description="Real systemd hosts on this machine, 10.1.10.101-.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    up = commands.add_parser("up", help="make and boot hosts, mirror and registry; nothing to do if they are up")
    up.add_argument("--fresh", action="store_true", help="begin again from bare hosts")
    for name, what, usual in (
        ("nodes", "nodes", "3"),
        ("masters", "masters", "1"),
        ("spares", "hosts without a role, which LAB_ROLES may give them", "none"),
    ):
        told = f"so many {what} (default: as last time, or {usual})"
        up.add_argument(f"--{name}", type=int, metavar="N", help=told)
    up.add_argument(
        "--flavour",
        choices=state.FLAVOURS,
        help="the hosts' family; mixed: deb masters, rpm nodes. Another than last time begins again from bare hosts "
        "(default: as last time, or deb)",
    )
    up.add_argument(
        "--kubernetes",
        metavar="LINE",
        help=f"what the hosts are for: {', '.join(sets.LINES)}. Another than last time begins again from bare hosts "
        "(default: as last time, or what is the flavour's own)",
    )
    up.set_defaults(action=_up)
    commands.add_parser("down", help="power everything off; disks are kept").set_defaults(action=_down)
    commands.add_parser("status", help="show the hosts").set_defaults(action=_status)

    commands.add_parser("record", help="write docs/facts.md from what every fact answers").set_defaults(action=_record)

    bring = commands.add_parser("bring", help="build what not every cluster runs, and bring its image to the registry")
    bring.add_argument("program", choices=sets.BROUGHT)
    bring.set_defaults(action=_bring)

    suite = commands.add_parser("conformance", help="run Kubernetes' own conformance suite against the cluster")
    what = suite.add_mutually_exclusive_group()
    what.add_argument("--serial", action="store_true", help="the specs that want the cluster for themselves")
    what.add_argument("--sample", action="store_true", help="the few that the lab's tests run")
    what.add_argument("--focus", metavar="PATTERN", help="those whose names match")
    suite.set_defaults(action=_conformance)
    cis = commands.add_parser("cis", help="run the CIS Kubernetes Benchmark's checks on the master and a node")
    cis.set_defaults(action=_cis)

    run = commands.add_parser("run", help="run a command from the repository root where the hosts are reachable")
    run.add_argument("command", nargs="+", metavar="-- CMD")
    run.set_defaults(action=_run)
    login = commands.add_parser("ssh", help="log in to a host, or run a command on it")
    login.add_argument("host")
    login.add_argument("command", nargs="*", metavar="-- CMD")
    login.set_defaults(action=_ssh)

    for name, action, text in (
        ("reboot", lifecycle.reboot, "power hosts off and on again"),
        ("stop", lifecycle.stop, "power hosts off"),
        ("unplug", lifecycle.unplug, "take hosts' power away: nothing in them is told"),
        ("start", lifecycle.start, "power hosts on"),
        ("cut", lifecycle.cut, "pull hosts' network cables"),
        ("heal", lifecycle.heal, "plug them in again"),
    ):
        command = commands.add_parser(name, help=text)
        which = command.add_mutually_exclusive_group(required=True)
        which.add_argument("hosts", nargs="*", default=[], metavar="HOST")
        which.add_argument("--all", action="store_true", help="every host, at once")
        command.set_defaults(action=lambda arguments, do=action: do(_chosen(arguments)))
    return top


def _chosen(arguments: argparse.Namespace) -> list[state.Host]:
    return state.hosts() if arguments.all else [state.host(name) for name in arguments.hosts]


def _up(arguments: argparse.Namespace) -> None:
    began = time.monotonic()
    hosts = lifecycle.up(
        fresh=arguments.fresh,
        nodes=arguments.nodes,
        masters=arguments.masters,
        spares=arguments.spares,
        flavour=arguments.flavour,
        line=arguments.kubernetes,
    )
    names = ", ".join(f"{host.name} ({host.flavour})" for host in hosts)
    say(f"{len(hosts)} hosts up in {time.monotonic() - began:.1f} s: {names}")
    say("next: python -m lab run -- pyinfra lab/inventory.py deploys/cluster.py")


def _down(arguments: argparse.Namespace) -> None:
    lifecycle.down()


def _status(arguments: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("host", "address", "flavour", "state", "ssh")
    for row in lifecycle.status():
        table.add_row(*row)
    Console().print(table)


def _record(arguments: argparse.Namespace) -> None:
    from lab import record

    record.record()


def _bring(arguments: argparse.Namespace) -> None:
    lifecycle.bring(arguments.program)


def _conformance(arguments: argparse.Namespace) -> int:
    from lab.conformance import run

    _need_network()
    only = run.names_of(run.SAMPLE) if arguments.sample else ()
    return 0 if run.show(run.conformance(serial=arguments.serial, only=only, focus=arguments.focus)) else 1


def _cis(arguments: argparse.Namespace) -> int:
    from lab.cis import run

    _need_network()
    return 0 if run.show(run.cis()) else 1


def _need_network() -> None:
    state.hosts()
    if not network.exists():
        raise LabError("the lab is down: python -m lab up")


def _run(arguments: argparse.Namespace) -> None:
    _need_network()
    virtual = state.REPOSITORY / ".venv/bin"
    first = virtual if virtual.is_dir() else Path(sys.executable).parent
    os.chdir(state.REPOSITORY)
    os.environ["PATH"] = f"{first}:{os.environ.get('PATH', '')}"
    _become([*network.enter(), *arguments.command])


def _ssh(arguments: argparse.Namespace) -> None:
    host = state.host(arguments.host)
    if not arguments.command and sys.stdin.isatty():
        _become(ssh.command(host, "-t"))
    _become([*ssh.command(host), *arguments.command])


def _become(command: list[str]) -> None:
    sys.stdout.flush()
    try:
        os.execvp(command[0], command)
    except FileNotFoundError:
        raise LabError(f"{command[0]} is not installed") from None


if __name__ == "__main__":
    sys.exit(main())
