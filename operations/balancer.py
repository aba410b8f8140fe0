"""The ways to the API servers, and to etcd's members."""

from collections.abc import Iterator
from typing import Any

from pyinfra import host, state
from pyinfra.api import StringCommand, operation

from cluster.desired import Role
from cluster.membership import peer_urls
from cluster.ports import BALANCER
from cluster.roles.balancer import TO_API_SERVERS, balancer_role, unbalanced_role
from operations import preflight
from operations.certificates import issued
from operations.inventory import the_cluster, this_host
from operations.reading import roles_here
from operations.refusal import refuse
from operations.report import announce
from operations.role import converge


@operation()
def balancer() -> Iterator[StringCommand]:
    """Install, configure and start the balancers that the host shall have; former masters serve for a while yet."""
    cluster, known = the_cluster(), preflight.record()
    former = tuple(map(this_host, preflight.former_masters()))
    joined = known is None or set(peer_urls(cluster).values()) & set(known.members)
    if state.is_executing and cluster.etcd_balanced and not joined:
        yield refuse(
            "none of the group etcd is a member yet, and API servers would go to them: run deploys/etcd.py first"
        )
    else:
        yield from converge(balancer_role(cluster, this_host(host.name), issued(), former))


def unbalanced(**arguments: Any) -> None:
    """Stop balancers that the settings want no more, where there may be one; have others forget former masters."""
    cluster = the_cluster()
    preflight.begin()
    if unbalanced_role(cluster, this_host(host.name)).steps or (cluster.balanced and preflight.former_masters()):
        _unbalanced(**arguments)


@operation()
def _unbalanced() -> Iterator[StringCommand]:
    """Stop balancers that the settings want no more, and have the others forget former masters."""
    cluster, this = the_cluster(), this_host(host.name)
    if cluster.balanced and preflight.former_masters():
        yield from _without_former(balancer_role(cluster, this, issued()))
    yield from (line for role in roles_here() if role.name == "unbalanced" for line in converge(role))


def _without_former(role: Role) -> Iterator[StringCommand]:
    """Before a run the host may lack all of the role, which is brought there with the former masters by then."""
    if state.is_executing:
        yield from converge(role)
        return
    path = TO_API_SERVERS.config
    announce(host, [f"write {path}", f"reload {BALANCER} ({path} changed)"])
    yield StringCommand("true")
