"""Reasons not to touch a host, from what was read of all of them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from cluster.distributions import ARCHITECTURES, Distribution, distribution_of, named, relative_of
from cluster.installation import package_names
from cluster.ports import tcp_ports
from cluster.problems import show
from cluster.releases import COMPONENT_OF, Packaged
from cluster.settings import Cluster, Host

MAXIMUM_SKEW = 5.0  # seconds


def problems(cluster: Cluster, found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Every reason not to begin, one line each, saying what to do.

    Args:
        found: by host name, what `facts.host.Preflight` returned.
    """
    lines = [line for name, facts in found.items() for line in _of_host(cluster, cluster.host(name), facts)]
    return [*lines, *_shared(found, "machine_id", "write a new one with `systemd-machine-id-setup`"),
            *_shared(found, "hostname", "set its own with `hostnamectl set-hostname`"), *_clocks(found)]  # fmt: skip


def _of_host(cluster: Cluster, host: Host, facts: Mapping[str, Any]) -> Iterator[str]:
    if not facts:
        yield f"{host.name}: could not be read; look above for why"
        return
    distribution = treated_as(facts)
    if distribution is None:
        name = facts["name"] or "its distribution"
        yield f"{host.name}: {name} is not supported; known are {named()}"
    else:
        yield from _packages(cluster, host, distribution)
    if facts["architecture"] not in ARCHITECTURES:
        yield f"{host.name}: {facts['architecture']} is not supported; known are {', '.join(ARCHITECTURES)}"
    if not facts["root"]:
        yield f"{host.name}: not root; connect as root, or write _sudo = True in group_data/all.py"
    if facts["init"] != "systemd":
        yield f"{host.name}: PID 1 is {facts['init']}, not systemd; use a host that systemd has booted"
    if not facts["machine_id"]:
        yield f"{host.name}: /etc/machine-id is empty; write one with `systemd-machine-id-setup`"
    yield from _disk(cluster, host, facts)
    for port in tcp_ports(cluster.settings):
        listener = facts["listeners"].get(port.number)
        # The kernel keeps 15 characters of a program's name.
        if port.group in host.groups and listener is not None and not listener.startswith(port.program[:15]):
            other = listener or "another program"
            yield f"{host.name}: port {port.number} is taken by {other}; {port.program} needs it: stop that one"


def treated_as(facts: Mapping[str, Any]) -> Distribution | None:
    """The distribution that a host is taken for: its own, else one that it says to be like; None: neither is known."""
    return distribution_of(facts) or relative_of(facts)


def notices(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What is worth a warning: hosts whose distribution is known by a relative only. `found` as for `problems`."""
    relatives = {n: relative_of(f) for n, f in found.items() if f and distribution_of(f) is None}
    return [f"{n}: {found[n]['name']} is not known, and treated as {r.name}" for n, r in relatives.items() if r]


def _packages(cluster: Cluster, host: Host, distribution: Distribution) -> Iterator[str]:
    """Components that shall come as packages that the distribution does not have."""
    settings, family = cluster.settings, distribution.family
    for component in _components(host):
        setting = COMPONENT_OF[component]
        packaged = settings.install_method(setting, family.name) == "packages"
        try:
            if packaged:
                package_names(settings, distribution, component)
        except LookupError:
            yield (
                f'{host.name}: install_methods[{show(setting)}] = "packages": {distribution.name} has none known to '
                f'do; write "release files", or name them in package_names[{show(component)}][{show(family.name)}]'
            )
    service = settings.time_service
    if service not in (None, "distribution", *family.time_services):
        own = " or ".join(map(show, family.time_services))
        yield f"{host.name}: time_service = {show(service)}: {distribution.name} has no such package; write {own}"


def _components(host: Host) -> Iterator[Packaged]:
    if host.is_etcd:
        yield "etcd"
    if host.is_master:
        yield "kubernetes-master"
    if host.is_node:
        yield "flannel"
        yield "docker"
        yield "kubernetes-node"


def _disk(cluster: Cluster, host: Host, facts: Mapping[str, Any]) -> Iterator[str]:
    wanted = cluster.settings.minimum_free_disk_gib
    free = facts["free_disk"] / 2**30
    if free < wanted and not facts["installed"]:
        yield (
            f"{host.name}: /var has {free:.1f} GiB free, minimum_free_disk_gib asks for {wanted}: "
            "make room, or lower the setting"
        )


def _shared(found: Mapping[str, Mapping[str, Any]], key: str, advice: str) -> Iterator[str]:
    owners = defaultdict(list)
    for name, facts in found.items():
        if facts.get(key):
            owners[facts[key]].append(name)
    for value, names in owners.items():
        if len(names) > 1:
            yield f"{' and '.join(names)} share the {key.replace('_', '-')} {value}; {advice} on all but one"


def _clocks(found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    clocks = {name: facts["clock"] for name, facts in found.items() if facts.get("clock") is not None}
    if not clocks:
        return
    first, last = min(clocks, key=clocks.__getitem__), max(clocks, key=clocks.__getitem__)
    skew = clocks[last] - clocks[first]
    if skew > MAXIMUM_SKEW:
        yield (
            f"{last}'s clock is {skew:.0f} s ahead of {first}'s; more than {MAXIMUM_SKEW:.0f} s breaks certificates "
            "and leases: set both by NTP, for example with `timedatectl set-ntp true`"
        )
