"""Manifests applied, controllers scaled and rolled: what each operation says and does, against an API server made up.

A deploy's lines are read first (`Deploy`), as pyinfra does, and carried out afterwards.
"""

import copy
import json
import logging
import shlex
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyinfra.api import StringCommand
from pyinfra.context import ctx_host, ctx_inventory, ctx_state

from cluster.workloads.addons import METRICS_SERVER
from cluster.workloads.intent import Intent
from cluster.workloads.objects import label, selects
from facts.kubernetes import NodeMetrics, Nodes
from facts.workloads import APPLY, MANAGER, Controllers, Differences, Objects, Pods, Present
from operations import addons, kubernetes
from operations.inventory import store, the_cluster
from operations.report import Report
from tests.unit.example import Run
from tests.unit.test_operations import refusal

RC = "ReplicationController"
ABSENT = "Error response from daemon: manifest for web:v9 not found: manifest unknown: manifest unknown"


# --- Manifests ------------------------------------------------------------------------------------------------------


def controller(version: str = "v1", replicas: int | None = 3, kind: str = RC, **metadata: Any) -> dict[str, Any]:
    """A controller's manifest: web-v1, whose pods run web:v1."""
    labels = {"app": "web", "version": version}
    container = {
        "name": "web", "image": f"web:{version}", "readinessProbe": {"tcpSocket": {"port": 80}},
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "5"]}}},
    }  # fmt: skip
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": f"web-{version}", "labels": labels, **metadata},
        "spec": {
            **({} if replicas is None else {"replicas": replicas}),
            "selector": labels if kind == RC else {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def other(kind: str = "ConfigMap", name: str = "settings", **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **fields}


def service(**selector: str) -> dict[str, Any]:
    return other("Service", "web", spec={"selector": selector, "ports": [{"port": 80}]})


# --- A server, a clock, and a deploy --------------------------------------------------------------------------------


class Clock:
    """Time that passes only while one sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)
        assert self.now < 10_000, "waits for ever"


class Server:
    """What an API server tells of, by namespace and name. Whenever it is asked for controllers, it is one pod further.

    + changes: by object, what applying it would change; `errors`: what it says against a manifest
    + absent: images no registry has; silent: how many questions it leaves without an answer
    + bodies: objects that it shows whole
    + served: how many pods were available at each moment; existed: how many there were
    """

    def __init__(self) -> None:
        self.answers = True
        self.silent = 0
        self.controllers: dict[tuple[str, str], dict[str, Any]] = {}
        self.objects: set[str] = set()
        self.bodies: dict[str, Any] = {}
        self.changes: dict[str, list[str]] = {}
        self.errors: list[str] = []
        self.absent: set[str] = set()
        self.loose_pods: dict[str, dict[str, Any]] = {}
        self.resources: dict[str, Any] = {"answers": True, "present": [], "errors": []}
        self.served: list[int] = []
        self.existed: list[int] = []

    def holds(
        self, body: dict[str, Any], available: int | None = None, namespace: str = "default", **changes: Any
    ) -> dict[str, Any]:
        """Have a controller, all of whose pods are available if nothing else is said."""
        spec, template = body["spec"], body["spec"]["template"]
        replicas = spec.get("replicas", 1)
        self.objects.add(label(body["kind"], body["metadata"]["name"], namespace))
        made = self.controllers[namespace, body["metadata"]["name"]] = {
            "kind": body["kind"],
            "name": body["metadata"]["name"],
            "replicas": replicas,
            "current": replicas,
            "updated": replicas,
            "available": replicas if available is None else available,
            "observed": True,
            "selector": spec["selector"].get("matchLabels", spec["selector"]),
            "pod_labels": template["metadata"]["labels"],
            "images": [c["image"] for c in template["spec"]["containers"]],
            "drains": all("lifecycle" in c for c in template["spec"]["containers"]),
            "probed": all("readinessProbe" in c for c in template["spec"]["containers"]),
            **changes,
        }
        return made

    def look(self) -> None:
        self.served.append(sum(c["available"] for c in self.controllers.values()))
        self.existed.append(sum(max(c["replicas"], c["current"]) for c in self.controllers.values()))

    def tick(self) -> None:
        for c in self.controllers.values():
            if not c["observed"]:
                c |= {"observed": True, "current": c["replicas"], "updated": c["replicas"]}
                c["available"] = min(c["available"], c["replicas"])
            elif c["available"] < c["replicas"] and not self.absent & set(c["images"]):
                c["available"] += 1
        self.look()

    def about_controllers(
        self, names: Any = (), labels: dict[str, str] | None = None, namespace: str = "default"
    ) -> dict[str, Any]:
        self.tick()
        if self.silent or not self.answers:
            self.silent = max(0, self.silent - 1)
            return {}
        wanted = [name.split("/")[1] for name in names]
        found = {
            label(c["kind"], name, place): dict(c)
            for (place, name), c in self.controllers.items()
            if place == namespace
            and (name in wanted or (labels and selects(labels, c["pod_labels"])) or not (names or labels))
        }
        return {"answers": True, "controllers": found}

    def about_pods(self, labels: dict[str, str] | None = None, namespace: str = "default") -> dict[str, Any]:
        found = dict(self.loose_pods)
        for (place, name), c in self.controllers.items():
            for number in range(c["current"] if place == namespace else 0):
                ready = number < c["available"]
                missing = {"reason": "ErrImagePull", "message": ABSENT, "image": c["images"][0]}
                found[f"{name}-{number}"] = {
                    "node": "node1", "address": "", "phase": "Running" if ready else "Pending", "ready": ready,
                    "ending": False, "images": c["images"], "labels": c["pod_labels"], "restarts": 0,
                    "trouble": missing if not ready and self.absent & set(c["images"]) else {},
                }  # fmt: skip
        return {name: p for name, p in found.items() if selects(labels or {}, p["labels"])}

    def about_differences(self, _stdin: Any = (), namespace: str | None = None, paths: Any = ()) -> dict[str, Any]:
        if not self.answers:
            return {"answers": False, "errors": [], "objects": {}}
        bodies = [json.loads(line.split(" ", 1)[1]) for line in _stdin]
        names = [label(b["kind"], b["metadata"]["name"], b["metadata"].get("namespace") or namespace) for b in bodies]
        known = {n: {"exists": n in self.objects, "changes": self.changes.get(n, [])} for n in names}
        for (place, name), c in self.controllers.items():
            if (n := label(c["kind"], name, place)) in known:
                known[n]["complete"] = c["observed"] and c["replicas"] == c["current"] == c["updated"] == c["available"]
        return {"answers": True, "errors": list(self.errors), "objects": known}

    def obey(self, command: StringCommand) -> None:
        """Do what a command asks for, as kubectl would; a wrong --current-replicas fails it."""
        words = shlex.split(command.get_raw_value())
        namespace = words[words.index("-n") + 1] if "-n" in words else "default"
        if "apply" in words:
            (text,) = command.connector_arguments["_stdin"]
            for body in map(json.loads, text.splitlines()):
                there = body["metadata"].get("namespace", namespace)
                if "template" not in body.get("spec", {}):
                    self.objects.add(label(body["kind"], body["metadata"]["name"], there))
                elif (there, body["metadata"]["name"]) not in self.controllers:
                    self.holds(body, 0, there, current=0, updated=0, observed=False)
        elif "scale" in words:
            c = self.controllers[namespace, words[words.index("scale") + 1].split("/")[1]]
            told = dict(word.removeprefix("--").split("=") for word in words if word.startswith("--") and "=" in word)
            assert int(told.get("current-replicas", c["replicas"])) == c["replicas"], "the precondition fails"
            c |= {"replicas": int(told["replicas"]), "observed": False}
        elif "delete" in words:
            gone = self.controllers.pop((namespace, words[words.index("delete") + 1].split("/")[1]))
            assert gone["replicas"] == gone["current"] == 0
        self.look()


@dataclass
class Line:
    """An operation as a deploy's line gave it."""

    operation: Any
    arguments: tuple[Any, ...]
    name: str


class Deploy:
    """A run of one deploy on the master: its lines are read when they are called, and carried out by `carry_out`."""

    def __init__(self, this: Run, server: Server, clock: Clock, said: pytest.LogCaptureFixture) -> None:
        self.run, self.server, self.clock, self._said = this, server, clock, said

    def read(self, operation: Callable[..., Any], *arguments: Any, **named: Any) -> Line:
        """Call a line of the deploy; it is read before anything is done."""
        self.run.state.is_executing = False
        host = self.run.inventory.get_host("master")
        with ctx_state.use(self.run.state), ctx_inventory.use(self.run.inventory), ctx_host.use(host):
            return operation(*arguments, **named)

    def carry_out(self, line: Line, *, executing: bool = True) -> list[StringCommand]:
        obey = self.server.obey if executing else lambda command: None
        return self.run.perform(line.operation, "master", *line.arguments, executing=executing, obey=obey)

    def do(self, operation: Callable[..., Any], *arguments: Any, executing: bool = True, **named: Any) -> list[str]:
        """Read a line and carry it out; the commands, from kubectl's verb on."""
        return said_of(self.carry_out(self.read(operation, *arguments, **named), executing=executing))

    @property
    def lines(self) -> list[str]:
        """What was announced, and how far it was."""
        return self.run.lines([r for r in self._said.records if r.levelno == logging.INFO], "master")

    @property
    def errors(self) -> list[str]:
        return [r.getMessage() for r in self._said.records if r.levelno == logging.ERROR]

    @property
    def warnings(self) -> list[str]:
        return [r.getMessage() for r in self._said.records if r.levelno == logging.WARNING]

    @property
    def noops(self) -> list[str]:
        return self.run.noops["master"]

    def asked(self, fact: type) -> list[dict[str, Any]]:
        return [arguments for _, asked, arguments in self.run.asked if asked is fact]

    def refuses(self, operation: Callable[..., Any], *arguments: Any, **named: Any) -> list[str]:
        """The reasons with which reading a line ends the run, before any host is asked anything."""
        self._said.clear()
        with pytest.raises(SystemExit) as ended:
            self.read(operation, *arguments, **named)
        assert ended.value.code == 1
        assert self.run.asked == []
        *reasons, verdict = self.errors
        count = "1 reason" if len(reasons) == 1 else f"{len(reasons)} reasons"
        assert verdict == f"{count} not to go on: nothing was applied."
        return reasons

    def refuses_dry(self, line: Line) -> list[str]:
        """The reasons with which a line ends a dry run."""
        self._said.clear()
        with pytest.raises(SystemExit):
            self.carry_out(line, executing=False)
        return self.errors[:-1]


def said_of(commands: list[StringCommand]) -> list[str]:
    return [command.get_raw_value().partition("--request-timeout=30s ")[2] or str(command) for command in commands]


def applied(command: StringCommand) -> list[dict[str, Any]]:
    """The objects a command applies, from its standard input."""
    assert command.get_raw_value().endswith(APPLY)
    (text,) = command.connector_arguments["_stdin"]
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def deploy(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[Deploy]:
    """A deploy on a cluster that runs nothing yet; the process remembers nothing of it afterwards."""

    def reading(operation: Any) -> Callable[..., Line]:
        return lambda *arguments, name: Line(operation, arguments, name)

    clock, server, this = Clock(), Server(), Run()
    for name in ("_manifest", "_absent", "_scale", "_rolling_update"):
        monkeypatch.setattr(kubernetes, name, reading(getattr(kubernetes, name)))
    for name in ("_metrics_server", "_nodes_are_measured"):
        monkeypatch.setattr(addons, name, reading(getattr(addons, name)))
    monkeypatch.setattr("operations.intent._intent", Intent())
    monkeypatch.setattr("operations.pods.time", clock)
    monkeypatch.setattr("operations.pods.gevent", clock)
    monkeypatch.setattr("operations.rolling.gevent", clock)
    monkeypatch.setattr("operations.report.report", Report())
    caplog.set_level(logging.INFO, "pyinfra")
    this.answers |= {
        ("master", Controllers): server.about_controllers,
        ("master", Pods): server.about_pods,
        ("master", Differences): server.about_differences,
        ("master", Objects): lambda paths: server.bodies,
        ("master", Present): lambda **arguments: server.resources,
    }
    yield Deploy(this, server, clock, caplog)


BOTH = pytest.mark.parametrize("executing", [False, True], ids=["dry", "executing"])

# --- manifest -------------------------------------------------------------------------------------------------------


@BOTH
def test_a_manifest_that_is_in_place(executing: bool, deploy: Deploy) -> None:
    deploy.server.holds(controller())
    deploy.server.objects |= {"ConfigMap settings"}
    assert deploy.do(kubernetes.manifest, [controller(), other()], executing=executing) == []
    assert deploy.noops == ["ReplicationController web-v1, ConfigMap settings: as the manifest says"]
    assert deploy.lines == []
    assert deploy.clock.slept == []
    assert [fact for _, fact, _ in deploy.run.asked] == [Differences], "which tells that its pods are there, too"


def test_a_dry_run_announces_and_yields_one_command(deploy: Deploy) -> None:
    deploy.server.objects |= {"ConfigMap settings"}
    deploy.server.changes["ConfigMap settings"] = ["data.a", "data.b"]
    assert deploy.do(kubernetes.manifest, [controller(), other()], executing=False) == [APPLY]
    assert deploy.lines == ["create ReplicationController web-v1", "change ConfigMap settings (data.a, data.b)"]
    assert deploy.noops == []
    assert deploy.asked(Controllers) == [], "nothing is awaited"


def test_a_run_applies_only_what_differs_and_waits_for_its_pods(deploy: Deploy) -> None:
    deploy.server.objects |= {"ConfigMap same"}
    line = deploy.read(kubernetes.manifest, [other(name="same"), controller()])
    (command,) = deploy.carry_out(line)
    assert [body["metadata"]["name"] for body in applied(command)] == ["web-v1"]
    assert deploy.lines == [
        "create ReplicationController web-v1",
        *(f"ReplicationController web-v1: {n} of 3 available" for n in range(3)),
    ]
    assert deploy.server.controllers["default", "web-v1"]["available"] == 3
    assert set(deploy.clock.slept) == {0.5}


def test_a_second_run_still_waits_for_what_the_first_began(deploy: Deploy) -> None:
    deploy.server.holds(controller(), available=1)
    assert deploy.do(kubernetes.manifest, controller()) == []
    assert deploy.noops and deploy.lines == ["ReplicationController web-v1: 2 of 3 available"]


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_other_controllers_are_awaited_by_their_kind(kind: str, deploy: Deploy) -> None:
    deploy.do(kubernetes.manifest, controller(kind=kind), namespace="shop")
    assert deploy.asked(Controllers)[0] == {"names": [f"{kind.lower()}/web-v1"], "namespace": "shop"}


@pytest.mark.parametrize("body", [controller(kind="Job"), other(), other("Pod", "p")])
def test_what_is_no_controller_is_not_awaited(body: dict[str, Any], deploy: Deploy) -> None:
    assert deploy.do(kubernetes.manifest, body) == [APPLY]
    assert deploy.asked(Controllers) == []


def test_a_deadline_of_nothing_does_not_wait(deploy: Deploy) -> None:
    deploy.server.absent = {"web:v1"}
    assert deploy.do(kubernetes.manifest, controller(), deadline=0) == [APPLY]
    assert deploy.asked(Controllers) == []


def test_controllers_of_two_namespaces_are_awaited_in_each(deploy: Deploy) -> None:
    deploy.server.holds(controller("v1"), available=2, namespace="shop")
    deploy.server.holds(controller("v2"), available=2)
    assert deploy.do(kubernetes.manifest, [controller("v1", namespace="shop"), controller("v2")]) == []
    assert {(*a["names"], a["namespace"]) for a in deploy.asked(Controllers)} == {
        ("replicationcontroller/web-v1", "shop"),
        ("replicationcontroller/web-v2", "default"),
    }


def test_a_dry_run_without_an_api_server_counts_all_as_new(deploy: Deploy) -> None:
    deploy.server.answers = False
    assert deploy.do(kubernetes.manifest, [controller(), service(app="none")], executing=False) == [APPLY]
    assert deploy.lines == ["create ReplicationController web-v1", "create Service web"]


def test_a_run_without_an_api_server_is_refused(deploy: Deploy) -> None:
    deploy.server.answers = False
    message = refusal(deploy.carry_out(deploy.read(kubernetes.manifest, controller())))
    assert message == ("the API server on master does not answer: run deploys/cluster.py first\nNothing was applied.")
    assert deploy.lines == []


def test_contents_travel_only_on_standard_input(deploy: Deploy) -> None:
    line = deploy.read(kubernetes.manifest, [other("Secret", "key", data={"k": "c3dvcmRmaXNo"}), other()])
    (command,) = deploy.carry_out(line)
    assert applied(command)[0]["data"] == {"k": "c3dvcmRmaXNo"}
    assert set(command.connector_arguments) == {"_stdin"}
    (question,) = deploy.asked(Differences)
    shown = f"{command}{command!r}{command.get_raw_value()}{line}{question}{deploy.lines}{deploy._said.text}"
    assert "c3dvcmRmaXNo" not in shown


@BOTH
def test_what_the_server_says_against_it_is_all_told_and_nothing_applied(executing: bool, deploy: Deploy) -> None:
    deploy.server.errors = ['error: no matches for kind "Servce"', "Error from server: it's ${bad}"]
    line = deploy.read(kubernetes.manifest, [other("Servce"), other()])
    if executing:
        message = refusal(deploy.carry_out(line))
        assert message.splitlines() == [*deploy.server.errors, "Nothing was applied."]
    else:
        assert deploy.refuses_dry(line) == deploy.server.errors
    assert deploy.lines == []


def test_a_manifest_that_cannot_be_read_ends_the_run_with_every_reason(deploy: Deploy, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("a: [\n")
    reasons = deploy.refuses(kubernetes.manifest, [str(tmp_path / "x.yaml"), {"kind": "Pod"}, controller(replicas=-1)])
    assert len(reasons) == 3
    assert "x.yaml, line 2" in reasons[0]
    assert sum("manifest 2: has no apiVersion" in r for r in reasons) == 1
    assert sum("spec.replicas = -1" in r for r in reasons) == 1


def test_a_template_without_its_values_ends_the_run(deploy: Deploy, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml.j2"
    path.write_text(yaml.safe_dump(other()) + "data: {a: {{ version }}}\n")
    (reason,) = deploy.refuses(kubernetes.manifest, str(path), values={"image": "x"})
    assert reason == f"{path}: 'version' is undefined; values has image"
    deploy.read(kubernetes.manifest, str(path), values={"version": "v1"})


@pytest.mark.parametrize("deadline", [-1, "60", 1.5, True, None])
def test_a_deadline_that_is_no_number_of_seconds(deadline: Any, deploy: Deploy) -> None:
    for operation, arguments in [
        (kubernetes.manifest, (other(),)),
        (kubernetes.absent, ("rc/x",)),
        (kubernetes.scale, ("rc/x", 3)),
        (kubernetes.rolling_update, ("web-v0", controller())),
    ]:
        (reason,) = deploy.refuses(operation, *arguments, deadline=deadline)
        assert reason.startswith("deadline = ") and reason.endswith(": write a whole number, 0 or more")


def test_two_namespaces_at_once_end_the_run(deploy: Deploy) -> None:
    bodies = [other(), controller("v1", namespace="shop"), controller("v2", namespace="park")]
    (reason,) = deploy.refuses(kubernetes.manifest, bodies, namespace="shop")
    assert reason.startswith("manifest 3: ReplicationController web-v2")
    assert 'metadata.namespace is "park", and namespace="shop": write one of them' in reason


def test_a_namespace_that_comes_with_its_objects(deploy: Deploy) -> None:
    deploy.server.errors = ['Error from server (NotFound): namespaces "shop" not found']
    line = deploy.read(kubernetes.manifest, [other("Namespace", "shop"), other()], namespace="shop")
    for executing in (False, True):
        (command,) = deploy.carry_out(line, executing=executing)
        assert [body["kind"] for body in applied(command)] == ["Namespace", "ConfigMap"]
    assert "create ConfigMap settings in shop" in deploy.lines


def test_a_namespace_that_an_earlier_line_makes(deploy: Deploy) -> None:
    """In a dry run it is not there yet; in a run it must be."""
    deploy.server.errors = ['Error from server (NotFound): namespaces "shop" not found']
    deploy.read(kubernetes.manifest, other("Namespace", "shop"))
    line = deploy.read(kubernetes.manifest, other(), namespace="shop")
    assert said_of(deploy.carry_out(line, executing=False)) == [f"-n shop {APPLY}"]
    assert 'namespaces "shop" not found' in refusal(deploy.carry_out(line))


def test_another_namespace_that_is_missing_is_an_error(deploy: Deploy) -> None:
    deploy.server.errors = ['Error from server (NotFound): namespaces "park" not found']
    line = deploy.read(kubernetes.manifest, [other("Namespace", "shop"), other()])
    assert deploy.refuses_dry(line) == deploy.server.errors


NOBODY = (
    "the manifest: Service web: its selector app=wbe matches no pods and no controller's template: correct it, or "
    "apply what it selects before it, or with it"
)


def test_a_service_that_would_answer_nobody_ends_a_dry_run(deploy: Deploy) -> None:
    deploy.server.holds(controller())
    assert deploy.refuses_dry(deploy.read(kubernetes.manifest, service(app="wbe"))) == [NOBODY]


def test_a_service_on_a_port_of_the_clusters_own_is_refused(deploy: Deploy) -> None:
    """The shipped range of node ports contains them, and the server does not know that they are taken."""
    asked = [{"port": 1, "nodePort": port} for port in (80, 6443, 8472)] + [
        {"port": 2, "nodePort": 8472, "protocol": "UDP"}
    ]
    body = other("Service", "web", spec={"selector": {"app": "web"}, "ports": asked})
    assert deploy.refuses(kubernetes.manifest, body) == [
        "the manifest: Service web: nodePort 6443 is the port of the API server; write another, or leave it out",
        "the manifest: Service web: nodePort 8472 is the port of flannel's packets; write another, or leave it out",
    ]


def test_a_service_that_would_answer_nobody_is_refused(deploy: Deploy) -> None:
    message = refusal(deploy.carry_out(deploy.read(kubernetes.manifest, service(app="wbe"))))
    assert message == f"{NOBODY}\nNothing was applied."


def test_a_service_of_a_controllers_template(deploy: Deploy) -> None:
    deploy.server.holds(controller(replicas=0))
    assert deploy.do(kubernetes.manifest, service(app="web")) == [APPLY]


def test_a_service_of_pods_without_a_controller(deploy: Deploy) -> None:
    deploy.server.loose_pods["p"] = {"labels": {"app": "alone"}}
    assert deploy.do(kubernetes.manifest, service(app="alone")) == [APPLY]
    assert deploy.asked(Pods) == [{"labels": {"app": "alone"}, "namespace": "default"}]


@pytest.mark.parametrize("body", [controller(), other("Pod") | {"metadata": {"name": "p", "labels": {"app": "web"}}}])
def test_a_service_of_what_comes_with_it(body: dict[str, Any], deploy: Deploy) -> None:
    assert deploy.do(kubernetes.manifest, [service(app="web"), body]) == [APPLY]


def test_a_service_of_what_an_earlier_line_applies(deploy: Deploy) -> None:
    deploy.read(kubernetes.rolling_update, {"app": "web"}, controller())
    assert deploy.do(kubernetes.manifest, service(app="web"), executing=False) == [APPLY]


def test_a_service_in_another_namespace_than_what_an_earlier_line_applies(deploy: Deploy) -> None:
    deploy.read(kubernetes.manifest, controller())
    line = deploy.read(kubernetes.manifest, service(app="web"), namespace="shop")
    (reason,) = deploy.refuses_dry(line)
    assert "Service web in shop: its selector app=web matches no pods" in reason


def test_a_service_in_another_namespace_than_what_it_selects(deploy: Deploy) -> None:
    deploy.server.holds(controller())
    line = deploy.read(kubernetes.manifest, service(app="web"), namespace="shop")
    assert "matches no pods" in refusal(deploy.carry_out(line))
    assert {a["namespace"] for a in (*deploy.asked(Controllers), *deploy.asked(Pods))} == {"shop"}


def test_a_service_in_place_is_not_asked_whom_it_selects(deploy: Deploy) -> None:
    deploy.server.objects |= {"Service web"}
    assert deploy.do(kubernetes.manifest, service(app="wbe")) == []


def test_a_service_without_selector_selects_nobody_on_purpose(deploy: Deploy) -> None:
    assert deploy.do(kubernetes.manifest, service()) == [APPLY]


@pytest.mark.parametrize(
    ("kind", "changes", "line"),
    [
        (
            RC,
            ["spec.template.metadata.labels.a"],
            "(spec.template.metadata.labels.a; the pods it has stay as they are)",
        ),
        (RC, ["spec.replicas 3 -> 4"], "(spec.replicas 3 -> 4)"),
        ("Deployment", ["spec.template.metadata.labels.a"], "(spec.template.metadata.labels.a)"),
        ("Deployment", list("abcdef"), "(a, b, c, d and 2 more)"),
    ],
)
def test_a_changed_controller_says_what_becomes_of_its_pods(
    kind: str, changes: list[str], line: str, deploy: Deploy
) -> None:
    deploy.server.holds(controller(kind=kind))
    deploy.server.changes[f"{kind} web-v1"] = changes
    deploy.do(kubernetes.manifest, controller(kind=kind), executing=False)
    assert deploy.lines == [f"change {kind} web-v1 {line}"]


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({}, "Apply ConfigMap settings, Secret key in shop"),
        ({"name": "mine"}, "mine"),
    ],
)
def test_a_line_is_named_by_its_objects(arguments: dict[str, Any], name: str, deploy: Deploy) -> None:
    secret = other("Secret") | {"metadata": {"name": "key", "namespace": "shop"}}
    assert deploy.read(kubernetes.manifest, [other(), secret], **arguments).name == name


# --- Waiting for pods -----------------------------------------------------------------------------------------------


def test_an_image_nobody_has_is_told_at_once(deploy: Deploy) -> None:
    deploy.server.absent = {"web:v9"}
    *_, last = deploy.carry_out(deploy.read(kubernetes.manifest, controller("v9")))
    assert refusal([last]) == (
        f"ReplicationController web-v9: 0 of 3 pods available: pod web-v9-0 on node1, image web:v9: "
        f"ErrImagePull: {ABSENT}"
    )
    assert sum(deploy.clock.slept) < 5


def test_pods_that_make_no_progress_are_waited_for_as_long_as_the_deadline_says(deploy: Deploy) -> None:
    deploy.server.holds(controller(), available=1)
    deploy.server.tick = deploy.server.look  # type: ignore[method-assign]
    *_, last = deploy.carry_out(deploy.read(kubernetes.manifest, controller(), deadline=20))
    assert refusal([last]) == (
        "ReplicationController web-v1: 1 of 3 pods available, no progress for 20 s: pod web-v1-1 on node1, image "
        "web:v1: it is Pending and not ready"
    )
    assert 20 <= sum(deploy.clock.slept) < 22


def test_progress_begins_the_deadline_anew(deploy: Deploy, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod every ten seconds: none takes longer than the deadline, all together do."""
    deploy.server.holds(controller(replicas=5), available=0)
    tick, clock, begun = deploy.server.tick, deploy.clock, deploy.clock.now

    def slowly() -> None:
        if clock.now - begun >= 10 * (deploy.server.controllers["default", "web-v1"]["available"] + 1):
            tick()

    monkeypatch.setattr(deploy.server, "tick", slowly)
    assert deploy.do(kubernetes.manifest, controller(replicas=5), deadline=15) == []
    assert clock.now - begun >= 50


def test_pods_without_a_probe_that_were_available_for_a_moment(deploy: Deploy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing asked their process, which ended as soon as it had begun."""
    found = deploy.server.holds(controller(), available=0, probed=False)
    monkeypatch.setattr(deploy.server, "tick", lambda: found.update(available=0 if deploy.clock.slept else 3))
    *_, last = deploy.carry_out(deploy.read(kubernetes.manifest, controller(), deadline=5))
    assert "0 of 3 pods available, no progress for 5 s" in refusal([last])


def test_a_controller_that_no_answer_tells_of(deploy: Deploy) -> None:
    deploy.server.objects |= {"ReplicationController web-v1"}
    *_, last = deploy.carry_out(deploy.read(kubernetes.manifest, controller(), deadline=5))
    assert "no progress for 5 s" in refusal([last])


def test_a_server_silent_for_a_while_is_waited_for(deploy: Deploy) -> None:
    deploy.server.silent = 10
    assert deploy.do(kubernetes.manifest, controller()) == [APPLY]


def test_what_crashed_shows_its_log(deploy: Deploy) -> None:
    found = deploy.server.holds(controller(), available=0)
    found["images"] = ["web:v1"]
    crashing = {"reason": "CrashLoopBackOff", "message": "back-off 10s", "image": "web:v1"}
    pod = deploy.server.about_pods()["web-v1-0"] | {"restarts": 2, "trouble": crashing}
    deploy.run.answers["master", Pods] = {"web-v1-0": pod}
    deploy.server.tick = deploy.server.look  # type: ignore[method-assign]
    *_, last = deploy.carry_out(deploy.read(kubernetes.manifest, controller(), deadline=5))
    script = last.get_raw_value()
    assert "logs --tail=15 --previous web-v1-0" in script and "-n default" in script
    told = refusal([last]).splitlines()
    assert told[0].endswith("pod web-v1-0 on node1, image web:v1: CrashLoopBackOff: back-off 10s")


def test_pods_of_a_former_template_are_not_blamed(deploy: Deploy) -> None:
    deploy.server.holds(controller(), available=0)
    old = deploy.server.about_pods()["web-v1-0"]
    old |= {"images": ["web:v0"], "trouble": {"reason": "ErrImagePull", "message": ABSENT, "image": "web:v0"}}
    deploy.run.answers["master", Pods] = {"old": old}
    assert deploy.do(kubernetes.manifest, controller()) == []


# --- absent ---------------------------------------------------------------------------------------------------------


@BOTH
def test_nothing_to_delete(executing: bool, deploy: Deploy) -> None:
    assert deploy.do(kubernetes.absent, ["rc/a", "service/b"], executing=executing) == []
    assert deploy.noops == ["rc/a, service/b: not there"]
    assert deploy.lines == []


@BOTH
def test_only_what_is_there_is_deleted(executing: bool, deploy: Deploy) -> None:
    deploy.server.resources["present"] = ["rc/a"]
    line = deploy.read(kubernetes.absent, ["rc/a", "service/b"], namespace="shop", deadline=60)
    (command,) = deploy.run.perform(line.operation, "master", *line.arguments, executing=executing)
    assert said_of([command]) == ["-n shop delete rc/a --ignore-not-found --wait --timeout=60s"]
    assert deploy.lines == ["delete rc/a"]
    assert deploy.asked(Present) == [{"resources": ("rc/a", "service/b"), "namespace": "shop", "applied": False}]


def test_one_thing_to_delete_needs_no_list(deploy: Deploy) -> None:
    assert deploy.read(kubernetes.absent, "rc/a").name == "Delete rc/a"


@BOTH
def test_what_cannot_be_looked_for_is_told(executing: bool, deploy: Deploy) -> None:
    deploy.server.resources |= {"present": ["rc/a"], "errors": ["error: no such resource type"]}
    line = deploy.read(kubernetes.absent, ["rc/a", "foo/b"])
    if executing:
        assert refusal(deploy.carry_out(line)) == "error: no such resource type\nNothing was applied."
    else:
        assert deploy.refuses_dry(line) == ["error: no such resource type"]


@pytest.mark.parametrize("answer", [{"answers": False, "present": [], "errors": []}, {}])
def test_deleting_without_an_api_server(answer: dict[str, Any], deploy: Deploy) -> None:
    deploy.server.resources = answer
    line = deploy.read(kubernetes.absent, "rc/a")
    assert deploy.carry_out(line, executing=False) == []
    assert refusal(deploy.carry_out(line)).startswith("the API server on master does not answer")


def test_every_bad_name_ends_the_run(deploy: Deploy) -> None:
    reasons = deploy.refuses(kubernetes.absent, ["rc/a", "nginx", "rc/$(id)"])
    assert reasons == [
        '"nginx": write kind/name, as "rc/nginx-v1"',
        '"rc/$(id)": write kind/name, as "rc/nginx-v1"',
    ]


# --- scale ----------------------------------------------------------------------------------------------------------


@BOTH
def test_as_many_pods_as_asked_for(executing: bool, deploy: Deploy) -> None:
    deploy.server.holds(controller())
    assert deploy.do(kubernetes.scale, "rc/web-v1", 3, executing=executing) == []
    assert deploy.noops == ["rc/web-v1 has 3 replicas"]


@pytest.mark.parametrize("replicas", [0, 1, 5])
def test_another_number_of_pods_is_brought_about_and_awaited(replicas: int, deploy: Deploy) -> None:
    deploy.server.holds(controller())
    assert deploy.do(kubernetes.scale, "rc/web-v1", replicas) == [f"-n default scale rc/web-v1 --replicas={replicas}"]
    assert deploy.lines[0] == f"scale rc/web-v1 3 -> {replicas}"
    found = deploy.server.controllers["default", "web-v1"]
    assert (found["replicas"], found["available"]) == (replicas, replicas)


def test_a_dry_run_scales_nothing_and_waits_for_nothing(deploy: Deploy) -> None:
    deploy.server.holds(controller())
    assert len(deploy.do(kubernetes.scale, "rc/web-v1", 5, executing=False)) == 1
    assert deploy.lines == ["scale rc/web-v1 3 -> 5"]
    assert len(deploy.asked(Controllers)) == 1


def test_scaling_in_a_namespace(deploy: Deploy) -> None:
    deploy.server.holds(controller(), namespace="shop")
    assert deploy.do(kubernetes.scale, "rc/web-v1", 4, namespace="shop", deadline=0) == [
        "-n shop scale rc/web-v1 --replicas=4"
    ]
    assert len(deploy.asked(Controllers)) == 1, "nothing is awaited"


@BOTH
def test_what_is_not_there_cannot_be_scaled(executing: bool, deploy: Deploy) -> None:
    line = deploy.read(kubernetes.scale, "rc/web-v1", 3)
    reason = "rc/web-v1: there is none in default: apply its manifest first"
    if executing:
        assert refusal(deploy.carry_out(line)) == f"{reason}\nNothing was applied."
    else:
        assert deploy.refuses_dry(line) == [reason]


def test_a_dry_run_scales_what_an_earlier_line_makes(deploy: Deploy) -> None:
    deploy.read(kubernetes.manifest, controller(replicas=None))
    line = deploy.read(kubernetes.scale, "replicationcontroller/web-v1", 5)
    assert len(deploy.carry_out(line, executing=False)) == 1
    assert deploy.lines == ["scale replicationcontroller/web-v1 1 -> 5"]
    assert "there is none" in refusal(deploy.carry_out(line)), "in a run it would be there"


def test_a_dry_run_scales_what_an_earlier_line_makes_in_a_namespace(deploy: Deploy) -> None:
    deploy.read(kubernetes.manifest, controller(replicas=None), namespace="shop")
    line = deploy.read(kubernetes.scale, "rc/web-v1", 5, namespace="shop")
    assert said_of(deploy.carry_out(line, executing=False)) == ["-n shop scale rc/web-v1 --replicas=5"]
    assert len(deploy.refuses_dry(deploy.read(kubernetes.scale, "rc/web-v1", 5))) == 1, "there is none in default"


def test_a_later_line_makes_nothing_for_it(deploy: Deploy) -> None:
    line = deploy.read(kubernetes.scale, "rc/web-v1", 5)
    deploy.read(kubernetes.manifest, controller(replicas=None))
    assert len(deploy.refuses_dry(line)) == 1


TWO_NUMBERS = (
    "the manifest: ReplicationController web-v1: spec.replicas = 3, and scale says 5: each run would do both; leave "
    "replicas out of the manifest"
)


@pytest.mark.parametrize("name", ["rc/web-v1", "replicationcontrollers/web-v1"])
def test_a_manifest_that_says_another_number_ends_the_run(name: str, deploy: Deploy) -> None:
    deploy.read(kubernetes.manifest, controller())
    assert deploy.refuses(kubernetes.scale, name, 5) == [TWO_NUMBERS]


def test_a_later_manifest_that_says_another_number_ends_the_run(deploy: Deploy) -> None:
    deploy.read(kubernetes.scale, "rc/web-v1", 5)
    assert deploy.refuses(kubernetes.manifest, controller()) == [TWO_NUMBERS]


def test_a_manifest_put_into_a_namespace_is_one_of_that_namespace(deploy: Deploy) -> None:
    deploy.read(kubernetes.manifest, controller(), namespace="shop")
    deploy.read(kubernetes.scale, "rc/web-v1", 5)
    (reason,) = deploy.refuses(kubernetes.scale, "rc/web-v1", 4, namespace="shop")
    assert "ReplicationController web-v1 in shop: spec.replicas = 3, and scale says 4" in reason


def test_a_manifest_that_says_nothing_else_does_not(deploy: Deploy) -> None:
    deploy.read(kubernetes.manifest, [controller("v1"), controller("v2", None), controller("v3", 9, namespace="shop")])
    deploy.read(kubernetes.scale, "rc/web-v1", 3)
    deploy.read(kubernetes.scale, "rc/web-v2", 5)
    deploy.read(kubernetes.scale, "rc/web-v3", 5)
    deploy.read(kubernetes.scale, "deploy/web-v1", 5)


@pytest.mark.parametrize(
    ("name", "replicas", "words"),
    [
        ("service/web", 3, '"service" is nothing that has replicas'),
        ("web", 3, "write kind/name"),
        ("rc/web", -1, "replicas = -1: write a whole number, 0 or more"),
        ("rc/web", "3", 'replicas = "3": write a whole number'),
        ("rc/web", True, "replicas = True: write a whole number"),
    ],
)
def test_what_cannot_be_scaled_ends_the_run(name: str, replicas: Any, words: str, deploy: Deploy) -> None:
    (reason,) = deploy.refuses(kubernetes.scale, name, replicas)
    assert words in reason


# --- rolling_update -------------------------------------------------------------------------------------------------

OLD = {"app": "web"}


def roll(deploy: Deploy, *, executing: bool = True, **changes: Any) -> list[str]:
    """Roll to web-v2."""
    return deploy.do(kubernetes.rolling_update, **{"old": OLD, "new": controller("v2"), **changes}, executing=executing)


def scaled(version: str, now: int, replicas: int) -> str:
    return f"-n default scale rc/web-{version} --replicas={replicas} --current-replicas={now}"


def deleted(version: str) -> str:
    return f"-n default delete rc/web-{version} --ignore-not-found --wait --timeout=180s"


WHOLE = [
    f"-n default {APPLY}",
    scaled("v1", 3, 2),
    scaled("v2", 1, 2),
    scaled("v1", 2, 1),
    scaled("v2", 2, 3),
    scaled("v1", 1, 0),
    deleted("v1"),
]


def test_a_whole_update(deploy: Deploy) -> None:
    """Each step on the condition that the numbers are still those it was decided upon."""
    deploy.server.holds(controller("v1"))
    assert roll(deploy) == WHOLE
    assert list(deploy.server.controllers) == [("default", "web-v2")]
    assert min(deploy.server.served) == 3, "never fewer than asked for"
    assert max(deploy.server.existed) == 4, "never more than one above"
    assert deploy.lines[:3] == [
        "create ReplicationController web-v2",
        "roll 3 pods of web-v1 to web-v2, 10 s apart",
        "delete rc/web-v1",
    ]
    assert "web-v2: 1 of 1 available; web-v1: 3 of 3 available" in deploy.lines[3:]
    assert deploy.warnings == []


def test_the_new_controller_begins_with_one_pod(deploy: Deploy) -> None:
    deploy.server.holds(controller("v1"))
    (first, *_) = deploy.carry_out(deploy.read(kubernetes.rolling_update, OLD, controller("v2")))
    assert applied(first) == [controller("v2", replicas=1)]


@pytest.mark.parametrize("period", [0, 10, 45])
def test_the_time_between_two_pods(period: int, deploy: Deploy) -> None:
    """Not after the last: nothing follows it."""
    deploy.server.holds(controller("v1"))
    roll(deploy, update_period=period)
    assert [slept for slept in deploy.clock.slept if slept != 0.5] == [period] * 2


def test_a_dry_run_announces_it_all_and_yields_one_command(deploy: Deploy) -> None:
    deploy.server.holds(controller("v1"))
    assert roll(deploy, executing=False) == WHOLE[:1]
    assert deploy.lines == [
        "create ReplicationController web-v2",
        "roll 3 pods of web-v1 to web-v2, 10 s apart",
        "delete rc/web-v1",
    ]
    assert deploy.clock.slept == []


@BOTH
def test_an_update_that_is_done(executing: bool, deploy: Deploy) -> None:
    deploy.server.holds(controller("v2"))
    assert roll(deploy, executing=executing) == []
    assert deploy.noops == ["web-v2 has 3 pods, and replaces no other"]
    assert deploy.lines == []


def test_an_update_done_whose_pods_are_late_is_awaited(deploy: Deploy) -> None:
    deploy.server.holds(controller("v2"), available=1)
    assert roll(deploy) == []
    assert deploy.server.controllers["default", "web-v2"]["available"] == 3


@pytest.mark.parametrize("killed", range(1, len(WHOLE)))
def test_killed_after_any_command_it_goes_on_from_there(killed: int, deploy: Deploy) -> None:
    class Killed(Exception):
        pass

    obeyed: list[StringCommand] = []

    def obey(command: StringCommand) -> None:
        deploy.server.obey(command)
        obeyed.append(command)
        if len(obeyed) == killed:
            raise Killed

    deploy.server.holds(controller("v1"))
    line = deploy.read(kubernetes.rolling_update, OLD, controller("v2"))
    with pytest.raises(Killed):
        deploy.run.perform(line.operation, "master", *line.arguments, obey=obey)
    again = said_of(deploy.carry_out(line))
    assert said_of(obeyed) == WHOLE[:killed]
    assert [command for command in again if command != "true"] == WHOLE[killed:]
    assert min(deploy.server.served) == 3 and max(deploy.server.existed) == 4
    assert deploy.carry_out(line) == []


def test_the_controller_in_place_is_not_changed_by_going_on(deploy: Deploy) -> None:
    """What its manifest says of replicas is for the end."""
    deploy.server.holds(controller("v1", replicas=2))
    deploy.server.holds(controller("v2", replicas=2))
    commands = roll(deploy)
    (question,) = deploy.asked(Differences)
    assert json.loads(question["_stdin"][0].split(" ", 1)[1])["spec"]["replicas"] == 2
    assert commands[0] == "true" and not [c for c in commands if "apply" in c]


def test_without_an_old_controller_the_new_one_is_made_in_one_step(deploy: Deploy) -> None:
    line = deploy.read(kubernetes.rolling_update, OLD, controller("v2"))
    (command,) = deploy.carry_out(line)
    assert applied(command)[0]["spec"]["replicas"] == 3
    assert deploy.lines[0] == "create ReplicationController web-v2"
    assert [slept for slept in deploy.clock.slept if slept != 0.5] == []


@pytest.mark.parametrize("replicas", [0, 1, 5])
def test_another_number_is_scaled_in_one_step(replicas: int, deploy: Deploy) -> None:
    deploy.server.holds(controller("v2"))
    assert roll(deploy, new=controller("v2", replicas)) == ["true", scaled("v2", 3, replicas)]
    assert deploy.lines[0] == f"scale rc/web-v2 3 -> {replicas}"


def test_an_old_controller_without_pods_is_deleted(deploy: Deploy) -> None:
    deploy.server.holds(controller("v1", replicas=0))
    deploy.server.holds(controller("v2"))
    assert roll(deploy) == ["true", deleted("v1")]
    assert deploy.lines[0] == "delete rc/web-v1"


def test_old_controllers_are_found_by_their_name_too(deploy: Deploy) -> None:
    deploy.server.holds(controller("v0"))
    deploy.server.holds(controller("v1"))
    assert roll(deploy, old="web-v1") == WHOLE
    assert ("default", "web-v0") in deploy.server.controllers
    assert deploy.asked(Controllers)[0]["labels"] is None


def test_two_old_controllers_by_their_label(deploy: Deploy) -> None:
    deploy.server.holds(controller("v0", replicas=1))
    deploy.server.holds(controller("v1", replicas=2))
    commands = roll(deploy)
    assert commands[-2:] == [deleted("v0"), deleted("v1")]
    assert min(deploy.server.served) == 3 and max(deploy.server.existed) == 4


def test_no_deployment_is_rolled_for_having_the_label(deploy: Deploy) -> None:
    deploy.server.holds(controller("v1", kind="Deployment"))
    assert roll(deploy) == WHOLE[:1]
    assert ("default", "web-v1") in deploy.server.controllers


def test_old_pods_that_do_not_serve_go_first(deploy: Deploy) -> None:
    deploy.server.holds(controller("v1"), available=1)
    deploy.server.absent = {"web:v1"}
    assert roll(deploy)[:3] == [WHOLE[0], scaled("v1", 3, 2), scaled("v2", 1, 2)]


def test_an_update_without_an_api_server(deploy: Deploy) -> None:
    deploy.server.answers, deploy.server.silent = False, 2
    line = deploy.read(kubernetes.rolling_update, OLD, controller("v2"))
    assert said_of(deploy.carry_out(line, executing=False)) == ["true"]
    assert deploy.lines == ["create ReplicationController web-v2"]
    message = refusal(deploy.carry_out(line))
    assert message.startswith("the API server on master does not answer: run deploys/cluster.py first")


def test_a_server_silent_in_the_middle_is_waited_for(deploy: Deploy) -> None:
    deploy.server.holds(controller("v1"))

    def obey(command: StringCommand) -> None:
        deploy.server.obey(command)
        deploy.server.silent = 7

    line = deploy.read(kubernetes.rolling_update, OLD, controller("v2"))
    assert said_of(deploy.run.perform(line.operation, "master", *line.arguments, obey=obey)) == WHOLE
    assert min(deploy.server.served) == 3 and max(deploy.server.existed) == 4


def test_a_server_silent_for_good_ends_it(deploy: Deploy) -> None:
    deploy.server.holds(controller("v1"))

    def obey(command: StringCommand) -> None:
        deploy.server.silent = 10_000

    line = deploy.read(kubernetes.rolling_update, OLD, controller("v2"), deadline=20)
    *_, last = deploy.run.perform(line.operation, "master", *line.arguments, obey=obey)
    assert "no progress for 20 s" in refusal([last])


def test_an_absent_image_stops_it_and_leaves_the_old_pods(deploy: Deploy) -> None:
    deploy.server.holds(controller("v1"))
    deploy.server.absent = {"web:v9"}
    *commands, last = deploy.carry_out(deploy.read(kubernetes.rolling_update, OLD, controller("v9")))
    assert said_of(commands) == WHOLE[:1]
    assert refusal([last]) == (
        "ReplicationController web-v9: 0 of 1 pods available: pod web-v9-0 on node1, image web:v9: "
        f"ErrImagePull: {ABSENT}"
    )
    assert [line for line in deploy.errors if "web-v1 goes on with 3 pods" in line]
    assert deploy.server.controllers["default", "web-v1"]["available"] == 3
    assert sum(deploy.clock.slept) < 5


def test_new_pods_that_never_serve_stop_it_in_time(deploy: Deploy) -> None:
    deploy.server.holds(controller("v1"))
    deploy.server.holds(controller("v2", replicas=1), available=0)
    deploy.server.tick = deploy.server.look  # type: ignore[method-assign]
    *commands, last = deploy.carry_out(deploy.read(kubernetes.rolling_update, OLD, controller("v2"), deadline=30))
    assert said_of(commands) == ["true"]
    assert refusal([last]).startswith("ReplicationController web-v2: 0 of 1 pods available, no progress for 30 s: ")
    assert 30 <= sum(deploy.clock.slept) < 32
    assert deploy.server.served[-1] == 3


def test_what_the_server_says_against_it_comes_before_any_step(deploy: Deploy) -> None:
    deploy.server.holds(controller("v1"))
    deploy.server.errors = ["Error from server: no"]
    line = deploy.read(kubernetes.rolling_update, OLD, controller("v2"))
    assert refusal(deploy.carry_out(line)) == "Error from server: no\nNothing was applied."
    assert deploy.refuses_dry(line) == ["Error from server: no"]
    assert deploy.server.existed[-1] == 3


def test_an_old_controller_that_is_not_there(deploy: Deploy) -> None:
    line = deploy.read(kubernetes.rolling_update, "web-v0", controller("v2"))
    reason = 'old = "web-v0": there is no such ReplicationController in default, and no web-v2'
    assert deploy.refuses_dry(line) == [reason]
    assert refusal(deploy.carry_out(line)) == f"{reason}\nNothing was applied."


def test_an_old_controller_that_is_gone_because_the_update_is_done(deploy: Deploy) -> None:
    deploy.server.holds(controller("v2"))
    assert roll(deploy, old="web-v1") == []


@pytest.mark.parametrize(("mine", "others"), [(["app"], ["app", "version"]), (["app", "version"], ["app"])])
def test_controllers_that_select_each_others_pods(mine: list[str], others: list[str], deploy: Deploy) -> None:
    old, new = controller("v1"), controller("v2")
    old["spec"]["selector"] = {name: old["spec"]["selector"][name] for name in others}
    new["spec"]["selector"] = {name: new["spec"]["selector"][name] for name in mine}
    deploy.server.holds(old)
    (reason,) = deploy.refuses_dry(deploy.read(kubernetes.rolling_update, OLD, new))
    assert reason.startswith("ReplicationController web-v2 and web-v1 select each other's pods")
    assert "version" in reason


def test_old_pods_without_a_pre_stop_hook_are_a_warning(deploy: Deploy) -> None:
    deploy.server.holds(controller("v1"), drains=False)
    roll(deploy, executing=False)
    (warning,) = deploy.warnings
    assert "the pods of web-v1 have no preStop hook" in warning


def test_new_pods_without_a_readiness_probe_are_a_warning(deploy: Deploy) -> None:
    new = controller("v2")
    del new["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]
    deploy.server.holds(controller("v1"))
    roll(deploy, executing=False, new=new)
    (warning,) = deploy.warnings
    assert "ReplicationController web-v2 has no readinessProbe" in warning


REFUSED: list[tuple[dict[str, Any], list[str]]] = [
    ({"new": controller("v2", kind="Deployment")}, ["is no ReplicationController; apply it with manifest()"]),
    ({"new": [controller("v2"), controller("v3", labels={})]}, ["web-v3: a rolling update has one new controller"]),
    ({"old": "web-v2"}, ["old and new have the same name; give the new one another"]),
    ({"new": controller("v2", None)}, ["has no spec.replicas: write how many pods there shall be"]),
    ({"rollback": True}, ['old = {"app": "web"}: a rollback returns to one controller: write its name']),
    ({"deadline": 0}, ["deadline = 0"]),
    ({"update_period": -1}, ["update_period = -1: write a whole number, 0 or more"]),
    ({"update_period": "10", "deadline": -1}, ['update_period = "10"', "deadline = -1"]),
    (
        {"old": "web-v2", "new": [controller("v2", None), other()], "deadline": 0},
        ["ConfigMap settings: is no", "one new controller", "the same name", "deadline = 0", "no spec.replicas"],
    ),
]


@pytest.mark.parametrize(("changes", "words"), REFUSED, ids=[words[0][:40] for _, words in REFUSED])
def test_what_cannot_be_rolled_ends_the_run(changes: dict[str, Any], words: list[str], deploy: Deploy) -> None:
    arguments = {"old": OLD, "new": controller("v2"), **changes}
    reasons = deploy.refuses(kubernetes.rolling_update, **arguments)
    assert len(reasons) == len(words)
    for reason, word in zip(reasons, words, strict=True):
        assert word in reason


MADE_AGAIN = (
    "manifest 2: ReplicationController web-v1: the rolling update to web-v2 deletes it, and each run would make it "
    "again; leave it out"
)


@pytest.mark.parametrize("old", [OLD, "web-v1"])
def test_an_old_controller_that_an_earlier_line_makes_ends_the_run(old: Any, deploy: Deploy) -> None:
    deploy.read(kubernetes.manifest, [other(), controller("v1")])
    assert deploy.refuses(kubernetes.rolling_update, old, controller("v2")) == [MADE_AGAIN]


@pytest.mark.parametrize("old", [OLD, "web-v1"])
def test_an_old_controller_that_a_later_line_makes_ends_the_run(old: Any, deploy: Deploy) -> None:
    deploy.read(kubernetes.rolling_update, old, controller("v2"))
    assert deploy.refuses(kubernetes.manifest, [other(), controller("v1")]) == [MADE_AGAIN]


def test_an_earlier_line_about_the_new_controller_or_others_does_not(deploy: Deploy) -> None:
    deploy.read(kubernetes.manifest, [controller("v2"), controller("v1", kind="Deployment"), service(app="web")])
    deploy.read(kubernetes.rolling_update, OLD, controller("v2"))


def test_a_line_shows_nothing_of_the_controller(deploy: Deploy) -> None:
    new = controller("v2")
    new["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "PASSWORD", "value": "swordfish"}]
    deploy.server.holds(controller("v1"))
    line = deploy.read(kubernetes.rolling_update, OLD, new)
    commands = deploy.carry_out(line)
    assert "swordfish" not in f"{line}{commands}{said_of(commands)}{deploy._said.text}{deploy.run.asked}"
    assert "swordfish" in commands[0].connector_arguments["_stdin"][0]


@pytest.mark.parametrize(
    ("arguments", "name"),
    [({}, "Roll to web-v2"), ({"old": "web-v1", "rollback": True}, "Roll to web-v1"), ({"name": "mine"}, "mine")],
)
def test_an_update_is_named_by_where_it_goes(arguments: dict[str, Any], name: str, deploy: Deploy) -> None:
    arguments = {"old": OLD, "new": controller("v2"), **arguments}
    assert deploy.read(kubernetes.rolling_update, **arguments).name == name


# --- Back -----------------------------------------------------------------------------------------------------------


def back(deploy: Deploy, *, executing: bool = True) -> list[str]:
    return roll(deploy, old="web-v1", rollback=True, executing=executing)


def test_a_rollback_is_the_update_with_the_roles_swapped(deploy: Deploy) -> None:
    deploy.server.holds(controller("v1", replicas=1))
    deploy.server.holds(controller("v2", replicas=3))
    commands = back(deploy)
    assert commands == [
        "true",
        scaled("v2", 3, 2),
        scaled("v1", 1, 2),
        scaled("v2", 2, 1),
        scaled("v1", 2, 3),
        scaled("v2", 1, 0),
        deleted("v2"),
    ]
    assert list(deploy.server.controllers) == [("default", "web-v1")]
    assert min(deploy.server.served) == 3 and max(deploy.server.existed) == 4
    assert deploy.lines[:2] == [
        "roll 3 pods of web-v2 to web-v1, 10 s apart",
        "delete rc/web-v2",
    ]


def test_a_rollback_from_an_image_nobody_has(deploy: Deploy) -> None:
    """Its pods serve nobody, and go at once."""
    deploy.server.holds(controller("v1"))
    deploy.server.absent = {"web:v2"}
    deploy.server.holds(controller("v2", replicas=1), available=0)
    assert back(deploy) == ["true", scaled("v2", 1, 0), deleted("v2")]
    assert min(deploy.server.served) == 3


def test_a_dry_run_of_a_rollback(deploy: Deploy) -> None:
    deploy.server.holds(controller("v1", replicas=2))
    deploy.server.holds(controller("v2", replicas=2))
    assert back(deploy, executing=False) == ["true"]
    assert deploy.lines == ["roll 2 pods of web-v2 to web-v1, 10 s apart", "delete rc/web-v2"]


def test_a_rollback_that_is_done(deploy: Deploy) -> None:
    deploy.server.holds(controller("v1"))
    assert back(deploy) == []
    assert deploy.noops == ["web-v1 has 3 pods, and replaces no other"]


def test_a_rollback_to_what_is_gone(deploy: Deploy) -> None:
    deploy.server.holds(controller("v2"))
    line = deploy.read(kubernetes.rolling_update, "web-v1", controller("v2"), rollback=True)
    reason = 'web-v1 is gone: roll to its manifest instead, with old="web-v2"'
    assert deploy.refuses_dry(line) == [reason]
    assert refusal(deploy.carry_out(line)) == f"{reason}\nNothing was applied."
    assert deploy.server.existed[-1] == 3


def test_a_file_may_be_given_as_a_path(deploy: Deploy, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n")
    assert deploy.read(kubernetes.manifest, tmp_path / "x.yaml").arguments[0][0].name == "x"


def test_an_update_in_a_namespace_that_an_earlier_line_makes(deploy: Deploy) -> None:
    deploy.server.errors = ['Error from server (NotFound): namespaces "shop" not found']
    deploy.read(kubernetes.manifest, other("Namespace", "shop"))
    line = deploy.read(kubernetes.rolling_update, OLD, controller("v2"), namespace="shop")
    assert len(deploy.carry_out(line, executing=False)) == 1


def test_an_object_elsewhere_with_the_same_name_is_not_taken_for_it(deploy: Deploy) -> None:
    """In a namespace that is only being made, of which the server says nothing."""
    deploy.server.objects = {"Service web"}
    deploy.server.errors = ['Error from server (NotFound): namespaces "shop" not found']

    def answer(**arguments: Any) -> dict[str, Any]:
        found = deploy.server.about_differences(**arguments)
        found["objects"].pop("Service web in shop", None)
        found["objects"]["Service web"]["namespace"] = "default"
        return found

    deploy.run.answers["master", Differences] = answer
    shop = service() | {"metadata": {"name": "web", "namespace": "shop"}}
    line = deploy.read(kubernetes.manifest, [controller(), other("Namespace", "shop"), service(), shop, pod_in("shop")])
    command = deploy.carry_out(line)[0]
    assert [b["metadata"].get("namespace") for b in applied(command) if b["kind"] == "Service"] == ["shop"]


def pod_in(namespace: str) -> dict[str, Any]:
    """Something for a service to select there."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": namespace, "labels": {"app": "web"}},
    }


def test_scaling_with_a_silent_server_says_so(deploy: Deploy) -> None:
    deploy.server.holds(controller())
    deploy.server.silent = 1
    assert "does not answer" in refusal(deploy.carry_out(deploy.read(kubernetes.scale, "rc/web-v1", 5)))


def test_two_new_controllers_are_one_reason(deploy: Deploy) -> None:
    reasons = deploy.refuses(kubernetes.rolling_update, OLD, [controller("v2"), controller("v3")])
    assert "a rolling update has one new controller" in str(reasons)


def test_old_controllers_are_not_overlooked_for_want_of_an_answer(deploy: Deploy) -> None:
    """All new pods at once beside the old ones would be twice as many as were asked for."""
    deploy.server.holds(controller("v1"))
    deploy.server.silent = 1
    commands = deploy.carry_out(deploy.read(kubernetes.rolling_update, OLD, controller("v2")))
    assert "does not answer" in refusal(commands) and max(deploy.server.existed) == 3


def test_a_manifest_without_replicas_leaves_their_number_alone(deploy: Deploy) -> None:
    """Also one that an earlier manifest named: the server would make it 1."""
    body = controller()
    deploy.server.holds(body)
    del body["spec"]["replicas"]
    deploy.server.changes = {"ReplicationController web-v1": ["spec.replicas 3 -> 1"]}
    assert deploy.carry_out(deploy.read(kubernetes.manifest, body)) == []
    deploy.server.changes = {"ReplicationController web-v1": ["metadata.labels", "spec.replicas 3 -> 1"]}
    (command,) = deploy.carry_out(deploy.read(kubernetes.manifest, body))
    assert applied(command)[0]["spec"]["replicas"] == 3
    assert deploy.lines[-1] == "change ReplicationController web-v1 (metadata.labels)"


def test_pods_of_a_template_that_was_mended_are_replaced(deploy: Deploy) -> None:
    """The controller would keep the one that cannot start, and the update wait for it."""
    deploy.server.holds(controller("v1"))
    deploy.server.holds(controller("v2", replicas=1), available=0)
    deploy.server.absent = {"web:v2"}
    deploy.server.changes = {"ReplicationController web-v2": ["spec.template.spec.containers[0].image a -> b"]}
    commands = roll(deploy)
    assert commands[0] == scaled("v2", 1, 0)
    assert commands[1] == WHOLE[0], "with as many pods as it has then"
    assert deploy.lines[0] == "scale rc/web-v2 1 -> 0 (pods of a former template)"


def test_an_update_that_another_run_is_at_is_left_alone(deploy: Deploy) -> None:
    deploy.server.holds(controller("v1"))
    deploy.server.holds(controller("v2", replicas=1))
    deploy.server.changes = {"ReplicationController web-v2": ["spec.replicas 2 -> 1"]}
    message = refusal(deploy.carry_out(deploy.read(kubernetes.rolling_update, OLD, controller("v2"))))
    assert message.startswith("web-v2 is being scaled by somebody else (spec.replicas 2 -> 1): run it again")


def test_an_update_to_fewer_pods_than_there_are_says_so(deploy: Deploy) -> None:
    deploy.server.holds(controller("v1", replicas=1))
    deploy.server.holds(controller("v2", replicas=4))
    deploy.carry_out(deploy.read(kubernetes.rolling_update, OLD, controller("v2", replicas=3)), executing=False)
    assert "scale rc/web-v2 4 -> 3" in deploy.lines


# --- Cluster DNS and metrics-server ---------------------------------------------------------------------------------


def begin_with(deploy: Deploy, tmp_path: Path, **settings: Any) -> Deploy:
    """The same deploy, with settings changed and a store of its own."""
    answers = deploy.run.answers
    deploy.run = Run(pki_directory=str(tmp_path / "pki"), pki_key_type="ecdsa-p256", **settings)
    deploy.run.answers |= answers
    the_cluster.cache_clear()
    store.cache_clear()
    return deploy


@pytest.fixture
def forget() -> Iterator[None]:
    yield
    the_cluster.cache_clear()
    store.cache_clear()


def lines_of(deploy: Deploy, operation: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> list[Line]:
    """The operations that a function of the deploy asks for."""
    found: list[Line] = []
    for module, names in ((kubernetes, ("_manifest", "_absent")), (addons, ("_metrics_server", "_nodes_are_measured"))):
        for name in names:
            make = getattr(module, name)
            monkeypatch.setattr(module, name, lambda *a, make=make, **named: found.append(make(*a, **named)))
    deploy.read(operation)
    return found


DNS_CREATED = [
    "create ServiceAccount coredns in kube-system",
    "create ClusterRole system:coredns",
    "create ClusterRoleBinding system:coredns",
    "create ConfigMap coredns in kube-system",
    "create Deployment coredns in kube-system",
    "create PodDisruptionBudget coredns in kube-system",
    "create Service kube-dns in kube-system",
]


@pytest.mark.usefixtures("forget")
def test_cluster_dns_waits_for_every_node_before_its_pods_are_placed(
    deploy: Deploy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_with(deploy, tmp_path, cluster_dns=True)
    deploy.run.answers["master", Nodes] = {}
    (line,) = lines_of(deploy, addons.cluster_dns, monkeypatch)
    (command,) = deploy.carry_out(line)
    assert [o["kind"] for o in applied(command)] == [line.split()[1] for line in DNS_CREATED]
    assert deploy.lines[:7] == DNS_CREATED
    asked = [fact for _, fact, _ in deploy.run.asked]
    assert asked[:3] == [Objects, Differences, Nodes] and Controllers in asked[3:]
    assert deploy.asked(Nodes)[0]["wait_for"] == ["node1", "node2", "node3"]


@pytest.mark.usefixtures("forget")
@pytest.mark.parametrize("changed", [False, True])
def test_objects_that_are_as_they_were_applied_are_not_tried(
    changed: bool, deploy: Deploy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_with(deploy, tmp_path, cluster_dns=True)
    deploy.run.answers["master", Nodes] = {}
    (line,) = lines_of(deploy, addons.cluster_dns, monkeypatch)
    (manifest, *_) = line.arguments
    for o in manifest:
        body = copy.deepcopy(dict(o.complete()))
        if o.kind in ("ClusterRole", "ClusterRoleBinding"):
            body["metadata"].pop("namespace", None)
        written = [{"manager": MANAGER, "operation": "Apply", "apiVersion": body["apiVersion"]}]
        body["metadata"]["managedFields"] = written
        if o.kind == "Deployment":
            counts = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), body["spec"]["replicas"])
            body["status"] = counts | {"observedGeneration": 1}
            body["spec"]["paused"] = True  # a default, as far as anybody knows
            if changed:
                body["spec"]["template"]["spec"]["containers"][0]["image"] = "other"
        deploy.server.bodies[label(o.kind, o.name, body["metadata"].get("namespace"))] = body
    deploy.carry_out(line)
    asked = [fact for _, fact, _ in deploy.run.asked]
    assert asked[:2] == [Objects, Differences] if changed else asked == [Objects]
    assert changed or deploy.noops[-1].endswith("as the manifest says")


@pytest.mark.usefixtures("forget")
@BOTH
def test_without_cluster_dns_ours_goes_and_only_ours(
    executing: bool, deploy: Deploy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_with(deploy, tmp_path, cluster_dns=False)
    deploy.server.resources["present"] = ["service/kube-dns", "deployment/coredns"]
    (line,) = lines_of(deploy, addons.cluster_dns, monkeypatch)
    commands = deploy.run.perform(line.operation, "master", *line.arguments, executing=executing)
    assert said_of(commands)[0].startswith("-n kube-system delete service/kube-dns deployment/coredns ")
    assert deploy.lines == ["delete service/kube-dns", "delete deployment/coredns"]
    assert deploy.asked(Present)[0]["applied"] is True


def test_whose_an_object_is_can_be_told_of_some_kinds(deploy: Deploy) -> None:
    (reason,) = deploy.refuses(kubernetes.absent, ["service/a", "job/b"], applied=True)
    assert reason.startswith("job/b: with applied = True, write one of configmap, ")


@pytest.mark.usefixtures("forget")
def test_a_dry_run_issues_no_certificate_for_metrics_server_and_shows_no_key(
    deploy: Deploy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_with(deploy, tmp_path, metrics_server=True, masters_on_pod_network=True)
    deploy.run.answers["master", Nodes] = {}
    line, _ = lines_of(deploy, addons.metrics_server, monkeypatch)
    deploy.carry_out(line, executing=False)
    assert not (tmp_path / "pki").exists()
    planned = deploy.lines
    assert "create Secret metrics-server in kube-system" in planned
    deploy.run.store.authority_certificate("cluster", write=True)  # as deploys/pki.py has by then
    (command,) = deploy.carry_out(line)
    assert deploy.lines[len(planned) :][: len(planned)] == planned
    objects = {o["kind"]: o for o in applied(command)}
    pair = deploy.run.store.ensure(METRICS_SERVER, write=False)
    assert b64decode(objects["Secret"]["data"]["tls.key"]).decode() == pair.key
    assert b64decode(objects["APIService"]["spec"]["caBundle"]).startswith(b"-----BEGIN CERTIFICATE")
    assert "PRIVATE" not in command.get_raw_value()


@pytest.mark.usefixtures("forget")
def test_a_node_that_is_not_measured_is_named(deploy: Deploy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin_with(deploy, tmp_path, metrics_server=True, masters_on_pod_network=True)
    deploy.run.answers["master", NodeMetrics] = {"node1": {}, "node3": {}}
    _, line = lines_of(deploy, addons.metrics_server, monkeypatch)
    assert deploy.carry_out(line, executing=False) == []
    assert refusal(deploy.carry_out(line)).startswith("metrics-server tells nothing of node2, after 180 s: ")
    deploy.run.answers["master", NodeMetrics]["node2"] = {}
    assert deploy.carry_out(line) == []
    assert deploy.noops[-1] == "3 nodes are measured"
