"""The same question to all hosts at once, for decisions that need every answer."""

import time
from collections.abc import Mapping
from functools import cache
from typing import Any

import gevent
from pyinfra import host, state
from pyinfra.api import FactBase
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS, all_argument_meta
from pyinfra.context import ctx_host

from cluster.topology import ROLES

_answers: dict[tuple[object, ...], gevent.Greenlet] = {}
_began: dict[gevent.Greenlet, float] = {}


def survey(
    fact: type[FactBase[Any]],
    groups: tuple[str, ...] = ROLES,
    each: Mapping[str, Mapping[str, Any]] | None = None,
    good_for: float = 0,
    **arguments: Any,
) -> dict[str, Any]:
    """Read a fact on every active host of some groups, in parallel, once in each phase of a run.

    Args:
        fact: the fact to read.
        groups: whose hosts; those of no role are no part of the cluster.
        each: further arguments by host; then only these hosts are asked.
        good_for: seconds for which what was read while the deploy was read counts in the phase that changes things,
            too; a person may think for longer between the two.
        arguments: the fact's own arguments, the same for every host.

    Returns:
        The answers by host name.

    Hosts are asked with the rights and the shell of the operation at hand (`_sudo=True`), as its own host is.
    """
    arguments |= of_operation()
    asked = (fact, groups, repr(each), repr(sorted(arguments.items())))
    if (asked, state.is_executing) not in _answers:
        earlier = _answers.get((asked, False))
        if earlier is None or time.monotonic() - _began[earlier] > good_for:
            earlier = gevent.spawn(_read, fact, groups, each, arguments)
            _began[earlier] = time.monotonic()
        _answers[asked, state.is_executing] = earlier
    answers: dict[str, Any] = _answers[asked, state.is_executing].get()
    return answers


def of_operation() -> dict[str, Any]:
    """pyinfra's arguments that the operation was given; what a host's data says is that host's own affair."""
    given: Mapping[str, Any] = host.current_op_global_arguments or {}
    usual = _by_itself(ctx_host.get())
    return {n: given[n] for n in CONNECTOR_ARGUMENT_KEYS if n in given and given[n] != usual[n]}


@cache
def _by_itself(there: Any) -> dict[str, Any]:
    """What pyinfra's arguments are on a host where the deploy does not give them."""
    metas = {n: all_argument_meta[n] for n in CONNECTOR_ARGUMENT_KEYS}
    values = {n: there.data.get(n, meta.default(state.config)) for n, meta in metas.items()}
    return {n: meta.handler(state.config, values[n]) if meta.handler else values[n] for n, meta in metas.items()}


def _read(
    fact: type[FactBase[Any]],
    groups: tuple[str, ...],
    each: Mapping[str, Mapping[str, Any]] | None,
    arguments: dict[str, Any],
) -> dict[str, Any]:
    hosts = [h for h in state.inventory if h in state.active_hosts and any(group in h.groups for group in groups)]
    if each is not None:
        hosts = [h for h in hosts if h.name in each]

    def ask(there: Any) -> Any:
        with ctx_host.use(there):
            return there.get_fact(fact, **arguments, **(each[there.name] if each else {}))

    asked = {h.name: gevent.spawn(ask, h) for h in hosts}
    return {name: greenlet.get() for name, greenlet in asked.items()}
