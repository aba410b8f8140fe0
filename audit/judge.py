"""From answers to a report."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from audit.answers import Reading
from audit.areas import dns, etcd, flannel, host, kubernetes, pki, pods, roles, runtime
from audit.areas.view import View
from audit.model import Finding, HostFound, Report
from cluster.membership import Record
from cluster.settings import Cluster


def judge(
    cluster: Cluster,
    readings: Iterable[Reading],
    began: datetime,
    seconds: float,
    record: Record | None = None,
    store: Path = Path(),
) -> Report:
    """What the hosts' answers mean.

    Args:
        cluster: what shall be.
        readings: what is, one a host.
        began: when they were asked, UTC.
        seconds: how long that took.
        record: what the store remembers of etcd.
        store: the store's directory.
    """
    view = View(cluster, tuple(readings), record, store)
    return Report(
        cluster=cluster.settings.cluster_name,
        began=began,
        seconds=seconds,
        hosts=tuple(_host(view, r) for r in view.readings),
        findings=tuple(f for r in view.readings for f in _findings(view, r)),
        certificates=tuple(c for r in view.by_name.values() for c in pki.certificates(view, r)),
    )


def _findings(view: View, reading: Reading) -> Iterator[Finding]:
    yield from host.unread(view, reading)
    if not reading.trouble:
        for area in (host, roles, pki, etcd, flannel, runtime, pods, kubernetes, dns):
            yield from area.judge(view, reading)


def _host(view: View, reading: Reading) -> HostFound:
    this = reading.host
    groups = tuple(sorted(this.groups))
    if reading.trouble:
        return HostFound(this.name, str(this.address), groups, answered=False)
    lease = view.lease_of(this) or flannel.subnet_of(reading.fact("lease").get("FLANNEL_SUBNET", ""))
    leased = this in view.cluster.leased
    ways = flannel.ways_to_others(view, reading) if leased else ()
    return HostFound(
        name=this.name,
        address=str(this.address),
        groups=groups,
        distribution=reading.fact("preflight")["name"],
        versions=_versions(view, reading),
        lease=lease if leased else "",
        backend=view.settings.flannel_backend if leased else "",
        reaches={other.name: not lost for other, _, lost in ways},
    )


def _versions(view: View, reading: Reading) -> dict[str, str]:
    nodes: dict[str, Any] = view.master.fact("nodes") if view.master else {}
    found = {
        "etcd": reading.fact("health").get("version", ""),
        "kube-apiserver": reading.fact("api").get("version", ""),
        view.settings.container_runtime: reading.fact("engine").get("version", ""),
        "kubelet": nodes.get(reading.host.name, {}).get("version", ""),
    }
    return {name: version for name, version in found.items() if version}
