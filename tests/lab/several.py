"""A cluster with three masters, each with an etcd member, and two nodes, and somebody who uses it all the while."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import state
from tests.lab.conftest import Lab, Run
from tests.lab.history import Verdict
from tests.lab.probing import forwarded, probing

MASTERS, NODES = ("master", "master2", "master3"), ("node1", "node2")
BALANCER = 7443
LONGEST_GAP = 5.0  # seconds in which one that hangs, or is cut off, has been noticed by everybody
# An etcd leader that hands over drops what other members pass on to it in that moment, and says so to nobody.
HANDED_OVER = 2
# HTTP/1.1 has no way to say that a kept connection is about to be closed: a write sent in that moment is lost. HTTP/2,
# which Kubernetes' own clients speak, says so before.
CLOSED = 1
IN_FLIGHT = 2  # requests of one way that may be under way, a write and a read, where a process is killed


@contextmanager
def used(directory: Path, through: tuple[str, ...] = NODES, kind: str = "configmaps") -> Iterator[Verdict]:
    """The cluster used through the balancers of two hosts, and nginx on every node, while in the block."""
    services = tuple(f"http://{state.host(node).address}:30080/" for node in NODES)
    with (
        forwarded(dict.fromkeys(through, BALANCER)) as ways,
        probing(ways, directory, services=services, kind=kind) as verdict,
    ):
        yield verdict


def changed(lab: Lab, *, may_fail: bool = False, **settings: object) -> Run:
    """A run with other settings."""
    given = [part for name, value in settings.items() for part in ("--data", f"{name}={json.dumps(value)}")]
    if may_fail:
        return lab.pyinfra("-y", *given, "lab/inventory.py", "deploys/cluster.py")
    return lab.deploy("cluster", *given)


def starts(lab: Lab, hosts: tuple[str, ...], unit: str) -> dict[str, float]:
    """When a unit was last started, by host: seconds on this machine's clock, which all hosts have."""
    shows = f"systemctl show -p ActiveEnterTimestampMonotonic {unit} | cut -d= -f2"
    return {host: int(lab.ssh(host, shows)) / 1e6 for host in hosts}


def unsettled(lab: Lab) -> list[str]:
    """Nodes that are not Ready, or that take no pods."""
    (nodes,) = lab.fact("facts.kubernetes.Nodes", limit="master2").values()
    return [n for n, told in nodes.items() if not (told["ready"] and told["schedulable"] and not told["drained"])]
