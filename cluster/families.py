"""Families of distributions: the package manager, what keeps the clock, where trust lives."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

FamilyName = Literal["deb", "rpm"]


@dataclass(frozen=True)
class Family:
    """What the distributions of a family have in common.

    + managers: the programs that install packages, one of which a host has, and their command to do so anew
    + time_services: those that packages bring, by package, with their unit; the first is the family's own
    + trust_anchor: the file that an authority's certificate goes to
    + trust_update: the command that makes it trusted
    + trust_bundle: the result
    """

    name: FamilyName
    managers: Mapping[str, str]
    time_services: Mapping[str, str]
    trust_anchor: str
    trust_update: str
    trust_bundle: str


DEB = Family(
    name="deb",
    managers={"apt-get": "apt-get install --reinstall"},
    time_services={"systemd-timesyncd": "systemd-timesyncd", "chrony": "chrony"},
    trust_anchor="/usr/local/share/ca-certificates/container-cloud.crt",
    trust_update="update-ca-certificates",
    trust_bundle="/etc/ssl/certs/ca-certificates.crt",
)

RPM = Family(
    name="rpm",
    managers={"dnf": "dnf reinstall", "yum": "yum reinstall"},
    time_services={"chrony": "chronyd"},
    trust_anchor="/etc/pki/ca-trust/source/anchors/container-cloud.crt",
    trust_update="update-ca-trust extract",
    trust_bundle="/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
)
