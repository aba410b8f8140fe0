"""Reasons not to touch a host: each alone, with what it says; none on good hosts."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cluster.machine import Machine, machine
from cluster.ports import tcp_ports
from cluster.preflight import judge
from cluster.preflight.remarks import texts
from cluster.roles.node import node_role
from cluster.settings import Cluster
from facts.host import Preflight
from tests.unit.example import PACKAGES, SEVERAL, cluster, current, expected, good, roles, several

SHIPPED = cluster()
RUNNING = {
    "master": {2379: "etcd", 2380: "etcd", 6443: "kube-apiserver", 10257: "kube-controller-manager",
               10259: "kube-scheduler"},
    "node1": {10250: "kubelet", 10248: "kubelet", 10249: "kube-proxy", 10256: "kube-proxy"},
}  # fmt: skip


KNOWN = (
    "Debian, Ubuntu, Deepin Server, CentOS or RHEL 7, CentOS, RHEL, Rocky or AlmaLinux 8, CentOS, RHEL, Rocky or "
    "AlmaLinux 9, openEuler, Anolis OS 7, Anolis OS 8, Kylin Server V10, UOS Server 20"
)
ROCKY = {"distribution": "rocky", "like": "rhel centos fedora", "version": "9.2", "managers": ["dnf", "yum"]}


def good_hosts() -> dict[str, dict[str, Any]]:
    """What the preflight finds on four hosts before the first run."""
    return {h.name: good(h, number) | {"clock": 0.1 * number} for number, h in enumerate(SHIPPED.hosts, start=1)}


def problems(cluster: Cluster, found: dict[str, dict[str, Any]]) -> list[str]:
    return texts(judge(cluster, found), "refusal")


def listener(name: str, pid: int = 612) -> dict[str, Any]:
    """The kernel keeps 15 characters of a program's name."""
    return {"name": name[:15], "pid": pid, "unit": f"{name}.service", "program": f"/usr/bin/{name}"}


def running(name: str, *, ours: bool) -> dict[str, Any]:
    """The cluster's programs at work on a host, as services of their names."""
    programs = RUNNING.get(name, RUNNING["node1"])
    pids = {program: number for number, program in enumerate(dict.fromkeys(programs.values()), start=600)}
    return {
        "listeners": {port: listener(program, pids[program]) for port, program in programs.items()},
        "units": {program: {"pid": pid, "ours": ours} for program, pid in pids.items()},
    }


def test_good_hosts() -> None:
    assert problems(SHIPPED, good_hosts()) == []


