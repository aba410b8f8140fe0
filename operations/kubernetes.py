"""Kubernetes masters and nodes."""

from collections.abc import Iterator

from pyinfra import host
from pyinfra.api import StringCommand, operation

from cluster.roles.master import master_role
from cluster.roles.node import node_role
from operations.pki import issued
from operations.preflight import family
from operations.role import converge
from operations.run import the_cluster, this_host


@operation()
def master() -> Iterator[StringCommand]:
    """Install, configure and start API server, controller manager and scheduler."""
    yield from converge(master_role(the_cluster(), this_host(host.name), issued()))


@operation()
def node() -> Iterator[StringCommand]:
    """Install, configure and start kubelet and kube-proxy."""
    yield from converge(node_role(the_cluster(), this_host(host.name), family(), issued()))
