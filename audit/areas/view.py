"""All hosts' answers together, and which of them something else already explains."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from audit.answers import Reading
from cluster.desired import Role, Unit
from cluster.membership import Record
from cluster.ports import BALANCERS
from cluster.settings import Cluster, Host, Settings

DEPLOYS = {
    "host": "deploys/host.py",
    "pki": "deploys/pki.py",
    "etcd": "deploys/etcd.py",
    "balancer": "deploys/balancer.py",
    "unbalanced": "deploys/unbalanced.py",
    "flannel": "deploys/flannel.py",
    "runtime": "deploys/runtime.py",
    "docker": "deploys/runtime.py",
    "containerd": "deploys/runtime.py",
    "master": "deploys/master.py",
    "node": "deploys/node.py",
}


@dataclass(frozen=True)
class View:
    """One audit's answers.

    A service that is down makes others fail that need it: each area asks here before it blames what is only a
    consequence.

    + record: what the store remembers of etcd
    + store: the store's directory
    """

    cluster: Cluster
    readings: tuple[Reading, ...]
    record: Record | None = None
    store: Path = Path()

    @property
    def settings(self) -> Settings:
        """The cluster's settings."""
        return self.cluster.settings

    @cached_property
    def by_name(self) -> dict[str, Reading]:
        """Readings of the hosts that answered."""
        return {r.host.name: r for r in self.readings if not r.trouble}

    def runs(self, reading: Reading, unit: str) -> bool:
        """Whether a host's service is active."""
        state: dict[str, Any] = reading.fact("roles").get("units", {}).get(unit, {})
        return state.get("active") == "active"

    def runs_containers(self, reading: Reading) -> bool:
        """Whether a host's container runtime is active."""
        return self.runs(reading, self.settings.container_runtime)

    def answers(self, reading: Reading, unit: str) -> bool:
        """Whether a host's service is active, and answered when it was asked whether it is ready."""
        return self.runs(reading, unit) and reading.fact("roles")["ready"].get(unit, False)

    @cached_property
    def members(self) -> list[Reading]:
        """Readings of the etcd members that run."""
        return self._running(self.cluster.etcd_members, "etcd")

    @cached_property
    def etcd_answers(self) -> bool:
        """Whether more than half of etcd's members were read and run: with fewer, etcd itself says least."""
        return 2 * len(self.members) > len(self.cluster.etcd_members)

    @cached_property
    def first_etcd(self) -> Host:
        """The first etcd member that answers; the first of the group where none does."""
        members = self.cluster.etcd_members
        answering = (m for m in members if m.name in self.by_name and self.by_name[m.name].fact("members"))
        there = (m for m in members if m.name in self.by_name)
        return next(answering, next(there, members[0]))

    @cached_property
    def master(self) -> Reading | None:
        """The first master whose API server is ready, else the first where it runs; None where etcd does not answer."""
        running = self._running(self.cluster.masters, "kube-apiserver") if self.etcd_answers else []
        ready = (r for r in running if self.answers(r, "kube-apiserver") and r.knows("nodes"))
        return next(ready, running[0] if running else None)

    def _running(self, hosts: Iterable[Host], unit: str) -> list[Reading]:
        read = [self.by_name[h.name] for h in hosts if h.name in self.by_name]
        return [r for r in read if self.runs(r, unit)]

    @cached_property
    def nodes(self) -> list[tuple[Host, Reading]]:
        """Nodes that answered."""
        return [(n, self.by_name[n.name]) for n in self.cluster.nodes if n.name in self.by_name]

    @cached_property
    def tells_leases(self) -> Reading | None:
        """The first etcd member that tells flannel's keys, else the first that told there are none."""
        told = [r for r in self.members if r.knows("keys")] if self.etcd_answers else []
        return next((r for r in told if r.fact("keys")), told[0] if told else None)

    @cached_property
    def leases(self) -> dict[str, dict[str, Any]]:
        """Leases in etcd by subnet: "192.168.13.0/24"."""
        keys: dict[str, Any] = self.tells_leases.fact("keys") if self.tells_leases else {}
        return {k.removeprefix("subnets/").replace("-", "/"): v for k, v in keys.items() if k.startswith("subnets/")}

    def lease_of(self, host: Host) -> str | None:
        """A host's subnet, as etcd has it."""
        return next((s for s, v in self.leases.items() if v.get("PublicIP") == str(host.address)), None)

    def forgets(self, host: Host) -> bool:
        """Whether the API server has no such node: its kube-proxy ends then, and waits for one."""
        master = self.master
        return master is not None and master.knows("nodes") and host.name not in master.fact("nodes")

    def needs_met(self, reading: Reading, unit: Unit) -> bool:
        """Whether what a service needs to answer is there."""
        if unit.name == "etcd":
            return not reading.knows("health")  # which says more
        if unit.name in BALANCERS:
            return True
        if unit.name == "kube-apiserver":  # asked through the balancer, too
            here = {u.name for role in reading.roles for u in role.units}
            return self.etcd_answers and all(self.runs(reading, name) for name in here.intersection(BALANCERS))
        if unit.name == "flanneld":
            return self.etcd_answers
        if unit.name in ("kubelet",) and not self.runs_containers(reading):
            return False
        if unit.name == self.settings.container_runtime:
            return self.runs(reading, "flanneld")
        return self.master is not None


def roles(reading: Reading) -> Iterator[tuple[Role, dict[str, Any]]]:
    """A host's roles, each with what the host holds."""
    held = reading.fact("roles")
    if held:
        for role in reading.roles:
            yield role, held
