"""flanneld on the hosts of the pod network."""

from collections.abc import Iterator

from pyinfra import host
from pyinfra.api import StringCommand, operation

from cluster.roles.flannel import flannel_role
from operations.certificates import issued
from operations.inventory import the_cluster, this_host
from operations.preflight import distribution
from operations.role import converge


def is_leased() -> bool:
    """Whether the host at hand gets a lease: a node, or a master as the settings have it."""
    return host.name in {h.name for h in the_cluster().leased}


@operation()
def lease() -> Iterator[StringCommand]:
    """Install, configure and start flanneld, and wait until it holds a lease."""
    yield from converge(flannel_role(the_cluster(), this_host(host.name), distribution(), issued()))
