"""Which pods go from a node that is drained, which stay, and what keeps the rest; and the run that drains it."""

from collections.abc import Callable
from typing import Any

import pytest
from pyinfra.api import StringCommand

from cluster.workloads.draining import DRAINED, Look, leaving, obstacles, owner, stays
from facts.kubernetes import Nodes
from facts.role import RoleState
from facts.workloads import OnNode
from operations import draining, kubernetes
from tests.unit.example import BARE, Run
from tests.unit.test_operations import begin, refusal, said, stores  # noqa: F401 fixtures

WEB, SHOP = "/api/v1/namespaces/default/replicationcontrollers/web", "/apis/apps/v1/namespaces/shop/replicasets/shop"


def pod(owner: str = WEB, **changes: Any) -> dict[str, Any]:
    return {"phase": "Running", "ready": True, "ending": False, "owner": owner, "stays": False} | changes


def item(kind: str | None, **annotations: str) -> dict[str, Any]:
    made = [{"kind": kind, "name": "web", "controller": True}] if kind else []
    return {"metadata": {"namespace": "shop", "name": "x", "ownerReferences": made, "annotations": annotations}}


@pytest.mark.parametrize(
    ("kind", "path", "does_stay"),
    [
        ("ReplicationController", "/api/v1/namespaces/shop/replicationcontrollers/web", False),
        ("ReplicaSet", "/apis/apps/v1/namespaces/shop/replicasets/web", False),
        ("StatefulSet", "/apis/apps/v1/namespaces/shop/statefulsets/web", False),
        ("Job", "", False),
        ("DaemonSet", "", True),
        (None, "", True),
    ],
)
def test_who_makes_a_pod_anew(kind: str | None, path: str, does_stay: bool) -> None:
    assert owner(item(kind)) == path
    assert stays(item(kind)) == does_stay


def test_a_pod_that_the_kubelet_runs_by_itself_stays() -> None:
    assert stays(item("Node", **{"kubernetes.io/config.mirror": "0f"}))


def test_what_stays_or_has_ended_need_not_go() -> None:
    pods = {"a": pod(), "b": pod(stays=True), "c": pod(phase="Succeeded"), "d": pod(ending=True)}
    assert list(leaving(pods)) == ["a", "d"]


def look(
    pods: dict[str, Any], available: dict[str, int], *without_room: str, taken: dict[str, str] | None = None
) -> Look:
    """What is seen of node1, where WEB and SHOP are asked for 3 pods and for 2."""
    wanted = {o: n for o, n in {WEB: 3, SHOP: 2}.items() if o in available}
    found = {"pods": pods, "available": available, "wanted": wanted, "without_room": list(without_room)}
    return Look.at(found, "node1", taken or {})


WHOLE = {WEB: 3, SHOP: 2}


def test_one_pod_of_a_controller_goes_at_a_time() -> None:
    pods = {"web-1": pod(), "web-2": pod(), "shop-1": pod(SHOP), "job-1": pod(""), "job-2": pod("")}
    assert look(pods, WHOLE).next_to_go() == ["web-1", "shop-1", "job-1", "job-2"]
    pods["web-1"] |= {"ending": True}
    assert look(pods, WHOLE).next_to_go() == ["shop-1", "job-1", "job-2"]


def test_the_next_goes_once_the_one_before_is_replaced() -> None:
    assert look({"web-2": pod()}, WHOLE | {WEB: 2}).next_to_go() == []
    assert look({"web-2": pod()}, WHOLE).next_to_go() == ["web-2"]
    assert look({"web-2": pod()}, {}).next_to_go() == ["web-2"], "its controller is gone"


def test_whoever_took_one_it_is_replaced_first() -> None:
    pods = {"shop-2": pod(SHOP)}
    assert look(pods, {SHOP: 1}).next_to_go() == [], "another node's drain, or a run that was killed, took the other"
    assert look(pods, {SHOP: 2}, taken={SHOP: "node2"}).next_to_go() == [], "it is going, and that does not show yet"


def test_what_does_not_serve_goes_whatever_else_is_missing() -> None:
    pods = {"web-1": pod(ready=False), "web-2": pod(ready=False), "web-3": pod()}
    assert look(pods, {WEB: 1}).next_to_go() == ["web-1", "web-2"]
    assert look({}, {WEB: 0}).done, "and its next need not serve"


