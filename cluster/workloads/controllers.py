"""Controllers and their pods as the API server describes them: how far each is, and what keeps it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# An image that a registry answered not to have, or a name no registry can have: waiting does not help.
_HOPELESS = re.compile(r"manifest unknown|not found|does not exist|invalid reference format|couldn't parse image")
_NEVER = ("InvalidImageName", "ErrImageNeverPull")
_ENDED = "its process ended with exit code"


@dataclass(frozen=True)
class Controller:
    """A controller: how many pods it shall have, and how many it has.

    + replicas: asked for
    + current: counted by it, those that are being ended no longer among them
    + updated: made from its present template
    + available: ready, and so for its minReadySeconds
    + observed: whether these counts are newer than its last change
    """

    kind: str
    name: str
    replicas: int
    current: int
    updated: int
    available: int
    observed: bool

    @property
    def settled(self) -> bool:
        """Whether it has as many pods as asked for, ready or not."""
        return self.observed and self.current == self.replicas

    @property
    def complete(self) -> bool:
        """Whether all pods asked for are there, made from the present template and available, and no other."""
        return self.settled and self.updated == self.available == self.replicas


def controller(item: Mapping[str, Any]) -> Controller:
    """A controller as the API server describes it: ReplicationController, ReplicaSet, Deployment, …"""
    kind, spec, status = item["kind"], item.get("spec", {}), item.get("status", {})
    metadata = item["metadata"]
    each = kind == "DaemonSet"
    replicas = status.get("desiredNumberScheduled", 0) if each else spec.get("replicas", 1)
    current = status.get("currentNumberScheduled" if each else "replicas", 0)
    updated = status.get("updatedNumberScheduled" if each else "updatedReplicas", 0)
    return Controller(
        kind=kind,
        name=metadata["name"],
        replicas=replicas,
        current=current,
        updated=current if _keeps_pods(kind, spec) else updated,
        available=_available(kind, status),
        observed=status.get("observedGeneration", 0) >= metadata.get("generation", 0),
    )


def _keeps_pods(kind: str, spec: Mapping[str, Any]) -> bool:
    """Whether it leaves pods, or some of them, as a former template made them."""
    strategy = spec.get("updateStrategy", {})
    partition = strategy.get("rollingUpdate", {}).get("partition", 0)
    return kind in ("ReplicationController", "ReplicaSet") or strategy.get("type") == "OnDelete" or partition > 0


def _available(kind: str, status: Mapping[str, Any]) -> int:
    names = {"DaemonSet": "numberAvailable", "StatefulSet": "readyReplicas"}
    return int(status.get(names.get(kind, "availableReplicas"), 0))


def pod(item: Mapping[str, Any]) -> dict[str, Any]:
    """A pod as the API server describes it, reduced to what one asks about.

    + node, address, phase: "" where it has none yet
    + ready, ending: whether it serves; whether it is being ended
    + images: of its containers
    + trouble: what its containers wait for, how one that is not ready last ended, or why no node takes it:
      {"reason", "message", "image"}; {} if nothing
    + restarts: of all its containers
    """
    metadata, status = item["metadata"], item.get("status", {})
    conditions = {c["type"]: c for c in status.get("conditions", [])}
    states = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    return {
        "node": item["spec"].get("nodeName", ""),
        "address": status.get("podIP", ""),
        "phase": status.get("phase", ""),
        "ready": conditions.get("Ready", {}).get("status") == "True",
        "ending": "deletionTimestamp" in metadata,
        "images": [c["image"] for c in item["spec"]["containers"]],
        "labels": metadata.get("labels", {}),
        "restarts": sum(s.get("restartCount", 0) for s in states),
        "trouble": {} if status.get("phase") == "Succeeded" else _trouble(states, conditions),
    }


def _trouble(states: Iterable[Mapping[str, Any]], conditions: Mapping[str, Any]) -> dict[str, str]:
    for state in states:
        waiting, death = state.get("state", {}).get("waiting"), _death(state)
        if waiting and waiting.get("reason", "ContainerCreating") not in ("ContainerCreating", "PodInitializing"):
            message = "; ".join(filter(None, (waiting.get("message"), death and death[1])))
            return {"reason": waiting["reason"], "message": message, "image": state["image"]}
        if death and not waiting:
            return {"reason": death[0], "message": death[1], "image": state["image"]}
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return {"reason": scheduled.get("reason", ""), "message": scheduled.get("message", ""), "image": ""}
    return {}


def _death(state: Mapping[str, Any]) -> tuple[str, str] | None:
    """Why and how a container's process last ended, if the container is not ready since.

    One that keeps dying is found running, ended or waiting by turns: each of them shall tell the same.
    """
    ended = state.get("state", {}).get("terminated") or state.get("lastState", {}).get("terminated")
    if not ended or state.get("ready"):
        return None
    return ended.get("reason", "Error"), f"{_ENDED} {ended['exitCode']}"


def hopeless(pods: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The pod that will not start however long one waits."""
    for name, found in pods.items():
        trouble = found["trouble"]
        missing = trouble and "Pull" in trouble["reason"] and _HOPELESS.search(trouble["message"])
        if not found["ending"] and trouble and (trouble["reason"] in _NEVER or missing):
            return name
    return None


def has_died(found: Mapping[str, Any]) -> bool:
    """Whether a process of a pod has ended, so that the pod's log may say why; it need not have begun again yet."""
    return found["restarts"] > 0 or _ENDED in found["trouble"].get("message", "")


def unready(pods: Mapping[str, Mapping[str, Any]]) -> str | None:
    """A pod that is not ready: one that says why rather than one that does not."""
    waiting = {name: p for name, p in pods.items() if not p["ready"] and not p["ending"]}
    return next((n for n, p in waiting.items() if p["trouble"]), next(iter(waiting), None))


def describe(name: str, found: Mapping[str, Any]) -> str:
    """What is wrong with a pod, in one phrase that names its image."""
    where = f" on {found['node']}" if found["node"] else ""
    trouble = found["trouble"]
    image = (trouble and trouble["image"]) or ", ".join(found["images"])
    why = f"{trouble['reason']}: {trouble['message']}" if trouble else f"it is {found['phase']} and not ready"
    return f"pod {name}{where}, image {image}: {why}"
