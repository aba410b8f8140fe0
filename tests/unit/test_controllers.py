"""Controllers and pods as Kubernetes 1.20 describes them, over Docker: how far each is, and what is said of it."""

import copy
from typing import Any

import pytest

from cluster.workloads.controllers import controller, describe, has_died, hopeless, pod, unready

IMAGE = "10.1.10.1:5000/nginx:v3"
ABSENT = (
    f"rpc error: code = Unknown desc = Error response from daemon: manifest for {IMAGE} not found: "
    "manifest unknown: manifest unknown"
)
DENIED = (
    "rpc error: code = Unknown desc = Error response from daemon: pull access denied for ngnix, repository does not "
    "exist or may require 'docker login': denied: requested access to the resource is denied"
)
REFUSED = (
    "rpc error: code = Unknown desc = Error response from daemon: Get http://10.1.10.1:5000/v2/: dial tcp "
    "10.1.10.1:5000: connect: connection refused"
)


def item(kind: str, spec: dict[str, Any] | None = None, *, generation: int = 2, **status: Any) -> dict[str, Any]:
    body = {"kind": kind, "metadata": {"name": "web", "generation": generation}, "status": status}
    return body if spec is None else {**body, "spec": spec}


def deployment(replicas: int = 3, **status: Any) -> dict[str, Any]:
    done = {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3}
    return item("Deployment", {"replicas": replicas}, **{**done, **status})


# --- Controllers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "complete"),
    [
        (deployment(), True),
        (deployment(observedGeneration=1), False),  # the counts are those of before the change
        (deployment(updatedReplicas=1), False),  # two pods are of the former template
        (deployment(replicas=3, availableReplicas=2), False),
        (deployment(replicas=4), False),  # asked for four
    ],
)
def test_a_deployment_is_complete(found: dict[str, Any], complete: bool) -> None:
    assert controller(found).complete is complete


def test_a_deployment_with_an_old_pod_left_is_not_complete() -> None:
    """All new ones are available, and one of the former template is still there."""
    found = deployment()
    found["status"]["replicas"] = 4
    assert not controller(found).settled
    assert not controller(found).complete


def test_a_deployment_that_has_just_been_made() -> None:
    found = controller(item("Deployment", {"replicas": 3}, generation=1))
    assert (found.replicas, found.current, found.updated, found.available) == (3, 0, 0, 0)
    assert not found.observed and not found.settled and not found.complete


@pytest.mark.parametrize("kind", ["ReplicationController", "ReplicaSet"])
def test_what_leaves_pods_of_a_former_template_counts_them_all(kind: str) -> None:
    status = {"observedGeneration": 2, "replicas": 3, "fullyLabeledReplicas": 3, "availableReplicas": 3}
    found = controller(item(kind, {"replicas": 3}, **status))
    assert found.updated == 3 and found.complete


@pytest.mark.parametrize(
    ("status", "settled", "complete"),
    [
        ({"observedGeneration": 2, "replicas": 3, "readyReplicas": 3, "availableReplicas": 3}, True, True),
        ({"observedGeneration": 2, "replicas": 3, "readyReplicas": 3, "availableReplicas": 2}, True, False),
        ({"observedGeneration": 2, "replicas": 3}, True, False),
        ({"observedGeneration": 2, "replicas": 2, "readyReplicas": 2, "availableReplicas": 2}, False, False),
        ({"observedGeneration": 2, "replicas": 4, "readyReplicas": 4, "availableReplicas": 4}, False, False),
        ({"observedGeneration": 1, "replicas": 3, "readyReplicas": 3, "availableReplicas": 3}, False, False),
    ],
)
def test_a_replication_controller_settles_before_it_is_complete(
    status: dict[str, int], settled: bool, complete: bool
) -> None:
    found = controller(item("ReplicationController", {"replicas": 3}, **status))
    assert (found.settled, found.complete) == (settled, complete)


def test_a_controller_of_no_pods_is_complete() -> None:
    assert controller(item("ReplicationController", {"replicas": 0}, observedGeneration=2, replicas=0)).complete


def test_replicas_that_nobody_wrote_are_one() -> None:
    assert controller(item("Deployment", {})).replicas == 1


@pytest.mark.parametrize(
    ("changes", "complete"),
    [
        ({}, True),
        ({"readyReplicas": 2}, False),
        ({"updatedReplicas": 1, "currentReplicas": 2}, False),
        ({"replicas": 2, "readyReplicas": 2}, False),
        ({"observedGeneration": 1}, False),
    ],
)
def test_a_stateful_set_is_complete(changes: dict[str, int], complete: bool) -> None:
    """It tells of no available pods, in 1.20: ready ones are counted."""
    done = {"observedGeneration": 2, "replicas": 3, "readyReplicas": 3, "currentReplicas": 3, "updatedReplicas": 3}
    assert controller(item("StatefulSet", {"replicas": 3}, **{**done, **changes})).complete is complete