def test_what_served_is_waited_for_until_its_next_does() -> None:
    assert not look({}, {WEB: 2}, taken={WEB: "node1"}).done
    assert look({}, {WEB: 3}, taken={WEB: "node1"}).done


def test_pods_for_whose_next_there_is_no_node_stay() -> None:
    pods = {"web-1": pod(ending=True), "web-2": pod(), "web-3": pod()}
    first = look(pods, {WEB: 2}, WEB, taken={WEB: "node1"})
    assert (first.next_to_go(), list(first.going), first.stay) == ([], ["web-1"], "web-2, web-3")
    del pods["web-1"]
    assert look(pods, {WEB: 2}, WEB, taken={WEB: "node1"}).done
    waits = look(pods, {WEB: 2}, WEB, taken={WEB: "node2"})
    assert (waits.next_to_go(), waits.done, waits.stay) == ([], False, ""), "node2 is going to be back"


def test_what_keeps_a_node_is_named() -> None:
    pods = {"shop/a": pod(ending=True), "shop/b": pod(), "shop/c": pod(), "shop/d": pod(stays=True)}
    assert obstacles(look(pods, {WEB: 2, SHOP: 0}), {"shop/b": "Cannot evict pod"}) == [
        "pod shop/a is being ended and does not end",
        "pod shop/b: Cannot evict pod",
        "web has 2 of 3 pods available",
    ]


# --- The run --------------------------------------------------------------------------------------------------------

READY = {"ready": True, "schedulable": True, "drained": "", "message": ""}


class Api:
    """An API server as a run sees it by facts and commands: evicted pods go, and are made elsewhere."""

    def __init__(self, this: Run, monkeypatch: pytest.MonkeyPatch, **nodes: dict[str, Any]) -> None:
        self.nodes = {"node1": dict(READY), "node2": dict(READY), **nodes}
        self.pods: dict[str, dict[str, Any]] = {
            "default/web-1": pod(),
            "default/web-2": pod(),
            "default/own": pod("", stays=True),
        }
        self.available, self.refuses, self.done = {WEB: 3}, "", list[str]()
        self.without_room: list[str] = []
        this.answers["master", Nodes] = lambda **_: self.nodes
        this.answers["master", OnNode] = self._on_node
        this.answers["master", RoleState] = BARE
        this.answers["node1", RoleState] = BARE | {"units": {"kubelet": {"active": "active"}}}
        monkeypatch.setattr(draining, "tell", self._tell)
        monkeypatch.setattr("gevent.sleep", lambda _: None)
        for memory in ("_taken", "_left"):
            monkeypatch.setattr(draining, memory, {})

    def _on_node(self, node: str, owners: list[str]) -> dict[str, Any]:
        told = {o: n for o, n in self.available.items() if o in owners}
        wanted = dict.fromkeys(told, 3)
        return {"pods": self.pods, "available": told, "wanted": wanted, "without_room": self.without_room}

    def _tell(self, there: Any, command: StringCommand) -> tuple[bool, list[str]]:
        text = command.get_raw_value()
        assert there.name == "master"
        if "patch node" in text:
            cordons = "true" in text
            self.nodes["node1"] |= {"schedulable": not cordons, "drained": "2026-11-27T00:00:00Z" if cordons else ""}
            assert DRAINED in text
            self.done.append("cordon" if cordons else "uncordon")
            return True, []
        asked = [name for name in self.pods if name in text.split("PODS=")[1].split("api ")[0]]
        if self.refuses:
            return True, [f"{name} {self.refuses}" for name in asked]
        for name in asked:
            self.done.append(f"evict {name}")
            del self.pods[name]
        return True, []


