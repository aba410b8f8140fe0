"""Whether ports stay that hosts live with: others go by them, and a run does not move them on all hosts at once."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from cluster.ports import BALANCER, ETCD_BALANCER
from cluster.preflight.remarks import Remark
from cluster.settings import Cluster
from cluster.topology import ETCD, MASTERS


def remarks(cluster: Cluster, found: Mapping[str, Mapping[str, Any]]) -> Iterator[Remark]:
    """Settings that would move a port of a cluster of which no host may be missed at once.

    One that a host lives with already is not refused: hosts differ only where they have begun to move.
    """
    for setting, unit in _others_go_by(cluster, found):
        wanted, held = getattr(cluster.settings, setting), _held(found, setting, unit)
        if not held or wanted in held.values():
            continue
        ((usual, _),) = Counter(held.values()).most_common(1)
        yield Remark(
            "refusal",
            f"{setting} = {wanted}: the cluster lives with {usual} ({', '.join(held)}), and whoever calls there would "
            f"be turned away until a run is done with every host: write {setting} = {usual} "
            "(docs/high-availability.md says how a port is moved)",
        )


def _held(found: Mapping[str, Mapping[str, Any]], setting: str, unit: str) -> dict[str, int]:
    """By host, the port of a service to which the project has given one there."""
    return {
        name: facts["own_ports"][setting]
        for name, facts in found.items()
        if facts and setting in facts["own_ports"] and facts["units"].get(unit, {}).get("ours")
    }


def _others_go_by(cluster: Cluster, found: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Settings of ports that others go by while hosts are changed, and the units that answer there.

    A master alone, without balancers, is missed while it is changed, whatever changes.
    """
    masters, members = (
        {h.name for h in cluster.hosts if group in h.groups} | _held(found, setting, unit).keys()
        for group, setting, unit in ((MASTERS, *_API_SERVER), (ETCD, *_ETCD))
    )
    if cluster.balanced:
        yield "api_server_balancer_port", BALANCER
    if cluster.etcd_balanced:
        yield "etcd_balancer_port", ETCD_BALANCER
    if cluster.balanced or len(masters) > 1:
        yield _API_SERVER
    if cluster.balanced or len(masters) > 1 or len(members) > 1:
        yield _ETCD


_API_SERVER = ("api_server_port", "kube-apiserver")
_ETCD = ("etcd_client_port", "etcd")
