"""The distributions this project knows, and what each calls its packages: one table."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from cluster.families import DEB, RPM, Family

AMD64, ARM64 = "amd64", "arm64"
ARCHITECTURES = {"x86_64": AMD64, "aarch64": ARM64}  # by what `uname -m` says: what publishers call them


@dataclass(frozen=True)
class Distribution:
    """A distribution, or several that call their packages alike; of a host, on its architecture.

    + name: as people call it
    + ids: ID in /etc/os-release, in lower case
    + versions: what VERSION_ID begins with, up to a dot; none: any
    + host, node: packages that every host, every node needs
    + components: packages by component; of one that is not here there are none, or none are known
    + dockerd: where the docker packages have it
    + docker_reads_options: whether their unit passes $OPTIONS and $DOCKER_NETWORK_OPTIONS on
    + haproxy: the first version that has one from 2.2 on, for the way to the API servers; None: none is known
    + architecture: amd64 or arm64, which release files are chosen by
    """

    name: str
    family: Family
    ids: tuple[str, ...]
    versions: tuple[str, ...]
    host: tuple[str, ...]
    node: tuple[str, ...]
    components: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dockerd: str = "/usr/bin/dockerd"
    docker_reads_options: bool = False
    haproxy: int | None = None
    architecture: str = AMD64


_DEB_HOST = ("ca-certificates", "curl", "iproute2", "iptables", "kmod", "procps")
_DEB_NODE = ("conntrack", "ebtables", "ethtool", "ipset", "socat", "util-linux")
_DEB_COMPONENTS = {"etcd": ("etcd-server", "etcd-client"), "docker": ("docker.io",)}
_RPM_HOST = ("ca-certificates", "curl", "iproute", "iptables", "kmod", "procps-ng")
_RPM_NODE = ("conntrack-tools", "ebtables", "ethtool", "ipset", "socat", "util-linux")
# The guide's own; -common is there where the guide has it.
_GUIDE = {
    "etcd": ("etcd",),
    "flannel": ("flannel",),
    "docker": ("docker",),
    "kubernetes-master": ("kubernetes-master", "kubernetes-common", "kubernetes-client"),
    "kubernetes-node": ("kubernetes-node", "kubernetes-common"),
}
_EL7 = {
    **_GUIDE,
    "kubernetes-master": ("kubernetes-master", "kubernetes-client"),
    "kubernetes-node": ("kubernetes-node",),
}
_OPENEULER = {
    "etcd": ("etcd",),
    "docker": ("docker-engine",),
    "kubernetes-master": ("kubernetes-master", "kubernetes-client"),
    "kubernetes-node": ("kubernetes-node", "kubernetes-kubelet"),
}
_EL_IDS = ("rhel", "centos", "rocky", "almalinux")
_EL8_NODE = ("conntrack-tools", "iptables-ebtables", "ethtool", "ipset", "socat", "util-linux")
_EL9_HOST = ("ca-certificates", "curl", "iproute", "iptables-nft", "kmod", "procps-ng")
_EL9_NODE = ("conntrack-tools", "ethtool", "ipset", "socat", "util-linux")  # iptables-nft brings ebtables

# name, family, IDs, versions, packages of every host, of every node, of components; then what is peculiar to Docker's.
TABLE = (
    Distribution("Debian", DEB, ("debian",), (), _DEB_HOST, _DEB_NODE, _DEB_COMPONENTS, dockerd="/usr/sbin/dockerd",
                 haproxy=11),
    Distribution("Ubuntu", DEB, ("ubuntu",), (), _DEB_HOST, _DEB_NODE, _DEB_COMPONENTS, haproxy=22),
    Distribution("Deepin Server", RPM, ("deepin",), (), _RPM_HOST, _RPM_NODE, _GUIDE, docker_reads_options=True),
    Distribution("CentOS or RHEL 7", RPM, ("rhel", "centos"), ("7",), _RPM_HOST, _RPM_NODE, _EL7,
                 dockerd="/usr/bin/dockerd-current", docker_reads_options=True),
    Distribution("CentOS, RHEL, Rocky or AlmaLinux 8", RPM, _EL_IDS, ("8",), _RPM_HOST, _EL8_NODE),
    Distribution("CentOS, RHEL, Rocky or AlmaLinux 9", RPM, _EL_IDS, ("9",), _EL9_HOST, _EL9_NODE, haproxy=9),
    Distribution("openEuler", RPM, ("openeuler",), (), _RPM_HOST, _RPM_NODE, _OPENEULER, docker_reads_options=True),
    Distribution("Anolis OS 7", RPM, ("anolis",), ("7",), _RPM_HOST, _RPM_NODE),
    Distribution("Anolis OS 8", RPM, ("anolis",), ("8",), _RPM_HOST, _EL8_NODE),
    Distribution("Kylin Server V10", RPM, ("kylin",), ("v10",), _RPM_HOST, _RPM_NODE),
    Distribution("UOS Server 20", RPM, ("uos",), ("20",), _RPM_HOST, _RPM_NODE),
)  # fmt: skip


def named(distributions: Iterable[Distribution] = TABLE) -> str:
    """The distributions as a phrase: "Debian, Ubuntu, CentOS 7"."""
    return ", ".join(d.name for d in distributions)


def distribution_of(facts: Mapping[str, object]) -> Distribution | None:
    """The distribution of a host; None when it is not known.

    Some IDs are shared by a deb desktop and an rpm server: the package manager that the host has decides.

    Args:
        facts: the host's, as `facts.host.Preflight` returns them.
    """
    return next(_named_by(str(facts["distribution"]), facts), None)


def relative_of(facts: Mapping[str, object]) -> Distribution | None:
    """The known distribution that a host's unknown one says to be like (ID_LIKE); None when there is none.

    A known distribution in a version that is not in the table is no relative of its own.
    """
    own = str(facts["distribution"]).lower()
    if any(own in d.ids and _manages(d, facts) for d in TABLE):
        return None
    likes = str(facts["like"]).split()
    return next((d for like in likes for d in _named_by(like, facts)), None)


def _named_by(identifier: str, facts: Mapping[str, object]) -> Iterator[Distribution]:
    version = str(facts["version"]).partition(".")[0].lower()
    for d in TABLE:
        if identifier.lower() in d.ids and (not d.versions or version in d.versions) and _manages(d, facts):
            yield d


def _manages(distribution: Distribution, facts: Mapping[str, object]) -> bool:
    managers = facts["managers"]
    assert isinstance(managers, (list, tuple))
    return bool(set(distribution.family.managers) & set(managers))
