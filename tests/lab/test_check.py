"""Pods reach each other, or the closing check and the audit name what keeps them from it; and a run repairs it."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.lab.conftest import NODES, Lab
from tests.lab.test_audit import Audited, audit

pytestmark = [pytest.mark.usefixtures("cluster"), pytest.mark.flavours("deb")]

NETWORK = "192.168.0.0/16"
PLACES = "ip -o link | grep -c podcheck; true"


@dataclass(frozen=True)
class Fault:
    """A fault of one host.

    + where: the host it is brought about on, by `how`, and taken back from, by `undo`
    + told: what the check says of it, and the audit in its only finding; "": neither finds a fault in it
    + finding: the audit's host, area and thing
    """

    where: str
    how: str
    undo: str
    told: str = ""
    finding: tuple[str, str, str] = ("", "", "")


FAULTS = {
    "FORWARD drops pods' packets": Fault(
        "node2", f"iptables -w -I FORWARD 1 -d {NETWORK} -p tcp -j DROP", "iptables -w -D FORWARD 1",
        f"on node2 FORWARD has, before it accepts the pod network: -A FORWARD -d {NETWORK} -p tcp -j DROP",
        ("node2", "flannel", "its pods"),
    ),
    "a firewall between hosts": Fault(
        "node3", "iptables -w -t raw -I PREROUTING -p udp --dport 8472 -j DROP",
        "iptables -w -t raw -D PREROUTING 1",
        "UDP port 8472", ("node3", "flannel", "its pods"),
    ),
    "full packets get lost": Fault(
        "node3", "iptables -w -t raw -I PREROUTING -p udp --dport 8472 -m length --length 1400: -j DROP",
        "iptables -w -t raw -D PREROUTING 1", "flannel_backend_options", ("node3", "flannel", "its pods"),
    ),
    "no resolv.conf": Fault(
        "node2", "mv /etc/resolv.conf /etc/resolv.conf.away", "mv /etc/resolv.conf.away /etc/resolv.conf",
        "/etc/resolv.conf", ("node2", "kubernetes", "pods"),
    ),
    "no answers to pings": Fault(
        "node2", "sysctl -qw net.ipv4.icmp_echo_ignore_all=1", "sysctl -qw net.ipv4.icmp_echo_ignore_all=0"
    ),
}  # fmt: skip


@contextmanager
def brought_about(lab: Lab, fault: Fault) -> Iterator[None]:
    lab.ssh(fault.where, fault.how)
    try:
        yield
    finally:
        lab.ssh(fault.where, fault.undo)


def found(done: Audited) -> list[tuple[str, str, str, str]]:
    """Host, area, thing and what was found, of whatever is not ok."""
    listed = json.loads(done.out)["findings"]
    return [(f["host"], f["area"], f["what"], f["found"]) for f in listed if f["status"] != "ok"]


@pytest.mark.parametrize("name", FAULTS)
def test_what_keeps_pods_from_each_other_is_named(lab: Lab, name: str) -> None:
    """By the check, which fails, and by the audit, with the node and the cause; and no more than that is."""
    fault = FAULTS[name]
    with brought_about(lab, fault):
        check = lab.pyinfra("-y", "lab/inventory.py", "deploys/check.py")
        said = found(audit("--json"))
    assert check.code == (1 if fault.told else 0), check.err
    assert fault.told in check.err
    assert [f[:3] for f in said] == ([fault.finding] if fault.told else []), said
    assert all(fault.told in f[3] for f in said)


def test_the_check_needs_no_ping_and_leaves_nothing(lab: Lab) -> None:
    assert lab.attempt("node1", "command -v ping").returncode != 0, "the lab's hosts have none"
    containers = {node: lab.containers_of(node) for node in NODES}
    lab.deploy("check")
    assert {node: lab.containers_of(node) for node in NODES} == containers
    for node in NODES:
        lab.ssh(node, "for n in $(seq 60); do ip -o link | grep -q podcheck || exit 0; sleep 0.5; done; exit 1")
        assert lab.ssh(node, "pgrep -x socat; true") == ""


def test_a_place_is_taken_away_though_the_run_is_killed(lab: Lab) -> None:
    """It goes by itself: nobody needs to be there."""
    place = lab.fact("facts.network.Place", "life=10", f"runtime={lab.runtime}", limit="node1")["node1"]
    assert lab.ssh("node1", f"nsenter --net=/proc/{place['pid']}/ns/net ip -4 -o addr show eth0").count(
        place["address"]
    )
    lab.ssh("node1", f"for n in $(seq 40); do [ -e /proc/{place['pid']} ] || exit 0; sleep 0.5; done; exit 1")
    lab.ssh("node1", "for n in $(seq 20); do ip -o link | grep -q podcheck || exit 0; sleep 0.5; done; exit 1")


def test_the_runtime_has_started_a_container_since_it_runs(lab: Lab) -> None:
    """Shown once after each start; where it cannot, the check says which image and why."""
    record = f"/run/container-cloud/{lab.runtime}.starts-containers"
    broken = ("-y", "--limit", "node1", "--data", "pause_image=lab/none:1", "lab/inventory.py")
    if lab.runtime == "containerd":  # which has the image's name in its own configuration
        assert lab.pyinfra(*broken, "deploys/runtime.py").code == 0
    done = lab.pyinfra(*broken, "deploys/check.py")
    assert done.code == 1 and "no pod starts: " in done.err and "lab/none:1" in done.err
    lab.deploy("runtime")
    lab.deploy("check")
    assert "lab/none" not in lab.ssh("node1", f"cat {record}")


def test_what_limit_leaves_out_is_said(lab: Lab) -> None:
    """With its lease asked of etcd, on a host that is left out as well."""
    done = lab.deploy("check", "-v", "--limit", "node3")
    assert (
        "reaches 2 other nodes over the pod network; of node1, node2, left out by --limit, only its own side"
        in done.err
    )
    assert "[node1]" not in done.err and "[node2]" not in done.err


def test_a_dropping_rule_in_front_is_put_behind(lab: Lab) -> None:
    with brought_about(lab, Fault("node2", "iptables -w -I FORWARD 1 -j DROP", "iptables -w -D FORWARD -j DROP")):
        (said,) = found(audit("--json"))
        assert said[:3] == ("node2", "runtime", "let pod traffic through FORWARD") and said[3].endswith(
            "-A FORWARD -j DROP"
        )
        assert lab.deploy("runtime").changes == {"node2": ["let pod traffic through FORWARD"]}
        lab.deploy("check")
        assert lab.ssh("node2", "iptables -w -S FORWARD | grep -cxF -e '-A FORWARD -j DROP'") == "1", "only moved"
    assert lab.deploy("runtime").changes == {}


# As flanneld leaves it that has not heard of a lease's new device: whole, and another's.
FORMER_DEVICE = """
way=$(ip -4 route show root 192.168.0.0/16 | awk '/flannel.1/ {print $3; exit}')
device=$(ip -4 neigh show "$way" dev flannel.1 | awk '{print $3; exit}')
ip neigh replace "$way" lladdr 0a:00:00:00:00:01 nud permanent dev flannel.1
host=$(bridge fdb show dev flannel.1 | sed -n "s/^$device dst \\([^ ]*\\).*/\\1/p")
bridge fdb add 0a:00:00:00:00:01 dev flannel.1 dst "$host"
bridge fdb del "$device" dev flannel.1
"""


@pytest.mark.parametrize(
    "how",
    [
        "ip route del $(ip -4 route show root 192.168.0.0/16 | awk '/flannel.1/ {print $1; exit}')",
        "bridge fdb del $(bridge fdb show dev flannel.1 | awk '/dst/ {print $1, \"dst\", $3; exit}') dev flannel.1",
        "ip neigh del $(ip -4 neigh show dev flannel.1 | awk '{print $1; exit}') dev flannel.1",
        "ip link del flannel.1",
        FORMER_DEVICE,
    ],
    ids=["route", "forwarding entry", "neighbour", "device", "former device"],
)
def test_a_broken_way_is_repaired_as_announced(lab: Lab, how: str) -> None:
    lab.ssh("node1", how)
    dry = lab.pyinfra("--dry", "lab/inventory.py", "deploys/flannel.py")
    done = lab.deploy("flannel")
    (line,) = done.changes["node1"]
    assert re.fullmatch(
        r"restart flanneld \((a way to another node is broken|its way to \w+ is not .* in etcd)\)", line
    )
    assert done.changes == dry.changes == {"node1": [line]}
    lab.deploy("check")
    assert lab.deploy("flannel").changes == {}


def test_a_runtime_beside_its_lease_is_restarted_on_it(lab: Lab) -> None:
    lab.ssh("node1", f"ip addr flush dev {lab.bridge} && ip addr add 192.168.252.1/24 dev {lab.bridge}")
    line = BESIDE[lab.runtime]
    assert lab.deploy("runtime").changes == {"node1": [line]}
    assert lab.deploy("runtime").changes == {}


BESIDE = {
    "docker": "restart docker (it is not on flannel's lease; ends every pod of the node; drained first)",
    "containerd": "restart containerd (pods are not on flannel's lease; ends every pod of the node; drained first)",
}
MOVED = {"docker": "/run/flannel/docker.env changed", "containerd": "flannel's lease or its MTU changes"}
SETTINGS = {"MTU": 'flannel_backend_options={"MTU": 1400}', "length": "pod_subnet_length=25"}


@pytest.mark.parametrize("name", ["MTU", pytest.param("length", marks=pytest.mark.named)])
def test_the_runtime_follows_the_lease_as_announced(lab: Lab, name: str) -> None:
    """Also where flannel's deploy runs alone; and nothing is left for Docker's own."""
    data = ("--data", SETTINGS[name])
    try:
        dry = lab.pyinfra("--dry", *data, "lab/inventory.py", "deploys/etcd.py", "deploys/flannel.py")
        done = lab.pyinfra("-y", *data, "lab/inventory.py", "deploys/etcd.py", "deploys/flannel.py")
        assert done.code == 0 and done.changes == dry.changes, done.err
        follows = f"restart {lab.runtime} ({MOVED[lab.runtime]}; ends every pod of the node; drained first)"
        assert all(done.changes[node][-1] == follows for node in NODES)
        own = lab.leases()
        for node, (address, mtu) in lab.bridges().items():
            assert address == own[node]
            assert (mtu == "1350") if name == "MTU" else own[node].endswith("/25")
        assert lab.deploy("cluster", *data).changes == {}
    finally:
        dry = lab.pyinfra("--dry", "lab/inventory.py", "deploys/cluster.py")
        assert lab.deploy().changes == dry.changes
