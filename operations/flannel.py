"""flanneld on a node."""

from collections.abc import Iterator

from pyinfra import host
from pyinfra.api import StringCommand, operation

from cluster.roles.flannel import flannel_role
from operations.certificates import issued
from operations.inventory import the_cluster, this_host
from operations.preflight import distribution
from operations.role import converge


@operation()
def lease() -> Iterator[StringCommand]:
    """Install, configure and start flanneld, and wait until it holds a lease."""
    yield from converge(flannel_role(the_cluster(), this_host(host.name), distribution(), issued()))
