"""What a host holds of its roles: read once for all while a run is planned, and anew where one is carried out."""

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

# Per host what is asked of it, and the answer. Nothing is changed while a run is planned.
_planned: WeakKeyDictionary[Any, tuple[dict[str, Any], dict[str, Any]]] = WeakKeyDictionary()


def held(role: Role) -> dict[str, Any]:
    """What the host at hand holds of a role, and perhaps of others too: an answer of `facts.role.RoleState`."""
    family = preflight.distribution().family.name
    wanted = asked([role], family)
    if not state.is_executing:
        this = ctx_host.get()
        if this not in _planned:
            everything = asked(_roles(), family)
            _planned[this] = everything, host.get_fact(RoleState, **everything)
        everything, found = _planned[this]
        if _covers(everything, wanted):
            return found
    answer: dict[str, Any] = host.get_fact(RoleState, **wanted)
    return answer


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
