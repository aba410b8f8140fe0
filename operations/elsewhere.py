"""Asking and telling another host than the one at hand: a master, of what the cluster knows."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import gevent
from paramiko import SSHException
from pyinfra import host, state
from pyinfra.api import StringCommand
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS, pop_global_arguments
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.host import Host as PyinfraHost
from pyinfra.context import ctx_host

from cluster.settings import Host
from facts.base import Fact
from facts.bundle import Unread
from operations.reading import told
from operations.survey import of_operation

_unreachable: set[str] = set()  # to try it again takes its time
_answers: dict[tuple[object, ...], gevent.Greenlet] = {}


def first_of(hosts: Iterable[Host]) -> Host | None:
    """The first of some hosts that this run is about; None where --limit leaves out all of them."""
    active = {h.name for h in state.active_hosts}
    return next((h for h in hosts if h.name in active), None)


def is_first(hosts: Iterable[Host]) -> bool:
    """Whether the host at hand is the first of some hosts that this run is about."""
    first = first_of(hosts)
    return first is not None and first.name == host.name


def first_to_call(hosts: Sequence[Host]) -> Host:
    """The first of some hosts that this run is about, else the first that it has not tried in vain to reach."""
    return first_of(hosts) or next((h for h in hosts if h.name not in _unreachable), hosts[0])


def reached(hosts: Iterable[Host]) -> Iterator[PyinfraHost]:
    """Those of some hosts that can be reached: this run's own before those that --limit leaves out."""
    listed = [state.inventory.get_host(h.name) for h in hosts]
    for there in sorted(listed, key=lambda h: h not in state.active_hosts):
        try:
            if there.name not in _unreachable:
                there.connect(raise_exceptions=True, show_errors=False)
                yield there
        except ConnectError:
            _unreachable.add(there.name)


def first_answer(hosts: Iterable[Host], fact: type[Fact[Any]], **arguments: Any) -> Any:
    """What the first of some hosts answers that has an answer, {} if none has."""
    return _first_answer(hosts, fact, arguments | of_operation())


def _first_answer(hosts: Iterable[Host], fact: type[Fact[Any]], arguments: dict[str, Any]) -> Any:
    for there in reached(hosts):
        with ctx_host.use(there):
            # One that breaks off in the midst of it is no reason not to ask the next.
            if answer := there.get_fact(fact, **arguments, _ignore_errors=True):
                return answer
    return {}


def ask_one(hosts: Iterable[Host], fact: type[Fact[Any]], **arguments: Any) -> Any:
    """What the first of some hosts answers that has an answer, {} if none has: once in each operation, or early."""
    listed = tuple(hosts)
    first = first_of(listed)
    known = told(state.inventory.get_host(first.name), fact, **arguments) if first else None
    if known and not isinstance(known, Unread):
        return known
    names, given = tuple(h.name for h in listed), repr((sorted(arguments.items()), of_operation()))
    key = (fact, names, given, state.is_executing, host.executing_op_hash)
    if key not in _answers:
        _answers[key] = gevent.spawn(_first_answer, listed, fact, arguments | of_operation())
    return _answers[key].get()


def tell(there: PyinfraHost, command: StringCommand) -> tuple[bool, list[str]]:
    """Carry a command out on one of pyinfra's hosts, with the rights of the operation at hand.

    Returns whether it succeeded, and the lines it printed, errors among them.
    """
    given = {**of_operation(), **command.connector_arguments}
    with ctx_host.use(there):
        arguments, _ = pop_global_arguments(state, there, given)
    connector = {name: arguments[name] for name in CONNECTOR_ARGUMENT_KEYS if name in arguments}
    try:
        done = there.run_shell_command(command, print_output=False, print_input=state.print_input, **connector)
    except (OSError, SSHException) as error:
        return False, [str(error)]
    return done[0], done[1].output_lines
