"""The way to the API servers."""

from collections.abc import Iterator

from pyinfra.api import StringCommand, operation

from cluster.roles.balancer import balancer_role
from operations.certificates import issued
from operations.inventory import the_cluster
from operations.role import converge


@operation()
def balancer() -> Iterator[StringCommand]:
    """Install, configure and start the host's balancer; without the setting, stop it and take it away."""
    yield from converge(balancer_role(the_cluster(), issued()))
