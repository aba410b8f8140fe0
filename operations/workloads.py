"""What the operations on workloads share: comparing with the server, waiting for pods, saying what keeps them."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gevent
from pyinfra import host, logger, state
from pyinfra.api import QuoteString, StringCommand

from cluster.problems import show
from cluster.workloads.controllers import Controller, describe, hopeless, unready
from cluster.workloads.differences import summary
from cluster.workloads.intent import Intent, Rolled, Scaled
from cluster.workloads.manifests import (
    BadManifest,
    Labels,
    Manifest,
    Object,
    Source,
    label,
    parse_resource,
    read,
    scaled_kind,
    selector_text,
    selects,
)
from facts.shell import words
from facts.workloads import APPLY, Controllers, Differences, Pods, asked, kubectl, stream
from operations.role import refuse
from operations.run import refuse_all

_POLL = 0.5  # seconds between two looks at pods that are awaited
_FIELDS = tuple(Controller.__dataclass_fields__)
_intent = Intent()  # of this run's deploy, as far as it has been read


def written(sources: Source | Iterable[Source], values: Mapping[str, Any] | None, namespace: str | None) -> Manifest:
    """Read manifests when the deploy is read, before any operation; a bad one ends the run."""
    try:
        manifest = read(sources if isinstance(sources, str | Path | Mapping) else list(sources), values, namespace)
    except BadManifest as bad:
        refuse_all(bad.problems, "nothing was applied")
    _intent.written.extend(manifest)
    agree()
    return manifest


def rolled(old: str | Labels, new: Object, *, rollback: bool) -> None:
    """Note a rolling update."""
    _intent.rolled.append(Rolled(old, new, rollback))
    agree()


def scaled(controller: str, replicas: int, namespace: str) -> None:
    """Note that a controller is scaled; the name of what cannot be scaled ends the run."""
    refuse_bad(scaled_kind, controller)
    _intent.scaled.append(Scaled(controller, replicas, namespace))
    agree()


def agree() -> None:
    """End the run if what was asked for contradicts itself."""
    if told := list(_intent.contradictions()):
        refuse_all(told, "nothing was applied")


def earlier() -> tuple[Object, ...]:
    """The objects of the manifests in the deploy's lines so far."""
    return tuple(_intent.written)


def check(**numbers: object) -> None:
    """End the run over arguments that are no whole numbers, 0 or more."""
    bad = {n: v for n, v in numbers.items() if not isinstance(v, int) or isinstance(v, bool) or v < 0}
    if bad:
        told = [f"{name} = {show(value)}: write a whole number, 0 or more" for name, value in bad.items()]
        refuse_all(told, "nothing was applied")


def resources(texts: Iterable[str]) -> tuple[str, ...]:
    """Objects named as kubectl names them; a bad name ends the run."""
    listed = tuple(texts)
    refuse_bad(parse_resource, *listed)
    return listed


def coming(controller: str, before: Iterable[Object], namespace: str) -> bool:
    """Whether a dry run finds no such controller because an earlier operation is to make it."""
    return not state.is_executing and any(Scaled(controller, 0, namespace).concerns(o) for o in before)


def refuse_bad(parse: Callable[[str], object], *texts: str) -> None:
    """End the run over texts that cannot be read."""
    told = []
    for text in texts:
        try:
            parse(text)
        except ValueError as error:
            told.append(str(error))
    if told:
        refuse_all(told, "nothing was applied")


@dataclass(frozen=True)
class Comparison:
    """A manifest against the server: what would change, a line each; the objects to apply; why it cannot be done."""

    lines: list[str]
    changed: Manifest
    errors: list[str]
    answers: bool = True


def compare(manifest: Manifest, namespace: str | None, before: tuple[Object, ...]) -> Comparison:
    """What applying a manifest would change. Where no API server answers yet, a dry run counts all as new.

    Args:
        manifest: the objects.
        namespace: where those without one belong; None: "default".
        before: the objects of this manifest and of those before it in the deploy.
    """
    found = host.get_fact(Differences, namespace=namespace, _stdin=asked(manifest))
    if not found.get("answers"):
        return Comparison([f"create {o}" for o in manifest], manifest, silent(), False)
    made = {o.name for o in (manifest if state.is_executing else before) if o.kind == "Namespace"}
    errors = [e for e in found["errors"] if not any(f'namespaces "{name}" not found' in e for name in made)]
    changed, lines = [], []
    for o in manifest:
        at_server = _at_server(found["objects"], o)
        if not at_server.get("exists"):
            lines.append(f"create {o}")
        elif at_server["changes"]:
            lines.append(f"change {o} ({_changes(o, at_server['changes'])})")
        else:
            continue
        changed.append(o)
    errors += [e for o in changed if (e := _selects_nothing(o, before))]
    return Comparison(lines, Manifest(changed), errors)


