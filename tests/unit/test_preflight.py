"""Reasons not to touch a host: each alone, with what it says; none on good hosts."""

from typing import Any

import pytest

from cluster.ports import tcp_ports
from cluster.preflight import notices, problems
from tests.unit.example import PACKAGES, SEVERAL, cluster, several

SHIPPED = cluster()
RUNNING = {
    "master": {2379: "etcd", 2380: "etcd", 6443: "kube-apiserver", 10257: "kube-controller", 10259: "kube-scheduler"},
    "node1": {10250: "kubelet", 10248: "kubelet", 10249: "kube-proxy", 10256: "kube-proxy"},
}


KNOWN = (
    "Debian, Ubuntu, Deepin Server, CentOS or RHEL 7, CentOS, RHEL, Rocky or AlmaLinux 8, CentOS, RHEL, Rocky or "
    "AlmaLinux 9, openEuler, Anolis OS 7, Anolis OS 8, Kylin Server V10, UOS Server 20"
)
ROCKY = {"distribution": "rocky", "like": "rhel centos fedora", "version": "9.2", "managers": ["dnf", "yum"]}


def good() -> dict[str, dict[str, Any]]:
    """What the preflight finds on four hosts before the first run."""
    return {
        host.name: {
            "distribution": "debian",
            "like": "",
            "version": "12",
            "managers": ["apt-get"],
            "name": "Debian GNU/Linux 12 (bookworm)",
            "architecture": "x86_64",
            "root": True,
            "init": "systemd",
            "machine_id": f"{number:032x}",
            "hostname": host.name,
            "clock": 0.1 * number,
            "free_disk": 80 * 2**30,
            "installed": False,
            "time_services": [],
            "listeners": {},
        }
        for number, host in enumerate(SHIPPED.hosts, start=1)
    }


def test_good_hosts() -> None:
    assert problems(SHIPPED, good()) == []


def test_hosts_that_run_the_cluster_already() -> None:
    found = good()
    for name in found:
        found[name] |= {"installed": True, "listeners": RUNNING.get(name, RUNNING["node1"])}
    assert problems(SHIPPED, found) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"distribution": "arch", "name": "Arch Linux"},
            f"node1: Arch Linux is not supported; known are {KNOWN}",
        ),
        ({"distribution": "", "name": ""}, f"node1: its distribution is not supported; known are {KNOWN}"),
        (
            {"distribution": "centos", "like": "rhel fedora", "version": "6", "managers": ["yum"], "name": "CentOS 6"},
            f"node1: CentOS 6 is not supported; known are {KNOWN}",
        ),
        ({"architecture": "aarch64"}, "node1: aarch64 is not supported; known are x86_64"),
        ({"root": False}, "node1: not root; connect as root, or write _sudo = True in group_data/all.py"),
        ({"init": "bash"}, "node1: PID 1 is bash, not systemd; use a host that systemd has booted"),
        ({"machine_id": ""}, "node1: /etc/machine-id is empty; write one with `systemd-machine-id-setup`"),
        (
            {"free_disk": int(4.94 * 2**30)},
            "node1: /var has 4.9 GiB free, minimum_free_disk_gib asks for 5: make room, or lower the setting",
        ),
        (
            {"listeners": {10250: "nginx"}},
            "node1: port 10250 is taken by nginx; kubelet needs it: stop that one",
        ),
        (
            {"listeners": {10256: ""}},
            "node1: port 10256 is taken by another program; kube-proxy needs it: stop that one",
        ),
        (
            {"machine_id": f"{3:032x}"},
            f"node1 and node2 share the machine-id {3:032x}; write a new one with `systemd-machine-id-setup` on all "
            "but one",
        ),
        (
            {"hostname": "node2"},
            "node1 and node2 share the hostname node2; set its own with `hostnamectl set-hostname` on all but one",
        ),
        (
            {"clock": 6.4},
            "node1's clock is 6 s ahead of master's; more than 5 s breaks certificates and leases: set both by NTP, "
            "for example with `timedatectl set-ntp true`",
        ),
        (
            {"clock": -120.0},
            "node3's clock is 120 s ahead of node1's; more than 5 s breaks certificates and leases: set both by NTP, "
            "for example with `timedatectl set-ntp true`",
        ),
    ],
)
def test_one_reason(change: dict[str, Any], message: str) -> None:
    found = good()
    found["node1"] |= change
    assert problems(SHIPPED, found) == [message]


def test_a_host_that_was_not_read_is_not_judged_further() -> None:
    found: dict[str, dict[str, Any]] = good() | {"node1": {}}
    assert problems(SHIPPED, found) == ["node1: could not be read; look above for why"]


def test_every_reason_is_said_at_once() -> None:
    found = good()
    found["master"] |= {"root": False, "init": "bash", "free_disk": 0}
    found["node3"] |= {"architecture": "aarch64", "hostname": "node2"}
    lines = problems(SHIPPED, found)
    assert [line.split(":")[0].split(" ")[0] for line in lines] == ["master"] * 3 + ["node3", "node2"]


def test_relatives_of_known_distributions() -> None:
    found = good()
    found["node1"] |= {"distribution": "linuxmint", "like": "ubuntu debian"}
    found["node1"]["name"] = "Linux Mint 21"
    found["node2"] |= {"distribution": "ubuntu"}
    assert problems(SHIPPED, found) == []
    assert notices(found) == ["node1: Linux Mint 21 is not known, and treated as Ubuntu"]


