"""From bare hosts, one run: the guide's cluster, checked the way the guide checks it."""

import subprocess
import time
from pathlib import Path

import pytest

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


@pytest.fixture(scope="module")
def built(fresh: Lab) -> Lab:
    """The cluster, built from bare hosts by one run, with an image to start containers from."""
    for host in HOSTS:
        for program in ("docker", "etcd", "flanneld", "kubelet"):
            assert fresh.attempt(host, f"command -v {program}").returncode != 0, "not bare"
        if fresh.is_rpm(host):
            assert fresh.ssh(host, "systemctl is-active firewalld; systemctl is-enabled firewalld") == "active\nenabled"
    fresh.deploy()
    return fresh


@pytest.fixture(scope="module")
def pods(built: Lab) -> dict[str, str]:
    """A pod on each node: its address by node."""
    for node in NODES:
        built.load_image(node)
        manifest = POD % {"node": node}
        built.ssh(
            "master", f"cat <<'EOF' | kubectl --kubeconfig=/etc/kubernetes/kubeconfig apply -f -\n{manifest}\nEOF"
        )
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
    assert {n["version"] for n in nodes.values()} == {"v1.20.2"}


def test_etcd_is_healthy(lab: Lab) -> None:
    health = lab.fact("facts.etcd.Health", limit="master")["master"]
    assert (health["healthy"], health["leader"], health["alarms"]) == (True, True, [])
    members = lab.fact("facts.etcd.Members", limit="master")["master"]
    assert members["master"]["client_urls"] == ["https://10.1.10.101:2379"]


def test_etcd_holds_the_configuration(lab: Lab) -> None:
    assert lab.fact("facts.flannel.Configuration", limit="master")["master"] == {
        "Network": "192.168.0.0/16",
        "SubnetLen": 24,
        "SubnetMin": "192.168.2.0",
        "Backend": {"Type": "vxlan"},
    }


def test_one_lease_everywhere(lab: Lab) -> None:
    """The lease in etcd = subnet.env = dockerd's --bip = docker0's address."""
    leases = lab.fact("facts.flannel.Leases", limit="master")["master"]
    engines = lab.fact("facts.docker.Engine", limit="nodes")
    held = lab.fact("facts.flannel.SubnetEnv", limit="nodes")
    addresses = {"10.1.10.102": "node1", "10.1.10.103": "node2", "10.1.10.104": "node3"}
    assert {addresses[lease["address"]] for lease in leases.values()} == set(NODES)
    for subnet, lease in leases.items():
        node = addresses[lease["address"]]
        first = subnet.replace(".0/", ".1/")
        assert held[node]["FLANNEL_SUBNET"] == engines[node]["bip"] == engines[node]["bridge"] == first
        assert held[node]["FLANNEL_MTU"] == engines[node]["mtu"] == "1450"
        assert engines[node]["cgroup_driver"] == "systemd"


def test_plain_containers_reach_each_other(lab: Lab) -> None:
    with lab.containers() as addresses:
        for node in NODES:
            for other in set(NODES) - {node}:
                lab.ssh(node, f"docker exec plain ping -c1 -W3 {addresses[other]}")


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
    container = "$(docker ps -q -f label=io.kubernetes.pod.name=test-node2 -f label=io.kubernetes.container.name=box)"
    inside = f"nsenter --net --target $(docker inspect -f '{{{{.State.Pid}}}}' {container})"
    assert pods["node2"] in lab.ssh("node2", f"{inside} ip -4 addr")
    curl = "curl -sS --max-time 10 --cacert /etc/kubernetes/ca/ca.crt"
    answer = lab.ssh("node2", f"{inside} {curl} -H 'Authorization: Bearer {token}' https://192.168.1.1/version")
    assert '"gitVersion": "v1.20.2"' in answer


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
        lab.ssh(node, f"ls {common} /etc/sysconfig/flanneld /etc/sysconfig/docker /etc/kubernetes/kubelet "
                "/etc/kubernetes/proxy")  # fmt: skip


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
