"""Draining the node at hand before what interrupts its pods, and giving it back after it."""

import json
import time
from collections.abc import Generator, Iterable, Iterator
from typing import Any

import gevent
from pyinfra import host
from pyinfra.api import StringCommand
from pyinfra.context import ctx_host

from cluster.api import api
from cluster.roles.master import KUBECTL
from cluster.shell import program
from cluster.workloads.draining import DRAINED, Look, eviction, leaving, obstacles
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

# By controller, the node of this run that has taken a pod of it which served, until that is replaced or the node is
# back: others that drain at the same time may have looked before that shows.
_taken: dict[str, str] = {}
# By node, the fewest pods that it had to go, and of these not ending yet. It only falls: a controller whose pods come
# and go by themselves is no progress.
_left: dict[str, tuple[int, int]] = {}


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
    return [n for n, p in _on_node(name, set()).get("pods", {}).items() if p["ready"] and not p["ending"]]


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
    _left.pop(name, None)
    patience, owners, told = Patience(settings.drain_timeout), set[str](), ""
    while True:
        found = _on_node(name, owners)
        owners |= set(found.get("available", ()))
        look = Look.at(found, name, _taken) if found else Look()
        if found:
            _hold(look.held)
            _left[name] = min(look.left, _left.get(name, look.left))
        if look.stay != told:
            told = look.stay
            progress(told and f"{told} stay: no other node has room for their controllers' next pod")
        if found and look.done:
            return
        refused = _take(look) if found else {}
        if patience.is_over(dict(_left)):
            _hold(())
            yield _undone(node, obstacles(look, refused) or ["no API server answers"])
            return


def _take(look: Look) -> dict[str, str]:
    """Ask those pods to go that may; what the API server says of those that may not."""
    chosen = look.next_to_go()
    _hold({*look.held, *look.serving(chosen)})
    refused = _evict(chosen)
    _hold({*look.held, *look.serving(set(chosen) - set(refused))})
    return refused


def _hold(owners: Iterable[str]) -> None:
    """Have just these controllers to itself, of those that the node at hand has taken pods of."""
    for owner in [o for o, node in _taken.items() if node == host.name]:
        del _taken[owner]
    _taken.update(dict.fromkeys(owners, host.name))


def _await_control_loops() -> None:
    """Wait until those that replace pods, and tell services of them, have heard of all that has happened."""
    since = "$(systemctl show -p ActiveEnterTimestampMonotonic kube-apiserver | cut -d= -f2)"
    heard = f"[ $(($(cut -d. -f1 /proc/uptime) - {since} / 1000000)) -ge {_HEARD} ]"
    rights = of_operation()
    for there in reached(the_cluster().masters):
        with ctx_host.use(there):
            there.get_fact(RoleState, ready={"heard": heard}, seconds=_HEARD, **rights)


def _on_node(name: str, owners: set[str]) -> dict[str, Any]:
    """What is on the node, with its pods' controllers: they are asked for once it is known which they are."""
    masters = the_cluster().masters
    while True:
        found: dict[str, Any] = first_answer(masters, OnNode, node=name, owners=sorted(owners))
        more = {p["owner"] for p in leaving(found.get("pods", {})).values()} - {""} - owners
        if not more:
            return found
        owners = owners | more


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
        "Mend pods that are not available, give them more replicas or a budget that lets one go, or wait longer "
        "(drain_timeout)"
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
    _hold(())


def _unready(staying: Staying) -> Staying:
    """Those of some pods that do not serve again, waited for as long as a service may take to start."""
    patience, seen, fewest = Patience(the_cluster().settings.start_timeout), False, len(staying)
    while staying:
        found = _on_node(host.name, set())
        pods = found.get("pods", {})
        unready = [n for n in staying if n in pods and not pods[n]["ready"]]
        if found and not unready and seen:
            return []
        seen = bool(found) and not unready
        fewest = min(fewest, len(unready)) if found else fewest
        if patience.is_over(fewest):
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
