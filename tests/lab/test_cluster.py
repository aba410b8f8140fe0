"""From bare hosts, one run: the guide's cluster, checked the way the guide checks it."""

import subprocess
import time
from pathlib import Path

import pytest

from lab import state
from tests.lab.conftest import HOSTS, NODES, UNITS, Lab

pytestmark = pytest.mark.usefixtures("built")

POD = """
apiVersion: v1
kind: Pod
metadata: {name: test-%(node)s}
spec:
  nodeName: %(node)s
  containers:
  - {name: box, image: "lab/busybox:1", imagePullPolicy: Never, command: [sleep, "3600"]}
"""
# The process of the container of pod test-node2, as shell on its node.
PROCESS = {
    "docker": "$(docker inspect -f '{{.State.Pid}}' $(docker ps -q -f label=io.kubernetes.pod.name=test-node2 "
    "-f label=io.kubernetes.container.name=box))",
    "containerd": "$(crictl inspect -o go-template --template '{{.info.pid}}' $(crictl ps -q --pod "
    "$(crictl pods -q --name '^test-node2$')))",
}


@pytest.fixture(scope="module")
def built(fresh: Lab) -> Lab:
    """The cluster, built from bare hosts by one run, with an image to start containers from."""
    for host in HOSTS:
        for program in ("docker", "containerd", "etcd", "flanneld", "kubelet"):
            assert fresh.attempt(host, f"command -v {program}").returncode != 0, "not bare"
        if state.host(host).flavour == "rpm":
            assert fresh.ssh(host, "systemctl is-active firewalld; systemctl is-enabled firewalld") == "active\nenabled"
    fresh.deploy()
    return fresh


@pytest.fixture(scope="module")
def pods(built: Lab) -> dict[str, str]:
    """A pod on each node: its address by node."""
    for node in NODES:
        built.load_image(node)
        manifest = POD % {"node": node}
        built.apply(manifest)
    built.kubectl("wait --for=condition=Ready --timeout=90s " + " ".join(f"pod/test-{n}" for n in NODES))
    return {n: built.kubectl(f"get pod test-{n} -o jsonpath={{.status.podIP}}") for n in NODES}


@pytest.mark.parametrize(("host", "unit"), [(h, u) for h, units in UNITS.items() for u in units])
def test_unit_runs_and_starts_at_boot(lab: Lab, host: str, unit: str) -> None:
    assert lab.ssh(host, f"systemctl is-active {unit}") == "active"
    assert lab.ssh(host, f"systemctl is-enabled {unit}") == "enabled"


def test_no_firewall_runs_now_or_after_a_boot(lab: Lab) -> None:
    for host in HOSTS:
        told = lab.attempt(host, "systemctl is-active firewalld; systemctl is-enabled firewalld").stdout.split()
        assert "active" not in told and "enabled" not in told


def test_three_nodes_are_ready(lab: Lab) -> None:
    nodes = lab.fact("facts.kubernetes.Nodes", limit="master")["master"]
    assert {name: n["ready"] for name, n in nodes.items()} == dict.fromkeys(NODES, True)
    assert {n["version"] for n in nodes.values()} == {f"v{lab.version}"}


def test_etcd_is_healthy(lab: Lab) -> None:
    health = lab.fact("facts.etcd.Health", limit="master")["master"]
    assert (health["healthy"], health["leader"], health["alarms"]) == (True, True, [])
    members = lab.fact("facts.etcd.Members", limit="master")["master"]
    assert [m["client_urls"] for m in members.values()] == [["https://10.1.10.101:2379"]]


def test_etcd_holds_the_configuration(lab: Lab) -> None:
    assert lab.fact("facts.flannel.Configuration", limit="master")["master"] == {
        "Network": "192.168.0.0/16",
        "SubnetLen": 24,
        "SubnetMin": "192.168.2.0",
        "Backend": {"Type": "vxlan"},
    }


def test_one_lease_everywhere(lab: Lab) -> None:
    """The lease in etcd = subnet.env = the address and MTU of what containers are plugged into."""
    leases = lab.fact("facts.flannel.Leases", limit="master")["master"]
    bridges = lab.bridges()
    held = lab.fact("facts.flannel.SubnetEnv")
    addresses = {f"10.1.10.{101 + number}": host for number, host in enumerate(HOSTS)}
    leased = set(HOSTS if "flanneld" in UNITS["master"] else NODES)
    assert {addresses[lease["address"]] for lease in leases.values()} == leased
    for subnet, lease in leases.items():
        host = addresses[lease["address"]]
        first = subnet.replace(".0/", ".1/")
        assert (held[host]["FLANNEL_SUBNET"], held[host]["FLANNEL_MTU"]) == (first, "1450")
        assert host not in bridges or bridges[host] == (first, "1450")


