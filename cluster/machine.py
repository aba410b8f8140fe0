"""What a host's roles depend on beside the settings: its nature, as the preflight found it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cluster.distributions import ARCHITECTURES, Distribution, distribution_of, relative_of

_STUB = ("127.0.0.53", "127.0.0.54")
_RESOLVED = "/run/systemd/resolve/resolv.conf"


@dataclass(frozen=True)
class Machine:
    """A host as it is.

    + distribution: its own, or the known one that it says to be like, on its architecture
    + identifier: its own ID in /etc/os-release, which may be that of a relative of the distribution
    + time_services: the units at work that keep its clock
    + resolv_conf: the file with the resolvers that pods get; None: /etc/resolv.conf
    """

    distribution: Distribution
    identifier: str
    time_services: tuple[str, ...] = ()
    resolv_conf: str | None = None


def machine(facts: Mapping[str, Any]) -> Machine | None:
    """The host that `facts.host.Preflight` found.

    None: neither its distribution nor a relative is known, or its architecture is not.
    """
    distribution, architecture = distribution_of(facts) or relative_of(facts), ARCHITECTURES.get(facts["architecture"])
    if distribution is None or architecture is None:
        return None
    here = replace(distribution, architecture=architecture)
    return Machine(here, facts["distribution"], tuple(facts["time_services"]), resolv_conf(facts))


def resolv_conf(facts: Mapping[str, Any]) -> str | None:
    """The file with the resolvers that pods get; None: /etc/resolv.conf.

    Where that names systemd-resolved's stub alone, which answers only on the host itself, it is the file in which
    systemd-resolved keeps the real ones.
    """
    servers = facts["resolvers"]
    stub = bool(servers) and all(server in _STUB for server in servers)
    return _RESOLVED if stub and facts["resolved"] else None