@pytest.mark.parametrize(
    ("changes", "complete"),
    [
        ({}, True),
        ({"numberAvailable": 2, "numberUnavailable": 1}, False),
        ({"updatedNumberScheduled": 1}, False),
        ({"currentNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 2}, False),
        ({"observedGeneration": 1}, False),
        ({"desiredNumberScheduled": 4}, False),  # a node has come
    ],
)
def test_a_daemon_set_is_complete(changes: dict[str, int], complete: bool) -> None:
    done = {
        "observedGeneration": 2, "desiredNumberScheduled": 3, "currentNumberScheduled": 3, "numberMisscheduled": 0,
        "updatedNumberScheduled": 3, "numberReady": 3, "numberAvailable": 3,
    }  # fmt: skip
    found = controller(item("DaemonSet", {"selector": {}}, **{**done, **changes}))
    assert found.complete is complete


def test_a_daemon_set_nobody_has_looked_at_yet_is_not_complete() -> None:
    new = {"desiredNumberScheduled": 0, "currentNumberScheduled": 0, "numberMisscheduled": 0, "numberReady": 0}
    assert not controller(item("DaemonSet", {}, generation=1, **new)).complete


# --- Pods -----------------------------------------------------------------------------------------------------------

READY: dict[str, Any] = {
    "metadata": {"name": "nginx-v3-n7wz8", "labels": {"app": "nginx", "version": "v3"}},
    "spec": {"nodeName": "node1", "containers": [{"name": "nginx", "image": IMAGE}]},
    "status": {
        "phase": "Running",
        "podIP": "192.168.54.3",
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "PodScheduled", "status": "True"}],
        "containerStatuses": [
            {"image": IMAGE, "ready": True, "restartCount": 0, "state": {"running": {"startedAt": "…"}}}
        ],
    },
}


def waiting(reason: str, message: str | None = None, *, restarts: int = 0, **metadata: Any) -> dict[str, Any]:
    """A pod whose container waits for a reason."""
    made = copy.deepcopy(READY)
    made["metadata"] |= metadata
    made["status"]["phase"] = "Running" if restarts else "Pending"
    made["status"]["conditions"][0] = {"type": "Ready", "status": "False", "reason": "ContainersNotReady"}
    why = {"reason": reason} | ({"message": message} if message else {})
    made["status"]["containerStatuses"] = [
        {"image": IMAGE, "ready": False, "restartCount": restarts, "state": {"waiting": why}}
    ]
    return pod(made)


def in_state(now: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """A pod, as the server describes it, whose one container is in one state and was in another."""
    made = copy.deepcopy(READY)
    made["status"]["containerStatuses"][0] |= {"ready": False, "state": now, "lastState": before}
    return made


def unscheduled() -> dict[str, Any]:
    made = copy.deepcopy(READY)
    del made["spec"]["nodeName"]
    message = "0/3 nodes are available: 3 Insufficient memory."
    made["status"] = {
        "phase": "Pending",
        "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
        ],
    }  # fmt: skip
    return pod(made)


def test_a_pod_that_serves() -> None:
    assert pod(READY) == {
        "node": "node1", "address": "192.168.54.3", "phase": "Running", "ready": True, "ending": False,
        "images": [IMAGE], "labels": {"app": "nginx", "version": "v3"}, "restarts": 0, "trouble": {},
    }  # fmt: skip


def test_a_pod_no_scheduler_has_seen() -> None:
    bare = {"metadata": {"name": "x"}, "spec": {"containers": [{"name": "x", "image": "x"}]}}
    found = pod(bare)
    assert (found["node"], found["address"], found["phase"], found["ready"]) == ("", "", "", False)
    assert found["labels"] == {} and found["trouble"] == {}


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing"])
def test_what_every_pod_goes_through_is_no_trouble(reason: str) -> None:
    assert waiting(reason)["trouble"] == {}


def test_trouble_of_an_init_container_comes_first() -> None:
    made = copy.deepcopy(READY)
    made["status"]["initContainerStatuses"] = [
        {"image": "init:1", "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "m"}}}
    ]
    made["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": "PodInitializing"}}
    found = pod(made)
    assert found["trouble"] == {"reason": "CrashLoopBackOff", "message": "m", "image": "init:1"}
    assert found["restarts"] == 3


ENDED = {"terminated": {"exitCode": 3, "reason": "Error"}}
CRASHING = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}