def test_hosts_that_run_the_cluster_already() -> None:
    found = good_hosts()
    for name in found:
        found[name] |= {"installed": True, **running(name, ours=True)}
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
        (
            {"architecture": "riscv64"},
            "node1: riscv64 is not supported; known are x86_64 (amd64) and aarch64 (arm64)",
        ),
        ({"root": False}, "node1: not root; connect as root, or write _sudo = True in group_data/all.py"),
        ({"init": "bash"}, "node1: PID 1 is bash, not systemd; use a host that systemd has booted"),
        ({"machine_id": ""}, "node1: /etc/machine-id is empty; write one with `systemd-machine-id-setup`"),
        (
            {"free_disk": int(4.94 * 2**30)},
            "node1: /var has 4.9 GiB free, minimum_free_disk_gib asks for 5: make room, or lower the setting",
        ),
        (
            {"listeners": {10250: listener("nginx")}},
            "node1: port 10250 is taken by nginx (/usr/bin/nginx, nginx.service); kubelet needs it: stop it",
        ),
        (
            {"listeners": {10256: {"name": "", "pid": 0, "unit": "", "program": ""}}},
            "node1: port 10256 is taken by another program; kube-proxy needs it: stop it",
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
    found = good_hosts()
    found["node1"] |= change
    assert problems(SHIPPED, found) == [message]


def test_cgroup_v1_alone_is_refused_unless_the_settings_accept_it() -> None:
    found = good_hosts()
    found["node1"] |= {"cgroup": 1}
    found["master"] |= {"cgroup": 1}  # no kubelet runs there
    (said,) = problems(current(), found)
    assert said.startswith("node1: it has cgroup v1 only") and "accept_cgroup_v1 = True" in said
    assert problems(current(accept_cgroup_v1=True), found) == []
    (remark,) = [r for r in judge(current(accept_cgroup_v1=True), found) if "cgroup" in r.text]
    assert remark.weight == "note"
    assert problems(SHIPPED, found) == [], "of 1.20 nothing is said"


def test_a_kernel_too_old_for_the_mode_of_kube_proxy_is_refused() -> None:
    found = good_hosts()
    found["node1"] |= {"kernel": "5.10.0-28-amd64"}
    (said,) = problems(current(kube_proxy_mode="nftables"), found)
    assert said.startswith('node1: kube_proxy_mode = "nftables" needs a kernel from 5.13, and it has 5.10.0')
    assert problems(current(), found) == []


def test_arm64_is_deployed_where_digests_are_known() -> None:
    found = good_hosts()
    found["node1"] |= {"architecture": "aarch64"}
    lacking = 'release_files["kube-proxy"], release_files["flanneld"]'  # the kubelet's is shipped
    assert problems(SHIPPED, found) == [
        f"node1: it is arm64, and nobody has a digest for that of {lacking}: run `python -m release lock --arch arm64`"
    ]
    files = {n: f.model_dump(exclude_unset=True) for n, f in SHIPPED.settings.release_files.items()}
    digests = {"amd64": "a" * 64, "arm64": "b" * 64}
    both = cluster(release_files={name: {**file, "sha256": digests} for name, file in files.items()})
    assert problems(both, found) == []
    for machine_name, architecture in (("x86_64", "amd64"), ("aarch64", "arm64")):
        role = node_role(both, both.host("node1"), known(architecture=machine_name), ())
        assert {p.digest for p in role.programs} == {digests[architecture]}
        assert {p.url.split("/")[-2] for p in role.programs} == {architecture}


def test_a_host_is_asked_for_what_it_fetches_itself() -> None:
    today = current()
    found = {host.name: good(host, number) | {"architecture": "aarch64"} for number, host in enumerate(today.hosts)}
    lacking = {
        line.partition(":")[0]: set(re.findall(r'release_files\["([\w-]+)"\]', line)) for line in problems(today, found)
    }
    node = {"flanneld", "containerd", "cni-plugins", "crictl", "kubelet", "kube-proxy"}  # runc's is shipped
    master = {"etcd", "flanneld", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"}
    assert lacking == {"master": master, "node1": node, "node2": node, "node3": node}


@pytest.mark.parametrize(
    ("found", "refused"),
    [("", False), ("3.6.16", False), ("3.6.1", False), ("3.5.33", False), ("3.4.23", True), ("3.7.0", True)],
)
def test_data_of_etcd_are_taken_over_by_the_next_release_alone(found: str, refused: bool) -> None:
    """Also where a run meets nothing but etcd's own host."""
    hosts = good_hosts()
    hosts["master"]["etcd_version"] = found
    told = problems(current(), hosts)
    assert len(told) == refused and all(f'write etcd_version = "{found}"' in line for line in told)


@pytest.mark.parametrize(
    ("services", "said"),
    [
        ({"kubernetes": "192.168.1.1", "kube-dns": "192.168.1.10"}, None),
        ({"kubernetes": "192.168.1.1"}, None),
        ({"kubernetes": "192.168.1.1", "kube-dns": "192.168.1.53"}, 'write cluster_dns_address = "192.168.1.53"'),
        ({"kubernetes": "10.96.0.1", "kube-dns": "10.96.0.10"}, "kubernetes at 10.96.0.1, which is not the first add"),
    ],
)
def test_services_are_not_moved_under_pods(services: dict[str, str], said: str | None) -> None:
    """Kubelets would tell pods of an address that nobody answers at."""
    hosts = good_hosts()
    hosts["master"]["services"] = services
    told = problems(current(), hosts)
    assert len(told) == bool(said) and all(str(said) in line for line in told)


@pytest.mark.parametrize(
    ("found", "refused", "warned"),
    [
        ([], False, False),
        (["1.37.0", "1.37.2"], False, False),
        (["1.36.3"], False, True),
        (["1.38.0"], True, False),
        (["1.20.2", "1.20.2"], True, False),
    ],
)
def test_kubernetes_goes_up_one_release_and_no_more(found: list[str], refused: bool, warned: bool) -> None:
    """An old cluster met by today's settings stays as it is."""
    of = current()
    hosts = good_hosts()
    hosts["master"]["kubernetes"] = found
    remarks = judge(of, hosts)
    told = [r.text for r in remarks if "Kubernetes" in r.text and r.weight == "refusal"]
    assert len(told) == refused
    if refused:
        assert told[0].startswith(f"master: it has Kubernetes {found[0]}, from which no step leads to 1.37.2: ")
        assert f'kubernetes_version = "{found[0]}"' in told[0]
    assert len([r for r in remarks if r.weight == "warning" and "drain each node" in r.text]) == warned


def test_a_host_that_was_not_read_is_not_judged_further() -> None:
    found: dict[str, dict[str, Any]] = good_hosts() | {"node1": {}}
    assert problems(SHIPPED, found) == ["node1: could not be read; look above for why"]


def test_every_reason_is_said_at_once() -> None:
    found = good_hosts()
    found["master"] |= {"root": False, "init": "bash", "free_disk": 0}
    found["node3"] |= {"architecture": "riscv64", "hostname": "node2"}
    lines = problems(SHIPPED, found)
    assert [line.split(":")[0].split(" ")[0] for line in lines] == ["master"] * 3 + ["node3", "node2"]


def test_relatives_of_known_distributions() -> None:
    found = good_hosts()
    found["node1"] |= {"distribution": "linuxmint", "like": "ubuntu debian"}
    found["node1"]["name"] = "Linux Mint 21"
    found["node2"] |= {"distribution": "ubuntu"}
    assert problems(SHIPPED, found) == []
    assert texts(judge(SHIPPED, found), "warning") == ["node1: Linux Mint 21 is not known, and treated as Ubuntu"]


# --- What the distribution has packages of --------------------------------------------------------------------------


def test_a_component_the_distribution_has_no_package_of() -> None:
    found = good_hosts()
    found["node1"] |= ROCKY
    (line,) = problems(SHIPPED, found)
    assert line == (
        'node1: install_methods["docker"] = "packages": CentOS, RHEL, Rocky or AlmaLinux 9 has none known to do; write '
        '"release files", or name them in package_names["docker"]["rpm"]'
    )
    named = cluster(package_names={"docker": {"rpm": ["docker-ce"]}})
    assert problems(named, found) == []
    assert problems(cluster(install_methods={"docker": {"rpm": "release files"}}), found) == []


@pytest.mark.parametrize(
    ("system", "named"),
    [
        ({"distribution": "debian", "version": "11"}, None),
        ({"distribution": "debian", "version": "10"}, "Debian 10 has no haproxy from 2.2 on"),
        ({"distribution": "debian", "version": ""}, None),  # the one to come
        ({"distribution": "ubuntu", "version": "22.04"}, None),
        ({"distribution": "ubuntu", "version": "20.04"}, "Ubuntu 20 has no haproxy from 2.2 on"),
        ({"distribution": "mint", "like": "ubuntu debian", "version": "21"}, None),  # counts otherwise
        ({"distribution": "rocky", "version": "9.4", "managers": ["dnf"]}, None),
        ({"distribution": "rocky", "version": "8.9", "managers": ["dnf"]}, "AlmaLinux 8 has no haproxy from 2.2 on"),
        ({"distribution": "openeuler", "version": "22.03", "managers": ["dnf"]}, "openEuler has no haproxy"),
    ],
)
def test_a_balancer_needs_a_haproxy_that_can_ask_api_servers(system: dict[str, Any], named: str | None) -> None:
    """Whatever the distribution is called; a host with neither API server nor pods has none."""
    for more, instead in (
        ({"masters": ["master", "node1"]}, "api_server_balancer = False, and an address that reaches all masters"),
        ({}, "api_server_balancer = None"),
    ):
        of = current(more, api_server_balancer=None if more else True)
        found = {h.name: good(h, number) for number, h in enumerate(of.hosts)}
        found["node2"] |= system
        said = [line for line in problems(of, found) if "haproxy" in line]
        assert len(said) == (named is not None)
        assert all(line.startswith("node2: ") and str(named) in line and instead in line for line in said)


def test_without_a_balancer_no_haproxy_is_needed() -> None:
    found = good_hosts()
    found["node2"] |= {"distribution": "debian", "version": "10"}
    assert not [line for line in problems(SHIPPED, found) if "haproxy" in line]


def test_the_balancers_listener_is_a_child_of_its_units_process() -> None:
    of = current(api_server_balancer=True)
    found = {h.name: good(h, number) for number, h in enumerate(of.hosts)}
    own = {"name": "haproxy", "pid": 71, "program": "/usr/sbin/haproxy", "unit": "api-balancer.service"}
    found["node1"] |= {"listeners": {7443: own}, "units": {"api-balancer": {"pid": 70, "ours": True}}}
    assert problems(of, found) == []
    found["node1"]["listeners"][7443] = own | {"unit": "haproxy.service"}
    (line,) = problems(of, found)
    assert line.startswith("node1: port 7443 is taken by haproxy (/usr/sbin/haproxy, haproxy.service)")


def test_a_service_that_begins_anew_listens_on_its_own_port() -> None:
    """Its main process is another than a moment ago, when the port was looked at."""
    found = good_hosts()
    found["master"] |= running("master", ours=True)
    found["master"]["listeners"][6443] = {**listener("kube-apiserver", 99), "unit": "kube-apiserver.service"}
    assert problems(SHIPPED, found) == []


def test_packages_are_asked_of_hosts_that_need_them() -> None:
    lines = problems(cluster(install_methods=PACKAGES), good_hosts())
    settings = {(line.split(":")[0], line.split("[")[1].split("]")[0]) for line in lines}
    assert settings == {
        ("master", '"kubernetes"'),
        *((f"node{n}", name) for n in (1, 2, 3) for name in ('"flannel"', '"kubernetes"')),
    }


def test_a_time_service_the_family_does_not_have() -> None:
    found = good_hosts()
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
    found = good_hosts()
    found["node1"]["free_disk"] = 5 * 2**30
    assert problems(SHIPPED, found) == []


def test_the_disk_is_asked_about_before_the_first_installation_only() -> None:
    """Images fill it later: that is no reason to refuse a repair."""
    found = good_hosts()
    found["node1"] |= {"free_disk": 0, "installed": True}
    assert problems(SHIPPED, found) == []


def test_the_disk_is_a_setting() -> None:
    found = good_hosts()
    found["node1"]["free_disk"] = 2**30
    assert problems(cluster(minimum_free_disk_gib=1), found) == []
    assert len(problems(cluster(minimum_free_disk_gib=100), found)) == 4


# --- Ports ----------------------------------------------------------------------------------------------------------


def test_a_port_matters_only_to_the_role_that_needs_it() -> None:
    found = good_hosts()
    found["node1"]["listeners"] = dict.fromkeys((2379, 6443, 10257), listener("nginx"))
    found["master"]["listeners"] = dict.fromkeys((10250, 10256), listener("nginx"))
    assert problems(SHIPPED, found) == []
    lines = problems(several(), found)
    assert {line.partition(" is taken")[0] for line in lines} == {
        "node1: port 2379", "node1: port 6443", "node1: port 10257",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["master", "node1"])
def test_every_port_of_a_host_is_looked_at(name: str) -> None:
    found = good_hosts()
    found[name]["listeners"] = dict.fromkeys((p.number for p in tcp_ports(SHIPPED.settings)), listener("nginx"))
    taken = {int(line.split("port ")[1].split(" ")[0]) for line in problems(SHIPPED, found)}
    assert taken == set(RUNNING[name])


def test_one_of_the_clusters_programs_in_anothers_place() -> None:
    found = good_hosts()
    found["master"] |= running("master", ours=True)
    found["master"]["listeners"][10257] = found["master"]["listeners"][10259]
    (line,) = problems(SHIPPED, found)
    assert line.startswith("master: port 10257 is taken by kube-scheduler (/usr/bin/kube-scheduler, kube-scheduler")


def test_programs_of_somebody_elses_cluster_have_our_names() -> None:
    """A package's etcd that nobody has configured; an API server in a pod of kubeadm's."""
    found = good_hosts()
    found["master"] |= running("master", ours=False)
    found["master"]["listeners"] = {
        2379: found["master"]["listeners"][2379],
        6443: {**listener("kube-apiserver", 99), "unit": "docker-4f1c.scope"},
    }
    assert problems(SHIPPED, found) == [
        "master: port 2379 is taken by etcd.service, which is not of this cluster: save what it holds, then `systemctl "
        "disable --now etcd`",
        "master: port 6443 is taken by kube-apiserver (/usr/bin/kube-apiserver, docker-4f1c.scope); kube-apiserver "
        "needs it: stop it",
    ]


def test_ports_follow_the_settings() -> None:
    moved = cluster(etcd_client_port=12379, etcd_peer_port=12380, api_server_port=8443)
    numbers = {port.number for port in tcp_ports(moved.settings)}
    assert {12379, 12380, 8443} <= numbers and not {2379, 2380, 6443} & numbers


# --- Ports that a cluster lives with --------------------------------------------------------------------------------

LIVED = {"api_server_balancer_port": 7443, "etcd_balancer_port": 7379, "api_server_port": 6443,
         "etcd_client_port": 2379}  # fmt: skip
ANSWERS_AT = {"api_server_balancer_port": "api-balancer", "etcd_balancer_port": "etcd-balancer",
              "api_server_port": "kube-apiserver", "etcd_client_port": "etcd"}  # fmt: skip


def lives(wanted: Cluster, *, ours: bool = True, **ports: dict[str, int]) -> dict[str, dict[str, Any]]:
    """Hosts, of which some live with ports, by host and setting."""
    found = {h.name: good(h, number) for number, h in enumerate(wanted.hosts, start=1)}
    for name, own in ports.items():
        units = {ANSWERS_AT[setting]: {"pid": 600 + n, "ours": ours} for n, setting in enumerate(own)}
        found[name] |= {"own_ports": own, "units": units}
    return found


@pytest.mark.parametrize("setting", LIVED)
def test_a_port_that_others_go_by_stays(setting: str) -> None:
    moved = cluster(SEVERAL, **{setting: 7999})
    (line,) = problems(moved, lives(moved, master=LIVED, node1=LIVED))
    assert line.startswith(f"{setting} = 7999: the cluster lives with {LIVED[setting]} (master, node1), and ")
    assert f"write {setting} = {LIVED[setting]} (docs/high-availability.md" in line


ONE = {"masters": ["master"], "etcd": ["master"]}


@pytest.mark.parametrize(
    ("in_groups", "settings", "where", "refused"),
    [
        (ONE, {"api_server_port": 8443, "etcd_client_port": 12379}, {"master": LIVED}, []),
        (ONE, {"api_server_balancer_port": 7999}, {"node1": LIVED}, []),  # balancers end
        (ONE, {"api_server_balancer": True, "api_server_port": 8443}, {"master": LIVED}, ["api_server_port"]),
        # It was one of several until now.
        (ONE, {"api_server_port": 8443}, {"master": LIVED, "node1": LIVED}, ["api_server_port"]),
        (ONE | {"etcd": SEVERAL["etcd"]}, {"etcd_client_port": 12379}, {"master": LIVED}, ["etcd_client_port"]),
        # Some have moved already: a run goes on there.
        (SEVERAL, {"api_server_port": 8443}, {"master": LIVED, "node1": LIVED | {"api_server_port": 8443}}, []),
        (SEVERAL, {"api_server_port": 8443}, {}, []),
    ],
)
def test_ports_that_may_move(
    in_groups: dict[str, list[str]], settings: dict[str, Any], where: dict[str, dict[str, int]], refused: list[str]
) -> None:
    wanted = cluster(in_groups, **settings)
    assert [line.partition(" =")[0] for line in problems(wanted, lives(wanted, **where))] == refused


def test_a_port_in_somebody_elses_file_is_none_that_the_cluster_lives_with() -> None:
    wanted = cluster(SEVERAL, etcd_client_port=12379)
    assert problems(wanted, lives(wanted, ours=False, master=LIVED)) == []


def test_the_ports_a_cluster_lives_with_are_read_of_what_is_written(tmp_path: Path) -> None:
    this = current(SEVERAL, etcd_balancer_port=7400, api_server_port=8443)
    read = ("/etc/kubernetes/api-balancer.cfg", "/etc/kubernetes/etcd-balancer.cfg", "/etc/kubernetes/apiserver",
            "/etc/etcd/etcd.conf")  # fmt: skip
    script = Preflight().script()
    for file in [f for role in roles(this, this.hosts[0]).values() for f in role.files if f.path in read]:
        (tmp_path / file.path.rpartition("/")[2]).write_text(file.content or "")
        script = script.replace(file.path, str(tmp_path / file.path.rpartition("/")[2]))
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
    assert Preflight().read(done.stdout.splitlines())["own_ports"] == {
        "api_server_balancer_port": 7443, "etcd_balancer_port": 7400, "api_server_port": 8443, "etcd_client_port": 2379,
    }  # fmt: skip


# --- Several hosts --------------------------------------------------------------------------------------------------


def test_all_that_share_a_machine_id_are_named() -> None:
    found = good_hosts()
    for name in ("node1", "node2", "node3"):
        found[name]["machine_id"] = "ab" * 16
    (line,) = problems(SHIPPED, found)
    assert line.startswith(f"node1 and node2 and node3 share the machine-id {'ab' * 16}")


def test_missing_machine_ids_are_not_the_same_one() -> None:
    found = good_hosts()
    for name in ("node1", "node2"):
        found[name]["machine_id"] = ""
    assert [line.partition(":")[0] for line in problems(SHIPPED, found)] == ["node1", "node2"]


def test_clocks_within_five_seconds() -> None:
    found = good_hosts()
    found["master"]["clock"], found["node3"]["clock"] = -2.0, 2.9
    assert problems(SHIPPED, found) == []


@pytest.mark.parametrize(("away", "how"), [(-600.0, "ahead of"), (600.0, "behind")])
def test_this_machines_own_clock(away: float, how: str) -> None:
    found = good_hosts()
    for number, facts in enumerate(found.values()):
        facts["clock"] = away + number / 10
    (line,) = problems(SHIPPED, found)
    assert line.startswith("this machine's clock is 60") and f"{how} every host's; certificates" in line
    assert "set this machine's clock by NTP" in line
    for facts in found.values():
        facts["clock"] /= 20
    assert problems(SHIPPED, found) == []


def test_clocks_that_were_not_read() -> None:
    found = good_hosts()
    for facts in found.values():
        facts["clock"] = None
    assert problems(SHIPPED, found) == []


def test_only_the_hosts_of_this_run_are_judged() -> None:
    """With --limit, others are not read."""
    found = {"node1": good_hosts()["node1"]}
    assert problems(cluster(SEVERAL, api_server_address="api.example"), found) == []


# --- The network that is there --------------------------------------------------------------------------------------

LEASES = "what flannel may lease (192.168.2.0-192.168.255.255)"
SERVICES = "service_network (192.168.1.0/24)"
ADVICE = "write other networks as pod_network and service_network, or move pod_subnet_min and pod_subnet_max"
# As ours leaves them on a node: docker0 on the lease, flannel's ways to the others, ipvs' service addresses.
OWN_INTERFACES = {
    "docker0": ["192.168.5.1/24"], "flannel.1": ["192.168.5.0/32"], "kube-ipvs0": ["192.168.1.1/32"], "veth1a2b": [],
}  # fmt: skip
OWN_ROUTES = [
    {"to": "192.168.5.0/24", "via": "", "dev": "docker0"},
    {"to": "192.168.14.0/24", "via": "192.168.14.0", "dev": "flannel.1"},
    {"to": "192.168.0.0/16", "via": "", "dev": "flannel0"},
    {"to": "192.168.22.0/24", "via": "10.1.10.103", "dev": "eth0"},
]


def on_node1(*, interfaces: Any = None, routes: Any = (), **facts: Any) -> dict[str, dict[str, Any]]:
    found = good_hosts()
    found["node1"]["interfaces"] |= interfaces or {}
    found["node1"]["routes"] = [*found["node1"]["routes"], *routes]
    found["node1"] |= facts
    return found


def remarks(found: dict[str, dict[str, Any]], **settings: Any) -> list[str]:
    return [f"{remark.weight}: {remark.text}" for remark in judge(cluster(**settings), found)]


def test_an_address_that_no_interface_has() -> None:
    found = on_node1(interfaces={"eth0": ["10.1.10.201/24", "10.2.0.1/16"], "docker0": ["172.17.0.1/16"], "eth1": []})
    assert problems(SHIPPED, found) == [
        "node1: no interface has 10.1.10.102 (eth0 has 10.1.10.201 and 10.2.0.1): write as its address in inventory.py "
        "the one at which the other hosts reach it"
    ]
    assert problems(SHIPPED, on_node1(interfaces={"eth0": []}))[0].startswith(
        "node1: no interface has 10.1.10.102 (none has an address)"
    )


def test_a_host_without_ip_is_not_judged_by_it() -> None:
    found = good_hosts()
    found["node1"] |= {"interfaces": {}, "routes": []}
    assert remarks(found, flannel_interface="eth0") == []


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ("lo", "it leads to no other host"),
        ("docker0", "it leads to no other host"),
        ("eth1", "it has no IPv4 address"),
        ("eth9", "there is no such interface"),
    ],
)
def test_an_interface_that_nodes_do_not_meet_on(wanted: str, why: str) -> None:
    found = on_node1(interfaces={"eth1": [], "docker0": ["172.17.0.1/16"], "eth2": ["10.7.0.2/24"]})
    lines = problems(cluster(flannel_interface=wanted), found)
    assert (
        f'node1: flannel_interface = "{wanted}": {why}; write one of eth0, eth2, or None for the one with 10.1.10.102'
    ) in lines
    assert not any(line.startswith("master: flannel") for line in lines), "only nodes have flannel"
    assert problems(cluster(flannel_interface="eth0"), found) == []


