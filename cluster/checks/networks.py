"""Checks of networks, leases and ports."""

from collections.abc import Iterator
from ipaddress import IPv4Address

from cluster import addresses, releases
from cluster.addresses import lease_at, lease_lengths, span
from cluster.checks.registry import Draft, check
from cluster.ports import FIXED_PORTS, ports_taken
from cluster.problems import Problem, show
from cluster.topology import ETCD, MASTERS, NODES, is_balanced, ways_to_etcd
from pki import is_address

_LEASES = ("pod_network", "pod_subnet_length", "pod_subnet_min", "pod_subnet_max")
_PORTS = (
    "etcd_client_port",
    "etcd_peer_port",
    "api_server_port",
    "api_server_balancer",
    "api_server_balancer_port",
    "etcd_balancer_port",
)
_LAST_PORT = 65535
_SERVICE_PREFIX = range(12, 29)  # the API server's limit is /12; below /28 there is no room for services


@check("pod_network", "pod_subnet_length")
def leases_fit_the_network(draft: Draft) -> Iterator[Problem]:
    network, length = draft.settings.pod_network, draft.settings.pod_subnet_length
    allowed = lease_lengths(network)
    if not allowed:
        longest = addresses.LONGEST_LEASE - 2
        yield Problem("pod_network", str(network), f"too small for flannel; write a /{longest} or larger")
    elif length not in allowed:
        advice = f"flannel cuts {network} into leases of /{allowed[0]} to /{allowed[-1]}; write a number between"
        yield Problem("pod_subnet_length", length, advice)


@check("pod_network", "pod_subnet_length", "pod_subnet_min", "pod_subnet_max")
def bounds_are_leases(draft: Draft) -> Iterator[Problem]:
    settings = draft.settings
    for name, bound in (("pod_subnet_min", settings.pod_subnet_min), ("pod_subnet_max", settings.pod_subnet_max)):
        if bound is None:
            continue
        fits = settings.pod_subnet_length in lease_lengths(settings.pod_network)
        lease = lease_at(bound, settings.pod_subnet_length)
        if bound not in settings.pod_network:
            advice = f"is outside pod_network {settings.pod_network}; write an address in it, or None"
            yield Problem(name, str(bound), advice)
        elif fits and bound != lease.network_address:
            advice = f"is in the middle of the lease {lease}; write {show(str(lease.network_address))}"
            yield Problem(name, str(bound), advice)


@check("pod_subnet_min", "pod_subnet_max")
def bounds_are_in_order(draft: Draft) -> Iterator[Problem]:
    first, last = draft.settings.pod_subnet_min, draft.settings.pod_subnet_max
    if first is not None and last is not None and first > last:
        yield Problem("pod_subnet_min", str(first), f"is after pod_subnet_max {last}; write the smaller one here")


@check(*_LEASES)
def leases_are_enough(draft: Draft) -> Iterator[Problem]:
    leases, nodes = _leases(draft), len(draft.members(NODES))
    if leases is not None and len(leases) < nodes:
        advice = (
            f"leaves flannel {len(leases)} leases for {nodes} nodes; "
            "write a longer prefix, or widen pod_subnet_min and pod_subnet_max"
        )
        yield Problem("pod_subnet_length", draft.settings.pod_subnet_length, advice)


def _leases(draft: Draft) -> addresses.Leases | None:
    """What flannel may lease; None when the settings do not fit each other, which other checks say."""
    try:
        return draft.settings.leases
    except ValueError:
        return None


@check(*_LEASES, "service_network")
def pods_and_services_are_apart(draft: Draft) -> Iterator[Problem]:
    leases, services = _leases(draft), draft.settings.service_network
    if leases is not None and leases.span.overlaps(span(services)):
        advice = (
            f"overlaps the addresses flannel may lease to pods, {leases.span}; write a network outside them, or move "
            "pod_subnet_min past it"
        )
        yield Problem("service_network", str(services), advice)


@check(*_LEASES)
def pods_and_hosts_are_apart(draft: Draft) -> Iterator[Problem]:
    leases, network = _leases(draft), draft.settings.pod_network
    inside = {name: address for name, address in _own_addresses(draft) if address in network}
    leased = {name: address for name, address in inside.items() if leases is not None and address in leases.span}
    if leased:
        advice = f"flannel may lease the addresses of hosts: {_listed(leased)}; write another network"
        yield Problem("pod_network", str(network), advice)
    elif inside:
        advice = f"contains addresses of hosts, though outside the leases: {_listed(inside)}; better write another"
        yield Problem("pod_network", str(network), advice, severity="warning")


@check("service_network")
def services_and_hosts_are_apart(draft: Draft) -> Iterator[Problem]:
    network = draft.settings.service_network
    inside = {name: address for name, address in _own_addresses(draft) if address in network}
    if inside:
        yield Problem("service_network", str(network), f"contains {_listed(inside)}; write another network")


def _listed(owned: dict[str, IPv4Address]) -> str:
    return ", ".join(f"{address} ({name})" for name, address in owned.items())


