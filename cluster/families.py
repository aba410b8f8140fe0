"""Distribution families: what each calls its packages, and where it keeps things."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """One family of distributions.

    `packages` are the names by component; `packaged_units` what a component's package would start by itself;
    `trust_anchor` is the file an authority's certificate goes to, `trust_update` the command that makes it trusted,
    `trust_bundle` the result.
    """

    name: str
    packages: Mapping[str, tuple[str, ...]]
    packaged_units: Mapping[str, tuple[str, ...]]
    programs: Mapping[str, str]
    trust_anchor: str
    trust_update: str
    trust_bundle: str


DEB = Family(
    name="deb",
    packages={
        "host": ("ca-certificates", "curl", "iproute2", "iptables", "kmod", "procps"),
        "etcd": ("etcd-server", "etcd-client"),
        "docker": ("docker.io",),
        "node": ("conntrack", "ebtables", "ethtool", "ipset", "socat", "util-linux"),
        "systemd-timesyncd": ("systemd-timesyncd",),
        "chrony": ("chrony",),
    },
    packaged_units={"etcd": ("etcd.service",), "docker": ("docker.service", "docker.socket")},
    programs={"etcd": "/usr/bin/etcd", "docker": "/usr/sbin/dockerd"},
    trust_anchor="/usr/local/share/ca-certificates/container-cloud.crt",
    trust_update="update-ca-certificates",
    trust_bundle="/etc/ssl/certs/ca-certificates.crt",
)

DISTRIBUTIONS: Mapping[str, Family] = {"debian": DEB, "ubuntu": DEB}
ARCHITECTURES = ("x86_64",)


def family_of(distribution: str, like: str = "") -> Family | None:
    """The family of a distribution, by `ID` and `ID_LIKE` of its os-release; None when it is not supported."""
    for name in (distribution, *like.split()):
        if name in DISTRIBUTIONS:
            return DISTRIBUTIONS[name]
    return None
