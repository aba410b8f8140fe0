"""Closing checks: the API server and nodes are ready, containers reach each other, a service answers.

They wait, and change nothing that lasts.
"""

from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Any

from pyinfra import host, logger, state
from pyinfra.api import StringCommand, operation

from cluster.addresses import first_address
from cluster.ports import KUBELET_PORT
from cluster.reach import addresses, asked_names, complaint, silent, unnamed
from cluster.roles.lease import device
from cluster.roles.master import API_SERVER, masters_ready
from cluster.settings import Host
from cluster.topology import NODES
from facts.flannel import Leases
from facts.kubernetes import Nodes
from facts.network import PORT, Answers, Place, Reach, Reached
from operations.elsewhere import ask_one, is_first
from operations.flannel import of_etcd
from operations.inventory import the_cluster, this_host
from operations.reading import ask
from operations.refusal import refuse
from operations.role import unanswered
from operations.survey import survey

_NAMES = (
    "do its pods run (kubectl -n kube-system get pods -l k8s-app=kube-dns -o wide; deploys/dns.py makes them), and "
    "kube-proxy here?"
)


_ASKING = 60  # seconds for which places among pods may be asked, beside the wait for cluster DNS' pods


@operation()
def works() -> Iterator[StringCommand]:
    """See that the host at hand does its part in the cluster; all hosts at once, for most of it is waiting."""
    if not state.is_executing:
        host.noop("checked after a run")
        return
    this = this_host(host.name)
    if this.is_master:
        yield from master_reaches_pods()  # first: the places go soon after the nodes have asked each other
        yield from control_plane_answers()
    if is_first(the_cluster().masters):
        _places()  # a runtime that was just started has been heard of by then: what is Ready stays so
        yield from nodes_ready()
    if this.is_node:
        yield from pods_reach_each_other()


def control_plane_answers() -> Iterator[StringCommand]:
    """Wait, for `start_timeout` seconds at most, until this master's API server reads objects, and its loops answer."""
    seconds = the_cluster().settings.start_timeout
    missing = unanswered(masters_ready(the_cluster(), this_host(host.name)), seconds)
    if API_SERVER in missing:
        yield refuse(
            f"the API server is not ready after {seconds} s: does etcd answer it (facts.kubernetes.ApiServer tells "
            "which of its checks fail; journalctl -u kube-apiserver)?"
        )
    elif missing:
        logs = "; ".join(f"journalctl -u {name}" for name in missing)
        yield refuse(f"no answer from {' and '.join(missing)} after {seconds} s ({logs})")
    else:
        host.noop("API server, controller manager and scheduler answer")


def nodes_ready() -> Iterator[StringCommand]:
    """Wait, for `start_timeout` seconds at most, until the API server calls every node Ready."""
    cluster = the_cluster()
    names = [n.name for n in cluster.nodes]
    found = ask(Nodes)
    if any(not found.get(n, {}).get("ready") for n in names):
        found = host.get_fact(Nodes, wait_for=names, seconds=cluster.settings.start_timeout)
    waiting = [n for n in names if not found.get(n, {}).get("ready")]
    if waiting:
        told = "; ".join(f"{n}: {found[n]['message'] if n in found else 'never registered'}" for n in waiting)
        yield refuse(f"not Ready after {cluster.settings.start_timeout} s: {told} (journalctl -u kubelet there)")
    else:
        host.noop(f"{len(names)} nodes are Ready")


def master_reaches_pods() -> Iterator[StringCommand]:
    """Ask a container's place on every node from this master, as its API server asks webhooks that run in pods."""
    this = this_host(host.name)
    if this.is_node or this not in the_cluster().leased:
        host.noop("it is a node, or not on the pod network")
        return
    places = {f"{address}:{PORT}": name for name, address in addresses(_places()).items()}
    answers = host.get_fact(Reached, addresses=list(places)) if places else {}
    lost = [f"{name} ({place})" for place, name in places.items() if not answers.get(place)]
    if lost:
        yield refuse(
            f"no container of {', '.join(lost)} answers this master, so its API server reaches no webhook there: does "
            "flanneld run here (deploys/flannel.py), and does a firewall let its packets through?"
        )
    else:
        host.noop(f"reaches pods on {len(places)} nodes")


