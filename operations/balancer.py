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
    """Install, configure and start the balancers that the host shall have."""
    yield from converge(balancer_role(the_cluster(), this_host(host.name), issued()))


def unbalanced(**arguments: Any) -> None:
    """Stop balancers that the settings want no more and take them away, where there may be one."""
    if unbalanced_role(the_cluster(), this_host(host.name)).steps:
        preflight.begin()
        _unbalanced(**arguments)


@operation()
def _unbalanced() -> Iterator[StringCommand]:
    """Stop balancers that the settings want no more."""
    yield from converge(unbalanced_role(the_cluster(), this_host(host.name)))
