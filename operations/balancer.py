"""The ways to the API servers, and to etcd's members."""

from collections.abc import Iterator
from typing import Any

from pyinfra import host
from pyinfra.api import StringCommand, operation

from cluster.roles.balancer import balancer_role, unbalanced_role
from operations import preflight
from operations.certificates import issued
from operations.inventory import the_cluster, this_host
from operations.role import converge


@operation()
def balancer() -> Iterator[StringCommand]:
    """Install, configure and start the balancers that the host shall have; former masters serve for a while yet."""
    former = tuple(map(this_host, preflight.former_masters()))
    yield from converge(balancer_role(the_cluster(), this_host(host.name), issued(), former))


def unbalanced(**arguments: Any) -> None:
    """Stop balancers that the settings want no more, where there may be one, and forget former masters."""
    cluster = the_cluster()
    preflight.begin()
    if unbalanced_role(cluster, this_host(host.name)).steps or (cluster.balanced and preflight.former_masters()):
        _unbalanced(**arguments)


@operation()
def _unbalanced() -> Iterator[StringCommand]:
    """Stop balancers that the settings want no more, and forget former masters."""
    cluster, this = the_cluster(), this_host(host.name)
    if cluster.balanced and preflight.former_masters():
        yield from converge(balancer_role(cluster, this, issued()))
    if (left := unbalanced_role(cluster, this)).steps:
        yield from converge(left)
