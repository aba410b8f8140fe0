"""What the audit makes of answers: nothing of converged hosts; each trouble by itself, and not its consequences."""

import copy
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from audit.answers import Reading
from audit.judge import judge
from audit.model import Finding, Report
from cluster.certificates import certificate_files
from cluster.roles.flannel import CONFIG as FLANNELD
from cluster.settings import Cluster
from facts.audit import questions
from facts.bundle import Unread, answers, command
from facts.flannel import SubnetEnv
from facts.host import Preflight
from facts.network import Ways
from pki import Store
from tests.unit.example import DEBIAN, KINDS, SEVERAL, cluster, converged, roles
from tests.unit.test_membership import member, recorded

CLUSTER = cluster()
BEGAN = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
SUBNETS = {"node1": "192.168.13.0/24", "node2": "192.168.14.0/24", "node3": "192.168.22.0/24"}
MACS = {"node1": "d2:00:00:00:00:01", "node2": "d2:00:00:00:00:02", "node3": "d2:00:00:00:00:03"}
ADDRESSES = {"node1": "10.1.10.102", "node2": "10.1.10.103", "node3": "10.1.10.104"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("pki"), key_type="ecdsa-p256")


@pytest.fixture(scope="module")
def all_good(store: Store) -> dict[str, Reading]:
    return {h.name: _good(CLUSTER, h.name, store) for h in CLUSTER.hosts}


@pytest.fixture
def found(all_good: dict[str, Reading]) -> dict[str, Reading]:
    """Every host's reading, as deployed; a test changes what it likes."""
    return {
        name: Reading(r.host, "", r.distribution, list(r.roles), copy.deepcopy(r.facts)) for name, r in all_good.items()
    }


def _member(name: str, number: int, **otherwise: Any) -> dict[str, Any]:
    at = f"https://10.1.10.{number}"
    return {"name": name, "peer_urls": [f"{at}:2380"], "client_urls": [f"{at}:2379"], "learner": False} | otherwise


def _members(of: Cluster) -> dict[str, Any]:
    numbers = {m.name: int(str(m.address).rpartition(".")[2]) for m in of.etcd_members}
    return {f"{number}a": _member(name, number) for name, number in numbers.items()}


def _good(of: Cluster, name: str, store: Store) -> Reading:
    host = of.host(name)
    files = certificate_files(of, host, DEBIAN, store, write=True)
    listed = list(roles(of, host, files).values())
    held: dict[str, Any] = {kind: {} for kind in KINDS}
    for role in listed:
        for kind, values in converged(role).items():
            held[kind] |= values
    facts: dict[str, Any] = {
        "preflight": {
            "distribution": "debian", "name": "Debian GNU/Linux 12 (bookworm)", "clock": 0.1,
            "disk": 100, "free_disk": 60, "firewalls": [], "iptables": [], "nft": [], "managers": ["apt-get"],
        },
        "roles": held,
        "certificates": {"certificates": {}, "keys": {}},
        "commands": {},
        "offers": {},
        "altered": {},
    }  # fmt: skip
    if host.is_etcd:
        facts |= {"members": _members(of), "health": _health(), "keys": _keys()}
    if host.is_master:
        nodes = {n.name: _node(str(n.address)) for n in of.nodes}
        facts |= {"api": {"ready": True, "failing": [], "version": "v1.20.2"}, "nodes": nodes}
    if host.is_node:
        facts |= _network(name)
    return Reading(host, "", DEBIAN, listed, facts)


def _health() -> dict[str, Any]:
    return {"healthy": True, "version": "3.4.23", "revision": 400, "database": 2**20, "alarms": []}


def _keys() -> dict[str, Any]:
    leases = {
        f"subnets/{subnet.replace('/', '-')}": {
            "PublicIP": ADDRESSES[name], "BackendType": "vxlan", "BackendData": {"VNI": 1, "VtepMAC": MACS[name]}
        }
        for name, subnet in SUBNETS.items()
    }  # fmt: skip
    return {"config": {"Network": "192.168.0.0/16"}, **leases}


def _node(address: str) -> dict[str, Any]:
    told = "kubelet is posting ready status"
    return {"ready": True, "reason": "KubeletReady", "message": told, "schedulable": True, "version": "v1.20.2",
            "address": address}  # fmt: skip


def _network(name: str) -> dict[str, Any]:
    others = {n: s for n, s in SUBNETS.items() if n != name}
    own = SUBNETS[name].replace(".0/", ".1/")
    return {
        "lease": {"FLANNEL_SUBNET": own, "FLANNEL_MTU": "1450"},
        "engine": {"version": "20.10.24", "cgroup_driver": "systemd", "bip": own, "mtu": "1450", "bridge": own},
        "ways": {
            "routes": {s: {"via": s.partition("/")[0], "dev": "flannel.1"} for s in others.values()},
            "neighbours": {s.partition("/")[0]: MACS[n] for n, s in others.items()},
            "hosts": {MACS[n]: ADDRESSES[n] for n in others},
        },
        "pods": {
            "lease": own,
            "address": own.replace(".1/24", ".254"),
            "pid": 1,
            "troubles": [],
            "answers": dict.fromkeys(others.values(), "yes"),
            "causes": [],
        },
    }


def report(found: dict[str, Reading], of: Cluster = CLUSTER) -> Report:
    return judge(of, found.values(), BEGAN, 1.5)


def troubles(found: dict[str, Reading], of: Cluster = CLUSTER) -> list[tuple[str, str, str, str]]:
    return [(f.host, f.area, f.status, f.what) for f in report(found, of).findings if f.status != "ok"]


