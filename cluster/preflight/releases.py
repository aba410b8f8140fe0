"""Which Kubernetes a host has, and whether there is a way from there to the one that the settings name."""

from collections.abc import Iterator, Mapping
from typing import Any

from cluster.preflight.remarks import Remark, refusal, warning
from cluster.releases import release
from cluster.settings import Cluster, Host


def remarks(cluster: Cluster, host: Host, facts: Mapping[str, Any]) -> Iterator[Remark]:
    """Another release line than the settings': Kubernetes goes up one at a time, and never down."""
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
