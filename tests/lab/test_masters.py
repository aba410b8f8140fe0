"""Three masters: whatever is changed, host by host, nobody who uses the cluster notices; no one of them is needed."""

import re
import time
from operator import itemgetter
from pathlib import Path

import pytest

from cluster.etcdctl import etcdctl
from lab import lifecycle, state
from tests.lab.conftest import Lab
from tests.lab.faults import frozen, kill
from tests.lab.several import (
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

pytestmark = [pytest.mark.several, pytest.mark.usefixtures("workload")]


ALONE = {"LAB_ROLES": "masters=master etcd=master nodes=node1,node2"}


@pytest.fixture(scope="module")
def workload(lab: Lab) -> Lab:
    """The cluster with nginx on it: with one master and one etcd member first, then with three of each."""
    lifecycle.up(fresh=True, nodes=2, masters=3, spares=0)
    lab.deploy(environment=ALONE)
    lab.deploy("workload", environment=ALONE)
    lab.deploy()
    return lab


def test_two_masters_have_joined_the_first(cluster: Lab) -> None:
    """Each with its own keys, and with that by which Secrets are encrypted; one of them leads, and no other."""
    leads = cluster.ssh("master3", "kubectl --kubeconfig=/etc/kubernetes/kubeconfig -n kube-system get leases -o name")
    assert {"lease.coordination.k8s.io/kube-controller-manager", "lease.coordination.k8s.io/kube-scheduler"} <= set(
        leads.split()
    )
    digests = {cluster.ssh(host, "sha256sum </etc/kubernetes/ca/secrets.key") for host in MASTERS}
    servers = {cluster.ssh(host, "sha256sum </etc/kubernetes/ca/server.key") for host in MASTERS}
    assert (len(digests), len(servers)) == (1, 3)
    for host in MASTERS:
        listed = cluster.ssh(host, etcdctl("e member list -w simple"))
        assert [line.split(", ")[2] for line in sorted(listed.splitlines(), key=lambda x: x.split(", ")[2])] == [
            *MASTERS
        ]


def test_a_second_run_changes_nothing_and_the_audit_is_clean(cluster: Lab) -> None:
    before = {unit: starts(cluster, MASTERS, unit) for unit in ("etcd", "kube-apiserver", "api-balancer")}
    again = cluster.pyinfra("-y", "--json", "lab/inventory.py", "deploys/cluster.py")
    assert again.code == 0 and again.totals["success"] == 0, again.err[-4000:]
    assert before == {unit: starts(cluster, MASTERS, unit) for unit in before}
    assert audit("--json").findings == []


@pytest.mark.usefixtures("as_before")
def test_etcd_and_api_servers_are_restarted_one_by_one_and_nobody_notices(cluster: Lab, tmp_path: Path) -> None:
    arguments = {"etcd": {"snapshot-count": "20000"}, "kube-apiserver": {"max-requests-inflight": "500"}}
    with used(tmp_path) as verdict:
        done = changed(cluster, extra_args=arguments)
    assert {h: len(lines) for h, lines in done.changes.items()} == dict.fromkeys(MASTERS, 4)
    for unit in ("etcd", "kube-apiserver"):
        began = [starts(cluster, MASTERS, unit)[host] for host in MASTERS]
        assert began == sorted(began) and began[2] - began[0] > 1, (unit, began)
    assert verdict.faults == []
    assert sum(f.total() for f in verdict.failures.values()) <= HANDED_OVER, verdict.failures


@pytest.mark.usefixtures("as_before")
def test_a_node_is_drained_before_its_runtime_restarts_and_nobody_notices(cluster: Lab, tmp_path: Path) -> None:
    with used(tmp_path) as verdict:
        done = changed(cluster, pull_proxy="http://10.1.10.1:3999", pull_no_proxy=["10.1.10.1"])
    told = re.findall(r"\[(node\d)\] +(cordoned|uncordoned) ", done.err)
    assert told == [(node, what) for node in NODES for what in ("cordoned", "uncordoned")]
    assert (verdict.faults, {e: dict(f) for e, f in verdict.failures.items() if f}) == ([], {})
    assert unsettled(cluster) == []


@pytest.mark.usefixtures("as_before")
def test_a_change_stops_at_the_first_that_does_not_come_back(cluster: Lab) -> None:
    before = starts(cluster, MASTERS, "kube-apiserver")
    arguments = {"kube-apiserver": {"max-requests-inflight": "nonsense"}}
    done = changed(cluster, may_fail=True, extra_args=arguments)
    assert done.code != 0
    assert 'invalid argument "nonsense" for "--max-requests-inflight"' in done.err
    assert set(done.changes) == {"master"}
    for host in MASTERS[1:]:
        assert re.search(rf"\[{host}\] +left as it is, for master failed", done.err)
        assert starts(cluster, (host,), "kube-apiserver")[host] == before[host]
    assert unsettled(cluster) == []


def test_an_api_server_that_is_killed_costs_what_is_under_way(cluster: Lab, tmp_path: Path) -> None:
    with used(tmp_path) as verdict:
        kill("master", "kube-apiserver")
        cluster.ssh("master", "sleep 8")
    assert verdict.faults == []
    assert all(f.total() <= IN_FLIGHT for f in verdict.failures.values()), verdict.failures


def test_an_api_server_that_hangs_is_left_out(cluster: Lab, tmp_path: Path) -> None:
    with used(tmp_path) as verdict, frozen("master2", "kube-apiserver"):
        cluster.ssh("master", "sleep 15")
    assert verdict.faults == []
    assert max(verdict.gaps.values()) <= LONGEST_GAP, verdict.gaps
    assert unsettled(cluster) == []


def await_findings_of(hosts: set[str], seconds: int) -> None:
    """Wait until an audit has findings of these hosts and of no other."""
    end = time.monotonic() + seconds
    while set(map(itemgetter(0), found := audit("--json").findings)) != hosts:
        assert time.monotonic() < end, found


def test_without_the_first_master_the_others_serve_are_audited_and_are_changed(cluster: Lab, tmp_path: Path) -> None:
    """Powered off, with its etcd member."""
    gone = [state.host("master")]
    try:
        with used(tmp_path) as verdict:
            lifecycle.unplug(gone)
            cluster.ssh("master2", "sleep 20")
        assert verdict.faults == []
        assert max(verdict.gaps.values()) <= LONGEST_GAP, verdict.gaps
        assert unsettled(cluster) == []
        await_findings_of({"master"}, 60)
        rest = [part for host in (*MASTERS[1:], *NODES) for part in ("--limit", host)]
        done = cluster.pyinfra("-y", *rest, "lab/inventory.py", "deploys/cluster.py")
        assert done.code == 0, done.err[-4000:]
        assert done.changes == {}
    finally:
        lifecycle.start(gone)
    await_findings_of(set(), 150)  # by itself: flannel's leases of before are known to be such
