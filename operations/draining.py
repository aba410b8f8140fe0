"""Draining the node at hand before what interrupts its pods, and giving it back after it."""

import json
import time
from collections.abc import Generator, Iterator
from typing import Any

import gevent
from pyinfra import host
from pyinfra.api import StringCommand
from pyinfra.context import ctx_host

from cluster.api import api
from cluster.roles.master import KUBECTL
from cluster.shell import program
from cluster.workloads.draining import DRAINED, behind, eviction, leaving, next_to_go, obstacles
from facts.kubernetes import Nodes
from facts.role import RoleState
from facts.shell import words
from facts.workloads import OnNode
from operations.elsewhere import first_answer, reached, tell
from operations.inventory import the_cluster
from operations.pods import Patience, progress
from operations.refusal import refuse
from operations.shell import shell
from operations.survey import of_operation

# Seconds after an API server's start in which control loops beside it may not have come back to it: they try again in
# their own time, 30 seconds apart at most. Until they have, an evicted pod may be sent requests when it has ended.
_HEARD = 40
_STEADY = 3  # seconds in which the kubelet has noticed that pods were ended

Staying = list[str]  # pods, by namespace and name


def away() -> Generator[StringCommand, None, Staying | None]:
    """Keep new pods off the node and have those that are there go, as their disruption budgets allow.

    Yields the command that fails the host, where that cannot be done; the node is then as it was before.

    Returns the pods that serve and stay: nobody would make them elsewhere. None: it is no node that has pods.
    """
    settings, name = the_cluster().settings, host.name
    if not settings.drain_timeout or not _has_kubelet():
        return None
    nodes = first_answer(the_cluster().masters, Nodes)
    if not nodes:
        yield refuse(
            f"{name} is to be drained, and no API server answers: mend the masters first (deploys/master.py); or, with "
            "drain_timeout = 0, pods end where they are"
        )
        return None
    if name not in nodes:
        return None
    if not any(n["ready"] and n["schedulable"] for other, n in nodes.items() if other != name):
        progress("not drained: no other node takes pods")
    else:
        yield from _drain(nodes[name])
    return [n for n, p in _on_node(name, {}).get("pods", {}).items() if p["ready"] and not p["ending"]]


def _has_kubelet() -> bool:
    """Whether a kubelet runs on the host: else it has no pods that a cluster knows of."""
    units: dict[str, Any] = host.get_fact(RoleState, units=["kubelet"])["units"]
    active: bool = units.get("kubelet", {}).get("active") == "active"
    return active


def _drain(node: dict[str, Any]) -> Iterator[StringCommand]:
    settings, name = the_cluster().settings, host.name
    if node["schedulable"]:
        if _tell(_patch({DRAINED: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}, unschedulable=True)) is None:
            yield refuse(f"{name} could not be cordoned: no API server takes that (kubectl cordon {name} says why)")
            return
        progress(f"cordoned {name}")
    _await_control_loops()
    patience, wanted = Patience(settings.drain_timeout), dict[str, int]()
    while True:
        found = _on_node(name, wanted)
        pods, available = found.get("pods", {}), found.get("available", {})
        wanted = available | wanted
        waiting = behind(available, wanted, found.get("settled", ()))
        if found and not leaving(pods) and not waiting:
            return
        refused = _evict(next_to_go(pods, waiting))
        if patience.is_over((sorted((n, p["ending"]) for n, p in leaving(pods).items()), waiting)):
            yield _undone(node, obstacles(pods, waiting, wanted, refused) or ["no API server answers"])
            return


def _await_control_loops() -> None:
    """Wait until those that replace pods, and tell services of them, have heard of all that has happened."""
    since = "$(systemctl show -p ActiveEnterTimestampMonotonic kube-apiserver | cut -d= -f2)"
    heard = f"[ $(($(cut -d. -f1 /proc/uptime) - {since} / 1000000)) -ge {_HEARD} ]"
    rights = of_operation()
    for there in reached(the_cluster().masters):
        with ctx_host.use(there):
            there.get_fact(RoleState, ready={"heard": heard}, seconds=_HEARD, **rights)


