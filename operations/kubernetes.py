"""Kubernetes: masters and nodes, and what runs on them.

What runs on them is for one master, as in deploys/workload.py: its kubectl speaks to the API server. Manifests and
arguments are checked when the deploy is read, before any host is changed; what only the server can tell (an unknown
kind, a field it does not know) is asked before anything is applied.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from pyinfra import host, state
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from cluster.roles.former import former_loops as former_loops_role
from cluster.roles.former import former_master as former_master_role
from cluster.roles.master import CONTROLLER_MANAGER, joining_roles, master_role, rewriting
from cluster.roles.node import node_role
from cluster.roles.secrets import encrypting, known_first
from cluster.settings import Host
from cluster.workloads.manifests import Source
from cluster.workloads.objects import AWAITED, Labels, Manifest, Object
from facts.kubernetes import Nodes
from facts.shell import words
from facts.workloads import Controllers, Present, kubectl
from operations import draining, intent, objects, pods, preflight
from operations.certificates import issued
from operations.elsewhere import ask_one, is_first
from operations.inventory import the_cluster, this_host
from operations.preflight import distribution, this_machine
from operations.reading import ask, early, expect, roles_here
from operations.refusal import refuse
from operations.report import announce
from operations.role import converge, foretell
from operations.rolling import Update

_PATIENCE = 60  # seconds: a kubelet that was just started has registered its node long before


@operation()
def former_loops() -> Iterator[StringCommand]:
    """End control loops on a host that is a master no more."""
    if host.name not in preflight.former_masters():
        host.noop("is a master, or was none")
        return
    yield from converge(former_loops_role(the_cluster(), distribution()))


@operation()
def former_master() -> Iterator[StringCommand]:
    """End the API server there, once the masters that stay serve."""
    this = this_host(host.name)
    if host.name not in preflight.former_masters():
        host.noop("is a master, or was none")
        return
    kept = {f.path for role in roles_here() for f in (*role.files, *role.expects)}
    yield from converge(former_master_role(the_cluster(), this, distribution(), kept))


@operation()
def master() -> Iterator[StringCommand]:
    """Install, configure and start API server, controller manager and scheduler; where it joins, what is left."""
    given = (the_cluster(), this_host(host.name), distribution(), issued(), _former())
    role = joining_roles(*given)[1] if _joins() else master_role(*given)
    if preflight.key_spreads():
        role = known_first(role)
    if preflight.former_masters():  # which may store Secrets otherwise until they end
        role = replace(role, steps=tuple(s for s in role.steps if s.when == "before"))
    yield from converge(role)


@operation()
def joining_server() -> Iterator[StringCommand]:
    """The API server where a master joins others: it serves while theirs are restarted."""
    if not _joins():
        host.noop("is a master already, or begins with the others")
    elif away := [m.name for m in the_cluster().masters if m.name not in preflight.facts()]:
        yield refuse(
            f"{host.name} joins the masters, and {', '.join(away)} must know: run without --limit, or take a master "
            "that is lost out of the group masters"
        )
    else:
        server, _ = joining_roles(the_cluster(), this_host(host.name), distribution(), issued(), _former())
        yield from converge(known_first(server) if preflight.key_spreads() else server)


def _former() -> tuple[Host, ...]:
    """The hosts to which balancers lead until they have ended."""
    return tuple(map(this_host, preflight.former_masters()))


def _joins() -> bool:
    """Whether there is another master already, or may be where this run does not look, and none on the host at hand.

    Known by the control loops, which come last: an API server may be there of a run that was killed.
    """
    others = [m.name for m in the_cluster().masters if m.name != host.name]
    there = [n for n in others if n not in preflight.facts() or preflight.is_ours(n, CONTROLLER_MANAGER)]
    return bool(there) and not preflight.is_ours(host.name, CONTROLLER_MANAGER)


@operation()
def encrypt_secrets() -> Iterator[StringCommand]:
    """Have Secrets encrypted now that every API server knows the key, where one did not when the run began."""
    if not preflight.key_spreads():
        host.noop("every API server knows the key, or none needs it")
        return
    if away := _masters_away():
        host.noop(f"left to a run that is about {away}, too")
        return
    role = encrypting(master_role(the_cluster(), this_host(host.name), distribution(), issued()))
    yield from converge(role) if state.is_executing else foretell(role)


def _masters_away() -> str:
    """The masters that this run is not about, or no more, former ones among them."""
    names = [*(m.name for m in the_cluster().masters), *preflight.former_masters()]
    return ", ".join(n for n in names if state.inventory.get_host(n) not in state.active_hosts)


def rewrite_secrets(**arguments: Any) -> None:
    """Have Secrets rewritten once all API servers store them in the same way; a lasting one alone does that itself."""
    if is_first(the_cluster().masters):
        expect(rewriting(the_cluster(), issued()))
    _rewrite_secrets(**arguments)


@operation()
def _rewrite_secrets() -> Iterator[StringCommand]:
    """Have Secrets rewritten, by the first master."""
    cluster = the_cluster()
    if (len(cluster.masters) == 1 and not preflight.former_masters()) or not is_first(cluster.masters):
        host.noop("a master alone, or not the first")
    elif away := _masters_away():
        host.noop(f"left to a run that is about {away}, too")
    else:
        yield from converge(rewriting(cluster, issued()))


@operation()
def node() -> Iterator[StringCommand]:
    """Install, configure and start kubelet and kube-proxy. A master that is no node waits for those that are."""
    if not this_host(host.name).is_node:
        host.noop("no node")
        return
    yield from converge(node_role(the_cluster(), this_host(host.name), this_machine(), issued(), _former()))


def uncordon(**arguments: Any) -> None:
    """Let pods come to nodes again where a run has drained them and was ended; somebody else's cordon stays."""
    if is_first(the_cluster().masters):
        early(Nodes)
    if this_host(host.name).is_node:
        _uncordon(**arguments)


