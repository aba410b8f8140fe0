"""The host itself: what it runs on, whether it is booted and has room, and what no two hosts may share."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from cluster.distributions import ARCHITECTURES, distribution_of, named, relative_of
from cluster.preflight.remarks import Remark, note, refusal, warning
from cluster.releases import CGROUP_V1_REFUSED, is_version, release
from cluster.settings import Cluster, Host

NFTABLES = (5, 13)  # the kernel with all that kube-proxy's mode needs
MAXIMUM_SKEW = 5.0  # seconds, between two hosts
MAXIMUM_AWAY = (
    60.0  # seconds, between this machine and every host: certificates begin five minutes before they are made
)


def of_one(cluster: Cluster, host: Host, facts: Mapping[str, Any]) -> Iterator[Remark]:
    """What one host's own answer tells."""
    if distribution_of(facts) is None:
        relative = relative_of(facts)
        if relative is None:
            name = facts["name"] or "its distribution"
            yield refusal(host.name, f"{name} is not supported; known are {named()}")
        else:
            yield warning(host.name, f"{facts['name']} is not known, and treated as {relative.name}")
    if facts["architecture"] not in ARCHITECTURES:
        known = " and ".join(f"{machine} ({name})" for machine, name in ARCHITECTURES.items())
        found = facts["architecture"] or "its architecture"
        yield refusal(host.name, f"{found} is not supported; known are {known}")
    if not facts["root"]:
        yield refusal(host.name, "not root; connect as root, or write _sudo = True in group_data/all.py")
    if facts["init"] != "systemd":
        yield refusal(host.name, f"PID 1 is {facts['init']}, not systemd; use a host that systemd has booted")
    if not facts["machine_id"]:
        yield refusal(host.name, "/etc/machine-id is empty; write one with `systemd-machine-id-setup`")
    if host.is_node and cluster.settings.kube_proxy_mode == "nftables" and _older(facts["kernel"], NFTABLES):
        least = ".".join(map(str, NFTABLES))
        what = f'kube_proxy_mode = "nftables" needs a kernel from {least}, and it has {facts["kernel"]}'
        yield refusal(host.name, f'{what}: write "iptables", or boot a newer one')
    if host.is_node and facts["cgroup"] == 1:
        yield from _cgroup_v1(cluster, host)
    wanted, free = cluster.settings.minimum_free_disk_gib, facts["free_disk"] / 2**30
    if free < wanted and not facts["installed"]:
        asks = f"/var has {free:.1f} GiB free, minimum_free_disk_gib asks for {wanted}"
        yield refusal(host.name, f"{asks}: make room, or lower the setting")


def _older(kernel: str, least: tuple[int, int]) -> bool:
    return is_version(kernel) and release(kernel) < least


def _cgroup_v1(cluster: Cluster, host: Host) -> Iterator[Remark]:
    settings = cluster.settings
    if settings.kubernetes_version not in CGROUP_V1_REFUSED:
        return
    what = "it has cgroup v1 only, which Kubernetes no longer supports"
    if settings.accept_cgroup_v1:
        yield note(host.name, f"{what}, and is deployed so, for accept_cgroup_v1 is True")
        return
    boot = "boot it with systemd.unified_cgroup_hierarchy=1 on its kernel's command line"
    yield refusal(host.name, f"{what}: {boot}, or write accept_cgroup_v1 = True in group_data/all.py")


def of_all(found: Mapping[str, Mapping[str, Any]]) -> Iterator[Remark]:
    """What only the answers of several hosts tell together."""
    yield from _shared(found, "machine_id", "write a new one with `systemd-machine-id-setup`")
    yield from _shared(found, "hostname", "set its own with `hostnamectl set-hostname`")
    yield from _clocks({name: facts["clock"] for name, facts in found.items() if facts.get("clock") is not None})


def _shared(found: Mapping[str, Mapping[str, Any]], key: str, advice: str) -> Iterator[Remark]:
    owners = defaultdict(list)
    for name, facts in found.items():
        if facts.get(key):
            owners[facts[key]].append(name)
    for value, names in owners.items():
        if len(names) > 1:
            what = f"{' and '.join(names)} share the {key.replace('_', '-')} {value}"
            yield Remark("refusal", f"{what}; {advice} on all but one")


def _clocks(clocks: Mapping[str, float]) -> Iterator[Remark]:
    if not clocks:
        return
    first, last = min(clocks, key=clocks.__getitem__), max(clocks, key=clocks.__getitem__)
    skew = clocks[last] - clocks[first]
    if skew > MAXIMUM_SKEW:
        yield Remark(
            "refusal",
            f"{last}'s clock is {skew:.0f} s ahead of {first}'s; more than {MAXIMUM_SKEW:.0f} s breaks certificates "
            "and leases: set both by NTP, for example with `timedatectl set-ntp true`",
        )
        return
    near = min(clocks.values(), key=abs)
    if abs(near) > MAXIMUM_AWAY:
        hosts = "every host's" if len(clocks) > 1 else f"{first}'s"
        yield Remark(
            "refusal",
            f"this machine's clock is {abs(near):.0f} s {'behind' if near > 0 else 'ahead of'} {hosts}; certificates "
            "are issued and judged by it: set this machine's clock by NTP, or the hosts'",
        )
