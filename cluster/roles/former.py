"""What is done on a host that was a master, and is none any more."""

from collections.abc import Iterable

from cluster.certificates import BALANCER_PAIR, KUBERNETES_PKI, certificate_paths
from cluster.desired import RECORD_DIRECTORY, Role, Step
from cluster.distributions import Distribution
from cluster.installation import installation
from cluster.ports import BALANCER, ETCD_BALANCER
from cluster.roles.balancer import TO_API_SERVERS, TO_ETCD
from cluster.roles.master import API_SERVER, CONTROLLER_MANAGER, SCHEDULER, master_role
from cluster.roles.services import unit_path
from cluster.settings import Cluster, Host
from cluster.shell import program
from cluster.topology import MASTERS

LOOPS = (SCHEDULER, CONTROLLER_MANAGER)


def former_loops(cluster: Cluster, distribution: Distribution) -> Role:
    """A host that was a master, first: its control loops end, so that nothing leads beside those that stay.

    Its API server goes on, and serves while theirs are restarted. The loops' units go: by these a master is known that
    has them, and must not have them begin when it joins again.
    """
    how = installation(cluster.settings, distribution, "kubernetes-master")
    return _ending("former control loops", cluster, LOOPS, [unit_path(name, how) for name in LOOPS], "their units")


def former_master(cluster: Cluster, host: Host, distribution: Distribution, kept: Iterable[str]) -> Role:
    """Then: its API server ends, and what only a master reads goes, keys among it.

    Args:
        kept: the paths of what the host's other roles have there.
    """
    then = host.model_copy(update={"groups": frozenset({MASTERS})})
    files = {f.path for f in master_role(cluster, then, distribution, ()).files} | certificate_paths(cluster, then)
    files |= {TO_ETCD.unit, TO_ETCD.config}
    units: tuple[str, ...] = (API_SERVER, ETCD_BALANCER)
    if not host.is_node:  # nothing there calls an API server any more
        units += (BALANCER,)
        files |= {TO_API_SERVERS.unit, TO_API_SERVERS.config, f"{BALANCER_PAIR}.crt", f"{BALANCER_PAIR}.key"}
    what = "what only a master reads, its keys among it"
    return _ending("former master", cluster, units, files - set(kept), what)


def _ending(name: str, cluster: Cluster, units: tuple[str, ...], files: Iterable[str], what: str) -> Role:
    """Services end, while an API server of those that stay serves; then their files go."""
    port = cluster.settings.api_server_port
    ended = program(
        "former",
        UNITS=" ".join(units),
        RECORDS=RECORD_DIRECTORY,
        PKI=KUBERNETES_PKI,
        URLS=" ".join(f"https://{m.address}:{port}" for m in cluster.masters),
    )
    gone = program("removed", FILES=" ".join(sorted(files)))
    return Role(
        name=name,
        steps=(
            Step(f"stop and disable {', '.join(units)}", f"{ended}ended", f"{ended}end"),
            Step(f"remove {what}", f"{gone}removed", f"{gone}remove"),
        ),
    )
