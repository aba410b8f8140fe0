"""The container runtime as it runs, against flannel's lease and the settings."""

from collections.abc import Iterator
from ipaddress import IPv4Network

from audit.answers import Reading
from audit.areas.view import DEPLOYS, View
from audit.model import Finding

AREA = "runtime"


def judge(view: View, reading: Reading) -> Iterator[Finding]:
    """A node's runtime, and the bridge that its pods are plugged into."""
    if reading.host.is_node and view.runs_containers(reading) and reading.fact("engine"):
        docker = view.settings.container_runtime == "docker"
        yield from (_docker if docker else _containerd)(view, reading)


def _docker(view: View, reading: Reading) -> Iterator[Finding]:
    engine, lease = reading.fact("engine"), reading.fact("lease")
    subnet = _address(view, reading)
    if subnet and view.runs(reading, "flanneld"):
        yield _same(reading, "dockerd --bip", subnet, engine["bip"])
        if reading.knows("lease"):
            yield _same(reading, "dockerd --mtu", lease.get("FLANNEL_MTU", ""), engine["mtu"])
        if engine["bip"] == subnet:  # docker0 goes where dockerd was told to
            yield _same(reading, "docker0", subnet, engine["bridge"] or "no address")
    yield _same(reading, "cgroup driver", view.settings.docker_cgroup_driver, engine["cgroup_driver"])


def _containerd(view: View, reading: Reading) -> Iterator[Finding]:
    engine, lease = reading.fact("engine"), reading.fact("lease")
    subnet = _address(view, reading)
    if subnet and view.runs(reading, "flanneld"):
        yield _same(reading, "pods' network", str(IPv4Network(subnet, strict=False)), engine["network"])
        if reading.knows("lease"):
            mtu = lease.get("FLANNEL_MTU", "")
            yield _same(reading, "pods' MTU", mtu, engine["mtu"])
            yield _same(reading, "cni0's MTU", mtu, engine["bridge_mtu"])
        yield _same(reading, "cni0", subnet, engine["bridge"] or "no address")
        if engine["network"]:  # else that is said already
            yield _same(reading, "containerd", "ready for pods", engine["trouble"] or "ready for pods")
    yield _same(reading, "cgroup driver", "systemd", engine["cgroup_driver"])


def _address(view: View, reading: Reading) -> str:
    """The bridge's address: the first of the host's lease in etcd, else of the one that flanneld wrote down."""
    own = view.lease_of(reading.host)
    if own is None:
        return str(reading.fact("lease").get("FLANNEL_SUBNET", ""))
    network = IPv4Network(own)
    return f"{network.network_address + 1}/{network.prefixlen}"


def _same(reading: Reading, what: str, expected: str, found: str) -> Finding:
    name = reading.host.name
    return Finding.judged(expected == found, name, AREA, what, expected, found or "none", DEPLOYS[AREA])