@operation()
def _uncordon() -> Iterator[StringCommand]:
    """Let pods come to this node again."""
    name, nodes = host.name, ask_one(the_cluster().masters, Nodes)
    if not nodes.get(name, {}).get("drained"):
        host.noop("no cordon of a run's")
        return
    announce(host, [f"uncordon {name} (a run had drained it)"])
    if state.is_executing:
        yield from draining.back()
    yield StringCommand("true")


def manifest(
    sources: Source | Iterable[Source],
    values: Mapping[str, Any] | None = None,
    namespace: str | None = None,
    deadline: int = 180,
    spread: bool = False,
    **arguments: Any,
) -> OperationMeta:
    """Apply objects, and wait until controllers among them have all their pods available.

    An object is changed only if the server's would differ. A Deployment is rolled by Kubernetes itself; a
    ReplicationController leaves the pods it has as they are: for that there is `rolling_update`.

    Args:
        sources: a YAML file, a Jinja template (*.j2), an object as a mapping, or several of these.
        values: what a template's names stand for.
        namespace: where objects without one belong; None: "default".
        deadline: seconds without progress after which the run stops and says why; 0: do not wait.
        spread: True: before a change, wait until the API server knows every node: pods are spread over those it knows.
        arguments: pyinfra's own, as `name`.

    Leave `replicas` out of a manifest whose controller `scale` gives another number: the two would undo each other.
    """
    intent.check(deadline=deadline)
    wanted = intent.written(sources, values, namespace)
    objects.expect(wanted)
    arguments.setdefault("name", f"Apply {wanted}")
    return _manifest(wanted, intent.earlier(), namespace, deadline, spread, **arguments)


@operation()
def _manifest(
    wanted: Manifest, before: tuple[Object, ...], namespace: str | None, deadline: int, spread: bool
) -> Iterator[StringCommand]:
    yield from bring(wanted, before, namespace, deadline, spread=spread)


def bring(
    wanted: Manifest,
    before: tuple[Object, ...],
    namespace: str | None,
    deadline: int,
    *,
    spread: bool = False,
) -> Iterator[StringCommand]:
    """What `manifest` does, for operations whose objects are known only when their turn comes."""
    found = objects.compare(wanted, namespace, before)
    if found.errors:
        yield refuse(*found.errors, verdict=intent.NOTHING_APPLIED)
        return
    if found.lines:
        announce(host, found.lines)
        if spread and state.is_executing:
            nodes = [n.name for n in the_cluster().nodes]
            # One that does not come is another operation's to complain about.
            host.get_fact(Nodes, wait_for=nodes, seconds=_PATIENCE, ready=False)
        yield objects.apply(found.changed, namespace)
    else:
        host.noop(f"{wanted}: as the manifest says")
    waiting = Manifest(o for o in wanted if str(o) not in found.complete)
    for place, names in _controllers(waiting).items() if state.is_executing and deadline else ():
        yield from pods.settle(names, place, deadline)


def _controllers(wanted: Manifest) -> dict[str, list[str]]:
    """The controllers whose pods can be awaited, by namespace."""
    found: dict[str, list[str]] = {}
    for o in wanted:
        if o.kind in AWAITED:
            found.setdefault(o.place, []).append(f"{o.kind.lower()}/{o.name}")
    return found


