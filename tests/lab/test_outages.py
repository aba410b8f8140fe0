"""Three masters, each struck in every way: what it costs those who use the cluster, and that nothing is lost."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cluster.membership import DATA, LIVED
from lab import lifecycle, state
from tests.lab.conftest import Lab
from tests.lab.faults import cut_off, frozen, kill
from tests.lab.several import (
    CLOSED,
    HANDED_OVER,
    IN_FLIGHT,
    LONGEST_GAP,
    MASTERS,
    NODES,
    changed,
    starts,
    unsettled,
    used,
)
from tests.lab.test_audit import audit
from tests.lab.test_masters import await_findings_of, workload  # noqa: F401 a fixture

pytestmark = [pytest.mark.several, pytest.mark.named, pytest.mark.usefixtures("workload")]


@pytest.fixture(autouse=True)
def whole(cluster: Lab) -> None:
    """Each begins with all three."""
    await_findings_of(set(), 150)


def test_certificates_are_renewed_and_nobody_notices(cluster: Lab, tmp_path: Path) -> None:
    """All of them, with other keys; between a host's new ones and its restart its services go by their former."""
    before = {host: cluster.ssh(host, "sha256sum </etc/etcd/pki/peer.key") for host in MASTERS}
    with used(tmp_path) as verdict:
        done = changed(cluster, pki_certificate_days=400, pki_renew_days=370)
    assert all(cluster.ssh(host, "sha256sum </etc/etcd/pki/peer.key") != before[host] for host in MASTERS)
    restarted = {line.split(" (")[0] for host in MASTERS for line in done.changes[host] if line.startswith("re")}
    assert {"restart etcd", "restart kube-apiserver", "reload api-balancer"} <= restarted
    assert verdict.faults == []
    assert sum(f.total() for f in verdict.failures.values()) <= HANDED_OVER, verdict.failures
    assert unsettled(cluster) == []


@pytest.mark.usefixtures("as_before")
def test_pods_get_another_mtu_and_nobody_notices(cluster: Lab, tmp_path: Path) -> None:
    """Node by node: drained, for its runtime restarts; its ways to the other nodes' pods stay all the while."""
    with used(tmp_path) as verdict:
        done = changed(cluster, flannel_backend_options={"MTU": 1400})
    told = re.findall(r"\[(node\d)\] +(cordoned|uncordoned) ", done.err)
    assert told == [(node, what) for node in NODES for what in ("cordoned", "uncordoned")]
    for host, device in [*((host, "flannel.1") for host in (*MASTERS, *NODES)), *((node, "cni0") for node in NODES)]:
        assert " mtu 1350 " in cluster.ssh(host, f"ip -o link show dev {device}"), (host, device)
    assert (verdict.faults, {e: dict(f) for e, f in verdict.failures.items() if f}) == ([], {})
    assert unsettled(cluster) == []


@pytest.mark.parametrize(
    "port", ["api_server_port", "api_server_balancer_port", "etcd_balancer_port", "etcd_client_port"]
)
def test_ports_that_others_go_by_stay(port: str, cluster: Lab) -> None:
    before = starts(cluster, (*MASTERS, *NODES), "api-balancer")
    done = changed(cluster, may_fail=True, **{port: 17500})
    assert done.code != 0 and f"{port} = 17500: the cluster lives with " in done.err, done.err[-3000:]
    assert done.changes == {} and starts(cluster, (*MASTERS, *NODES), "api-balancer") == before


@pytest.mark.parametrize("master", MASTERS)
def test_an_api_server_that_is_stopped_in_order_costs_nothing(master: str, cluster: Lab, tmp_path: Path) -> None:
    with used(tmp_path) as verdict:
        cluster.ssh(master, "systemctl stop kube-apiserver; sleep 5; systemctl start kube-apiserver; sleep 5")
    assert verdict.faults == []
    assert sum(f.total() for f in verdict.failures.values()) <= CLOSED, verdict.failures


@pytest.mark.parametrize("unit", ["kube-apiserver", "etcd"])
@pytest.mark.parametrize("master", MASTERS)
def test_what_is_killed_costs_what_is_under_way(master: str, unit: str, cluster: Lab, tmp_path: Path) -> None:
    with used(tmp_path) as verdict:
        kill(master, unit)
        cluster.ssh(master, "sleep 10")
    assert verdict.faults == []
    assert all(f.total() <= IN_FLIGHT for f in verdict.failures.values()), verdict.failures
    assert max(verdict.gaps.values()) <= LONGEST_GAP, verdict.gaps


@pytest.mark.parametrize("master", MASTERS)
def test_an_api_server_that_hangs_is_left_out(master: str, cluster: Lab, tmp_path: Path) -> None:
    with used(tmp_path) as verdict, frozen(master, "kube-apiserver"):
        time.sleep(20)
    assert verdict.faults == []
    assert max(verdict.gaps.values()) <= LONGEST_GAP, verdict.gaps
    assert unsettled(cluster) == []


