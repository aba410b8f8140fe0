"""The same question to all hosts at once, for decisions that need every answer."""

from typing import Any

import gevent
from pyinfra import state
from pyinfra.api import FactBase
from pyinfra.context import ctx_host

from cluster.topology import ROLES

_answers: dict[tuple[object, ...], gevent.Greenlet] = {}


def survey(fact: type[FactBase], groups: tuple[str, ...] = ROLES, **arguments: Any) -> dict[str, Any]:
    """Read a fact on every active host of some groups, in parallel, once in each phase of a run.

    Args:
        fact: the fact to read.
        groups: whose hosts; those of no role are no part of the cluster.
        arguments: the fact's own arguments, the same for every host.

    Returns:
        The answers by host name.
    """
    key = (fact, groups, tuple(sorted(arguments.items())), state.is_executing)
    if key not in _answers:
        _answers[key] = gevent.spawn(_read, fact, groups, arguments)
    return _answers[key].get()


def _read(fact: type[FactBase], groups: tuple[str, ...], arguments: dict[str, Any]) -> dict[str, Any]:
    hosts = [h for h in state.inventory if h in state.active_hosts and any(group in h.groups for group in groups)]

    def ask(host: Any) -> Any:
        with ctx_host.use(host):
            return host.get_fact(fact, **arguments)

    asked = {h.name: gevent.spawn(ask, h) for h in hosts}
    return {name: greenlet.get() for name, greenlet in asked.items()}
