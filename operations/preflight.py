"""Whether the hosts can be used at all, asked before anything is changed."""

from collections.abc import Iterator
from typing import Any

from pyinfra import host
from pyinfra.api import StringCommand, operation

from cluster.families import Family, family_of
from cluster.ports import tcp_ports
from cluster.preflight import problems
from facts.host import Preflight
from operations.run import refuse_all, the_cluster
from operations.survey import survey

_begun: set[str] = set()


def begin() -> None:
    """Add the preflight to this host's run, once, before its first role."""
    if host.name not in _begun:
        _begun.add(host.name)
        check(name="Preflight")


@operation()
def check() -> Iterator[StringCommand]:
    """Read what decides whether each host can be used, and end the run if one cannot; never changes anything."""
    found = facts()
    refused = problems(the_cluster(), found)
    if refused:
        refuse_all(refused, "nothing was changed")
    host.noop("the host can be used")
    return
    yield


def facts() -> dict[str, Any]:
    """The preflight facts of every active host, read once in each phase."""
    return survey(Preflight, ports=tuple(sorted(port.number for port in tcp_ports(the_cluster().settings))))


def family() -> Family:
    """The distribution family of the host at hand."""
    found = facts()[host.name]
    known = family_of(found["distribution"], found["like"])
    assert known is not None, "the preflight refuses unknown distributions"
    return known
