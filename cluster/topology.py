"""The hosts and their roles, and the addresses that follow from them."""

from pydantic import BaseModel, ConfigDict, Field

from cluster import fields
from cluster.model import Arguments, Settings

NODE_USER = "system:node:"  # what a node's user is called to Kubernetes, with the node's name behind

MASTERS, NODES, ETCD = ROLES = ("masters", "nodes", "etcd")


class Host(BaseModel):
    """A host of the inventory. `extra_args` is its host_extra_args."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str
    address: fields.Address
    extra_args: Arguments = Field(default_factory=dict)
    groups: frozenset[str] = frozenset()

    @property
    def is_master(self) -> bool:
        """Whether the control plane runs here."""
        return MASTERS in self.groups

    @property
    def is_node(self) -> bool:
        """Whether pods run here."""
        return NODES in self.groups

    @property
    def is_etcd(self) -> bool:
        """Whether this is an etcd member."""
        return ETCD in self.groups


def is_balanced(settings: Settings, masters: int) -> bool:
    """Whether a cluster of so many masters has balancers."""
    return masters > 1 if settings.api_server_balancer is None else settings.api_server_balancer


def ways_to_etcd(settings: Settings, masters: int, members: int) -> range:
    """The ports of masters' balancers to etcd, one for each of so many members; none where API servers go directly."""
    first = settings.etcd_balancer_port
    return range(first, first + (members if is_balanced(settings, masters) and members > 1 else 0))


class Cluster(BaseModel):
    """Checked settings and the hosts that have a role, masters first, else in the inventory's order."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    settings: Settings
    hosts: tuple[Host, ...]

    @property
    def masters(self) -> tuple[Host, ...]:
        """The hosts of the control plane."""
        return tuple(host for host in self.hosts if host.is_master)

    @property
    def nodes(self) -> tuple[Host, ...]:
        """The hosts pods run on."""
        return tuple(host for host in self.hosts if host.is_node)

    @property
    def etcd_members(self) -> tuple[Host, ...]:
        """The members of etcd."""
        return tuple(host for host in self.hosts if host.is_etcd)

    @property
    def etcd_by_address(self) -> tuple[Host, ...]:
        """The same for those who call them: an inventory in another order is no reason to restart any."""
        return tuple(sorted(self.etcd_members, key=lambda member: member.address))

    @property
    def leased(self) -> tuple[Host, ...]:
        """The hosts that flannel leases a piece of the pod network: nodes, and masters if the settings say so."""
        return tuple(h for h in self.hosts if h.is_node or (h.is_master and self.settings.masters_on_pod_network))

    def short_name(self, host: Host) -> str | None:
        """The first label of a host's fully qualified name; None when it has none, or another host has the same."""
        label, dot, _ = host.name.partition(".")
        others = {other.name.partition(".")[0] for other in self.hosts if other.name != host.name}
        return label if dot and label not in others else None

    def host(self, name: str) -> Host:
        """The host of that name. Raises KeyError when none with a role has it."""
        for host in self.hosts:
            if host.name == name:
                return host
        raise KeyError(name)

    @property
    def balanced(self) -> bool:
        """Whether hosts reach the API servers through a balancer of their own."""
        return is_balanced(self.settings, len(self.masters))

    @property
    def api_server_url(self) -> str:
        """What is called from the cluster's hosts: by nodes, and by kubeconfigs that lie there."""
        if self.balanced:
            return f"https://127.0.0.1:{self.settings.api_server_balancer_port}"
        return self.outer_api_server_url

    @property
    def outer_api_server_url(self) -> str:
        """What is called from elsewhere."""
        address = self.settings.api_server_address or self.masters[0].address
        return f"https://{address}:{self.settings.api_server_port}"

    def own_api_server_url(self, master: Host) -> str:
        """The API server on a master itself, for what runs beside it; one alone that nothing balances is the outer."""
        if self.balanced or len(self.masters) > 1:
            return f"https://{master.address}:{self.settings.api_server_port}"
        return self.outer_api_server_url

    @property
    def etcd_client_urls(self) -> list[str]:
        """Every member's URL for clients."""
        return [f"https://{member.address}:{self.settings.etcd_client_port}" for member in self.etcd_by_address]

    @property
    def etcd_balanced(self) -> bool:
        """Whether masters reach etcd's members through a balancer of their own."""
        return bool(self.etcd_balancer_ports)

    @property
    def etcd_balancer_ports(self) -> range:
        """Where that balancer answers, a port for each member in the order of `etcd_by_address`."""
        return ways_to_etcd(self.settings, len(self.masters), len(self.etcd_members))

    @property
    def master_etcd_urls(self) -> list[str]:
        """What API servers call to reach etcd."""
        if self.etcd_balanced:
            return [f"https://127.0.0.1:{port}" for port in self.etcd_balancer_ports]
        return self.etcd_client_urls

    @property
    def etcd_initial_cluster(self) -> str:
        """Every member with its URL for the others, as etcd's initial-cluster takes it."""
        port = self.settings.etcd_peer_port
        return ",".join(f"{member.name}=https://{member.address}:{port}" for member in self.etcd_members)

    def arguments(self, component: str, host: Host) -> dict[str, str]:
        """A component's further arguments on a host, without dashes; the host's own win over the cluster's."""
        return {**self.settings.extra_args.get(component, {}), **host.extra_args.get(component, {})}