@pytest.mark.parametrize(
    ("now", "before", "reason", "message"),
    [
        (CRASHING, ENDED, "CrashLoopBackOff", "back-off 10s; its process ended with exit code 3"),
        (ENDED, {}, "Error", "its process ended with exit code 3"),
        (ENDED, ENDED, "Error", "its process ended with exit code 3"),
        ({"running": {}}, ENDED, "Error", "its process ended with exit code 3"),
        ({"running": {}}, {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}, "OOMKilled",
         "its process ended with exit code 137"),
    ],
    ids=["waits", "ended first", "ended again", "runs again", "out of memory"],
)  # fmt: skip
def test_a_pod_that_keeps_dying_says_so_at_every_moment(now: Any, before: Any, reason: str, message: str) -> None:
    found = pod(in_state(now, before))
    assert found["trouble"] == {"reason": reason, "message": message, "image": IMAGE}
    assert found["restarts"] == 0 and has_died(found), "its log may say why, before it has begun again"


@pytest.mark.parametrize("what", ["serves again", "ended well", "begins again"])
def test_an_end_that_is_over_is_no_trouble(what: str) -> None:
    made = in_state({"running": {}}, ENDED)
    if what == "serves again":
        made["status"]["containerStatuses"][0]["ready"] = True
    elif what == "ended well":
        made["status"]["phase"] = "Succeeded"
        made["status"]["containerStatuses"][0]["state"] = {"terminated": {"exitCode": 0, "reason": "Completed"}}
    else:
        made["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": "ContainerCreating"}}
    assert pod(made)["trouble"] == {}


@pytest.mark.parametrize(
    "found",
    [
        waiting("ErrImagePull", ABSENT),
        waiting("ErrImagePull", DENIED),
        waiting("ImagePullBackOff", ABSENT),
        waiting("InvalidImageName", 'Failed to apply default image tag "x:": couldn\'t parse image reference "x:"'),
        waiting("ErrImageNeverPull", f'Container image "{IMAGE}" is not present with pull policy of Never'),
    ],
    ids=lambda p: p["trouble"]["reason"],
)
def test_a_pod_that_will_never_start(found: dict[str, Any]) -> None:
    assert hopeless({"fine": pod(READY), "never": found}) == "never"


@pytest.mark.parametrize(
    "found",
    [
        pod(READY),
        waiting("ContainerCreating"),
        waiting("ErrImagePull", REFUSED),  # the registry may come back
        waiting("ImagePullBackOff", f'Back-off pulling image "{IMAGE}"'),  # says nothing of why
        waiting("CrashLoopBackOff", "back-off 10s restarting failed container, file not found", restarts=3),
        unscheduled(),  # a node may come
        waiting("ErrImagePull", ABSENT, deletionTimestamp="2026-11-23T16:45:47Z"),
    ],
    ids=["serves", "begins", "registry down", "back-off", "crashes", "unscheduled", "ending"],
)
def test_a_pod_that_still_may(found: dict[str, Any]) -> None:
    assert hopeless({"x": found}) is None


def test_a_pod_that_never_ran_has_no_log() -> None:
    assert not has_died(pod(READY)) and not has_died(waiting("ErrImagePull", ABSENT))
    assert has_died(waiting("CrashLoopBackOff", "back-off", restarts=1))


def test_no_pods_are_not_hopeless() -> None:
    assert hopeless({}) is None
    assert unready({}) is None


def test_of_pods_that_are_not_ready_the_one_that_says_why() -> None:
    silent, telling = waiting("ContainerCreating"), waiting("CrashLoopBackOff", "back-off", restarts=2)
    assert unready({"fine": pod(READY), "silent": silent, "telling": telling}) == "telling"
    assert unready({"fine": pod(READY), "silent": silent}) == "silent"
    assert unready({"fine": pod(READY)}) is None


def test_a_pod_that_ends_is_not_waited_for() -> None:
    assert unready({"x": waiting("ContainerCreating", deletionTimestamp="2026-11-23T16:45:47Z")}) is None


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (waiting("ErrImagePull", ABSENT), f"pod p on node1, image {IMAGE}: ErrImagePull: {ABSENT}"),
        (waiting("ContainerCreating"), f"pod p on node1, image {IMAGE}: it is Pending and not ready"),
        (unscheduled(), f"pod p, image {IMAGE}: Unschedulable: 0/3 nodes are available: 3 Insufficient memory."),
    ],
    ids=["absent image", "begins", "unscheduled"],
)
def test_what_is_said_of_a_pod(found: dict[str, Any], text: str) -> None:
    assert describe("p", found) == text


def test_of_several_images_the_one_in_trouble_is_named() -> None:
    made = copy.deepcopy(READY)
    made["spec"]["containers"].append({"name": "side", "image": "side:2"})
    made["status"]["containerStatuses"].append(
        {"image": "side:2", "restartCount": 0, "state": {"waiting": {"reason": "ErrImagePull", "message": "no"}}}
    )
    assert describe("p", pod(made)) == "pod p on node1, image side:2: ErrImagePull: no"
    made["status"]["containerStatuses"].pop()
    made["status"]["conditions"][0]["status"] = "False"
    assert describe("p", pod(made)) == f"pod p on node1, image {IMAGE}, side:2: it is Running and not ready"