def only(found: dict[str, Reading], of: Cluster = CLUSTER) -> Finding:
    """The one finding that is not ok."""
    (one,) = [f for f in report(found, of).findings if f.status != "ok"]
    return one


def held(found: dict[str, Reading], host: str) -> dict[str, Any]:
    return found[host].facts["roles"]


def test_nothing_of_converged_hosts(found: dict[str, Reading]) -> None:
    made = report(found)
    assert [f for f in made.findings if f.status != "ok"] == []
    assert made.exit_code == 0
    assert {f.area for f in made.findings} == {
        "host", "packages", "units", "files", "pki", "etcd", "flannel", "runtime", "kubernetes",
    }  # fmt: skip
    node = next(h for h in made.hosts if h.name == "node1")
    assert (node.lease, node.reaches) == ("192.168.13.0/24", {"node2": True, "node3": True})


def stop(unit: str) -> Callable[[dict[str, Any]], None]:
    def stopped(host: dict[str, Any]) -> None:
        host["units"][unit] |= {"active": "inactive"}
        host["ready"][unit] = False

    return stopped


NO_ETCD = Unread("etcd does not answer", "etcd")

# Host, what happens there and to what depends on it, and the only thing that is said.
CAUSES = {
    "etcd": ("master", "etcd", ["kube-apiserver", "kube-controller-manager", "kube-scheduler"], "deploys/etcd.py"),
    "API server": ("master", "kube-apiserver", ["kube-controller-manager", "kube-scheduler"], "deploys/master.py"),
    "docker": ("node1", "docker", ["kubelet"], "deploys/runtime.py"),
    "flanneld": ("node1", "flanneld", [], "deploys/flannel.py"),
    "kubelet": ("node1", "kubelet", [], "deploys/node.py"),
}


@pytest.mark.parametrize("name", CAUSES)
def test_a_service_that_is_down_is_said_and_not_what_follows(name: str, found: dict[str, Reading]) -> None:
    host, unit, followers, repair = CAUSES[name]
    stop(unit)(held(found, host))
    for follower in followers:
        held(found, host)["ready"][follower] = False
    for role in found[host].roles:  # conditions asked only of services that run
        for step in role.steps:
            if step.when == "after" and unit in (*(u.name for u in role.units), "etcd"):
                held(found, host)["steps"][step.name] = False
    if unit == "etcd":
        found["master"].facts |= {"health": {"healthy": False}, "members": NO_ETCD, "keys": NO_ETCD}
    if unit in ("etcd", "kube-apiserver"):
        silent = Unread("kube-apiserver does not answer", "kube-apiserver")
        found["master"].facts |= {"nodes": silent, "api": {"ready": False, "failing": [], "version": ""}}
        for node in SUBNETS:
            held(found, node)["ready"]["kube-proxy"] = False
    elif unit != "flanneld":
        found["master"].facts["nodes"]["node1"] |= {"ready": False, "message": "Kubelet stopped posting node status."}
    if unit == "docker":
        found[host].facts["engine"] = Unread("docker does not answer", "docker")
    assert troubles(found) == [(host, "units", "drift", unit)]
    assert only(found).repair == repair


# --- A balancer -----------------------------------------------------------------------------------------------------

BALANCED = cluster(api_server_balancer=True)
BALANCER = "/etc/kubernetes/api-balancer.cfg"


@pytest.fixture
def balanced(store: Store) -> dict[str, Reading]:
    return {h.name: _good(BALANCED, h.name, store) for h in BALANCED.hosts}


def test_nothing_of_a_balancer_as_it_shall_be(balanced: dict[str, Reading]) -> None:
    assert troubles(balanced, BALANCED) == []


def test_a_balancer_that_is_down_is_said_and_not_what_asks_through_it(balanced: dict[str, Reading]) -> None:
    stop("api-balancer")(held(balanced, "master"))
    held(balanced, "master")["ready"]["kube-apiserver"] = False
    assert troubles(balanced, BALANCED) == [("master", "units", "drift", "api-balancer")]
    assert only(balanced, BALANCED).repair == "deploys/balancer.py"


def test_a_balancer_that_points_elsewhere(balanced: dict[str, Reading]) -> None:
    """By its file, whether it has read that or not; or by what it still has in mind while its file is right."""
    host = held(balanced, "node1")
    host["files"][BALANCER]["sha256"] = "00" * 32
    assert troubles(balanced, BALANCED) == [("node1", "files", "drift", BALANCER)]
    host["units"]["api-balancer"]["started_with"][BALANCER] = "00" * 32
    assert troubles(balanced, BALANCED) == [("node1", "files", "drift", BALANCER)]
    host["files"][BALANCER] = copy.deepcopy(held(balanced, "node2")["files"][BALANCER])
    assert troubles(balanced, BALANCED) == [("node1", "units", "drift", "api-balancer")]


def test_a_host_that_goes_past_its_balancer(balanced: dict[str, Reading]) -> None:
    held(balanced, "node1")["files"]["/etc/kubernetes/kubeconfig"]["sha256"] = "00" * 32
    assert troubles(balanced, BALANCED) == [("node1", "files", "drift", "/etc/kubernetes/kubeconfig")]


def test_a_balancer_that_was_left_behind(found: dict[str, Reading]) -> None:
    step = "stop the API servers' balancer"
    host = held(found, "node1")
    host["files"][BALANCER] = {"mode": "600", "owner": "root:root", "sha256": "00" * 32, "ours": True}
    host["steps"][step] = False
    assert troubles(found) == [
        ("node1", "files", "drift", BALANCER), ("node1", "kubernetes", "drift", step),
    ]  # fmt: skip
    assert {f.repair for f in report(found).findings if f.status != "ok"} == {"deploys/unbalanced.py"}


