"""Docker as it runs, against flannel's lease and the settings."""

from collections.abc import Iterator
from ipaddress import IPv4Network

from audit.answers import Reading
from audit.areas.view import View
from audit.model import Finding


def judge(view: View, reading: Reading) -> Iterator[Finding]:
    """A node's dockerd and docker0."""
    engine, lease = reading.fact("engine"), reading.fact("lease")
    if not reading.host.is_node or not view.runs(reading, "docker") or not engine:
        return
    repair = "deploys/docker.py"
    own = view.lease_of(reading.host)
    subnet = _first(own) if own else lease.get("FLANNEL_SUBNET", "")
    if subnet and view.runs(reading, "flanneld"):
        yield _same(reading, "dockerd --bip", subnet, engine["bip"], repair)
        if reading.knows("lease"):
            yield _same(reading, "dockerd --mtu", lease.get("FLANNEL_MTU", ""), engine["mtu"], repair)
        if engine["bip"] == subnet:  # docker0 goes where dockerd was told to
            yield _same(reading, "docker0", subnet, engine["bridge"] or "no address", repair)
    yield _same(reading, "cgroup driver", view.settings.docker_cgroup_driver, engine["cgroup_driver"], repair)


def _first(subnet: str) -> str:
    """The address that docker0 has in a lease: "192.168.13.1/24" of "192.168.13.0/24"."""
    network = IPv4Network(subnet)
    return f"{network.network_address + 1}/{network.prefixlen}"


def _same(reading: Reading, what: str, expected: str, found: str, repair: str) -> Finding:
    name = reading.host.name
    return Finding.judged(expected == found, name, "docker", what, expected, found or "none", repair)