@pytest.mark.parametrize(
    ("there", "message"),
    [
        (
            {"interfaces": {"virbr0": ["192.168.122.1/24"]}},
            f"192.168.122.1/24 of its interface virbr0 lies in {LEASES}: whatever is reached through it would be lost",
        ),
        (
            {"interfaces": {"eth1": ["192.168.1.7/24"]}},
            f"192.168.1.7/24 of its interface eth1 lies in {SERVICES}: whatever is reached through it would be lost",
        ),
        (
            {"interfaces": {"eth1": ["192.168.0.7/16"]}},
            f"192.168.0.7/16 of its interface eth1 lies in {LEASES}: whatever is reached through it would be lost",
        ),
        (
            {"routes": [{"to": "192.168.40.0/24", "via": "10.1.10.1", "dev": "eth0"}]},
            f"its route 192.168.40.0/24 via 10.1.10.1 lies in {LEASES}: it would be lost",
        ),
        (
            {"routes": [{"to": "192.168.40.7", "via": "", "dev": "tun0"}]},
            f"its route 192.168.40.7 to tun0 lies in {LEASES}: it would be lost",
        ),
        ({"resolvers": ["192.168.2.1"]}, f"its resolver 192.168.2.1 lies in {LEASES}: it would be lost"),
        (
            {"resolvers": ["127.0.0.53"], "resolved": ["192.168.1.2"]},
            f"its resolver 192.168.1.2 lies in {SERVICES}: it would be lost",
        ),
        (
            {"client": "192.168.2.50"},
            f"this run comes from 192.168.2.50, which lies in {LEASES}: the way back would be lost",
        ),
    ],
)
def test_what_lies_where_pods_or_services_shall_live(there: dict[str, Any], message: str) -> None:
    lines = remarks(on_node1(**there))
    assert f"refusal: node1: {message}; {ADVICE}" in lines
    assert all(line.startswith("refusal: node1: ") and ("lies in" in line) for line in lines)