ASKED = [
    (host.name, fact)
    for host in (CLUSTER.host("master"), CLUSTER.host("node1"))
    for fact in questions(CLUSTER, host, "deb", roles(CLUSTER, host).values())
]


@pytest.mark.parametrize(("host", "fact"), ASKED)
def test_what_could_not_be_read_is_an_error_and_nothing_else(host: str, fact: str, found: dict[str, Reading]) -> None:
    found[host].facts[fact] = Unread("exit code 2")
    assert troubles(found) == [(host, "host", "error", f"the fact {fact}")]
    assert report(found).exit_code == 1


def test_a_service_that_is_ready_and_does_not_answer_a_question_could_not_be_read(found: dict[str, Reading]) -> None:
    found["master"].facts["members"] = NO_ETCD
    assert troubles(found) == [("master", "host", "error", "the fact members")]
    assert only(found).found == "etcd does not answer"


def test_a_host_that_did_not_answer(found: dict[str, Reading]) -> None:
    found["node2"] = Reading(found["node2"].host, "connect to 10.1.10.103 timed out")
    found["master"].facts["nodes"]["node2"]["ready"] = False
    made = report(found)
    assert only(found).status == "error" and only(found).host == "node2" and made.exit_code == 1
    assert [h.answered for h in made.hosts] == [True, True, False, True]


def test_a_file_that_a_service_runs_with_is_said_once(found: dict[str, Reading]) -> None:
    host = held(found, "node1")
    host["files"]["/etc/kubernetes/proxy"]["sha256"] = "00" * 32
    host["units"]["kube-proxy"]["started_with"]["/etc/kubernetes/proxy"] = "00" * 32
    assert troubles(found) == [("node1", "files", "drift", "/etc/kubernetes/proxy")]
    assert (only(found).expected, only(found).found) == (
        "mode 644, owner root:root, as the settings have it", "mode 644, owner root:root, other content",
    )  # fmt: skip


def test_a_service_that_runs_with_a_file_that_was_put_back(found: dict[str, Reading]) -> None:
    held(found, "node1")["units"]["flanneld"]["started_with"][FLANNELD] = "00" * 32
    assert troubles(found) == [("node1", "units", "drift", "flanneld")]


def test_a_replaced_program_is_said_and_not_its_service(found: dict[str, Reading]) -> None:
    host = held(found, "node1")
    host["programs"]["/usr/local/bin/kubelet"] = "00" * 32
    host["units"]["kubelet"]["replaced"] = True
    assert troubles(found) == [("node1", "packages", "drift", "/usr/local/bin/kubelet")]
    assert only(found).repair == "deploys/node.py", "which restarts the service, too"


def test_a_certificate_on_disk_that_is_not_the_stores(found: dict[str, Reading]) -> None:
    held(found, "node1")["files"]["/etc/kubernetes/ca/client.crt"]["sha256"] = "00" * 32
    assert troubles(found) == [("node1", "pki", "drift", "/etc/kubernetes/ca/client.crt")]


@pytest.mark.parametrize(("days", "status"), [(31, "ok"), (30, "warn"), (0, "warn"), (-1, "drift")])
def test_a_certificates_life(days: int, status: str, found: dict[str, Reading]) -> None:
    one = {
        "subject": "x", "issuer": "y", "authority": False, "names": [], "days_left": days,
        "not_before": "2026-01-01T00:00:00+00:00", "not_after": "2027-01-01T00:00:00+00:00",
    }  # fmt: skip
    found["node1"].facts["certificates"] = {"certificates": {"/etc/kubernetes/ca/client.crt": [one]}, "keys": {}}
    wanted = [] if status == "ok" else [("node1", "pki", status, "/etc/kubernetes/ca/client.crt")]
    assert troubles(found) == wanted
    (life,) = report(found).certificates
    assert life.renew_from == datetime(2026, 12, 2, tzinfo=UTC)


def test_an_authority_that_another_replaced_may_end(found: dict[str, Reading]) -> None:
    """In clients-ca.crt it stands behind the present one, for those whom it has signed."""
    present = {
        "subject": "container-cloud cluster-signing CA", "issuer": "y", "authority": True, "names": [],
        "days_left": 900,
        "not_before": "2026-01-01T00:00:00+00:00", "not_after": "2027-01-01T00:00:00+00:00",
    }  # fmt: skip
    path = "/etc/kubernetes/ca/clients-ca.crt"
    for listed, said in (([present, present | {"days_left": 3}], []), ([present | {"days_left": 3}], ["warn"])):
        found["master"].facts["certificates"] = {"certificates": {path: listed}, "keys": {}}
        assert [f.status for f in report(found).findings if f.status != "ok"] == said


ETCD = [
    ({"healthy": False}, "drift", "health"),
    ({"alarms": ["memberID:1 alarm:NOSPACE"]}, "drift", "alarms"),
    ({"database": int(2048 * 2**20 * 0.81)}, "warn", "database"),
    ({"kept": 5000, "compacted": 3600}, "warn", "history"),
    ({"kept": 200_000, "compacted": None}, "warn", "history"),
]


@pytest.mark.parametrize(("change", "status", "what"), ETCD)
def test_etcds_health(change: dict[str, Any], status: str, what: str, found: dict[str, Reading]) -> None:
    found["master"].facts["health"] |= change
    assert troubles(found) == [("master", "etcd", status, what)]


@pytest.mark.parametrize("change", [{"kept": 5000, "compacted": 290}, {"kept": 5000, "compacted": None},
                                    {"kept": 12, "compacted": 86_400}])  # fmt: skip
