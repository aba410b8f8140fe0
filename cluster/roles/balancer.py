"""The ways past whoever does not answer: each host's to the API servers, and each master's to etcd's members."""

from collections.abc import Iterable
from dataclasses import replace

from cluster.certificates import BALANCER_PAIR, ETCD_CLIENT_PAIR, KUBERNETES_PKI
from cluster.desired import File, Role, Step
from cluster.ports import BALANCER, ETCD_BALANCER
from cluster.releases import CURRENT
from cluster.roles.haproxy import HOW, Listener, Proxy
from cluster.roles.kubernetes import DIRECTORY, private
from cluster.settings import Cluster, Host, Settings

_AUTHORITY = f"{KUBERNETES_PKI}/ca.crt"
TO_API_SERVERS = Proxy(BALANCER, _AUTHORITY, BALANCER_PAIR)
TO_ETCD = Proxy(ETCD_BALANCER, f"{KUBERNETES_PKI}/etcd-ca.crt", ETCD_CLIENT_PAIR)

# Seconds after which every balancer has heard that an API server is about to stop: each asks once in a second, and
# waits as long for an answer.
NOTICED = 5
BACK = 3  # and that it is back


def balancer_role(cluster: Cluster, host: Host, certificates: tuple[File, ...], former: tuple[Host, ...] = ()) -> Role:
    """A master's or a node's ways, in a cluster that has them.

    Args:
        former: hosts whose API servers still serve, though they are masters no more.
    """
    settings = cluster.settings
    files = [*TO_API_SERVERS.files((_api_servers(settings, (*cluster.masters, *former)),))]
    units = [TO_API_SERVERS.runs(settings.api_server_balancer_port)]
    if host.is_master and cluster.etcd_balanced:
        files += TO_ETCD.files(_members(cluster))
        units.append(TO_ETCD.runs(settings.etcd_balancer_port))
    read = {path for unit in units for path in unit.inputs}
    return Role(
        name="balancer",
        packages=HOW.packages,
        packaged_units=HOW.acted_on,
        files=private(settings, files),
        expects=tuple(f for f in certificates if f.path in read),
        units=tuple(units),
    )


def unbalanced_role(cluster: Cluster, host: Host, others: Iterable[Role] = ()) -> Role:
    """What is left of ways that the settings want no more on a master or a node, stopped and taken away.

    Args:
        others: the host's other roles, whose files must not lead there any more.
    """
    pair = (f"{BALANCER_PAIR}.crt", f"{BALANCER_PAIR}.key")
    steps: dict[Proxy, Step] = {}
    if not cluster.balanced:
        steps[TO_API_SERVERS] = TO_API_SERVERS.ended("the API servers' balancer", along=pair)
    if host.is_master and not cluster.etcd_balanced:
        steps[TO_ETCD] = TO_ETCD.ended("the balancer of etcd's members")
    owned = tuple(path for proxy in steps for path in (proxy.unit, proxy.config))
    led = {TO_API_SERVERS: "kubeconfig", TO_ETCD: "/apiserver"}
    ends = tuple(led[proxy] for proxy in steps)
    return Role(
        name="unbalanced",
        owns=owned,
        expects=tuple(
            replace(f, deploy=f"deploys/{role.name}.py")
            for role in others
            for f in role.files
            if role.name in ("master", "node") and f.path.startswith(f"{DIRECTORY}/") and f.path.endswith(ends)
        ),
        steps=tuple(steps.values()),
    )


def way_to_etcd(cluster: Cluster) -> tuple[File, ...]:
    """What an API server's connections go by, for a master's role to expect: its former ones lead to former members."""
    if not cluster.etcd_balanced:
        return ()
    config, _ = private(cluster.settings, TO_ETCD.files(_members(cluster)))
    return (replace(config, deploy="deploys/balancer.py"),)


def way_to_api_servers(cluster: Cluster, former: tuple[Host, ...] = ()) -> tuple[File, ...]:
    """What connections to the API servers go by, for the roles of those that call them to expect.

    Args:
        former: as for `balancer_role`.
    """
    if not cluster.balanced:
        return ()
    listener = _api_servers(cluster.settings, (*cluster.masters, *former))
    config, _ = private(cluster.settings, TO_API_SERVERS.files((listener,)))
    return (replace(config, deploy="deploys/balancer.py"),)


def _api_servers(settings: Settings, hosts: tuple[Host, ...]) -> Listener:
    # By address: an inventory in another order is no reason to have every balancer read its file again.
    listed = sorted(hosts, key=lambda m: m.address)
    masters = ((m.name, f"{m.address}:{settings.api_server_port}", f" verifyhost {m.name}") for m in listed)
    return Listener(
        "api-servers",
        settings.api_server_balancer_port,
        _question(settings),
        tuple(masters),
        # One that is not ready is about to stop, and says so before it does: it gets no new connection, and ends itself
        # those that it has.
        expected=" error-status L7OKC",
    )


def _question(settings: Settings) -> str:
    """What an API server is asked: not of etcd, for whose members' next leader all of them wait, and none is better."""
    left_out = ("etcd", "etcd-readiness") if settings.kubernetes_version in CURRENT else ("etcd",)
    return "/readyz?" + "&".join(f"exclude={check}" for check in left_out)


def _members(cluster: Cluster) -> tuple[Listener, ...]:
    """A port for each member: an API server knows them all and goes on with another by itself, but learns of one that
    lost its power only when TCP gives up. Nothing is asked that takes a leader: while one is elected, none is better.
    """
    port = cluster.settings.etcd_client_port
    return tuple(
        Listener(f"etcd-{m.name}", here, "/version", ((m.name, f"{m.address}:{port}", f" verifyhost {m.name}"),))
        for here, m in zip(cluster.etcd_balancer_ports, cluster.etcd_by_address, strict=True)
    )
