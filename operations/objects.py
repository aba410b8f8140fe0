"""Objects on the API server: what applying a manifest would change, and the command that applies it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pyinfra import host, state
from pyinfra.api import StringCommand

from cluster.workloads.controllers import controller
from cluster.workloads.differences import as_applied, summary
from cluster.workloads.objects import AWAITED, Manifest, Object, label, path, selector_text, selects
from facts.workloads import APPLY, MANAGER, Controllers, Differences, Objects, Pods, asked, kubectl, stream
from operations.reading import ask, early


@dataclass(frozen=True)
class Comparison:
    """A manifest against the server.

    + lines: what would change, one each
    + changed: the objects to apply
    + errors: why it cannot be done
    + answers: whether the server answers at all
    + fields: of each object that is there, by name, what differs
    + complete: the objects, by their texts, that need not be waited for
    """

    lines: list[str]
    changed: Manifest
    errors: list[str]
    answers: bool = True
    fields: Mapping[str, list[str]] = field(default_factory=dict)
    complete: frozenset[str] = frozenset()


def expect(manifest: Manifest) -> None:
    """Have an operation's objects read early: to be called while the deploy is read."""
    if _are_told(manifest):
        early(Objects, paths=_paths(manifest))


def _are_told(manifest: Manifest) -> bool:
    """Whether the API server may be asked for the objects: it is known where it has them, and none is secret."""
    return bool(_paths(manifest)) and not any(o.kind == "Secret" for o in manifest)


def _paths(manifest: Manifest) -> tuple[str, ...]:
    """Where the API server has the objects that are no Secrets; nothing where that is not known of all."""
    found = [path(o) for o in manifest if o.kind != "Secret"]
    return tuple(p for p in found if p) if all(found) else ()


def compare(manifest: Manifest, namespace: str | None, before: tuple[Object, ...]) -> Comparison:
    """What applying a manifest would change. Where no API server answers yet, a dry run counts all as new.

    Args:
        manifest: the objects.
        namespace: where those without one belong; None: "default".
        before: the objects of this manifest and of those before it in the deploy.
    """
    if same := _as_applied(manifest):
        return same
    found = host.get_fact(Differences, namespace=namespace, paths=_paths(manifest), _stdin=asked(manifest))
    if not found.get("answers"):
        return Comparison([f"create {o}" for o in manifest], manifest, without_server(), False)
    made = {o.name for o in (manifest if state.is_executing else before) if o.kind == "Namespace"}
    errors = [e for e in found["errors"] if not any(f'namespaces "{name}" not found' in e for name in made)]
    changed, lines, fields, complete = [], [], {}, set()
    for o in manifest:
        at_server = _at_server(found["objects"], o)
        if not at_server.get("exists"):
            lines.append(f"create {o}")
            changed.append(o)
            continue
        wanted, fields[o.name] = _keeping_replicas(o, at_server["changes"])
        if fields[o.name]:
            lines.append(f"change {o} ({_changes(o, fields[o.name])})")
            changed.append(wanted)
        elif at_server.get("complete"):
            complete.add(str(o))
    errors += [e for o in changed if (e := _selects_nothing(o, before))]
    return Comparison(lines, Manifest(changed), errors, fields=fields, complete=frozenset(complete))


def _as_applied(manifest: Manifest) -> Comparison | None:
    """That nothing would change, where the objects themselves show it."""
    if not _are_told(manifest):
        return None
    told = ask(Objects, paths=_paths(manifest))
    there = {name: {"namespace": body["metadata"].get("namespace"), "body": body} for name, body in told.items()}
    live = {str(o): _at_server(there, o).get("body", {}) for o in manifest}
    if not all(as_applied(live[str(o)], o.complete(), MANAGER) for o in manifest):
        return None
    complete = {n for n, body in live.items() if body["kind"] in AWAITED and controller(body).complete}
    return Comparison([], Manifest(), [], fields={o.name: [] for o in manifest}, complete=frozenset(complete))


def _keeping_replicas(o: Object, changes: list[str]) -> tuple[Object, list[str]]:
    """The object and its changes, its number of pods left alone if the manifest does not name one.

    A number that an earlier manifest named would otherwise become the server's default, 1.
    """
    live = next((c.split(" ")[1] for c in changes if c.startswith("spec.replicas ")), None)
    if o.replicas is not None or live is None:
        return o, changes
    return o.with_replicas(int(live)), [c for c in changes if not c.startswith("spec.replicas ")]


def _at_server(objects: Mapping[str, Any], o: Object) -> Mapping[str, Any]:
    """What the server says of an object, which may be of a kind without namespaces."""
    unplaced = objects.get(label(o.kind, o.name), {})
    return objects.get(str(o)) or (unplaced if unplaced.get("namespace", "") is None else {})


def _changes(o: Object, changes: list[str]) -> str:
    keeps = o.kind in ("ReplicationController", "ReplicaSet") and any(c.startswith("spec.template") for c in changes)
    return summary(changes) + ("; the pods it has stay as they are" if keeps else "")


def without_server() -> list[str]:
    """Why nothing can be done without an API server: no reason in a dry run, which may come before there is one."""
    return (
        [f"the API server on {host.name} does not answer: run deploys/cluster.py first"] if state.is_executing else []
    )


def _selects_nothing(service: Object, before: Iterable[Object]) -> str | None:
    """Why a service would answer nobody: no pods, and nothing that makes pods, has the labels it selects by."""
    selector = service.selector if service.kind == "Service" else None
    neighbours = [o for o in before if o.pod_labels and o.place == service.place]
    if not selector or any(selects(selector, o.pod_labels) for o in neighbours):
        return None
    answer = host.get_fact(Controllers, namespace=service.place)
    if not answer.get("answers"):
        return next(iter(without_server()), None)
    made = [c["pod_labels"] for c in answer["controllers"].values()]
    there = host.get_fact(Pods, labels=selector, namespace=service.place)
    if there or any(selects(selector, labels) for labels in made):
        return None
    return (
        f"{service.where}: {service}: its selector {selector_text(selector)} matches no pods and no controller's "
        "template: correct it, or apply what it selects before it, or with it"
    )


def apply(manifest: Manifest, namespace: str | None) -> StringCommand:
    """A command that applies objects; they travel on standard input only."""
    return StringCommand(f"{kubectl(namespace)} {APPLY}", _stdin=[stream(manifest)])
