"""Which Kubernetes and etcd a host has, and whether there is a way from there to those that the settings name."""

from collections.abc import Iterator, Mapping
from typing import Any

from cluster.preflight.remarks import Remark, refusal, warning
from cluster.releases import release
from cluster.settings import Cluster, Host


def remarks(cluster: Cluster, host: Host, facts: Mapping[str, Any]) -> Iterator[Remark]:
    """Another release line than the settings': Kubernetes goes up one at a time, and never down."""
    yield from _etcd(cluster, host, facts["etcd_version"])
    wanted = cluster.settings.kubernetes_version
    for found in dict.fromkeys(facts["kubernetes"]):
        (major, minor), (to_major, to_minor) = release(found), release(wanted)
        step = to_minor - minor if major == to_major else None
        if step == 1:
            told = "drain each node before its kubelet changes, which no run does (docs/upgrade.md)"
            yield warning(host.name, f"it has Kubernetes {found}, and gets {wanted}: {told}")
        elif step != 0:
            told = (
                f"what {found} runs is moved to a new cluster (docs/upgrade.md); to go on with this one, write "
                f'kubernetes_version = "{found}"'
            )
            yield refusal(host.name, f"it has Kubernetes {found}, from which no step leads to {wanted}: {told}")


def _etcd(cluster: Cluster, host: Host, found: str) -> Iterator[Remark]:
    """Data are taken over by the next minor release, and by no other."""
    wanted = [v for v in dict.fromkeys(cluster.settings.installed_versions("etcd")) if v]
    if not (host.is_etcd and found and wanted):
        return
    (major, minor), to = release(found), [release(v) for v in wanted]
    if not any(to_major == major and to_minor - minor in (0, 1) for to_major, to_minor in to):
        told = f'one minor release at a time, and never down (docs/upgrade.md); write etcd_version = "{found}"'
        yield refusal(host.name, f"it has data of etcd {found}, which {wanted[0]} does not take over: {told}")
