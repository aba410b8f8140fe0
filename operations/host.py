"""A host's preparation, and the software its roles need."""

from collections.abc import Iterator

from pyinfra import host
from pyinfra.api import StringCommand, operation

from cluster.desired import Role, software
from cluster.distributions import Distribution
from cluster.roles.docker import docker_role
from cluster.roles.etcd import etcd_role
from cluster.roles.flannel import flannel_role
from cluster.roles.host import host_role
from cluster.roles.master import master_role
from cluster.roles.node import node_role
from operations.preflight import distribution, identifier
from operations.role import converge
from operations.run import the_cluster, this_host


@operation()
def prepare() -> Iterator[StringCommand]:
    """Prepare the host for any role: repositories, names, kernel settings, firewall, SELinux, swap, time."""
    yield from converge(host_role(the_cluster(), distribution(), identifier()))


@operation()
def install() -> Iterator[StringCommand]:
    """Install the packages and release files of all the host's roles at once; nothing is started."""
    yield from converge(software(_roles(distribution())))


def _roles(on: Distribution) -> Iterator[Role]:
    cluster, this = the_cluster(), this_host(host.name)
    if this.is_etcd:
        yield etcd_role(cluster, this, on, ())
    if this.is_master:
        yield master_role(cluster, this, on, ())
    if this.is_node:
        yield flannel_role(cluster, this, on, ())
        yield docker_role(cluster, this, on)
        yield node_role(cluster, this, on, ())
