"""Taking a node's pods away: which of them may go now, which stay, and what keeps the rest."""

from collections.abc import Iterable, Mapping
from typing import Any

from cluster.releases import Releases

DRAINED = "container-cloud/drained"  # the annotation of a node whose cordon is a run's own
_POLICY_V1 = Releases(first="1.22")  # take evictions as of policy/v1
MIRROR = "kubernetes.io/config.mirror"
# Who makes another pod on another node, and says how many there are: where the API server has them.
_COUNTED = {
    "ReplicationController": "/api/v1/namespaces/{}/replicationcontrollers/{}",
    "ReplicaSet": "/apis/apps/v1/namespaces/{}/replicasets/{}",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets/{}",
}


def eviction(kubernetes_version: str) -> str:
    """The version of the API that a release takes evictions as."""
    return "policy/v1" if kubernetes_version in _POLICY_V1 else "policy/v1beta1"


def place(kind: str, metadata: Mapping[str, Any]) -> str:
    """Where the API server has a controller that counts its pods; "" for one of another kind."""
    return _COUNTED.get(kind, "").format(metadata["namespace"], metadata["name"])


def owner(item: Mapping[str, Any]) -> str:
    """Where the API server has the controller that counts a pod; "" if there is none."""
    found = _controller(item)
    return place(found["kind"], {**found, "namespace": item["metadata"]["namespace"]}) if found else ""


def stays(item: Mapping[str, Any]) -> bool:
    """Whether a pod stays on its node: nobody would make it on another."""
    found = _controller(item)
    return found is None or found["kind"] == "DaemonSet" or MIRROR in item["metadata"].get("annotations", {})


def _controller(item: Mapping[str, Any]) -> Mapping[str, Any] | None:
    owners = item["metadata"].get("ownerReferences", [])
    return next((o for o in owners if o.get("controller")), None)


def is_unschedulable(item: Mapping[str, Any]) -> bool:
    """Whether no node takes a pod as things are."""
    conditions = item.get("status", {}).get("conditions", [])
    return any(c["type"] == "PodScheduled" and c.get("reason") == "Unschedulable" for c in conditions)


def leaving(pods: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The pods that have to go, as `facts.workloads.OnNode` tells of them; what has ended interrupts nobody."""
    return {n: p for n, p in pods.items() if not p["stays"] and p["phase"] not in ("Succeeded", "Failed")}


def behind(available: Mapping[str, int], wanted: Mapping[str, int], settled: Iterable[str]) -> dict[str, int]:
    """Controllers that have fewer pods available than when draining began, and how many.

    Args:
        settled: those that are not waited for: they have all that are asked for by now, or there is no node for the
            next one before this one is back.
    """
    left = set(available) - set(settled)
    return {o: available[o] for o, n in wanted.items() if o in left and available[o] < n}


def next_to_go(pods: Mapping[str, Mapping[str, Any]], waiting: Iterable[str]) -> list[str]:
    """The pods that may be asked to go now: one of a controller at a time, once the one before it is replaced.

    Args:
        pods: those on the node.
        waiting: the controllers that are `behind`.
    """
    busy = {*waiting, *(p["owner"] for p in pods.values() if p["ending"])} - {""}
    chosen = []
    for name, found in leaving(pods).items():
        if not found["ending"] and found["owner"] not in busy:
            chosen.append(name)
            busy |= {found["owner"]} - {""}
    return chosen


def obstacles(
    pods: Mapping[str, Mapping[str, Any]],
    waiting: Mapping[str, int],
    wanted: Mapping[str, int],
    refused: Mapping[str, str],
) -> list[str]:
    """What keeps a node from being drained, in words that name each pod.

    Args:
        refused: what the API server said when a pod was asked to go.
    """
    told = []
    for name, found in leaving(pods).items():
        if found["ending"]:
            told.append(f"pod {name} is being ended and does not end")
        elif name in refused:
            told.append(f"pod {name}: {refused[name]}")
    counted = (f"{o.rpartition('/')[2]} has {n} of {wanted[o]} pods available" for o, n in waiting.items())
    return [*told, *counted]
