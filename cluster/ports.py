"""The ports the cluster itself takes: who answers there, and on which hosts."""

from collections.abc import Iterator
from dataclasses import dataclass

from cluster.model import Settings
from cluster.releases import FLANNEL_PORT
from cluster.topology import ETCD, MASTERS, NODES, Cluster


@dataclass(frozen=True)
class Port:
    """A port of the cluster's own.

    + number: the port
    + what: what answers there, for messages
    + group: the hosts it is taken on
    + program: who listens there
    """

    number: int
    what: str
    group: str
    program: str


KUBELET_PORT = 10250
# Their units; each main process has a worker listen.
BALANCER, ETCD_BALANCER = BALANCERS = "api-balancer", "etcd-balancer"
FIXED_PORTS = (
    Port(10248, "the kubelet's health", NODES, "kubelet"),
    Port(10249, "kube-proxy's metrics", NODES, "kube-proxy"),
    Port(KUBELET_PORT, "the kubelet", NODES, "kubelet"),
    Port(10256, "kube-proxy's health", NODES, "kube-proxy"),
    Port(10257, "the controller manager", MASTERS, "kube-controller-manager"),
    Port(10259, "the scheduler", MASTERS, "kube-scheduler"),
)


def ports_of(cluster: Cluster) -> tuple[Port, ...]:
    """The TCP ports of a cluster."""
    return tcp_ports(cluster.settings, balanced=cluster.balanced, members=len(cluster.etcd_members))


def tcp_ports(settings: Settings, *, balanced: bool = False, members: int = 1) -> tuple[Port, ...]:
    """The TCP ports of any cluster, and those of its balancers, where it has them."""
    return (*(_balancers(settings, members) if balanced else ()), *_services(settings))


def _balancers(settings: Settings, members: int) -> Iterator[Port]:
    for group in (MASTERS, NODES):
        yield Port(settings.api_server_balancer_port, "the API servers' balancer", group, BALANCER)
    for port in range(settings.etcd_balancer_port, settings.etcd_balancer_port + members) if members > 1 else ():
        yield Port(port, "the balancer of etcd's members", MASTERS, ETCD_BALANCER)


def _services(settings: Settings) -> tuple[Port, ...]:
    return (
        Port(settings.etcd_client_port, "etcd's clients", ETCD, "etcd"),
        Port(settings.etcd_peer_port, "etcd's members", ETCD, "etcd"),
        Port(settings.api_server_port, "the API server", MASTERS, "kube-apiserver"),
        *FIXED_PORTS,
    )


def udp_ports(settings: Settings) -> tuple[Port, ...]:
    """The UDP port of flannel's packets, where the backend has one, on every host with a lease.

    The kernel listens there, or flanneld.
    """
    if settings.flannel_backend not in FLANNEL_PORT:
        return ()
    port = settings.flannel_backend_options.get("Port")
    number = port if isinstance(port, int) else FLANNEL_PORT[settings.flannel_backend]
    return (Port(number, "flannel's packets", NODES, "flanneld"),)