def test_a_node_is_drained_pod_by_pod_and_given_back(begin: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    this = begin()
    server = Api(this, monkeypatch)
    assert this.perform(draining.away, "node1") == []
    assert server.done == ["cordon", "evict default/web-1", "evict default/web-2"]
    assert this.perform(draining.back, "node1", ["default/own"]) == []
    assert server.done[-1] == "uncordon"


def test_somebody_elses_cordon_stays(begin: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    this = begin()
    server = Api(this, monkeypatch, node1=READY | {"schedulable": False})
    assert this.perform(draining.away, "node1") == [] == this.perform(draining.back, "node1")
    assert server.done == ["evict default/web-1", "evict default/web-2"]


def test_a_cordon_that_a_killed_run_has_left_is_taken_off(begin: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    this = begin()
    server = Api(this, monkeypatch, node1=READY | {"schedulable": False, "drained": "2026-11-27T00:00:00Z"})
    assert [c.get_raw_value() for c in this.perform(kubernetes._uncordon, "node1")] == ["true"]
    assert server.done == ["uncordon"]
    assert this.perform(kubernetes._uncordon, "node2") == []
    assert this.noops["node2"] == ["no cordon of a run's"]


def test_a_pod_whose_budget_lets_none_go_is_named_and_the_node_left_as_it_was(
    begin: Any,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    this = begin(drain_timeout=1)
    server = Api(this, monkeypatch)
    server.refuses = "Cannot evict pod as it would violate the pod's disruption budget."
    message = refusal(this.perform(draining.away, "node1"))
    assert message.startswith(
        "node1 could not be drained, no progress for 1 s: pod default/web-1: Cannot evict pod as it would violate"
    )
    assert server.done == ["cordon", "uncordon"]


def test_a_controller_whose_pods_come_and_go_is_no_progress(begin: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    this = begin(drain_timeout=300)
    server, clock = Api(this, monkeypatch), [0.0]
    server.refuses = "Cannot evict pod as it would violate the pod's disruption budget."

    def flap(seconds: float) -> None:
        clock[0] += max(seconds, 1)
        assert clock[0] < 3600, "it waits for ever"
        server.available[WEB] = 3 if clock[0] % 180 < 20 else 2

    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    monkeypatch.setattr("gevent.sleep", flap)
    assert "node1 could not be drained" in refusal(this.perform(draining.away, "node1"))
    assert server.done == ["cordon", "uncordon"] and clock[0] <= 301


def test_nodes_that_drain_at_once_do_not_take_a_controllers_pods_together(
    begin: Any,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    this = begin(drain_timeout=1)
    server = Api(this, monkeypatch)
    draining._taken[WEB] = "node2"  # which has asked one to go, and no status tells of that yet
    assert "could not be drained" in refusal(this.perform(draining.away, "node1"))
    assert server.done == ["cordon", "uncordon"] and draining._taken == {WEB: "node2"}


def test_pods_stay_for_whose_next_there_is_no_node(begin: Any, said: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    this = begin()
    server = Api(this, monkeypatch)

    def full(_: float) -> None:
        if len(server.pods) == 2:  # its next is made, and waits
            server.available, server.without_room = {WEB: 2}, [WEB]

    monkeypatch.setattr("gevent.sleep", full)
    assert this.perform(draining.away, "node1") == []
    assert server.done == ["cordon", "evict default/web-1"]
    assert "default/web-2 stay: no other node has room" in " ".join(this.lines(said.records, "node1"))
    assert draining._taken == {WEB: "node1"}, "nobody else takes another before this node is back"
    assert this.perform(draining.back, "node1", ["default/own", "default/web-2"]) == [] == list(draining._taken)


@pytest.mark.parametrize(
    "otherwise",
    [
        lambda this, server: server.nodes["node2"].update(ready=False),  # no other takes pods
        lambda this, server: server.nodes.pop("node1"),  # it is not in the cluster yet
        lambda this, server: this.answers.update({("node1", RoleState): BARE}),  # it has no kubelet
    ],
    ids=["alone", "unknown", "bare"],
)
def test_a_node_that_need_not_be_drained(
    otherwise: Callable[[Any, Any], Any],
    begin: Any,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    this = begin()
    server = Api(this, monkeypatch)
    otherwise(this, server)
    assert this.perform(draining.away, "node1") == []
    assert server.done == []


def test_nothing_is_interrupted_where_no_api_server_can_be_asked(begin: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    this = begin()
    server = Api(this, monkeypatch)
    server.nodes.clear()
    assert "no API server answers" in refusal(this.perform(draining.away, "node1"))
    assert server.done == []


def test_a_node_that_is_not_ready_again_stays_drained(begin: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    this = begin()
    drained = {"schedulable": False, "drained": "2026-11-27T00:00:00Z", "ready": False, "message": "runtime is down"}
    server = Api(this, monkeypatch, node1=READY | drained)
    assert refusal(this.perform(draining.back, "node1")).startswith("node1 is not Ready after 180 s: runtime is down")
    assert server.done == []
