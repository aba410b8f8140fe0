"""What a host holds of its roles: read once for all of them, until a run changes something anywhere."""

from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from pyinfra import host, state
from pyinfra.context import ctx_host

from cluster.desired import Role
from cluster.roles.of_host import all_roles
from facts.role import RoleState, asked
from operations import preflight
from operations.certificates import issued
from operations.inventory import the_cluster, this_host

# Per host the phase of the run (a person may think for long between the two), what was asked of it, and the answer.
_readings: WeakKeyDictionary[Any, tuple[bool, dict[str, Any], dict[str, Any]]] = WeakKeyDictionary()


def held(role: Role) -> dict[str, Any]:
    """What the host at hand holds of a role, and perhaps of others too: an answer of `facts.role.RoleState`."""
    family = preflight.distribution().family.name
    wanted = asked([role], family)
    if not _changed():
        this = ctx_host.get()
        if this not in _readings or _readings[this][0] != state.is_executing:
            everything = asked(_roles(), family)
            _readings[this] = state.is_executing, everything, host.get_fact(RoleState, **everything)
        _, everything, found = _readings[this]
        if _covers(everything, wanted):
            return found
    answer: dict[str, Any] = host.get_fact(RoleState, **wanted)
    return answer


def forget() -> None:
    """Read every host anew when it is asked next: a service has answered that did not before."""
    _readings.clear()


def _changed() -> bool:
    """Whether this run has changed something yet, on any host, by an operation of whomever."""
    return state.is_executing and any(op.operation_meta.executed for ops in state.ops.values() for op in ops.values())


def _roles() -> list[Role]:
    known = preflight.record()
    this = this_host(host.name)
    return all_roles(the_cluster(), this, preflight.this_machine(), issued(), known.cluster_id if known else "")


def _covers(everything: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether whoever asks for everything learns what is wanted."""
    for name, value in wanted.items():
        known = everything[name]
        if isinstance(value, Mapping):
            if not value.items() <= known.items():
                return False
        elif isinstance(value, list):
            if not set(value) <= set(known):
                return False
        elif value != known:
            return False
    return True
