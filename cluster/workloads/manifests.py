"""Manifests: read from files, templates and mappings, and checked as far as that can be done without a server."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cluster.model import Settings
from cluster.ports import tcp_ports, udp_ports
from cluster.problems import show
from cluster.workloads.documents import BadManifest, documents
from cluster.workloads.objects import CONTROLLERS, Manifest, Object, mapping, selector_text, selects

Source = str | Path | Mapping[str, Any]


def read(
    sources: Source | Sequence[Source], values: Mapping[str, Any] | None = None, namespace: str | None = None
) -> Manifest:
    """Read and check manifests.

    Args:
        sources: a YAML file, a Jinja template (a file that ends in .j2), an object as a mapping, or several of them.
        values: what a template's names stand for.
        namespace: where objects without one belong; None: "default".

    Raises:
        BadManifest: a file cannot be read, its YAML is malformed, or what it holds is no usable object.
    """
    listed = [sources] if isinstance(sources, str | Path | Mapping) else list(sources)
    objects: list[Object] = []
    problems: list[str] = []
    for number, source in enumerate(listed, start=1):
        unnamed = f"manifest {number}" if len(listed) > 1 else "the manifest"
        try:
            for where, body in [(unnamed, source)] if isinstance(source, Mapping) else documents(source, values or {}):
                for found in _objects(where, body):
                    if isinstance(found, Object):
                        objects.append(found)
                    else:
                        problems.append(found)
        except BadManifest as bad:
            problems += bad.problems
    objects = [replace(o, place=o.namespace or namespace or "default") for o in objects]
    problems += [problem for o in objects for problem in _problems(o)]
    problems += _repeated(objects)
    if not objects and not problems:
        problems = ["there is no object in it: write apiVersion, kind and metadata"]
    problems += [
        f"{o.where}: {o}: metadata.namespace is {show(o.namespace)}, and namespace={show(namespace)}: write one of them"
        for o in objects
        if namespace and o.namespace not in (None, namespace)
    ]
    if problems:
        raise BadManifest(problems)
    return Manifest(objects)


def taken_node_ports(objects: Iterable[Object], settings: Settings) -> list[str]:
    """Services that ask for a port of the cluster's own: it would be lost to one of them. The server does not know."""
    own = {("TCP", port.number): port.what for port in tcp_ports(settings)}
    own |= {("UDP", port.number): port.what for port in udp_ports(settings)}
    return [
        f"{o.where}: {o}: nodePort {number} is the port of {own[protocol, number]}; write another, or leave it out"
        for o in objects
        for protocol, number in o.node_ports
        if (protocol, number) in own
    ]


def _objects(where: str, body: Any) -> Iterator[Object | str]:
    """The objects of one document, a List's items singly; in place of one that is none, the reason."""
    reason = _shapeless(body)
    if reason:
        yield f"{where}: {reason}"
    elif body["kind"] == "List":
        for number, item in enumerate(body.get("items") or [], start=1):
            yield from _objects(f"{where}, item {number}", item)
    else:
        yield Object(body, where)


def _shapeless(body: object) -> str | None:
    """Why this is no Kubernetes object at all."""
    if not isinstance(body, Mapping):
        return f"holds a {type(body).__name__}, not a Kubernetes object: write apiVersion, kind and metadata"
    missing = [key for key in ("apiVersion", "kind") if not isinstance(body.get(key), str)]
    if not missing and body["kind"] == "List":
        return None if isinstance(body.get("items") or [], list) else "items is no list"
    metadata = mapping(body.get("metadata"))
    if not isinstance(metadata.get("name"), str):
        missing.append("metadata.name")
    if not missing and not isinstance(metadata.get("namespace", ""), str):
        return "metadata.namespace is no text"
    return f"has no {' and no '.join(missing)} (text)" if missing else None


def _problems(written: Object) -> Iterator[str]:
    """What cannot be sent, what the server would refuse, and what it would accept and never bring about."""
    try:
        json.dumps(written.body)
    except (TypeError, ValueError) as error:
        yield f"{written.where}: {written}: {error}"
    replicas = written.replicas
    if replicas is not None and (not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 0):
        yield f"{written.where}: {written}: spec.replicas = {show(replicas)}: write a whole number, 0 or more"
    style = CONTROLLERS.get(written.kind, "none")
    if style == "none":
        return
    if style == "selector" and not mapping(written.body.get("spec")).get("selector"):
        yield f"{written.where}: {written}: has no spec.selector: write matchLabels with the labels of its template"
    elif written.selector and not selects(written.selector, written.pod_labels):
        labels = selector_text(written.pod_labels) or "none"
        yield (
            f"{written.where}: {written}: its selector {selector_text(written.selector)} does not match the labels of "
            f"its own template ({labels}): write the same in both"
        )
    elif not written.pod_labels:
        yield f"{written.where}: {written}: its template has no labels: write some, and select by them"


def _repeated(objects: Iterable[Object]) -> Iterator[str]:
    first: dict[tuple[str, str, str], str] = {}
    for o in objects:
        key = o.kind, o.place, o.name
        if key in first:
            yield f"{o.where}: {o} is written at {first[key]} already"
        first.setdefault(key, o.where)