def test_a_wide_route_only_warns() -> None:
    """Somebody's way to a whole company's network, of which pods may have a part."""
    wide = [
        {"to": "192.168.0.0/16", "via": "10.1.10.9", "dev": "eth0"},
        {"to": "128.0.0.0/1", "via": "", "dev": "tun0"},
    ]
    assert remarks(on_node1(routes=wide)) == [
        f"warning: node1: its route 192.168.0.0/16 via 10.1.10.9 covers {what}: what is reached through it there no "
        "longer is"
        for what in (LEASES, SERVICES)
    ]


def test_a_wide_network_that_carries_the_cluster_itself() -> None:
    found = good_hosts()
    for name, facts in found.items():
        facts["interfaces"]["eth0"] = [f"{SHIPPED.host(name).address}/8"]
        facts["routes"] = [{"to": "10.0.0.0/8", "via": "", "dev": "eth0"}]
    assert remarks(found, pod_network="10.244.0.0/16", pod_subnet_min=None) == []


def test_the_clusters_own_interfaces_and_routes() -> None:
    assert remarks(on_node1(interfaces=OWN_INTERFACES, routes=OWN_ROUTES, installed=True)) == []
    gone = [{"to": "192.168.30.0/24", "via": "10.1.10.109", "dev": "eth0"}]
    assert remarks(on_node1(routes=gone, installed=True)) == [], "flannel's, to a node that is no more"
    assert remarks(on_node1(resolvers=["192.168.1.10"], installed=True)) == [], "the cluster's own DNS"


