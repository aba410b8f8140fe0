"""The order in which pyinfra runs operations: by each host's own list, and by lines among those that are free."""

from pathlib import Path
from typing import Any

import gevent
import pyinfra
import pytest
from pyinfra.api import Config
from pyinfra.api.operation import OperationMeta
from pyinfra.api.operations import _run_single_op
from pyinfra.api.state import StateOperationHostData, StateStage
from pyinfra.context import ctx_config, ctx_inventory, ctx_state

from tests.unit.example import Run
from tests.unit.test_operations import begin, stores  # noqa: F401 fixtures

ROOT = Path(__file__).parents[2]
ON_ONE = {"masters": ["master"], "nodes": ["node1", "node2", "node3"], "etcd": ["master"]}
LAYOUTS = {
    "one master": (ON_ONE, True),
    "one master, not on the pod network": (ON_ONE, False),
    "a master that is a node": ({**ON_ONE, "nodes": ["master", "node1"]}, True),
    "etcd elsewhere": ({**ON_ONE, "nodes": ["node1", "node2"], "etcd": ["node3"]}, True),
    "etcd elsewhere, not on the pod network": ({**ON_ONE, "nodes": ["node1", "node2"], "etcd": ["node3"]}, False),
    "etcd on a node": ({**ON_ONE, "etcd": ["node1"]}, False),
    "two masters": ({**ON_ONE, "masters": ["master", "node1"]}, True),
    "masters that are no nodes": (
        {"masters": ["master", "node1"], "nodes": ["node2", "node3"], "etcd": ["master"]},
        True,
    ),
    "masters, etcd elsewhere": ({"masters": ["master", "node1"], "nodes": ["node2"], "etcd": ["node3"]}, False),
}
# What each part needs of the others.
NEEDS = {
    "Certificates": {"Prepare the host"},
    "etcd": {"Certificates"},
    "etcd as a whole": {"etcd"},
    "etcd's new members": {"etcd as a whole"},
    "Kubernetes master": {"etcd's new members"},
    "flannel": {"etcd's new members"},
    "etcd's former members": {"Kubernetes master", "flannel"},
    "Container runtime": {"flannel"},
    "Kubernetes node": {"Container runtime", "Kubernetes master"},
    "Cluster DNS": {"Kubernetes node"},
    "No metrics-server": {"Kubernetes node"},
    "The cluster works": {"Cluster DNS", "No metrics-server", "etcd's former members"},
}
# Where there are several masters, and where there is one.
WAY = {
    "Way to the API servers": {"Certificates"},
    "API servers of masters that join": {"Former masters' control loops", "Way to the API servers"},
    "Kubernetes master": {"etcd", "Way to the API servers", "API servers of masters that join"},
    "Former masters": {"Kubernetes master"},
    "Encryption of Secrets": {"Kubernetes master", "API servers of masters that join", "Former masters"},
    "Secrets in etcd": {"Encryption of Secrets"},
}
NO_WAY = {"No balancer": {"Kubernetes master", "Kubernetes node"}}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_nothing_comes_before_what_it_needs(layout: str, begin: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    members, on_pod_network = LAYOUTS[layout]
    run = begin(members, masters_on_pod_network=on_pod_network, cluster_dns=True)
    _load("cluster.py", run, monkeypatch)
    order = [name.rpartition(" | ")[2] for h in run.state.get_op_order() for name in run.state.op_meta[h].names]
    way = WAY if len(members["masters"]) > 1 else NO_WAY
    for later, needed in (NEEDS | way).items():
        assert {order.index(each) < order.index(later) for each in needed} == {True}, (later, order)


def test_members_that_begin_wait_for_each_other_on_however_many_hosts_pyinfra_is_at(
    begin: Any,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three, of a set of four hosts of which pyinfra is at three at a time: in batches of three, one may be left."""
    names = ["master", "node1", "node2"]
    run = begin({**ON_ONE, "etcd": names})
    run.state.init(run.inventory, Config(PARALLEL=3))
    for there in run.inventory:
        run.state.activate_host(there)
    _load("etcd.py", run, monkeypatch)
    (operation,) = (key for key, meta in run.state.op_meta.items() if "etcd" in meta.names)
    begun: set[str] = set()

    def wait(name: str) -> Any:
        begun.add(name)
        with gevent.Timeout(5):
            while len(begun) < len(names):
                gevent.sleep(0.01)
        return iter(())

    arguments = {"_ignore_errors": False, "_continue_on_error": False}
    for name in names:
        data = StateOperationHostData(lambda name=name: wait(name), arguments, OperationMeta(operation, None))
        run.state.ops[run.inventory.get_host(name)][operation] = data
    hosts = sorted(run.inventory, key=lambda h: (h.name != "node3", h.name))  # the one that is no member comes first
    monkeypatch.setattr(run.inventory, "get_active_hosts", lambda: hosts)
    run.state.is_executing = True
    _run_single_op(run.state, operation)
    assert begun == {*names} and not run.state.failed_hosts


def _load(deploy: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A deploy, as pyinfra's command reads it."""
    # The command line would have the tests' own threads wait as greenlets do.
    monkeypatch.setattr("gevent.monkey.patch_all", lambda: None)
    from pyinfra_cli.util import load_deploy_file

    monkeypatch.setattr(pyinfra, "is_cli", True)
    run.state.cwd = str(ROOT)
    run.state.check_for_changes = False  # what a host lacks plays no part
    run.state.current_stage = StateStage.Prepare
    with ctx_state.use(run.state), ctx_inventory.use(run.inventory), ctx_config.use(run.state.config):
        load_deploy_file(run.state, str(ROOT / "deploys" / deploy))
