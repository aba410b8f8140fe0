"""Cluster DNS: its pods, and whether every node's pods find names by it, inside the cluster and outside."""

from collections.abc import Iterator, Mapping
from typing import Any

from audit.answers import Reading
from audit.areas import pods
from audit.areas.view import View
from audit.model import Finding
from cluster.reach import unnamed
from cluster.workloads.controllers import describe, unready

_REPAIR = "deploys/dns.py"
_HINT = "kubectl -n kube-system logs -l k8s-app=kube-dns; deploys/check.py asks again"


def judge(view: View, reading: Reading) -> Iterator[Finding]:
    """The word on the pods of the first master that is ready, and each node's on the names."""
    if not view.settings.cluster_dns:
        return
    if reading is view.master:
        yield from _pods(view, reading)
    if reading.host.is_node and reading.knows("pods") and reading.fact("pods").get("names"):
        yield from _names(view, reading)


def _pods(view: View, reading: Reading) -> Iterator[Finding]:
    answer = reading.fact("dns")
    if not answer.get("answers"):
        return  # the API server's own findings say so
    name, wanted = reading.host.name, view.settings.cluster_dns_replicas
    found: dict[str, Any] = next(iter(answer["controllers"].values()), {})
    there = reading.fact("dns_pods")
    available = found.get("available", 0)
    told = f"{available} available"
    if found and available < wanted and (one := unready(there)):
        told += f"; {describe(one, there[one])}"
    good = bool(found) and available >= wanted == found["replicas"]
    if not good and _in_the_way(view, {p["node"] for p in there.values() if not p["ready"]}):
        return
    expected = f"{wanted} available"
    yield Finding.judged(good, name, "dns", "pods", expected, told if found else "it is not there", _REPAIR)
    if good:
        yield from _places(view, reading, there)


def _places(view: View, reading: Reading, there: Mapping[str, Any]) -> Iterator[Finding]:
    nodes = sorted({p["node"] for p in there.values() if p["ready"] and not p["ending"]})
    apart = len(nodes) > 1 or min(view.settings.cluster_dns_replicas, len(view.cluster.nodes)) == 1
    repair = "kubectl -n kube-system rollout restart deployment/coredns"
    told = f"on {', '.join(nodes)}"
    yield Finding.judged(
        apart, reading.host.name, "dns", "places", told if apart else "on several nodes", told, repair, status="warn"
    )


def _names(view: View, reading: Reading) -> Iterator[Finding]:
    """What a node's pods find, unless something else that is said keeps them from finding it."""
    there = view.master.fact("dns_pods") if view.master else {}
    nodes = {reading.host.name, *(p["node"] for p in there.values())}
    if _in_the_way(view, nodes) or not view.runs(reading, "kube-proxy") or not _served(view):
        return
    names = reading.fact("pods")["names"]
    missing = unnamed(view.settings, names)
    for where, what in (("inside", "names of services"), ("outside", "names outside")):
        if where == "outside" and names.get("inside") == "":
            return  # who does not answer at all is said already
        told = missing.get(where) or (
            "answered" if names.get(where) == "yes" else "this host's resolvers know none either"
        )
        expected = "answered" if where in missing else told
        yield Finding.judged(where not in missing, reading.host.name, "dns", what, expected, told, _HINT)


def _in_the_way(view: View, nodes: set[str]) -> bool:
    """Whether what is said of one of these nodes keeps cluster DNS from serving there. "": of a pod that is on none."""
    known = [view.by_name[name] for name in nodes if name in view.by_name]
    return (
        len(known) < len(nodes - {""})
        or bool(nodes & pods.cut_off(view))
        or any(pods.explained(view, each) or not view.runs(each, "kubelet") for each in known)
    )


def _served(view: View) -> bool:
    """Whether there is a pod of cluster DNS at all, as far as is known."""
    found = view.master.fact("dns") if view.master else {}
    return not found.get("answers") or any(c["available"] for c in found["controllers"].values())