def test_history_that_somebody_compacts_or_nobody_need(change: dict[str, Any], found: dict[str, Reading]) -> None:
    found["master"].facts["health"] |= change
    assert troubles(found) == []


def test_a_firewall_in_the_clusters_way(found: dict[str, Reading]) -> None:
    found["master"].facts["preflight"]["iptables"] = [":INPUT ACCEPT [0:0]", "-A INPUT -p tcp --dport 6443 -j DROP"]
    assert troubles(found) == [("master", "host", "drift", "its firewall")]
    assert "6443/tcp (the API server)" in only(found).found


def test_an_etcd_without_a_leader(found: dict[str, Reading]) -> None:
    """Is one thing that is wrong: that it is not healthy then, and does not answer as ready, is not said beside."""
    found["master"].facts["health"] |= {"healthy": False, "led": False}
    held(found, "master")["ready"]["etcd"] = False
    assert troubles(found) == [("master", "etcd", "drift", "leader")]


def test_a_member_whose_data_are_gone(found: dict[str, Reading]) -> None:
    stop("etcd")(held(found, "master"))
    found["master"].facts |= {"health": {"healthy": False}, "members": NO_ETCD, "keys": NO_ETCD}
    found["master"].facts["preflight"]["etcd"] = {"data": "", "lived": True}
    assert ("master", "etcd", "drift", "data") in troubles(found)
    (said,) = [f for f in report(found).findings if f.what == "data"]
    assert "its member was ready once" in said.found and said.repair == "docs/troubleshooting.md"


MEMBERS = [
    ({"learner": True}, {}, "master without a vote"),
    ({"client_urls": ["https://10.1.10.109:2379"]}, {}, "master at another address"),
    ({}, {"9a": _member("node9", 109, client_urls=[], learner=True)}, "node9 (https://10.1.10.109:2380) more"),
    ({}, {"9a": _member("", 109, client_urls=[], learner=True)}, "9a (https://10.1.10.109:2380) more"),
    ({}, {"9a": _member("master", 109)}, "master (https://10.1.10.109:2380) more"),
    ({"peer_urls": ["https://10.1.10.109:2380"]}, {}, "master (https://10.1.10.109:2380) more; master missing"),
]


@pytest.mark.parametrize(("own", "others", "said"), MEMBERS)
def test_members_that_are_not_the_group(
    own: dict[str, Any], others: dict[str, Any], said: str, found: dict[str, Reading]
) -> None:
    found["master"].facts["members"]["101a"] |= own
    found["master"].facts["members"] |= others
    assert troubles(found) == [("master", "etcd", "drift", "members")] and only(found).found == said


def test_what_is_left_of_a_member_that_was_taken_out(found: dict[str, Reading]) -> None:
    found["master"].facts["preflight"]["etcd"] = {"data": "2026-11-26", "lived": True}
    found["node1"].facts["preflight"]["etcd"] = {"data": "2026-11-26", "lived": True}
    assert troubles(found) == [("node1", "etcd", "warn", "a former member")]


def test_grants(found: dict[str, Reading]) -> None:
    """One finding for all of a service's, in the words of the announcement; unread ones are an error."""
    name = "give etcd's clients their own users"
    granted = held(found, "master")["grants"][name]
    granted.remove("user flannel role flannel")
    assert (only(found).expected, only(found).found) == (
        "user flannel role flannel",
        "without user flannel role flannel",
    )
    granted += ["user flannel role flannel", "user other role root"]
    assert (only(found).what, only(found).expected, only(found).found) == (name, "nothing more", "user other role root")
    held(found, "master")["grants"][name] = None
    assert troubles(found) == [("master", "etcd", "error", name)]


LEASES: dict[str, tuple[Callable[[dict[str, Reading]], Any], tuple[str, str, str, str]]] = {
    "deleted": (
        lambda f: f["master"].facts["keys"].pop("subnets/192.168.14.0-24"),
        ("node2", "flannel", "drift", "lease in etcd"),
    ),
    "stale": (
        lambda f: f["master"].facts["keys"].update({"subnets/192.168.99.0-24": {"PublicIP": "10.1.10.9"}}),
        ("master", "flannel", "drift", "lease 192.168.99.0/24"),
    ),
    "route": (
        lambda f: f["node1"].facts["ways"]["routes"].pop("192.168.14.0/24"),
        ("node1", "flannel", "drift", "way to node2"),
    ),
    "neighbour": (
        lambda f: f["node1"].facts["ways"]["neighbours"].pop("192.168.22.0"),
        ("node1", "flannel", "drift", "way to node3"),
    ),
    "forwarding": (
        lambda f: f["node3"].facts["ways"]["hosts"].update({MACS["node1"]: "10.1.10.9"}),
        ("node3", "flannel", "drift", "way to node1"),
    ),
    "docker0": (
        lambda f: f["node1"].facts["engine"].update(bridge="192.168.99.1/24"),
        ("node1", "runtime", "drift", "docker0"),
    ),
    "dockerd": (
        lambda f: f["node1"].facts["engine"].update(bip="192.168.99.1/24", bridge="192.168.99.1/24"),
        ("node1", "runtime", "drift", "dockerd --bip"),
    ),
    "cgroups": (
        lambda f: f["node1"].facts["engine"].update(cgroup_driver="cgroupfs"),
        ("node1", "runtime", "drift", "cgroup driver"),
    ),
}


@pytest.mark.parametrize("name", LEASES)
def test_one_lease_everywhere(name: str, found: dict[str, Reading]) -> None:
    happens, said = LEASES[name]
    happens(found)
    assert troubles(found) == [said]