def test_hosts_without_pods_may_have_any_network() -> None:
    found = good_hosts()
    found["master"]["interfaces"]["virbr0"] = ["192.168.122.1/24"]
    found["master"] |= {"client": "192.168.2.50", "resolv_conf": False}
    assert remarks(found) == []


# --- Resolvers ------------------------------------------------------------------------------------------------------

STUB = {"resolvers": ["127.0.0.53"], "resolved": ["10.1.10.1"]}


def test_pods_get_the_resolvers_behind_systemd_resolveds_stub() -> None:
    assert remarks(on_node1(**STUB)) == []
    role = node_role(SHIPPED, SHIPPED.host("node1"), known(**STUB), expected(SHIPPED, SHIPPED.host("node1")))
    (kubelet,) = [f.content for f in role.files if f.path == "/etc/kubernetes/kubelet"]
    assert " --resolv-conf=/run/systemd/resolve/resolv.conf" in str(kubelet)
    for other in ({}, {**STUB, "resolvers": ["10.1.10.1"]}, {**STUB, "resolved": None}):
        assert known(**other).resolv_conf is None


def known(**facts: Any) -> Machine:
    found = machine(good(SHIPPED.host("node1"), 1) | facts)
    assert found
    return found


def test_resolvers_that_pods_cannot_reach() -> None:
    for local in ({"resolvers": ["127.0.0.1"]}, {**STUB, "resolved": None}):
        (line,) = remarks(on_node1(**local))
        assert line.startswith(
            f"warning: node1: /etc/resolv.conf names {local['resolvers'][0]}, which pods cannot reach"
        )
    assert remarks(on_node1(resolvers=["127.0.0.1"]), extra_args={"kubelet": {"resolv-conf": "/etc/resolv.pods"}}) == []