def absent(
    resources: str | Iterable[str],
    namespace: str = "default",
    deadline: int = 180,
    applied: bool = False,
    **arguments: Any,
) -> OperationMeta:
    """Delete objects that are there, and wait until they are gone.

    Args:
        resources: as kubectl writes them: "service/nginx", or several.
        namespace: where they are.
        deadline: seconds that deleting each may take.
        applied: True: only those that `manifest` has applied; somebody else's of the same name stay. Of kinds in
            `cluster.workloads.objects.PATHS`.
        arguments: pyinfra's own, as `name`.
    """
    intent.check(deadline=deadline)
    listed = intent.resources([resources] if isinstance(resources, str) else resources)
    if applied:
        intent.whose(listed, namespace)
    early(Present, resources=listed, namespace=namespace, applied=applied)
    arguments.setdefault("name", f"Delete {', '.join(listed)}")
    return _absent(listed, namespace, deadline, applied, **arguments)


@operation()
def _absent(resources: tuple[str, ...], namespace: str, deadline: int, applied: bool) -> Iterator[StringCommand]:
    found = ask(Present, resources=resources, namespace=namespace, applied=applied)
    errors = found["errors"] if found.get("answers") else objects.without_server()
    if errors:
        yield refuse(*errors, verdict=intent.NOTHING_APPLIED)
    elif found.get("present"):
        announce(host, [f"delete {name}" for name in found["present"]])
        yield StringCommand(
            f"{kubectl(namespace)} delete {words(found['present'])} --ignore-not-found --wait --timeout={deadline}s"
        )
    else:
        host.noop(f"{', '.join(resources)}: not there")


def scale(
    controller: str, replicas: int, namespace: str = "default", deadline: int = 180, **arguments: Any
) -> OperationMeta:
    """Give a controller so many pods, and wait until they are available.

    Args:
        controller: as kubectl writes it: "rc/nginx-v1".
        replicas: pods it shall have.
        namespace: where it is.
        deadline: seconds without progress after which the run stops and says why; 0: do not wait.
        arguments: pyinfra's own, as `name`.
    """
    intent.check(replicas=replicas, deadline=deadline)
    intent.scaled(controller, replicas, namespace)
    arguments.setdefault("name", f"Scale {controller} to {replicas}")
    return _scale(controller, replicas, intent.earlier(), namespace, deadline, **arguments)


@operation()
def _scale(
    controller: str, replicas: int, before: tuple[Object, ...], namespace: str, deadline: int
) -> Iterator[StringCommand]:
    answer = host.get_fact(Controllers, names=[controller], namespace=namespace)
    found = [c["replicas"] for c in answer.get("controllers", {}).values()]
    now = found[0] if found else intent.coming(controller, before, namespace)
    errors = [] if answer.get("answers") else objects.without_server()
    if now is None and answer.get("answers"):
        errors = [f"{controller}: there is none in {namespace}: apply its manifest first"]
    if errors:
        yield refuse(*errors, verdict=intent.NOTHING_APPLIED)
        return
    if now != replicas:
        announce(host, [f"scale {controller} {'?' if now is None else now} -> {replicas}"])
        yield pods.scale_command(controller, replicas, namespace)
    else:
        host.noop(f"{controller} has {replicas} replicas")
    if state.is_executing and deadline:
        yield from pods.settle([controller], namespace, deadline)


def rolling_update(
    old: str | Labels,
    new: Source,
    values: Mapping[str, Any] | None = None,
    namespace: str = "default",
    update_period: int = 10,
    deadline: int = 180,
    rollback: bool = False,
    **arguments: Any,
) -> OperationMeta:
    """Replace the pods of one ReplicationController by those of another, one by one, then delete the first.

    A new pod is available before an old one goes, so that there are never fewer than `spec.replicas` of the new
    manifest. Where the update stands is read from the cluster: interrupted and run again, it goes on from there. Where
    there is no old controller, the new one is made, or scaled, in one step.

    Args:
        old: the old controller's name; or labels: every other controller that carries them, and none need be there.
        new: the new controller's manifest: a YAML file, a template (*.j2) or a mapping, one ReplicationController.
        values: what a template's names stand for.
        namespace: where both are.
        update_period: seconds between one old pod's going and the next new one's coming.
        deadline: seconds without progress after which the run stops and says why; the old pods left go on serving.
        rollback: True: the other way round, back to `old`, which must still be there.
        arguments: pyinfra's own, as `name`.

    For a service to lose no request, the pods need a readiness probe, and a preStop hook that outlasts the nodes'
    noticing (`sleep 5`); the run warns where they have none.
    """
    intent.check(update_period=update_period, deadline=deadline)
    wanted = intent.written(new, values, namespace)
    update = Update.of(old, wanted, namespace, update_period, deadline, rollback)
    intent.rolled(old, update.written, rollback=rollback)
    arguments.setdefault("name", f"Roll to {update.target}")
    return _rolling_update(update, **arguments)


@operation()
def _rolling_update(update: Update) -> Iterator[StringCommand]:
    yield from update.commands()
