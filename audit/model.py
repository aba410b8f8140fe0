"""What an audit says: findings, and the cluster as it was found."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Status = Literal["ok", "drift", "warn", "error"]
AREAS = ("host", "packages", "units", "files", "pki", "etcd", "flannel", "runtime", "kubernetes", "dns")


@dataclass(frozen=True)
class Finding:
    """One thing looked at on a host, and what came of it.

    + host: its name
    + area: one of AREAS
    + status: ok; drift (differs from the settings); warn (will break); error (could not be read)
    + what: the thing itself: a path, a unit, a lease
    + expected, found: in words
    + repair: the deploy that brings it back ("deploys/node.py"), or what to do by hand; "" for what is ok
    """

    host: str
    area: str
    status: Status
    what: str
    expected: str = ""
    found: str = ""
    repair: str = ""

    @classmethod
    def judged(
        cls,
        good: bool,
        host: str,
        area: str,
        what: str,
        expected: str,
        found: str,
        repair: str,
        status: Status = "drift",
    ) -> "Finding":
        """A finding that is ok, or has a status and a repair."""
        if good:
            return cls(host, area, "ok", what, expected, found)
        return cls(host, area, status, what, expected, found, repair)


@dataclass(frozen=True)
class Certificate:
    """A certificate on a host, for the time line. `renew_from` is when a run begins to issue it again."""

    host: str
    path: str
    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime
    renew_from: datetime


@dataclass(frozen=True)
class HostFound:
    """A host as it was found; everything but name, address and groups is empty where it did not answer.

    + groups: masters, nodes, etcd
    + versions: what runs there, by component: {"etcd": "3.4.23", "kubelet": "1.20.2"}
    + lease: the node's subnet ("192.168.13.0/24"), "" without one
    + backend: flannel's there
    + reaches: for other nodes by name, whether this one has a way to their leases
    """

    name: str
    address: str
    groups: tuple[str, ...]
    answered: bool = True
    distribution: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    lease: str = ""
    backend: str = ""
    reaches: dict[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """All of one audit."""

    cluster: str
    began: datetime
    seconds: float
    hosts: tuple[HostFound, ...]
    findings: tuple[Finding, ...]
    certificates: tuple[Certificate, ...]

    @property
    def exit_code(self) -> int:
        """0 clean, 1 something could not be read, 2 drift or warning."""
        statuses = {finding.status for finding in self.findings}
        if "error" in statuses:
            return 1
        return 2 if statuses & {"drift", "warn"} else 0


def counted(findings: Iterable[Finding]) -> dict[Status, int]:
    """How many findings there are of each status."""
    counts: dict[Status, int] = {"ok": 0, "drift": 0, "warn": 0, "error": 0}
    for finding in findings:
        counts[finding.status] += 1
    return counts
