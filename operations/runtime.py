"""The container runtime on a node."""

from collections.abc import Iterator

from pyinfra import host
from pyinfra.api import StringCommand, operation

from cluster.roles.of_host import runtime_role
from operations.inventory import the_cluster, this_host
from operations.preflight import distribution
from operations.role import converge


@operation()
def engine() -> Iterator[StringCommand]:
    """Install and start containerd or Docker, as the settings say, on flannel's lease, with FORWARD open for pods."""
    yield from converge(runtime_role(the_cluster(), this_host(host.name), distribution()))