def _places() -> dict[str, Any]:
    """The place among pods that each node of this run has opened."""
    settings = the_cluster().settings
    life = settings.start_timeout + _ASKING
    return survey(Place, groups=(NODES,), image=settings.pause_image, runtime=settings.container_runtime, life=life)


def pods_reach_each_other() -> Iterator[StringCommand]:
    """See that pods start here, and ask every other node with packets of full size, and for names, from among pods."""
    cluster = the_cluster()
    places = _places()
    away = [n for n in cluster.nodes if n.name not in places]
    leased = _leases_of(away)
    reaches = survey(Reach, groups=(NODES,), each=_asked(places, leased))
    targets = {**addresses(places), **leased}
    lost = silent(host.name, targets, reaches) if "address" in places[host.name] else {}
    names = unnamed(cluster.settings, reaches.get(host.name, {}).get("names", {}))
    without = [name for name, place in places.items() if not place]
    without += [n.name for n in away if n.name not in leased]
    troubles = [
        *places[host.name].get("troubles", []),
        *([complaint(cluster.settings, host.name, lost, targets, reaches)] if lost else []),
        *([f"no lease on {', '.join(without)}"] if without else []),
        *names.values(),
        *([_NAMES] if names else []),
    ]
    if troubles:
        yield refuse("; ".join(troubles))
    else:
        only = f"; of {', '.join(n.name for n in away)}, left out by --limit, only its own side" if away else ""
        if away:
            logger.info(f"{host.print_prefix}reaches {len(targets) - 1} other nodes over the pod network{only}")
        host.noop(f"reaches {len(targets) - 1} other nodes over the pod network{only}")


def _leases_of(nodes: list[Host]) -> dict[str, str]:
    """The bridge's address on each of some nodes that this run leaves out, as etcd has their leases."""
    if not nodes:
        return {}
    leases = ask_one(the_cluster().etcd_members, Leases, **of_etcd())
    subnets = {lease["address"]: IPv4Network(subnet) for subnet, lease in leases.items()}
    names = {n.name: str(n.address) for n in nodes}
    return {name: str(first_address(subnets[address])) for name, address in names.items() if address in subnets}


def _asked(places: dict[str, Any], leased: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The arguments of each node's `Reach`."""
    settings = the_cluster().settings
    listeners = tuple(f"{address}:{KUBELET_PORT}" for address in leased.values())
    flannel = {"network": str(settings.pod_network), "backend": settings.flannel_backend, "device": device(settings)}
    names: dict[str, Any] = asked_names(settings)
    if names:  # answered by pods, which start again with their nodes' runtimes
        names["names_patience"] = settings.start_timeout
    return {
        name: {
            "pid": places[name]["pid"],
            "places": tuple(address for other, address in addresses(places).items() if other != name),
            "listeners": listeners,
            **flannel,
            **names,
        }
        for name in addresses(places)
    }


@operation()
def nodes_answer(port: int) -> Iterator[StringCommand]:
    """Ask every node over HTTP at the port of a NodePort service, from this host."""
    if not state.is_executing:
        host.noop("checked after a run")
        return
    urls = {f"http://{n.address}:{port}/": n for n in the_cluster().nodes}
    # After etcd was down, kube-proxies have heard of a new service's pods some 20 s later.
    answers = host.get_fact(Answers, urls=list(urls), seconds=30)
    silent = [f"{node.name} ({url})" for url, node in urls.items() if not answers.get(url)]
    if silent:
        yield refuse(
            f"no answer from {', '.join(silent)}: does kube-proxy run there (systemctl status kube-proxy), and do its "
            "containers reach those of other nodes (deploys/check.py)?"
        )
    else:
        host.noop(f"{len(urls)} nodes answer on port {port}")