def _own_addresses(draft: Draft) -> Iterator[tuple[str, IPv4Address]]:
    yield from ((host.name, host.address) for host in draft.hosts)
    shared = draft.settings.api_server_address
    if shared is not None and is_address(shared) and IPv4Address(shared) not in {host.address for host in draft.hosts}:
        yield "api_server_address", IPv4Address(shared)


@check("service_network")
def service_network_has_a_usable_size(draft: Draft) -> Iterator[Problem]:
    network = draft.settings.service_network
    if network.prefixlen not in _SERVICE_PREFIX:
        what = "too large for the API server" if network.prefixlen < _SERVICE_PREFIX[0] else "too small for services"
        advice = f"{what}; write a prefix length from /{_SERVICE_PREFIX[0]} to /{_SERVICE_PREFIX[-1]}"
        yield Problem("service_network", str(network), advice)


@check("flannel_backend", "flannel_backend_options", "flannel_version")
def backend_options_are_known(draft: Draft) -> Iterator[Problem]:
    settings = draft.settings
    options = releases.FLANNEL_BACKENDS[settings.flannel_backend]
    for name, value in settings.flannel_backend_options.items():
        setting, option = f"flannel_backend_options[{show(name)}]", options.get(name)
        if option is None:
            has = f"it has {', '.join(options)}" if options else "it has none"
            yield Problem(setting, value, f"is no option of the backend {settings.flannel_backend}: {has}")
        elif settings.flannel_version not in option.known:
            advice = f"flannel {settings.flannel_version} has no such option yet; it came with {option.known.first}"
            yield Problem(setting, value, advice)
        elif option.highest is None and not isinstance(value, bool):
            yield Problem(setting, value, "must be True or False")
        elif option.highest is not None and not _between(value, option.lowest, option.highest):
            yield Problem(setting, value, f"must be a whole number from {option.lowest} to {option.highest}")


def _between(value: object, lowest: int | None, highest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and (lowest or 0) <= value <= highest


@check(*_PORTS)
def ports_differ(draft: Draft) -> Iterator[Problem]:
    """The ports one may set must not be taken by each other or by a fixed one. UDP ports do not collide."""
    taken = {port.number: port.what for port in FIXED_PORTS}
    for name, port in _single_ports(draft):
        if port in taken:
            yield Problem(name, port, f"is the port of {taken[port]} too; write another")
        taken.setdefault(port, name)
    ports = ways_to_etcd(draft.settings, *_masters_and_members(draft))
    if hit := next((port for port in ports if port in taken or port > _LAST_PORT), None):
        clash = f"{hit} is the port of {taken[hit]} too" if hit in taken else f"{_LAST_PORT} is the last port"
        advice = f"each of etcd's {len(ports)} members takes one from there on, and {clash}; write another"
        yield Problem("etcd_balancer_port", ports.start, advice)


@check("service_node_ports", *_PORTS)
def ports_are_no_services(draft: Draft) -> Iterator[Problem]:
    """What is sent there would go to a service that was given one.

    A range that holds fixed ports cannot be kept clear of by settings: there no manifest may ask for one.
    """
    given = draft.settings.node_ports
    if any(given.holds(port.number) for port in FIXED_PORTS):
        return
    where = (
        f"service_node_ports, {given.first} to {given.last}, of which any service may be given one; write another, or, "
        "where hosts have it already, another service_node_ports"
    )
    for name, port in _single_ports(draft):
        if given.holds(port):
            yield Problem(name, port, f"lies in {where}")
    ports = ways_to_etcd(draft.settings, *_masters_and_members(draft))
    if hit := next(filter(given.holds, ports), None):
        advice = f"each of etcd's {len(ports)} members takes one from there on, and {hit} lies in {where}"
        yield Problem("etcd_balancer_port", ports.start, advice)


def _single_ports(draft: Draft) -> Iterator[tuple[str, int]]:
    """The settings that are one port each, and the ports, as far as the cluster takes them."""
    settings, (masters, _) = draft.settings, _masters_and_members(draft)
    balancer = ("api_server_balancer_port",) if is_balanced(settings, masters) else ()
    for name in ("etcd_client_port", "etcd_peer_port", "api_server_port", *balancer):
        yield name, getattr(settings, name)


def _masters_and_members(draft: Draft) -> tuple[int, int]:
    return len(draft.members(MASTERS)), len(draft.members(ETCD))


@check("service_node_ports", "nginx_node_port", *_PORTS)
def nginx_port_can_be_had(draft: Draft) -> Iterator[Problem]:
    settings = draft.settings
    port, ports = settings.nginx_port, settings.node_ports
    own = {port.number: port.what for port in ports_taken(settings, *_masters_and_members(draft))}
    if not ports.holds(port):
        advice = f"lies outside service_node_ports; write a port from {ports.first} to {ports.last}, or None"
        yield Problem("nginx_node_port", port, advice)
    elif port in own:
        yield Problem("nginx_node_port", port, f"is the port of {own[port]}; write another")
