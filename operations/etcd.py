"""etcd members."""

from collections.abc import Iterator

from pyinfra import host
from pyinfra.api import StringCommand, operation

from cluster.roles.etcd import etcd_role
from operations.inventory import the_cluster, this_host
from operations.pki import issued
from operations.preflight import distribution
from operations.role import converge


@operation()
def member() -> Iterator[StringCommand]:
    """Install, configure and start etcd; the first member also gets its users and flannel's configuration."""
    yield from converge(etcd_role(the_cluster(), this_host(host.name), distribution(), issued()))
