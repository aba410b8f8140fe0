"""The ports the cluster itself takes: who answers there, and on which hosts."""

from collections.abc import Iterator
from dataclasses import dataclass

from cluster.model import Settings
from cluster.releases import FLANNEL_PORT
from cluster.topology import ETCD, MASTERS, NODES, Cluster, is_balanced, ways_to_etcd


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
    return ports_taken(cluster.settings, len(cluster.masters), len(cluster.etcd_members))


def ports_taken(settings: Settings, masters: int, members: int) -> tuple[Port, ...]:
    """The TCP ports of a cluster of so many masters and etcd members."""
    return (*_balancers(settings, masters, members), *tcp_ports(settings))


def _balancers(settings: Settings, masters: int, members: int) -> Iterator[Port]:
    for group in (MASTERS, NODES) if is_balanced(settings, masters) else ():
        yield Port(settings.api_server_balancer_port, "the API servers' balancer", group, BALANCER)
    for port in ways_to_etcd(settings, masters, members):
        yield Port(port, "the balancer of etcd's members", MASTERS, ETCD_BALANCER)


def tcp_ports(settings: Settings) -> tuple[Port, ...]:
    """The TCP ports of any cluster: without those of balancers, which are each host's own."""
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
