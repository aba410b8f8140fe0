"""What is deployed together: for each Kubernetes line the versions of all other parts, as they were tried with it.

Settings that are None get their values from here, by `kubernetes_version`. What else belongs to a release, such as its
arguments, is in cluster/releases.py.
"""

from dataclasses import dataclass
from typing import Any, Literal

from cluster.releases import release

Runtime = Literal["docker", "containerd"]
LATEST = "1.37.2"


@dataclass(frozen=True)
class ReleaseSet:
    """The parts of a cluster of one Kubernetes line. A field is called as the setting that it is the value of.

    + changes: what a person who knows the line before should know, a sentence each
    """

    container_runtime: Runtime
    etcd_version: str
    flannel_version: str
    docker_version: str
    containerd_version: str
    runc_version: str
    cni_plugins_version: str
    crictl_version: str
    coredns_version: str
    metrics_server_version: str
    pause_image: str
    admission_plugins: tuple[str, ...]
    changes: tuple[str, ...] = ()

    def value(self, setting: str) -> Any:
        """A setting's value, as group_data would write it."""
        found = getattr(self, setting)
        return list(found) if isinstance(found, tuple) else found


_OF_TODAY = ReleaseSet(
    container_runtime="containerd",
    etcd_version="3.6.16",
    flannel_version="0.28.10",
    docker_version="20.10.24",
    containerd_version="2.4.2",
    runc_version="1.4.3",
    cni_plugins_version="1.10.0",
    crictl_version="1.37.0",
    coredns_version="1.14.6",
    metrics_server_version="0.9.0",
    pause_image="registry.k8s.io/pause:3.10.2",
    admission_plugins=("NodeRestriction",),
)
SETS = {
    "1.20": ReleaseSet(
        container_runtime="docker",
        etcd_version="3.4.23",
        flannel_version="0.26.7",
        docker_version="20.10.24",
        containerd_version="1.6.20",
        runc_version="1.1.5",
        cni_plugins_version="1.1.1",
        crictl_version="1.20.0",
        coredns_version="1.7.0",
        metrics_server_version="0.4.4",
        pause_image="registry.k8s.io/pause:3.2",
        admission_plugins=(
            "NamespaceLifecycle",
            "NamespaceExists",
            "LimitRanger",
            "SecurityContextDeny",
            "ServiceAccount",
            "ResourceQuota",
            "NodeRestriction",
        ),
        changes=("the guide's release, without support since 2022; its kubelet drives Docker",),
    ),
    "1.36": _OF_TODAY,
    "1.37": _OF_TODAY,
}
FILLED = tuple(name for name in ReleaseSet.__dataclass_fields__ if name != "changes")


def release_set(version: object) -> ReleaseSet:
    """The set of a Kubernetes version's line; of the latest where the version is none or its line is not known."""
    try:
        line = "{}.{}".format(*release(version)) if isinstance(version, str) else ""
    except ValueError:
        line = ""
    return SETS.get(line, SETS["{}.{}".format(*release(LATEST))])
