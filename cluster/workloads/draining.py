"""Taking a node's pods away: which of them may go now, which stay, and what keeps the rest."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
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


def leaving(pods: Mapping[str, Mapping[str, Any]], without_room: Iterable[str] = ()) -> dict[str, Mapping[str, Any]]:
    """The pods that have to go, as `facts.workloads.OnNode` tells of them; what has ended interrupts nobody.

    Args:
        without_room: controllers for whose next pod there is no node: those that they have stay.
    """
    stay = set(without_room)
    going = {n: p for n, p in pods.items() if not p["stays"] and p["phase"] not in ("Succeeded", "Failed")}
    return {n: p for n, p in going.items() if p["ending"] or p["owner"] not in stay}


@dataclass(frozen=True)
class Look:
    """How far a node is, as it was seen just now.

    + going: the pods that have to go
    + stay: those that have to stay, because there is no node for their controllers' next pod, in words
    + short: controllers that have fewer pods available than they are asked for, whoever took them, and how many
    + wanted: how many controllers are asked for
    + held: controllers of which this node has taken a pod that served and is not replaced yet
    + pending: those of them that are waited for: for the others' next pod there is no node before this one is back
    + elsewhere: controllers of which another node has taken a pod
    """

    going: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    stay: str = ""
    short: Mapping[str, int] = field(default_factory=dict)
    wanted: Mapping[str, int] = field(default_factory=dict)
    held: frozenset[str] = frozenset()
    pending: frozenset[str] = frozenset()
    elsewhere: frozenset[str] = frozenset()

    @classmethod
    def at(cls, found: Mapping[str, Any], node: str, taken: Mapping[str, str]) -> "Look":
        """Of what `facts.workloads.OnNode` tells of a node.

        Args:
            taken: by controller, the node that has taken a pod of it.
        """
        pods, wanted = found["pods"], found["wanted"]
        elsewhere = {o for o, by in taken.items() if by != node}
        full = set(found["without_room"]) - elsewhere
        short = {o: n for o, n in found["available"].items() if n < wanted[o]}
        ending = {p["owner"] for p in pods.values() if p["ending"]}
        held = (set(taken) - elsewhere) & {*short, *full, *ending}
        going = leaving(pods, full)
        stay = ", ".join(n for n in leaving(pods) if n not in going)
        return cls(going, stay, short, wanted, *map(frozenset, (held, held - full, elsewhere)))

    @property
    def done(self) -> bool:
        """Whether all that had to go are gone, and are replaced."""
        return not self.going and not self.pending

    @property
    def left(self) -> tuple[int, int]:
        """How many pods have to go, and how many of these are not being ended yet."""
        return len(self.going), sum(not p["ending"] for p in self.going.values())

    def next_to_go(self) -> list[str]:
        """The pods that may be asked to go now: one of a controller at a time, while it has all that it is asked for.

        One that does not serve goes at any time: nobody misses it.
        """
        busy = {*self.short, *self.held, *self.elsewhere, *(p["owner"] for p in self.going.values() if p["ending"])}
        busy -= {""}
        chosen = []
        for name, found in self.going.items():
            if found["ending"] or (found["ready"] and found["owner"] in busy):
                continue
            chosen.append(name)
            if found["ready"]:
                busy |= {found["owner"]} - {""}
        return chosen

    def serving(self, names: Iterable[str]) -> set[str]:
        """The controllers that lose a pod that serves when these go."""
        return {self.going[n]["owner"] for n in names if self.going[n]["ready"]} - {""}


def obstacles(look: Look, refused: Mapping[str, str]) -> list[str]:
    """What keeps a node from being drained, in words that name each pod.

    Args:
        refused: what the API server said when a pod was asked to go.
    """
    told = []
    for name, found in look.going.items():
        if found["ending"]:
            told.append(f"pod {name} is being ended and does not end")
        elif name in refused:
            told.append(f"pod {name}: {refused[name]}")
    missed = {*look.pending, *(p["owner"] for p in look.going.values())}
    short = {o: n for o, n in look.short.items() if o in missed}
    return [*told, *(f"{o.rpartition('/')[2]} has {n} of {look.wanted[o]} pods available" for o, n in short.items())]