def test_no_resolv_conf_at_all() -> None:
    (line,) = remarks(on_node1(resolv_conf=False, resolvers=[]))
    assert line.startswith("refusal: node1: there is no /etc/resolv.conf, without which no pod starts; write")
    assert remarks(on_node1(resolvers=[])) == [], "an empty one will do"


# --- What others have configured ------------------------------------------------------------------------------------


def drop_in(unit: str, name: str, **found: Any) -> dict[str, Any]:
    path = f"/etc/systemd/system/{unit}.service.d/{name}"
    return {"unit": unit, "path": path, "package": "", "sets": [], "clears": [], "variables": []} | found


KUBEADM = drop_in(
    "kubelet", "10-kubeadm.conf", sets=["Environment", "EnvironmentFile", "ExecStart"], clears=["ExecStart"],
    variables=["KUBELET_KUBEADM_ARGS"],
)  # fmt: skip


@pytest.mark.parametrize(
    ("found", "touched"),
    [
        (KUBEADM, "ExecStart of kubelet"),
        (drop_in("docker", "override.conf", sets=["ExecStart", "LimitNOFILE"]), "ExecStart of docker"),
        (drop_in("docker", "env.conf", clears=["EnvironmentFile"]), "EnvironmentFile of docker"),
        (
            drop_in("docker", "env.conf", sets=["EnvironmentFile"], variables=["HTTP_PROXY", "OPTIONS"]),
            "OPTIONS of docker",
        ),
        (drop_in("flanneld", "a.conf", sets=["Type", "User"]), "Type, User of flanneld"),
    ],
)
def test_a_drop_in_that_changes_what_the_project_sets(found: dict[str, Any], touched: str) -> None:
    assert remarks(on_node1(drop_ins=[found])) == [
        f"refusal: node1: {found['path']} changes {touched}, which the project sets: move the file to another directory"
    ]