def cut_off(found: dict[str, Reading], name: str, answer: str = "no", *causes: str) -> None:
    """A node whose pods and everybody else's do not reach each other."""
    for other in SUBNETS:
        pods = found[other].facts["pods"]
        lost = [s for n, s in SUBNETS.items() if n != other and name in (n, other)]
        pods["answers"].update(dict.fromkeys(lost, answer))
    found[name].facts["pods"]["causes"] = list(causes)


@pytest.mark.parametrize("name", SUBNETS)
def test_pods_that_are_cut_off_are_one_finding_with_its_cause(name: str, found: dict[str, Reading]) -> None:
    cut_off(found, name, "no", "FORWARD has, before it accepts the pod network: -A FORWARD -d 192.168.0.0/16 -j DROP")
    said = only(found)
    assert (said.host, said.area, said.what) == (name, "flannel", "its pods")
    assert said.found.startswith(f"on {name} FORWARD has") and all(n in said.expected for n in SUBNETS if n != name)


@pytest.mark.parametrize(("answer", "cause"), [("no", "UDP port 8472"), ("small", "flannel_backend_options")])
def test_pods_that_are_cut_off_for_no_reason_on_a_host(answer: str, cause: str, found: dict[str, Reading]) -> None:
    cut_off(found, "node3", answer)
    said = only(found)
    assert said.host == "node3" and cause in said.found


def test_a_closed_forward_explains_why_pods_are_cut_off(found: dict[str, Reading]) -> None:
    cut_off(found, "node2", "no", "FORWARD has, before it accepts the pod network: -A FORWARD -j DROP")
    held(found, "node2")["steps"]["let pod traffic through FORWARD"] = False
    said = only(found)
    assert (said.host, said.area, said.what) == ("node2", "runtime", "let pod traffic through FORWARD")
    assert said.found.endswith("-A FORWARD -j DROP") and said.repair == "deploys/runtime.py"


def test_a_node_on_which_no_pod_starts(found: dict[str, Reading]) -> None:
    found["node2"].facts["pods"]["troubles"] = ["no pod starts: the kubelet reads /etc/resolv.conf, which is not there"]
    said = only(found)
    assert (said.host, said.area, said.what) == ("node2", "kubernetes", "pods")
    assert "/etc/resolv.conf" in said.found


@pytest.mark.parametrize(("unit", "fact", "change", "what"), [
    ("docker: it is not on flannel's lease", "engine", {"bridge": "192.168.99.1/24"}, ("runtime", "docker0")),
    ("flanneld: a way to another node is broken", "ways", {"routes": {}}, ("flannel", "way to node2")),
])  # fmt: skip
def test_a_run_that_would_restart_a_service_is_explained(
    unit: str, fact: str, change: dict[str, Any], what: tuple[str, str], found: dict[str, Reading]
) -> None:
    """What the service does not run on any more is said, not that a run would restart it; and it is the repair."""
    held(found, "node1")["steps"][unit] = True
    assert [f.what for f in report(found).findings if f.status != "ok"] == [unit.partition(":")[0]]
    found["node1"].facts[fact] |= change
    said = [f for f in report(found).findings if f.status != "ok"]
    assert (said[0].area, said[0].what) == what
    assert {f.repair for f in said} == {f"deploys/{what[0]}.py"} and "units" not in {f.area for f in said}


def test_leases_as_etcds_v2_api_tells_them(found: dict[str, Reading]) -> None:
    """There a lease's data are text."""
    for key, lease in found["master"].facts["keys"].items():
        if key.startswith("subnets/"):
            lease["BackendData"] = json.dumps(lease["BackendData"])
    assert troubles(found) == []


NODES: dict[str, tuple[dict[str, Any] | None, str, str]] = {
    "cordoned": ({"schedulable": False}, "warn", "scheduling"),
    "not ready": ({"ready": False, "message": "PLEG is not healthy"}, "drift", "the node"),
    "forgotten": (None, "drift", "the node"),
    "older": ({"version": "v1.19.0"}, "drift", "kubelet as it runs"),
    "elsewhere": ({"address": "10.0.0.1"}, "drift", "its address"),
}


@pytest.mark.parametrize("name", NODES)
def test_nodes(name: str, found: dict[str, Reading]) -> None:
    change, status, what = NODES[name]
    nodes = found["master"].facts["nodes"]
    nodes.pop("node1") if change is None else nodes["node1"].update(change)
    assert troubles(found) == [("node1", "kubernetes", status, what)]


def test_a_forgotten_nodes_proxy_ends_and_is_not_the_fault(found: dict[str, Reading]) -> None:
    del found["master"].facts["nodes"]["node1"]
    stop("kube-proxy")(held(found, "node1"))
    assert troubles(found) == [("node1", "kubernetes", "drift", "the node")]


def test_a_node_that_the_inventory_does_not_have(found: dict[str, Reading]) -> None:
    found["master"].facts["nodes"]["node9"] = _node("10.1.10.110")
    assert troubles(found) == [("master", "kubernetes", "drift", "node node9")]


def test_arguments_that_a_service_was_started_without(found: dict[str, Reading]) -> None:
    found["node1"].facts["commands"] = {"kube-proxy": {"account": "root", "words": ["/usr/local/bin/kube-proxy"]}}
    assert troubles(found) == [("node1", "kubernetes", "drift", "kube-proxy's arguments")]
    assert "--hostname-override=node1" in only(found).expected
    assert "no --hostname-override" in only(found).found


