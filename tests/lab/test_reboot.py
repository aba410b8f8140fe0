"""Power off and on, without a run: everything is back."""

import time

import pytest

from lab import lifecycle, state
from tests.lab.conftest import HOSTS, NODES, UNITS, Lab

pytestmark = pytest.mark.usefixtures("cluster")


def wait_ready(lab: Lab, seconds: float = 180) -> None:
    """Until the API server has heard from every node since `began` and calls it Ready."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        done = lab.attempt(
            "master", "kubectl --kubeconfig=/etc/kubernetes/kubeconfig --request-timeout=5s get nodes --no-headers"
        )
        states = [line.split()[1] for line in done.stdout.splitlines()]
        if states == ["Ready"] * len(NODES):
            return
        time.sleep(1)
    pytest.fail(f"not Ready after {seconds} s: {done.stdout}{done.stderr}", pytrace=False)


def settled(lab: Lab, host: str) -> bool:
    return all(lab.attempt(host, f"systemctl is-active {unit}").returncode == 0 for unit in UNITS[host])


def wait_settled(lab: Lab, hosts: tuple[str, ...], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not all(settled(lab, host) for host in hosts):
        assert time.monotonic() < end, {h: lab.attempt(h, "systemctl --failed --no-legend").stdout for h in hosts}
        time.sleep(1)


def assert_as_before(lab: Lab, leases: dict[str, str]) -> None:
    assert lab.leases() == leases
    assert {node: address for node, (address, _) in lab.bridges().items()} == leases
    assert lab.deploy("check").code == 0, "containers reach each other"
    assert lab.deploy("cluster", "--json").totals["success"] == 0, "a run finds nothing to do"


def test_one_node(lab: Lab) -> None:
    """flannel's device has its address again: nobody has to hear of another one."""
    address = "ip -o link show flannel.1 | grep -o 'link/ether [^ ]*'"
    leases, device = lab.leases(), lab.ssh("node2", address)
    lifecycle.reboot([state.host("node2")])
    wait_settled(lab, ("node2",))
    wait_ready(lab)
    assert lab.ssh("node2", address) == device
    assert_as_before(lab, leases)


def test_all_hosts_at_once(lab: Lab) -> None:
    leases = lab.leases()
    lifecycle.reboot(state.hosts())
    wait_settled(lab, HOSTS)
    wait_ready(lab)
    assert_as_before(lab, leases)


def test_the_runtime_started_after_flannels_lease(lab: Lab) -> None:
    """By the units themselves: the order of their activation at the last boot."""
    for node in NODES:
        times = [
            int(lab.ssh(node, f"systemctl show --value -p ActiveEnterTimestampMonotonic {unit}"))
            for unit in ("flanneld", lab.runtime, "kubelet")
        ]
        assert times == sorted(times)
        assert lab.ssh(node, f"systemctl show -p After --value {lab.runtime} | tr ' ' '\\n' | grep -x flanneld.service")


def test_forward_is_open_after_the_boot(lab: Lab) -> None:
    for node in NODES:
        lab.ssh(
            node,
            "iptables -w -C FORWARD -s 192.168.0.0/16 -j ACCEPT && iptables -w -C FORWARD -d 192.168.0.0/16 -j ACCEPT",
        )


def test_no_pod_starts_without_a_lease(lab: Lab) -> None:
    """A node that boots while etcd is away waits; it never falls back to an address of the runtime's own choice."""
    leases = lab.leases()
    lab.ssh("master", "systemctl stop etcd")
    try:
        lifecycle.reboot([state.host("node3")])
        time.sleep(8)
        if lab.runtime == "docker":
            assert lab.attempt("node3", "systemctl is-active docker").returncode != 0
        assert lab.ssh("node3", f"ip -o link show {lab.bridge} 2>/dev/null; true") == ""
    finally:
        lab.ssh("master", "systemctl start etcd")
    wait_settled(lab, HOSTS)
    wait_ready(lab)
    assert lab.leases() == leases