def test_a_drop_in_that_leaves_the_projects_lines_alone() -> None:
    proxy = drop_in("docker", "proxy.conf", sets=["Environment", "Environment"])
    file = drop_in("docker", "file.conf", sets=["EnvironmentFile"], variables=["HTTP_PROXY"])
    assert remarks(on_node1(drop_ins=[proxy, file])) == [
        "note: node1: /etc/systemd/system/docker.service.d/proxy.conf is not the project's, and stays: it sets "
        "Environment",
        "note: node1: /etc/systemd/system/docker.service.d/file.conf is not the project's, and stays: it sets "
        "EnvironmentFile",
    ]


def test_drop_ins_of_packages() -> None:
    """Those beside their own units belong there; a third package's clashes like anybody's."""
    path = "/usr/lib/systemd/system/docker.service.d/flannel.conf"
    own = drop_in("docker", "", path=path, package="docker.io", clears=["EnvironmentFile"])
    harmless = drop_in("docker", "", path=path, package="other", sets=["Environment"])
    assert remarks(on_node1(drop_ins=[own, harmless])) == []
    kubeadm = KUBEADM | {"path": "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf", "package": "kubeadm"}
    assert len(problems(SHIPPED, on_node1(drop_ins=[kubeadm]))) == 1


def test_drop_ins_of_units_that_a_host_does_not_get() -> None:
    found = good_hosts()
    found["master"]["drop_ins"] = [KUBEADM]
    assert remarks(found) == []


@pytest.mark.parametrize(
    ("key", "instead"),
    [
        ("exec-opts", "write docker_cgroup_driver in group_data/all.py"),
        ("bip", "that follows from flannel's lease"),
        ("hosts", "that is the project's own"),
        ("log-opts", "docker_options or extra_args pass that, too: leave it to them"),
        ("registry-mirrors", "write registry_mirrors in group_data/all.py"),
        ("debug", "docker_options or extra_args pass that, too: leave it to them"),
    ],
)
def test_a_key_of_dockers_file_that_is_also_an_argument(key: str, instead: str) -> None:
    """dockerd does not start on such a pair."""
    settings: dict[str, Any] = {
        "docker_options": ["--log-opt", "max-size=50m", "-D"], "registry_mirrors": ["https://mirror.example"],
    }  # fmt: skip
    assert remarks(on_node1(daemon_json=["data-root", key]), **settings) == [
        f'refusal: node1: /etc/docker/daemon.json has "{key}"; {instead}, and take it out there'
    ]


def test_a_file_of_dockers_that_does_not_clash() -> None:
    assert remarks(on_node1(daemon_json=["log-opts", "registry-mirrors"])) == [
        "note: node1: /etc/docker/daemon.json is not the project's, and stays: it sets log-opts, registry-mirrors"
    ]
    assert remarks(on_node1(daemon_json=[])) == []


def test_a_file_of_dockers_that_is_no_json() -> None:
    (line,) = remarks(on_node1(daemon_json="Expecting value: line 1 column 1 (char 0)"))
    assert line.startswith("refusal: node1: /etc/docker/daemon.json cannot be read (Expecting value: line 1")


# --- Firewalls ------------------------------------------------------------------------------------------------------

# As /etc/iptables/rules.v4 of a cloud's Ubuntu images.
CLOUD = """\
:INPUT ACCEPT [0:0]
-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p icmp -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT -p udp -m udp --sport 123 -j ACCEPT
-A INPUT -p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT
-A INPUT -j REJECT --reject-with icmp-host-prohibited
""".splitlines()
# Recorded: what `nft list` prints of a table that has a bit of everything.
NFT = """\
table inet filter {
set blocked {
type ipv4_addr
flags interval
elements = { 192.0.2.1, 198.51.100.0/24 }
}
chain input {
type filter hook input priority filter; policy drop;
ct state vmap { invalid : drop, established : accept, related : accept }
iif "lo" accept
ip saddr @blocked drop
meta l4proto { icmp, ipv6-icmp } accept
icmp type echo-request limit rate 5/second accept
tcp dport { 22, 80, 443 } accept
udp sport 67 udp dport 68 accept
ip saddr 10.1.10.0/24 tcp dport 10250-10256 counter packets 0 bytes 0 accept comment "kubelet"
ip6 saddr fe80::/10 accept
jump more
log prefix "in: " counter packets 0 bytes 0 reject with icmpx admin-prohibited
}
chain more {
ip protocol udp udp dport 53 counter packets 0 bytes 0 accept
tcp dport 9999 return
}
}
""".splitlines()
NODE_PORTS = "10250/tcp (the kubelet), 8472/udp (flannel's packets)"
LET_IN = "let it in before that rule, where that firewall's rules are kept"


def input_rules(*rules: str, policy: str = "ACCEPT") -> list[str]:
    return [f":INPUT {policy} [0:0]", *(f"-A INPUT {rule}" for rule in rules)]


def test_a_cloud_image_that_rejects_all_but_ssh() -> None:
    assert remarks(on_node1(iptables=CLOUD)) == [
        f"refusal: node1: its firewall drops what other hosts of the cluster send to {NODE_PORTS}: iptables -A INPUT "
        f"-j REJECT --reject-with icmp-host-prohibited; {LET_IN}"
    ]