def test_plain_containers_reach_each_other(lab: Lab) -> None:
    with lab.containers() as addresses:
        for node in NODES:
            for other in set(NODES) - {node}:
                lab.inside(node, f"ping -c1 -W3 {addresses[other]}")


def test_pods_reach_each_other(lab: Lab, pods: dict[str, str]) -> None:
    for node in NODES:
        for other in set(NODES) - {node}:
            lab.kubectl(f"exec test-{node} -- ping -c1 -W3 {pods[other]}")


def test_a_pod_reaches_the_api_server_through_its_service(lab: Lab, pods: dict[str, str]) -> None:
    """As a client library does it: with the pod's own token and authority, at 192.168.1.1, from the pod's network."""
    directory = "/var/run/secrets/kubernetes.io/serviceaccount"
    token = lab.kubectl(f"exec test-node2 -- cat {directory}/token")
    authority = lab.kubectl(f"exec test-node2 -- cat {directory}/ca.crt")
    assert authority == lab.ssh("node2", "cat /etc/kubernetes/ca/ca.crt")
    inside = f"nsenter --net --target {PROCESS[lab.runtime]}"
    assert pods["node2"] in lab.ssh("node2", f"{inside} ip -4 addr")
    curl = "curl -sS --max-time 10 --cacert /etc/kubernetes/ca/ca.crt"
    answer = lab.ssh("node2", f"{inside} {curl} -H 'Authorization: Bearer {token}' https://192.168.1.1/version")
    assert f'"gitVersion": "v{lab.version}"' in answer


def test_names_resolve_on_every_host(lab: Lab) -> None:
    """A Debian host's own name stays its own affair: 127.0.1.1."""
    for host in HOSTS:
        other, address = ("node3", "10.1.10.104") if host != "node3" else ("master", "10.1.10.101")
        assert lab.ssh(host, f"getent ahostsv4 {other} | head -n1").split()[0] == address


def test_the_guides_files_are_where_it_has_them(lab: Lab) -> None:
    common = "/etc/kubernetes/config /etc/kubernetes/kubeconfig /etc/kubernetes/ca/ca.crt /etc/kubernetes/ca/client.crt"
    lab.ssh("master", f"ls {common} /etc/etcd/etcd.conf /etc/kubernetes/apiserver /etc/kubernetes/controller-manager "
            "/etc/kubernetes/scheduler")  # fmt: skip
    for node in NODES:
        docker = "/etc/sysconfig/docker" if lab.runtime == "docker" else ""
        lab.ssh(node, f"ls {common} /etc/sysconfig/flanneld {docker} /etc/kubernetes/kubelet /etc/kubernetes/proxy")


def test_openssl_verifies_what_the_guide_verifies(lab: Lab, tmp_path: Path) -> None:
    """`openssl verify -CAfile ca.crt server.crt`, done on this machine: the hosts are bare."""
    for name in ("ca", "server", "client"):
        (tmp_path / f"{name}.crt").write_text(lab.ssh("master", f"cat /etc/kubernetes/ca/{name}.crt") + "\n")
    command = ["openssl", "verify", "-CAfile", "ca.crt", "server.crt", "client.crt"]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["server.crt:", "OK", "client.crt:", "OK"]


def test_the_server_certificate_has_the_guides_nine_names(lab: Lab) -> None:
    found = lab.fact("facts.certificates.Certificates", limit="master")["master"]["certificates"]
    assert set(found["/etc/kubernetes/ca/server.crt"][0]["names"]) == {
        "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
        "localhost", "master", "127.0.0.1", "192.168.1.1", "10.1.10.101",
    }  # fmt: skip


def test_the_host_trusts_the_authority(lab: Lab) -> None:
    for host in HOSTS:
        code = "%{http_code}"
        answer = lab.ssh(host, f"curl -s -o /dev/null -w '{code}' https://10.1.10.101:6443/version")
        assert answer == "401", "TLS verified by the host's own trust store, then refused for want of a certificate"


def test_deleting_a_pod_is_seen_within_seconds(lab: Lab, pods: dict[str, str]) -> None:
    lab.kubectl("delete pod test-node3 --grace-period=0 --force")
    deadline = time.monotonic() + 30
    while "test-node3" in lab.kubectl("get pods -o name") and time.monotonic() < deadline:
        time.sleep(0.5)
    assert "test-node3" not in lab.kubectl("get pods -o name")
