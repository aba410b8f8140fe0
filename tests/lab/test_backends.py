"""Every flannel backend carries pod traffic, and both etcd APIs lease."""

import pytest

from tests.lab.conftest import NODES, Lab

pytestmark = pytest.mark.usefixtures("cluster")

MTU = {"vxlan": "1450", "host-gw": "1500", "udp": "1472"}
DEVICE = {"vxlan": "flannel.1", "host-gw": "eth0", "udp": "flannel0"}


@pytest.fixture(scope="module", autouse=True)
def _back_to_the_default(cluster: Lab):
    yield
    cluster.deploy()


# The last is what all other tests have, and here comes after another.
@pytest.mark.parametrize("backend", ["host-gw", "udp", pytest.param("vxlan", marks=pytest.mark.named)])
def test_backend_carries_pod_traffic(lab: Lab, backend: str) -> None:
    data = ("--data", f"flannel_backend={backend}")
    dry = lab.pyinfra("--dry", "--json", *data, "lab/inventory.py", "deploys/cluster.py")
    done = lab.deploy("cluster", *data)
    restarts = {
        n: {line.split(" (")[0] for line in done.changes[n] if line.startswith(("restart", "start"))} for n in NODES
    }
    announced = {
        n: {line.split(" (")[0] for line in dry.changes[n] if line.startswith(("restart", "start"))} for n in NODES
    }
    along = {"restart kubelet"} if lab.is_rpm("node1") else set()  # a packaged one requires docker.service
    assert announced == {n: {"restart flanneld", f"restart {lab.runtime}", *along} for n in NODES}
    assert restarts == announced
    leases = lab.fact("facts.flannel.Leases", limit="master")["master"]
    # flannel's udp backend names itself in no lease.
    assert {lease["backend"] for lease in leases.values()} == {"" if backend == "udp" else backend}
    own = lab.leases()
    assert lab.bridges() == {node: (own[node], MTU[backend]) for node in NODES}
    with lab.containers() as addresses:
        for node in NODES:
            assert lab.inside(node, "cat /sys/class/net/eth0/mtu") == MTU[backend]
            for other in set(NODES) - {node}:
                route = lab.ssh(node, f"ip route get {addresses[other]}")
                assert f"dev {DEVICE[backend]}" in route, "by this backend, not by an old route"
                # As large as the network takes undivided.
                lab.inside(node, f"ping -c1 -W3 -s {int(MTU[backend]) - 28} {addresses[other]}")
    assert lab.deploy("cluster", "--json", *data).totals["success"] == 0


@pytest.mark.runtimes("docker")
def test_the_v2_api(lab: Lab) -> None:
    """An older flannel, which reads etcd's v2 API: the guide's own way."""
    older = {"CONTAINER_CLOUD_LAB_FLANNEL": "0.15.1"}
    lab.deploy("cluster", environment=older)
    keys = ("prefix=/flannel/network", "api=v2")
    leases = lab.fact("facts.flannel.Leases", *keys, limit="master")["master"]
    held = lab.fact("facts.flannel.SubnetEnv", limit="nodes")
    assert {s.replace(".0/", ".1/") for s in leases} == {h["FLANNEL_SUBNET"] for h in held.values()}
    assert len(leases) == len(NODES)
    assert lab.fact("facts.flannel.Configuration", *keys, limit="master")["master"]["Network"] == "192.168.0.0/16"
    again = lab.pyinfra("-y", "--json", "lab/inventory.py", "deploys/cluster.py", environment=older)
    assert again.code == 0 and again.totals["success"] == 0, again.err