def test_a_table_of_nftables() -> None:
    """The kubelet's port is open to every host of the cluster, flannel's is not."""
    drops = "refusal: node1: its firewall drops what other hosts of the cluster send to 8472/udp (flannel's packets): "
    last = 'nft inet filter: log prefix "in: " counter packets 0 bytes 0 reject with icmpx admin-prohibited'
    assert remarks(on_node1(nft=NFT)) == [f"{drops}{last}; {LET_IN}"]
    others = [line for line in NFT if "reject" not in line]
    assert remarks(on_node1(nft=others)) == [f"{drops}nft inet filter input has the policy DROP; {LET_IN}"]
    assert remarks(on_node1(nft=[line.replace("policy drop", "policy accept") for line in others])) == []


@pytest.mark.parametrize(
    ("host", "rule", "ports"),
    [
        ("node1", "-p udp -m udp --dport 8472 -j DROP", "8472/udp (flannel's packets)"),
        ("node1", "-s 10.1.10.103/32 -p udp -m multiport --dports 1:100,8472 -j DROP", "8472/udp (flannel's packets)"),
        ("master", "-p tcp -m tcp --dport 6443 -j REJECT --reject-with tcp-reset", "6443/tcp (the API server)"),
        ("master", "-p tcp -m tcp --dport 2379:2380 -j DROP", "2379/tcp (etcd's clients)"),
        ("master", "-p udp -m udp --dport 8472 -j DROP", None),
        ("node1", "-p tcp -m tcp --dport 6443 -j DROP", None),
        ("node1", "-p tcp -m tcp --dport 10256 -j DROP", None),
        ("node1", "-s 203.0.113.0/24 -j DROP", None),
        ("node1", "-s 10.1.10.103/32 -p tcp -m tcp --dport 10250 -j DROP", None),
        ("node1", "-m conntrack --ctstate INVALID -j DROP", None),
        ("node1", "-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -m state --state NEW -j DROP", None),
        ("node1", "-p tcp -m tcp --tcp-flags FIN,SYN FIN,SYN -j DROP", None),
        ("node1", "-m set --match-set blocked src -j DROP", None),
        ("node1", "-j KUBE-FIREWALL", None),
        ("master", "-m addrtype --dst-type BROADCAST -j DROP", None),
        ("master", "-m addrtype --dst-type LOCAL -p tcp -m tcp --dport 6443 -j DROP", "6443/tcp (the API server)"),
        ("node1", "-s 10.0.0.1/255.0.0.255 -p udp -m udp --dport 53 -j DROP", None),
    ],
)
def test_rules_that_drop_what_a_role_is_called_for(host: str, rule: str, ports: str | None) -> None:
    found = good_hosts()
    found[host]["iptables"] = input_rules(rule)
    expected = [
        f"refusal: {host}: its firewall drops what other hosts of the cluster send to {ports}: iptables -A INPUT "
        f"{rule}; {LET_IN}"
    ]
    assert remarks(found) == (expected if ports else [])


@pytest.mark.parametrize("before", ["-p tcp -m tcp --dport 6443 -j LOG", "-j KUBE-FIREWALL", "-j MARK --set-xmark 0x1"])
def test_what_lets_nothing_in_hides_no_rule_behind_it(before: str) -> None:
    """It notes or marks packets, or leads to a chain of Kubernetes' own."""
    found = good_hosts()
    found["master"]["iptables"] = input_rules(before, "-p tcp -m tcp --dport 6443 -j DROP")
    (line,) = remarks(found)
    assert line.startswith("refusal: master: ") and "6443/tcp (the API server)" in line


@pytest.mark.parametrize(
    "rules",
    [
        ["-s 10.1.10.0/24 -j ACCEPT"],
        [f"-s 10.1.10.{n}/32 -j ACCEPT" for n in (101, 103, 104)],
        ["-p tcp -m tcp --dport 10250 -j ACCEPT", "-p udp -m udp --dport 8472 -j ACCEPT"],
        ["-j cluster"],
    ],
)
def test_hosts_that_are_let_in_before(rules: list[str]) -> None:
    own = [
        ":cluster - [0:0]",
        "-A cluster -p tcp -j ACCEPT",
        "-A cluster -p icmp -j RETURN",
        "-A cluster -p udp -j ACCEPT",
    ]
    assert remarks(on_node1(iptables=[*input_rules(*rules, "-j DROP"), *own])) == []
    assert remarks(on_node1(iptables=[*input_rules(*rules, policy="DROP"), *own])) == []


def test_what_nobody_here_can_tell_is_a_warning() -> None:
    (line,) = remarks(on_node1(iptables=input_rules("-i eth0 -j ACCEPT", policy="DROP")))
    assert line == (
        f"warning: node1: its firewall may drop what other hosts of the cluster send to {NODE_PORTS}: iptables INPUT "
        f"has the policy DROP; {LET_IN}"
    )
    (line,) = remarks(on_node1(iptables=input_rules("-d 10.9.9.9/32 -p udp -m udp --dport 8472 -j DROP")))
    assert line.startswith("warning: node1: its firewall may drop") and "8472/udp" in line


def test_firewalls_that_are_stopped_or_somebodys_own_affair() -> None:
    ufw = input_rules("-j ufw-before-input", policy="DROP")
    assert remarks(on_node1(firewalls=["ufw"], iptables=ufw)) == []
    assert remarks(on_node1(firewalls=["firewalld"], nft=NFT, iptables=CLOUD)) == []
    assert len(remarks(on_node1(firewalls=["ufw"], iptables=CLOUD))) == 1, "Ubuntu's ufw is at work, and lets all in"
