"""Nodes are drained before their runtime restarts: how many at a time, what may hold it up, and whose a cordon is."""

import re
from pathlib import Path

import pytest

from lab import sets
from tests.lab.conftest import IMAGE, KUBECTL, NODES, Lab, Run
from tests.lab.killing import killed
from tests.lab.test_workload import load

pytestmark = [pytest.mark.named, pytest.mark.usefixtures("as_before")]

# What has every node's runtime restart.
RESTARTS = {
    "containerd": ('pull_proxy="http://10.1.10.1:3999"', 'pull_no_proxy=["10.1.10.1"]'),
    "docker": ('docker_options=["--log-opt", "max-size=50m"]',),
}
KEPT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: kept}
spec:
  replicas: 1
  selector: {matchLabels: {app: kept}}
  template:
    metadata: {labels: {app: kept}}
    spec:
      containers:
      - {name: kept, image: "%(image)s", imagePullPolicy: Never, command: [sleep, "3600"]}
---
apiVersion: policy/%(version)s
kind: PodDisruptionBudget
metadata: {name: kept}
spec:
  minAvailable: 1
  selector: {matchLabels: {app: kept}}
"""


def restarting(lab: Lab, *settings: str) -> list[str]:
    """The arguments of a run that restarts every node's runtime."""
    given = (*RESTARTS[lab.runtime], *settings)
    return ["-y", *(part for one in given for part in ("--data", one)), "lab/inventory.py", "deploys/cluster.py"]


def cordons(done: Run) -> list[tuple[str, str]]:
    """Nodes that were cordoned and uncordoned, in the order in which they were."""
    return re.findall(r"\[(node\d)\] +(cordoned|uncordoned) ", done.err)


def test_as_many_nodes_drain_at_a_time_as_the_settings_say_and_nobody_notices(cluster: Lab) -> None:
    cluster.deploy("workload")
    with load() as told:
        done = cluster.pyinfra(*restarting(cluster, "max_unavailable=2"))
    assert done.code == 0, done.err[-4000:]
    assert (told["failures"], told["requests"] > 500) == ([], True)
    away: set[str] = set()
    most = 0
    for node, what in cordons(done):
        away = away | {node} if what == "cordoned" else away - {node}
        most = max(most, len(away))
    assert (most, away, {node for node, _ in cordons(done)}) == (2, set(), {*NODES})


def test_what_a_budget_keeps_stops_the_run_and_is_named(cluster: Lab) -> None:
    for node in NODES:
        cluster.load_image(node)
    version = "v1beta1" if cluster.line == sets.GUIDES else "v1"
    cluster.apply(KEPT % {"image": IMAGE, "version": version})
    try:
        cluster.kubectl("rollout status deployment/kept --timeout=90s")
        where = cluster.kubectl("get pods -l app=kept -o jsonpath={.items[0].spec.nodeName}")
        before = {node: cluster.ssh(node, f"systemctl show -p InvocationID {cluster.runtime}") for node in NODES}
        done = cluster.pyinfra(*restarting(cluster, "drain_timeout=15"))
        assert done.code != 0
        assert re.search(rf"{where} could not be drained, no progress for 15 s: .*default/kept-.*disruption", done.err)
        after = {node: cluster.ssh(node, f"systemctl show -p InvocationID {cluster.runtime}") for node in NODES}
        assert [node for node in NODES if before[node] != after[node]] == [*NODES[: NODES.index(where)]]
        found = cluster.fact("facts.kubernetes.Nodes", limit="master")["master"]
        assert [n for n in NODES if not found[n]["schedulable"] or found[n]["drained"]] == []
    finally:
        cluster.kubectl("delete deployment,poddisruptionbudget kept")
    done = cluster.pyinfra(*restarting(cluster))
    assert done.code == 0, done.err[-4000:]
    assert {node for node, _ in cordons(done)} == {*NODES[NODES.index(where) :]}, "it goes on where it had stopped"


def test_a_cordon_of_a_killed_runs_is_taken_off_and_somebody_elses_stays(cluster: Lab, tmp_path: Path) -> None:
    cordoned = f"[ $({KUBECTL} get node node1 -o 'jsonpath={{.spec.unschedulable}}') = true ]"
    killed(cluster, restarting(cluster), on="master", until=cordoned, said=tmp_path / "said")
    cluster.kubectl("cordon node3")
    try:
        dry = cluster.pyinfra("--dry", "lab/inventory.py", "deploys/cluster.py")
        done = cluster.deploy()
        assert done.changes == dry.changes
        assert "uncordon node1 (a run had drained it)" in done.changes["node1"]
        found = cluster.fact("facts.kubernetes.Nodes", limit="master")["master"]
        assert {n: found[n]["schedulable"] for n in NODES} == {"node1": True, "node2": True, "node3": False}
    finally:
        cluster.kubectl("uncordon node3")