# --- What the distribution has packages of --------------------------------------------------------------------------


def test_a_component_the_distribution_has_no_package_of() -> None:
    found = good()
    found["node1"] |= ROCKY
    (line,) = problems(SHIPPED, found)
    assert line == (
        'node1: install_methods["docker"] = "packages": CentOS, RHEL, Rocky or AlmaLinux 9 has none known to do; write '
        '"release files", or name them in package_names["docker"]["rpm"]'
    )
    named = cluster(package_names={"docker": {"rpm": ["docker-ce"]}})
    assert problems(named, found) == []
    assert problems(cluster(install_methods={"docker": {"rpm": "release files"}}), found) == []


def test_packages_are_asked_of_hosts_that_need_them() -> None:
    lines = problems(cluster(install_methods=PACKAGES), good())
    settings = {(line.split(":")[0], line.split("[")[1].split("]")[0]) for line in lines}
    assert settings == {
        ("master", '"kubernetes"'),
        *((f"node{n}", name) for n in (1, 2, 3) for name in ('"flannel"', '"kubernetes"')),
    }


def test_a_time_service_the_family_does_not_have() -> None:
    found = good()
    found["node1"] |= ROCKY
    settings = {"install_methods": {"docker": "release files"}}
    assert problems(cluster(time_service="systemd-timesyncd", **settings), found) == [
        'node1: time_service = "systemd-timesyncd": CentOS, RHEL, Rocky or AlmaLinux 9 has no such package; write '
        '"chrony"'
    ]
    for service in ("distribution", "chrony", None):
        assert problems(cluster(time_service=service, **settings), found) == []


# --- The disk -------------------------------------------------------------------------------------------------------


def test_a_disk_just_large_enough() -> None:
    found = good()
    found["node1"]["free_disk"] = 5 * 2**30
    assert problems(SHIPPED, found) == []


def test_the_disk_is_asked_about_before_the_first_installation_only() -> None:
    """Images fill it later: that is no reason to refuse a repair."""
    found = good()
    found["node1"] |= {"free_disk": 0, "installed": True}
    assert problems(SHIPPED, found) == []


def test_the_disk_is_a_setting() -> None:
    found = good()
    found["node1"]["free_disk"] = 2**30
    assert problems(cluster(minimum_free_disk_gib=1), found) == []
    assert len(problems(cluster(minimum_free_disk_gib=100), found)) == 4


# --- Ports ----------------------------------------------------------------------------------------------------------


def test_a_port_matters_only_to_the_role_that_needs_it() -> None:
    found = good()
    found["node1"]["listeners"] = {2379: "nginx", 6443: "nginx", 10257: "nginx"}
    found["master"]["listeners"] = {10250: "nginx", 10256: "nginx"}
    assert problems(SHIPPED, found) == []
    lines = problems(several(), found)
    assert {line.partition(" is taken")[0] for line in lines} == {
        "node1: port 2379", "node1: port 6443", "node1: port 10257",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["master", "node1"])
def test_every_port_of_a_host_is_looked_at(name: str) -> None:
    found = good()
    found[name]["listeners"] = dict.fromkeys((port.number for port in tcp_ports(SHIPPED.settings)), "nginx")
    taken = {int(line.split("port ")[1].split(" ")[0]) for line in problems(SHIPPED, found)}
    assert taken == set(RUNNING[name])


def test_the_cluster_itself_may_listen_but_not_in_anothers_place() -> None:
    """`ss` shows the first 15 characters of a name: kube-controller-manager is kube-controller there."""
    found = good()
    found["master"]["listeners"] = {10257: "kube-scheduler", 10259: "kube-scheduler"}
    (line,) = problems(SHIPPED, found)
    assert line.startswith("master: port 10257 is taken by kube-scheduler; kube-controller")


def test_ports_follow_the_settings() -> None:
    moved = cluster(etcd_client_port=12379, etcd_peer_port=12380, api_server_port=8443)
    numbers = {port.number for port in tcp_ports(moved.settings)}
    assert {12379, 12380, 8443} <= numbers and not {2379, 2380, 6443} & numbers


# --- Several hosts --------------------------------------------------------------------------------------------------


def test_all_that_share_a_machine_id_are_named() -> None:
    found = good()
    for name in ("node1", "node2", "node3"):
        found[name]["machine_id"] = "ab" * 16
    (line,) = problems(SHIPPED, found)
    assert line.startswith(f"node1 and node2 and node3 share the machine-id {'ab' * 16}")


def test_missing_machine_ids_are_not_the_same_one() -> None:
    found = good()
    for name in ("node1", "node2"):
        found[name]["machine_id"] = ""
    assert [line.partition(":")[0] for line in problems(SHIPPED, found)] == ["node1", "node2"]


def test_clocks_within_five_seconds() -> None:
    found = good()
    found["master"]["clock"], found["node3"]["clock"] = -2.0, 2.9
    assert problems(SHIPPED, found) == []


def test_clocks_that_were_not_read() -> None:
    found = good()
    for facts in found.values():
        facts["clock"] = None
    assert problems(SHIPPED, found) == []


def test_only_the_hosts_of_this_run_are_judged() -> None:
    """With --limit, others are not read."""
    found = {"node1": good()["node1"]}
    assert problems(cluster(SEVERAL, api_server_address="api.example"), found) == []