def _on_node(name: str, wanted: dict[str, int]) -> dict[str, Any]:
    """What is on the node, with its pods' controllers: they are asked for once it is known which they are."""
    masters, owners = the_cluster().masters, set(wanted)
    while True:
        found: dict[str, Any] = first_answer(masters, OnNode, node=name, owners=sorted(owners))
        more = {p["owner"] for p in leaving(found.get("pods", {})).values()} - {""} - owners
        if not more:
            return found
        owners |= more


def _evict(pods: list[str]) -> dict[str, str]:
    """Ask pods to go; what the API server says of those that may not."""
    if not pods:
        return {}
    values = {"KUBECTL": KUBECTL, "API": eviction(the_cluster().settings.kubernetes_version), "PODS": "\n".join(pods)}
    lines = _tell(api(program("evict", **values))) or []
    refused = {name: why for name, _, why in (line.partition(" ") for line in lines) if name in pods}
    if gone := [name for name in pods if name not in refused]:
        progress(f"evicted {', '.join(gone)}")
    return refused


def _undone(node: dict[str, Any], told: list[str]) -> StringCommand:
    """What cannot be drained is left as it was found."""
    if node["schedulable"] or node["drained"]:
        _tell(_patch({DRAINED: None}, unschedulable=None))
    seconds = the_cluster().settings.drain_timeout
    return refuse(
        f"{host.name} could not be drained, no progress for {seconds} s: {'; '.join(told)}. Nothing was changed on it. "
        "Give the pods more replicas or a budget that lets one go, or wait longer (drain_timeout)"
    )


def back(staying: Staying = ()) -> Iterator[StringCommand]:  # type: ignore[assignment]
    """Wait until the node is Ready, with the pods that stayed, and let pods come again if a run has kept them away."""
    settings, name = the_cluster().settings, host.name
    seconds = settings.start_timeout
    nodes = first_answer(the_cluster().masters, Nodes, wait_for=[name], seconds=seconds)
    node = nodes.get(name)
    if node is None:
        if not nodes:
            yield refuse(f"no API server answers whether {name} is Ready again. Where it was drained, it still is")
    elif not node["ready"]:
        yield refuse(
            f"{name} is not Ready after {seconds} s: {node['message']} (journalctl -u kubelet). It is left drained"
        )
    elif unready := _unready(staying):
        yield refuse(f"on {name}, {', '.join(unready)} is not ready again after {seconds} s. It is left drained")
    elif node["drained"]:
        if _tell(_patch({DRAINED: None}, unschedulable=None)) is None:
            yield refuse(f"{name} could not be uncordoned: no API server takes that")
        else:
            progress(f"uncordoned {name}")


def _unready(staying: Staying) -> Staying:
    """Those of some pods that do not serve again, waited for as long as a service may take to start."""
    patience, seen = Patience(the_cluster().settings.start_timeout), False
    while staying:
        found = _on_node(host.name, {})
        pods = found.get("pods", {})
        unready = [n for n in staying if n in pods and not pods[n]["ready"]]
        if found and not unready and seen:
            return []
        seen = bool(found) and not unready
        if patience.is_over(unready):
            return unready or staying
        gevent.sleep(_STEADY if seen else 0)
    return []


def _patch(annotations: dict[str, str | None], *, unschedulable: bool | None) -> str:
    body = {"metadata": {"annotations": annotations}, "spec": {"unschedulable": unschedulable}}
    return f"{KUBECTL} patch node {words([host.name])} --type=merge --patch={words([json.dumps(body)])} >/dev/null"


def _tell(script: str) -> list[str] | None:
    """Have the first master that can do it carry something out; what it says, None where none can."""
    command = shell(script)
    for there in reached(the_cluster().masters):
        succeeded, lines = tell(there, command)
        if succeeded:
            return lines
    return None
