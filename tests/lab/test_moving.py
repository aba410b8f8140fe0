"""Masters and etcd's members come and go while somebody uses the cluster, by runs that are killed and run again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.etcdctl import etcdctl
from cluster.membership import LIVED
from lab import lifecycle, state
from tests.lab.conftest import REPOSITORY, Lab
from tests.lab.killing import killed
from tests.lab.probing import api, probing
from tests.lab.several import HANDED_OVER, LONGEST_GAP, used
from tests.lab.test_audit import audit

pytestmark = [pytest.mark.several, pytest.mark.named]

# The lab's, but that one master goes through balancers, too: it is they that are used all the while.
BALANCED = """\
import runpy
globals().update({name: value for name, value in runpy.run_path(%r).items() if not name.startswith("__")})
api_server_balancer = True
"""
NODES = "nodes=node1,node2,master2,master3,spare1"  # a node that leaves is another matter
ONE = f"masters=master etcd=master {NODES}"
THREE = f"masters=master,master2,master3 etcd=master,master2,master3 {NODES}"
REPLACED = f"masters=master,master2,master3 etcd=master,master2,spare1 {NODES}"
MOVED = f"masters=master,master2,master3 etcd=node1,node2,spare1 {NODES}"

ADDED = etcdctl("e member list -w simple | grep -q ', unstarted, '")
LEARNING = etcdctl("e member list -w simple | grep -q ', started, .*, true$'")


def lists(number: int) -> str:
    """That so many members are listed."""
    return etcdctl(f"[ $(e member list -w simple | grep -c ,) = {number} ]")


def active(unit: str) -> str:
    """That a service runs."""
    return f"systemctl is-active -q {unit}"


@pytest.fixture(scope="module")
def inventory(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of one master with nginx on the nodes, three hosts that may be others, and one that has no role."""
    directory = tmp_path_factory.mktemp("balanced")
    path = directory / "inventory.py"
    path.symlink_to(REPOSITORY / "lab/inventory.py")
    (directory / "group_data").mkdir()
    (directory / "group_data/all.py").write_text(BALANCED % str(REPOSITORY / "lab/group_data/all.py"))
    (directory / "group_data/nodes.py").symlink_to(REPOSITORY / "lab/group_data/nodes.py")
    lifecycle.up(fresh=True, nodes=2, masters=3, spares=1)
    for name in ("cluster", "workload"):
        done = lab.pyinfra("-y", str(path), f"deploys/{name}.py", environment={"LAB_ROLES": ONE})
        assert done.code == 0, done.err[-6000:]
    yield str(path)
    lifecycle.up(fresh=True, nodes=2, masters=3, spares=0)


@pytest.mark.parametrize(
    ("roles", "on", "until"),
    [
        (THREE, "master", ADDED),
        (ONE, "master", "! grep -q :7380 /etc/kubernetes/apiserver"),
        (THREE, "master", LEARNING),
        (ONE, "master", lists(2)),
        (THREE, "master2", active("kube-apiserver")),
        (ONE, "master2", f"! {active('kube-apiserver')}"),
        (THREE, "", ""),
        (REPLACED, "", ""),
        (MOVED, "master", lists(4)),
        (THREE, "master2", f"{lists(6)} && grep -q 10.1.10.191 /etc/kubernetes/etcd-balancer.cfg"),
        (MOVED, "spare1", lists(5)),
        (THREE, "node2", f"[ ! -e {LIVED} ]"),
        (ONE, "", ""),
    ],
    ids=[
        "three, killed with one added", "one, killed with the first API server told", "three, killed with a learner",
        "one, killed with one removed", "three, killed with a master begun", "one, killed with a master ended", "three",
        "one of three replaced", "all moved, killed with one added", "and back, killed with API servers told",
        "all moved, killed with one removed", "and back, killed with data set aside", "one",
    ],
)  # fmt: skip
def test_nobody_notices(
    roles: str, on: str, until: str, inventory: str, lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_ROLES", roles)
    run = ("-y", inventory, "deploys/cluster.py")
    with used(tmp_path) as verdict:
        if on:
            killed(lab, run, on=on, until=until, said=tmp_path / "killed.log")
        done = lab.pyinfra(*run)
    assert done.code == 0, done.err[-6000:]
    print(verdict.requests, verdict.failures, verdict.gaps)
    assert verdict.faults == []
    assert sum(f.total() for f in verdict.failures.values()) <= HANDED_OVER, verdict.failures
    assert max(verdict.gaps.values()) <= LONGEST_GAP, verdict.gaps
    again = lab.pyinfra("--json", *run)
    assert again.code == 0 and again.totals["success"] == 0, again.err[-4000:]
    assert audit("--json", inventory=inventory).findings == []


@pytest.mark.usefixtures("inventory")
def test_where_two_leave_the_balancers_go_too(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the settings have it where none is asked for: one master is asked directly."""
    assert inventory, "the hosts are up"
    monkeypatch.setenv("LAB_ROLES", THREE)
    lab.deploy()
    monkeypatch.setenv("LAB_ROLES", ONE)
    run = ("lab/inventory.py", "deploys/cluster.py")
    announced = lab.pyinfra("--dry", *run)
    services = tuple(f"http://{state.host(node).address}:30080/" for node in ("node1", "node2"))
    with probing({"master": api("master")}, tmp_path, services=services) as verdict:
        done = lab.deploy()
    print(verdict.requests, verdict.failures, verdict.gaps)
    assert {h: sorted(c) for h, c in done.changes.items()} == {h: sorted(c) for h, c in announced.changes.items()}
    assert verdict.faults == []
    assert not [verdict.failures[service] for service in services if verdict.failures.get(service)], verdict.failures
    for host in state.hosts():
        assert not lab.ssh(
            host.name, "ls /etc/kubernetes/*-balancer.cfg /etc/systemd/system/*-balancer.service || true"
        )
    again = lab.pyinfra("-y", "--json", *run)
    assert again.code == 0 and again.totals["success"] == 0, again.err[-4000:]
    assert audit("--json").findings == []