def test_an_argument_given_again_counts(found: dict[str, Reading]) -> None:
    (role,) = [r for r in found["node1"].roles if r.name == "node"]
    (text,) = [f.content for f in role.files if f.path == "/etc/kubernetes/proxy"]
    words = re.findall(r"--[^ \"]+", text or "")
    command = {"account": "root", "words": ["/usr/local/bin/kube-proxy", *words]}
    found["node1"].facts["commands"] = {"kube-proxy": command}
    assert troubles(found) == []
    command["words"].append("--cluster-cidr=10.0.0.0/8")
    assert (only(found).expected, only(found).found) == ("--cluster-cidr=192.168.0.0/16", "--cluster-cidr=10.0.0.0/8")


def test_an_argument_that_nothing_asked_for(found: dict[str, Reading]) -> None:
    """By a drop-in of the unit; over a configuration file it would win."""
    (role,) = [r for r in found["node1"].roles if r.name == "node"]
    texts = [f.content or "" for f in role.files if f.path in ("/etc/kubernetes/kubelet", "/etc/kubernetes/config")]
    words = [w for text in texts for w in re.findall(r"--[^ \"]+", text)]
    command = {"account": "root", "words": ["/usr/local/bin/kubelet", *words]}
    found["node1"].facts["commands"] = {"kubelet": command}
    assert troubles(found) == []
    command["words"].append("--max-pods=9")
    assert (only(found).expected, only(found).found) == ("no --max-pods", "--max-pods=9")


# Hosts that share one kernel cannot show these.
@pytest.mark.parametrize(("clock", "said"), [(0.9, False), (1.6, True), (-3.0, True)])
def test_a_clock_that_differs(clock: float, said: bool, found: dict[str, Reading]) -> None:
    found["node2"].facts["preflight"]["clock"] = clock
    assert troubles(found) == ([("node2", "host", "warn", "the clock")] if said else [])


def test_a_disk_near_full(found: dict[str, Reading]) -> None:
    found["node2"].facts["preflight"]["free_disk"] = 10
    assert troubles(found) == [("node2", "host", "warn", "/var")]


def test_selinux_that_enforces(found: dict[str, Reading]) -> None:
    held(found, "node2")["steps"]["make SELinux permissive"] = False
    assert troubles(found) == [("node2", "host", "drift", "make SELinux permissive")]


def test_a_newer_package_is_shown(found: dict[str, Reading]) -> None:
    found["node1"].facts["offers"] = {"docker.io": {"installed": "1.0", "newer": "2.0"}}
    (shown,) = [f for f in report(found).findings if (f.host, f.what) == ("node1", "docker.io")]
    assert shown.status == "ok" and shown.found == "1.0; the repositories have 2.0"


def test_a_program_that_its_package_did_not_bring(found: dict[str, Reading]) -> None:
    """Is said once: not also of the service that still runs the former one."""
    found["node1"].facts["altered"] = {"/usr/sbin/dockerd": {"package": "docker.io", "found": "other content"}}
    held(found, "node1")["units"]["docker"]["replaced"] = True
    assert troubles(found) == [("node1", "packages", "drift", "/usr/sbin/dockerd")]
    (said,) = [f for f in report(found).findings if f.what == "/usr/sbin/dockerd"]
    assert (said.expected, said.found) == ("as docker.io brought it", "other content")
    assert said.repair == "apt-get install --reinstall docker.io"


def test_an_answer_that_cannot_be_read(found: dict[str, Reading]) -> None:
    found["node1"].facts["engine"] = Unread("docker info is not JSON")
    assert troubles(found) == [("node1", "host", "error", "the fact engine")]


# --- Several facts in one command -----------------------------------------------------------------------------------


def test_a_bundle_is_read_fact_by_fact() -> None:
    asked: dict[str, Any] = {"lease": (SubnetEnv, {}), "ways": (Ways, {}), "host": (Preflight, {})}
    script = command(asked)
    assert script.count("@@ container-cloud") == 6
    mark = "@@ container-cloud"
    lines = [f"{mark} lease", "FLANNEL_MTU=1450", f"{mark} 0", f"{mark} ways", "half", f"{mark} 2", f"{mark} host"]
    assert answers(asked, lines) == {
        "lease": {"FLANNEL_MTU": "1450"}, "ways": Unread("exit code 2"), "host": Unread("the answer is cut off"),
    }  # fmt: skip
    assert all(isinstance(answers(asked, [])[name], Unread) for name in asked)


def test_settings_are_no_secret_to_the_reader(tmp_path: Path) -> None:
    """What deploys/audit.py places on a host is readable by all: nothing of a key is in it."""
    from facts.audit import questions, reader

    host = CLUSTER.host("master")
    text = reader(questions(CLUSTER, host, "deb", roles(CLUSTER, host).values()))
    assert text.startswith("#!/bin/sh\n") and "PRIVATE KEY" not in text


# --- Cluster DNS ----------------------------------------------------------------------------------------------------

NAMED = cluster(cluster_dns=True)
ANSWERED = {"inside": "yes", "outside": "yes", "resolvers": []}


@pytest.fixture
def named(store: Store, found: dict[str, Reading]) -> dict[str, Reading]:
    """A cluster with cluster DNS: its two pods, and each node's names."""
    deployment = {"name": "coredns", "replicas": 2, "available": 2}
    found["master"].facts["dns"] = {"answers": True, "controllers": {"Deployment coredns in kube-system": deployment}}
    found["master"].facts["dns_pods"] = {f"coredns-{n}": _dns_pod(f"node{n}") for n in (1, 2)}
    for name in SUBNETS:
        found[name].facts["pods"]["names"] = dict(ANSWERED)
    return found


def _dns_pod(node: str, **changes: Any) -> dict[str, Any]:
    return {
        "node": node,
        "ready": True,
        "ending": False,
        "phase": "Running",
        "images": ["dns:v1"],
        "trouble": {},
    } | changes


