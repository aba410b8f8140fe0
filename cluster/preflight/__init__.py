"""What speaks against touching a host, from what was read of all of them: one module a subject."""

from collections.abc import Iterator, Mapping
from typing import Any

from cluster.machine import machine
from cluster.preflight import addresses, firewall, host, listeners, ports, releases, services, software
from cluster.preflight.remarks import Remark, refusal
from cluster.settings import Cluster


def judge(cluster: Cluster, found: Mapping[str, Mapping[str, Any]]) -> list[Remark]:
    """Every remark, each a line that names the host, what was found, and what to do.

    Args:
        found: by host name, what `facts.host.Preflight` returned.
    """
    return [*_each(cluster, found), *host.of_all(found), *ports.remarks(cluster, found)]


def _each(cluster: Cluster, found: Mapping[str, Mapping[str, Any]]) -> Iterator[Remark]:
    for name, facts in found.items():
        this = cluster.host(name)
        if not facts:
            yield refusal(name, "could not be read; look above for why")
            continue
        yield from host.of_one(cluster, this, facts)
        yield from releases.remarks(cluster, this, facts)
        yield from services.remarks(cluster, this, facts)
        yield from addresses.remarks(cluster, this, facts)
        yield from listeners.remarks(cluster, this, facts)
        yield from firewall.remarks(cluster, this, facts)
        known = machine(facts)
        if known:
            yield from software.remarks(cluster, this, known, facts)
