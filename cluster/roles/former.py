"""What is done on a host that was a master, and is none any more."""

from collections.abc import Iterable

from cluster.certificates import KUBERNETES_PKI, certificate_paths
from cluster.desired import RECORD_DIRECTORY, Role, Step
from cluster.distributions import Distribution
from cluster.ports import ETCD_BALANCER
from cluster.roles.balancer import TO_ETCD
from cluster.roles.master import API_SERVER, CONTROLLER_MANAGER, SCHEDULER, master_role
from cluster.settings import Cluster, Host
from cluster.shell import program
from cluster.topology import MASTERS

SERVICES = (SCHEDULER, CONTROLLER_MANAGER, API_SERVER, ETCD_BALANCER)


def former_master(cluster: Cluster, host: Host, distribution: Distribution, kept: Iterable[str]) -> Role:
    """A host that was a master: its services end, and what they alone read goes, keys among it.

    Args:
        kept: the paths of what the host's other roles have there.
    """
    then = host.model_copy(update={"groups": frozenset({MASTERS})})
    files = {f.path for f in master_role(cluster, then, distribution, ()).files} | certificate_paths(cluster, then)
    files |= {TO_ETCD.unit, TO_ETCD.config}
    port = cluster.settings.api_server_port
    shell = program(
        "former",
        UNITS=" ".join(SERVICES),
        RECORDS=RECORD_DIRECTORY,
        FILES=" ".join(sorted(files - set(kept))),
        PKI=KUBERNETES_PKI,
        URLS=" ".join(f"https://{m.address}:{port}" for m in cluster.masters),
    )
    return Role(
        name="former master",
        steps=(
            Step(f"stop and disable {', '.join(SERVICES)}", f"{shell}ended", f"{shell}end"),
            Step("remove what only a master reads, its keys among it", f"{shell}removed", f"{shell}remove"),
        ),
    )