def test_cluster_dns_that_answers_everywhere(named: dict[str, Reading]) -> None:
    assert troubles(named, NAMED) == []
    assert [(f.host, f.what) for f in report(named, NAMED).findings if f.area == "dns"] == [
        ("master", "pods"), ("master", "places"),
        *((node, what) for node in SUBNETS for what in ("names of services", "names outside")),
    ]  # fmt: skip


def test_a_cluster_without_dns_is_not_asked_for_it(found: dict[str, Reading]) -> None:
    assert [f for f in report(found).findings if f.area == "dns"] == []


@pytest.mark.parametrize(
    ("names", "what", "words"),
    [
        ({"inside": ""}, "names of services", "(192.168.1.10) does not answer, asked for kubernetes.default.svc."),
        ({"inside": "unknown"}, "names of services", "knows no kubernetes.default.svc.cluster.local"),
        ({"outside": "failed 2", "resolvers": ["10.1.10.1"]}, "names outside", "error 2 of RFC 1035, though 10.1.10.1"),
    ],
)
def test_a_node_without_an_answer_is_named(
    names: dict[str, Any], what: str, words: str, named: dict[str, Reading]
) -> None:
    named["node2"].facts["pods"]["names"] |= names
    said = only(named, NAMED)
    assert (said.host, said.area, said.status, said.what) == ("node2", "dns", "drift", what)
    assert words in said.found


def test_names_that_no_resolver_of_the_host_knows_are_not_dnss_fault(named: dict[str, Reading]) -> None:
    named["node2"].facts["pods"]["names"] |= {"outside": "failed 2"}
    assert troubles(named, NAMED) == []


def test_dns_without_pods_is_one_finding(named: dict[str, Reading]) -> None:
    """Not one for every node that gets no answer."""
    (deployment,) = named["master"].facts["dns"]["controllers"].values()
    deployment["available"] = 0
    trouble = {"reason": "ImagePullBackOff", "message": "not found", "image": "dns:v1"}
    named["master"].facts["dns_pods"] = {"coredns-1": _dns_pod("node1", ready=False, trouble=trouble)}
    for name in SUBNETS:
        named[name].facts["pods"]["names"] |= {"inside": "", "outside": ""}
    said = only(named, NAMED)
    assert (said.host, said.area, said.what, said.repair) == ("master", "dns", "pods", "deploys/dns.py")
    assert "0 available; pod coredns-1 on node1" in said.found and "ImagePullBackOff" in said.found


def test_dns_that_is_not_there_is_one_finding(named: dict[str, Reading]) -> None:
    named["master"].facts |= {"dns": {"answers": True, "controllers": {}}, "dns_pods": {}}
    for name in SUBNETS:
        named[name].facts["pods"]["names"] |= {"inside": "", "outside": ""}
    assert only(named, NAMED).found == "it is not there"


def test_pods_of_dns_that_share_a_node_are_a_warning(named: dict[str, Reading]) -> None:
    named["master"].facts["dns_pods"]["coredns-2"]["node"] = "node1"
    said = only(named, NAMED)
    assert (said.status, said.what, said.found) == ("warn", "places", "on node1")


def test_a_node_without_kube_proxy_is_not_blamed_for_dns(named: dict[str, Reading]) -> None:
    stop("kube-proxy")(held(named, "node3"))
    named["node3"].facts["pods"]["names"] |= {"inside": "", "outside": ""}
    assert {f.area for f in report(named, NAMED).findings if f.status != "ok"} == {"units"}


def test_names_are_not_judged_where_the_pod_network_is_in_the_way(named: dict[str, Reading]) -> None:
    """Cluster DNS runs on node1 and node2: who does not reach one of them may find nothing, wherever it asks from."""
    cut_off(named, "node2", "no", "FORWARD has, before it accepts the pod network: -A FORWARD -j DROP")
    for name in ("node1", "node3"):
        named[name].facts["pods"]["names"] |= {"inside": "", "outside": ""}
    assert (only(named, NAMED).area, only(named, NAMED).host) == ("flannel", "node2")


def test_a_dns_pod_that_its_node_keeps_from_serving_is_not_dnss_fault(named: dict[str, Reading]) -> None:
    held(named, "node2")["steps"]["let pod traffic through FORWARD"] = False
    (deployment,) = named["master"].facts["dns"]["controllers"].values()
    deployment["available"] = 1
    named["master"].facts["dns_pods"]["coredns-2"] |= {"ready": False}
    assert (only(named, NAMED).area, only(named, NAMED).host) == ("runtime", "node2")


def test_a_dns_pods_node_that_is_off_is_said_alone(named: dict[str, Reading]) -> None:
    named["node3"].facts["pods"]["names"] |= {"inside": ""}
    named["node2"] = Reading(CLUSTER.host("node2"), trouble="no answer")
    assert {(f.host, f.area) for f in report(named, NAMED).findings if f.status != "ok" and f.area != "host"} == set()


# --- Several masters and members, of which the first is gone -------------------------------------------------------

MANY = cluster(SEVERAL, api_server_address="10.1.10.102")


@pytest.fixture(scope="module")
def all_many(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Reading]:
    made = Store(tmp_path_factory.mktemp("several"), key_type="ecdsa-p256")
    return {h.name: _many(h.name, made) for h in MANY.hosts}


@pytest.fixture
def many(all_many: dict[str, Reading]) -> dict[str, Reading]:
    return {
        name: Reading(r.host, "", r.distribution, list(r.roles), copy.deepcopy(r.facts)) for name, r in all_many.items()
    }


def _many(name: str, store: Store) -> Reading:
    reading = _good(MANY, name, store)
    return reading


