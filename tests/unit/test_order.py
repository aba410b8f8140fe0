"""The order in which pyinfra runs operations: by each host's own list, and by lines among those that are free."""

from pathlib import Path
from typing import Any

import pyinfra
import pytest
from pyinfra.api import Config
from pyinfra.api.state import StateStage
from pyinfra.context import ctx_config, ctx_inventory, ctx_state

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
    "etcd's new members": {"etcd"},
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
    # The command line would have the tests' own threads wait as greenlets do.
    monkeypatch.setattr("gevent.monkey.patch_all", lambda: None)
    from pyinfra_cli.util import load_deploy_file

    run = begin(members, masters_on_pod_network=on_pod_network, cluster_dns=True)
    monkeypatch.setattr(pyinfra, "is_cli", True)
    run.state.cwd = str(ROOT)
    run.state.check_for_changes = False  # what a host lacks plays no part
    run.state.current_stage = StateStage.Prepare
    with ctx_state.use(run.state), ctx_inventory.use(run.inventory), ctx_config.use(Config()):
        load_deploy_file(run.state, str(ROOT / "deploys/cluster.py"))
    order = [name.rpartition(" | ")[2] for h in run.state.get_op_order() for name in run.state.op_meta[h].names]
    way = WAY if len(members["masters"]) > 1 else NO_WAY
    for later, needed in (NEEDS | way).items():
        assert {order.index(each) < order.index(later) for each in needed} == {True}, (later, order)