def _at_server(objects: Mapping[str, Any], o: Object) -> Mapping[str, Any]:
    """What the server says of an object, which may be of a kind without namespaces."""
    unplaced = objects.get(label(o.kind, o.name), {})
    return objects.get(str(o)) or (unplaced if unplaced.get("namespace", "") is None else {})


def _changes(o: Object, changes: list[str]) -> str:
    keeps = o.kind in ("ReplicationController", "ReplicaSet") and any(c.startswith("spec.template") for c in changes)
    return summary(changes) + ("; the pods it has stay as they are" if keeps else "")


def silent() -> list[str]:
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
    made = [c["pod_labels"] for c in controllers(namespace=service.place).values()]
    if any(selects(selector, labels) for labels in made) or host.get_fact(
        Pods, labels=selector, namespace=service.place
    ):
        return None
    return (
        f"{service.where}: {service}: its selector {selector_text(selector)} matches no pods and no controller's "
        "template: correct it, or apply what it selects before it, or with it"
    )


def refuse_all_of(reasons: list[str]) -> StringCommand:
    """Nothing is applied: in a dry run the whole run ends, otherwise this host fails; every reason is said."""
    if not state.is_executing:
        refuse_all(reasons, "nothing was applied")
    return refuse("\n".join([*reasons, "Nothing was applied."]))


def apply(manifest: Manifest, namespace: str | None) -> StringCommand:
    """A command that applies objects; they travel on standard input only."""
    return StringCommand(f"{kubectl(namespace)} {APPLY}", _stdin=[stream(manifest)])


def controllers(**which: Any) -> dict[str, Any]:
    """The controllers that `facts.workloads.Controllers` tells of; none also if there is no answer."""
    return dict(host.get_fact(Controllers, **which).get("controllers", {}))


def controller(found: Mapping[str, Any]) -> Controller:
    """A controller as the fact tells of it."""
    return Controller(**{name: found[name] for name in _FIELDS})


class Patience:
    """How long something may make no progress."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        self._seen: object = None
        self._until = 0.0

    def is_over(self, seen: object) -> bool:
        """Whether it has been the same for too long; otherwise waits a moment."""
        if seen != self._seen:
            self._seen, self._until = seen, time.monotonic() + self.seconds
        if time.monotonic() >= self._until:
            return True
        gevent.sleep(_POLL)
        return False


def settle(names: list[str], namespace: str, seconds: int) -> Iterator[StringCommand]:
    """Wait until controllers have all pods asked for; otherwise yield the command that fails and says why not.

    Args:
        names: as kubectl writes them: "rc/nginx-v1".
        namespace: where they are.
        seconds: how long there may be no progress.
    """
    patience, told = Patience(seconds), ""
    while True:
        found = controllers(names=names, namespace=namespace)
        pending = {key: c for key, c in found.items() if not controller(c).complete}
        if not pending and len(found) == len(names):
            return
        now = "; ".join(f"{key}: {c['available']} of {c['replicas']} available" for key, c in pending.items())
        if now != told:
            progress(now)
            told = now
        trouble = stuck(pending, namespace, seconds, over=patience.is_over(now))
        if trouble:
            yield trouble
            return


def progress(text: str) -> None:
    """Say how far a long operation is."""
    if text:
        logger.info(f"{host.print_prefix}{text}")


def stuck(pending: Mapping[str, Any], namespace: str, seconds: int, *, over: bool) -> StringCommand | None:
    """The command that fails and says why pods will never start, or have not in time; None while they still may."""
    for key, found in pending.items():
        pods = host.get_fact(Pods, labels=found["selector"], namespace=namespace)
        # Those of a former template are somebody else's trouble.
        pods = {name: p for name, p in pods.items() if p["images"] == found["images"]}
        name = hopeless(pods) or (unready(pods) if over else None)
        if name:
            since = f", no progress for {seconds} s" if over else ""
            reason = f"{key}: {found['available']} of {found['replicas']} pods available{since}: "
            return _refuse_with_log(
                reason + describe(name, pods[name]), name, namespace, logs=bool(pods[name]["restarts"])
            )
    if over:
        what = ", ".join(pending) or "the API server does not tell of what was applied"
        return refuse(f"{what}: no progress for {seconds} s (kubectl -n {namespace} get events may say why)")
    return None


def _refuse_with_log(reason: str, pod: str, namespace: str, *, logs: bool) -> StringCommand:
    k = kubectl(namespace)
    log = f"{k} logs --tail=15 --previous {pod} 2>/dev/null || {k} logs --tail=15 {pod};" if logs else ""
    return StringCommand("{ echo", QuoteString(reason), f"; {log} }} >&2; exit 1")


def scale_command(resource: str, replicas: int, namespace: str, *, now: int | None = None) -> StringCommand:
    """A command that scales a controller, provided it still has `now` replicas."""
    still = "" if now is None else f" --current-replicas={now}"
    return StringCommand(f"{kubectl(namespace)} scale {words([resource])} --replicas={replicas}{still}")