def gone(reading: Reading) -> Reading:
    return Reading(reading.host, f"connect to {reading.host.address} timed out")


def test_several_converged_masters(many: dict[str, Reading]) -> None:
    assert troubles(many, MANY) == []


def test_a_first_master_that_is_off_keeps_nobody_else_from_being_judged(many: dict[str, Reading]) -> None:
    many["master"] = gone(many["master"])
    assert troubles(many, MANY) == [("master", "host", "error", "the host")]
    many["node1"].facts["nodes"]["node2"] |= {"ready": False, "message": "its network is not ready"}
    many["node1"].facts["nodes"]["node9"] = _node("10.1.10.109")
    many["node1"].facts["keys"]["subnets/192.168.99.0-24"] = {"PublicIP": "10.1.10.199"}
    many["node1"].facts["api"]["version"] = "v1.19.1"
    del many["node3"].facts["ways"]["routes"]["192.168.13.0/24"]
    assert set(troubles(many, MANY)) == {
        ("master", "host", "error", "the host"),
        ("node1", "flannel", "drift", "lease 192.168.99.0/24"),
        ("node1", "kubernetes", "drift", "kube-apiserver as it runs"),
        ("node1", "kubernetes", "drift", "node node9"),
        ("node2", "kubernetes", "drift", "the node"),
        ("node3", "flannel", "drift", "way to node1"),
    }


@pytest.mark.parametrize("how", ["stopped", "silent"])
def test_a_first_api_server_without_an_answer_leaves_the_nodes_to_another(how: str, many: dict[str, Reading]) -> None:
    if how == "stopped":
        stop("kube-apiserver")(held(many, "master"))
    held(many, "master")["ready"]["kube-apiserver"] = False
    silent = Unread("kube-apiserver does not answer", "kube-apiserver")
    many["master"].facts |= {"nodes": silent, "api": {"ready": False, "failing": [], "version": ""}}
    many["node1"].facts["nodes"]["node2"] |= {"ready": False, "message": "its network is not ready"}
    assert troubles(many, MANY) == [
        ("master", "units", "drift", "kube-apiserver"),
        ("node2", "kubernetes", "drift", "the node"),
    ]


def test_one_stopped_member_of_three_is_said_and_the_rest_judged(many: dict[str, Reading]) -> None:
    stop("etcd")(held(many, "master"))
    many["master"].facts |= {"health": {"healthy": False}, "members": NO_ETCD, "keys": NO_ETCD}
    many["node1"].facts["keys"]["subnets/192.168.99.0-24"] = {"PublicIP": "10.1.10.199"}
    assert troubles(many, MANY) == [
        ("master", "units", "drift", "etcd"),
        ("node1", "flannel", "drift", "lease 192.168.99.0/24"),
    ]


def test_two_members_gone_of_three_explain_what_does_not_answer(many: dict[str, Reading]) -> None:
    many["master"] = gone(many["master"])
    stop("etcd")(held(many, "node1"))
    many["node1"].facts |= {"health": {"healthy": False}, "members": NO_ETCD, "keys": NO_ETCD}
    many["node2"].facts |= {"health": {"healthy": False, "led": False}, "members": NO_ETCD, "keys": NO_ETCD}
    held(many, "node2")["ready"]["etcd"] = False
    for unit in ("kube-apiserver", "kube-controller-manager", "kube-scheduler"):
        held(many, "node1")["ready"][unit] = False
    silent = Unread("kube-apiserver does not answer", "kube-apiserver")
    many["node1"].facts |= {"nodes": silent, "api": {"ready": False, "failing": [], "version": ""}}
    assert troubles(many, MANY) == [
        ("master", "host", "error", "the host"),
        ("node1", "units", "drift", "etcd"),
        ("node2", "etcd", "drift", "leader"),
    ]


def test_members_of_two_clusters_are_found_while_a_host_is_off(many: dict[str, Reading]) -> None:
    group = {m.name: f"https://{m.address}:2380" for m in MANY.etcd_members}
    for name in group:
        many[name].facts["preflight"]["etcd"] = member(group)
    many["node3"] = gone(many["node3"])
    assert [what for _, area, _, what in troubles(many, MANY) if area == "etcd"] == []
    last = list(group)[-1]
    many[last].facts["preflight"]["etcd"]["cluster"] = "beef"
    (said,) = [f.found for f in report(many, MANY).findings if f.what == "data"]
    assert f"{last} of cluster beef" in said


def test_members_of_another_cluster_than_the_store_remembers(found: dict[str, Reading]) -> None:
    alone = {"master": "https://10.1.10.101:2380"}
    found["master"].facts["preflight"]["etcd"] = member(alone)
    told = {}
    for cluster_id in ("cdf8", "beef"):
        judged = judge(CLUSTER, found.values(), BEGAN, 1.5, recorded(alone, cluster_id), Path("/store"))
        told[cluster_id] = [f.found for f in judged.findings if f.what == "data"]
    assert told["cdf8"] == [] and "the store says that etcd's cluster beef has lived" in told["beef"][0]


@pytest.mark.parametrize(("pid", "ours", "tells"), [(612, True, True), (0, True, False), (612, False, False)])
def test_a_former_master_that_still_runs(pid: int, ours: bool, tells: bool, found: dict[str, Reading]) -> None:
    unit = {"pid": pid, "ours": ours}
    for name in ("master", "node1"):
        found[name].facts["preflight"]["units"] = {"kube-apiserver": unit, "kube-scheduler": unit}
    wanted = [("node1", "kubernetes", "drift", "a former master")] if tells else []
    assert troubles(found) == wanted
    if tells:
        assert only(found).found == "kube-apiserver, kube-scheduler still run"