@pytest.mark.parametrize("master", MASTERS)
def test_a_master_that_is_cut_off_is_left_out(master: str, cluster: Lab, tmp_path: Path) -> None:
    with used(tmp_path) as verdict:
        with cut_off(master):
            time.sleep(20)
        time.sleep(10)
    assert verdict.faults == []
    assert max(verdict.gaps.values()) <= LONGEST_GAP, verdict.gaps
    assert unsettled(cluster) == []


@pytest.mark.parametrize("master", MASTERS)
def test_a_master_without_power_is_left_out(master: str, cluster: Lab, tmp_path: Path) -> None:
    gone = [state.host(master)]
    with used(tmp_path) as verdict:
        lifecycle.unplug(gone)
        time.sleep(20)
        lifecycle.start(gone)
        time.sleep(10)
    assert verdict.faults == []
    assert max(verdict.gaps.values()) <= LONGEST_GAP, verdict.gaps


def test_a_run_ends_where_a_host_is_gone_in_the_middle_of_it(cluster: Lab, tmp_path: Path) -> None:
    deploy, gone = tmp_path / "slow.py", [state.host("node2")]
    deploy.write_text(
        "from pyinfra import host\nfrom pyinfra.operations import server\n"
        "if host.name == 'node2':\n    server.shell(commands=['touch /run/slow; sleep 300'])\n"
    )
    with ThreadPoolExecutor() as beside:
        running = beside.submit(cluster.pyinfra, "-y", "lab/inventory.py", str(deploy))
        cluster.ssh("node2", "until [ -e /run/slow ]; do sleep 0.2; done")
        lifecycle.unplug(gone)
        began = time.monotonic()
        done = running.result()
    lifecycle.start(gone)
    assert done.code == 1 and "[node2] its connection ended in the middle of this" in re.sub(" +", " ", done.err)
    assert time.monotonic() - began < 75


def test_with_one_member_of_three_nothing_is_accepted_and_nothing_lost(cluster: Lab, tmp_path: Path) -> None:
    gone = [state.host(name) for name in MASTERS[1:]]
    with used(tmp_path) as verdict:
        lifecycle.unplug(gone)
        time.sleep(30)
        lifecycle.start(gone)
        time.sleep(60)
    assert verdict.faults == []
    assert min(verdict.gaps[way] for way in verdict.gaps if way in NODES) > 20, "nothing was accepted meanwhile"


def leaders(lab: Lab) -> list[str]:
    """Who leads of the controller managers and of the schedulers: host and process."""
    names = "lease/kube-controller-manager lease/kube-scheduler"
    return lab.kubectl(f"-n kube-system get {names} -o jsonpath='{{.items[*].spec.holderIdentity}}'").split()


def test_a_master_that_was_given_up_for_lost_does_nothing_when_it_is_back_and_may_join_again(
    cluster: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its etcd member, whose data are for a person to set aside: nobody has told it."""
    gone = [state.host("master3")]
    monkeypatch.setenv("LAB_ROLES", "masters=master,master2 etcd=master,master2 nodes=node1,node2")
    with used(tmp_path) as verdict:
        lifecycle.unplug(gone)
        cluster.deploy()
        lifecycle.start(gone)
        time.sleep(60)
    assert verdict.faults == []
    assert max(verdict.gaps.values()) <= LONGEST_GAP, verdict.gaps
    assert not [who for who in leaders(cluster) if who.startswith("master3")], leaders(cluster)
    # Its flanneld leases as before, and is none of the cluster's any more.
    assert {(area, status) for _, area, status, _ in audit("--json").findings} <= {("flannel", "drift")}
    monkeypatch.delenv("LAB_ROLES")
    refused = cluster.pyinfra("-y", "lab/inventory.py", "deploys/cluster.py")
    assert refused.code and f"master3 has etcd's data in {DATA}, but the members master, master2 do not" in refused.err
    cluster.ssh("master3", f"systemctl stop etcd && mv {DATA} /root/etcd.before && rm {LIVED}")
    with used(tmp_path) as verdict:
        cluster.deploy()
    assert verdict.faults == []
    assert sum(f.total() for f in verdict.failures.values()) <= HANDED_OVER, verdict.failures
    again = cluster.pyinfra("-y", "--json", "lab/inventory.py", "deploys/cluster.py")
    assert again.code == 0 and again.totals["success"] == 0, again.err[-4000:]


def test_after_a_power_cut_of_everything_it_is_back_without_a_run(cluster: Lab) -> None:
    every = state.hosts()
    lifecycle.unplug(every)
    lifecycle.start(every)
    await_findings_of(set(), 240)
    assert unsettled(cluster) == []
