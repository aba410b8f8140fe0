"""One host after another: those on which an operation changes what all depend on take turns."""

from collections.abc import Iterable

import gevent
from pyinfra import host, state
from pyinfra.api.host import Host as PyinfraHost
from pyinfra.context import ctx_host

_POLL = 0.1  # seconds between two looks at the others

_taken: dict[str, list[PyinfraHost]] = {}  # by operation, the hosts that have had their turn, or have it


def await_turn(at_once: int = 1, queue: Iterable[str] | None = None) -> str | None:
    """Wait until the operation at hand may interrupt something on the host at hand; its turn ends with the operation.

    Args:
        at_once: on how many hosts it may be under way.
        queue: those that are waited for, and the host at hand, in the order of their turns; None: all, in the
            inventory's.

    Returns:
        A host on which the operation has failed, so that nothing shall be changed here; None: it is this one's turn.
    """
    operation, this = host.executing_op_hash, ctx_host.get()
    taken = _taken.setdefault(operation, [])
    asked = state.inventory if queue is None else map(state.inventory.get_host, queue)
    hosts = [h for h in asked if h in state.active_hosts and operation in state.ops[h]]
    before = hosts[: hosts.index(this)] if this in hosts else []
    while True:
        gevent.sleep(_POLL)  # those that pyinfra begins with at the same time have begun, too
        if failed := next((h for h in hosts if _has_failed(h, operation)), None):
            return str(failed.name)
        under_way = sum(_is_at(h, operation) for h in taken if h is not this)  # which may ask again in its turn
        # One that has not come so far may be in need of a turn, and comes first.
        if under_way < at_once and all(h in taken or not _is_at(h, operation) for h in before):
            taken.extend([this] if this not in taken else ())
            return None


def _is_at(there: PyinfraHost, operation: str) -> bool:
    """Whether a host is at an operation just now; pyinfra need not have begun with it there yet."""
    is_complete: bool = state.ops[there][operation].operation_meta.is_complete()
    return not is_complete and there.executing_op_hash == operation


def _has_failed(there: PyinfraHost, operation: str) -> bool:
    """Whether it has ended in an error there, be that one that pyinfra itself was taken by surprise by."""
    meta = state.ops[there][operation].operation_meta
    if meta.is_complete():
        return not meta.did_succeed()
    return there in _taken[operation] and not _is_at(there, operation)
