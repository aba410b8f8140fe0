"""Manifests: read from files, templates and mappings, and checked as far as that can be done without a server."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jinja2
import yaml

from cluster.problems import either, show

Source = str | Path | Mapping[str, Any]
Labels = Mapping[str, str]

# Kinds that make pods from a template, and how each writes its selector.
CONTROLLERS = {
    "ReplicationController": "labels",
    "ReplicaSet": "selector",
    "Deployment": "selector",
    "StatefulSet": "selector",
    "DaemonSet": "selector",
    "Job": "none",  # the server makes its selector
}

# What `kubectl scale` can scale, by the names kubectl knows it under.
SCALED = {
    **dict.fromkeys(("rc", "replicationcontroller", "replicationcontrollers"), "ReplicationController"),
    **dict.fromkeys(("rs", "replicaset", "replicasets"), "ReplicaSet"),
    **dict.fromkeys(("deploy", "deployment", "deployments"), "Deployment"),
    **dict.fromkeys(("sts", "statefulset", "statefulsets"), "StatefulSet"),
}


class BadManifest(Exception):
    """Manifests that cannot be used; `problems` holds every reason, each naming the place."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True)
class Object:
    """A Kubernetes object as it is written.

    + where: in which manifest: "nginx.yaml, line 12"
    + place: the namespace it goes to, if it is of a kind that has one
    """

    body: Mapping[str, Any] = field(repr=False)
    where: str
    place: str = "default"

    @property
    def kind(self) -> str:
        """ReplicationController, Service, …"""
        return str(self.body["kind"])

    @property
    def name(self) -> str:
        """metadata.name."""
        return str(self.body["metadata"]["name"])

    @property
    def namespace(self) -> str | None:
        """metadata.namespace, where it is written."""
        namespace: str | None = self.body["metadata"].get("namespace")
        return namespace

    @property
    def labels(self) -> Labels:
        """metadata.labels."""
        return _mapping(self.body["metadata"].get("labels"))

    @property
    def replicas(self) -> int | None:
        """spec.replicas, where it is written."""
        return self._spec.get("replicas")

    @property
    def pod_labels(self) -> Labels:
        """The labels of the pods this object makes, or is; none if it is about no pods."""
        template = self.body if self.kind == "Pod" else _mapping(self._spec.get("template"))
        return _mapping(_mapping(template.get("metadata")).get("labels"))

    @property
    def pod_spec(self) -> Mapping[str, Any]:
        """The specification of the pods a controller makes."""
        return _mapping(_mapping(self._spec.get("template")).get("spec"))

    @property
    def selector(self) -> Labels | None:
        """The labels it selects pods by: a service's, a controller's; None if it selects none, or not by labels."""
        written = _mapping(self._spec.get("selector"))
        if self.kind == "Service":
            return written or None
        if self.kind == "ReplicationController":
            return written or self.pod_labels
        return _mapping(written.get("matchLabels")) or None if self.kind in CONTROLLERS else None

    @property
    def _spec(self) -> Mapping[str, Any]:
        return _mapping(self.body.get("spec"))

    def complete(self) -> Mapping[str, Any]:
        """The body as the server takes it: Kubernetes 1.20 misses its own default for a service port's protocol."""
        ports = self._spec.get("ports")
        if self.kind != "Service" or not isinstance(ports, list):
            return self.body
        filled = [{"protocol": "TCP", **port} if isinstance(port, Mapping) else port for port in ports]
        return {**self.body, "spec": {**self._spec, "ports": filled}}

    def with_replicas(self, replicas: int) -> "Object":
        """The same object, asking for so many pods."""
        return replace(self, body={**self.body, "spec": {**self._spec, "replicas": replicas}})

    def __str__(self) -> str:
        return label(self.kind, self.name, self.place)


class Manifest(tuple[Object, ...]):
    """Objects in the order in which they are applied. Its text names them and shows nothing of what they hold."""

    def __repr__(self) -> str:
        return ", ".join(map(str, self))


def label(kind: str, name: str, namespace: str | None = None) -> str:
    """How messages name an object: "Service nginx", "Service nginx in shop"."""
    return f"{kind} {name}" + (f" in {namespace}" if namespace and namespace != "default" else "")


def parse_resource(text: str) -> tuple[str, str]:
    """Kind and name of an object as kubectl writes it: "rc/nginx-v1". ValueError says what to write instead."""
    kind, _, name = text.partition("/") if isinstance(text, str) else ("", "", "")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9.-]*", kind) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.:-]*", name):
        raise ValueError(f'{show(text)}: write kind/name, as "rc/nginx-v1"')
    return kind.lower(), name


def scaled_kind(text: str) -> tuple[str, str]:
    """Kind and name of a controller that can be scaled. ValueError says what to write instead."""
    kind, name = parse_resource(text)
    if kind not in SCALED:
        raise ValueError(
            f"{show(text)}: {show(kind)} is nothing that has replicas: write {either(sorted(set(SCALED)))}"
        )
    return SCALED[kind], name


def selects(selector: Labels, labels: Labels) -> bool:
    """Whether an equality selector matches labels."""
    return all(labels.get(key) == value for key, value in selector.items())


def selector_text(labels: Labels) -> str:
    """Labels as kubectl takes them: app=nginx,version=v1."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items(), key=str))


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
            for where, body in [(unnamed, source)] if isinstance(source, Mapping) else _documents(source, values or {}):
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
    metadata = _mapping(body.get("metadata"))
    if not isinstance(metadata.get("name"), str):
        missing.append("metadata.name")
    if not missing and not isinstance(metadata.get("namespace", ""), str):
        return "metadata.namespace is no text"
    return f"has no {' and no '.join(missing)} (text)" if missing else None


def _documents(source: str | Path, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every YAML document of a file, with its place."""
    path = Path(source)
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise BadManifest([f"{path}: cannot be read: {reason}"]) from None
    rendered = path.suffix == ".j2"
    if rendered:
        text = _render(path, text, values)
    try:
        loader = _Loader(text)
        while loader.check_node():
            node = loader.get_node()
            body = loader.construct_document(node)
            if node is not None and body is not None:
                yield f"{path}, line {node.start_mark.line + 1}", body
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        once = " once its template is filled in" if rendered else ""
        raise BadManifest([f"{path}{line}{once}: {error.problem or error.context}"]) from None
    except (yaml.YAMLError, ValueError) as error:
        raise BadManifest([f"{path}: {error}".replace("\n", " ")]) from None


def _render(path: Path, text: str, values: Mapping[str, Any]) -> str:
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, loader=jinja2.FileSystemLoader(path.parent), keep_trailing_newline=True
    )
    try:
        return environment.from_string(text).render(values)
    except jinja2.TemplateSyntaxError as error:
        raise BadManifest([f"{path}, line {error.lineno}: {error.message}"]) from None
    except Exception as error:  # what a template computes may raise anything
        kind = "" if isinstance(error, jinja2.TemplateError) else f"{type(error).__name__}: "
        raise BadManifest([f"{path}: {kind}{error}; values has {', '.join(sorted(values)) or 'nothing'}"]) from None


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: dates and times are text. A key written twice is an error: one would be lost."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise yaml.MarkedYAMLError(
                        problem=f"{show(key.value)} is written twice", problem_mark=key.start_mark
                    )
                seen.add(key.value)
        return node


def _as_text(loader: _Loader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


def _number(loader: _Loader, node: yaml.ScalarNode) -> int | float | str:
    """A number; 22:22 is none, but was one in base 60 when YAML was young."""
    if ":" in node.value:
        return _as_text(loader, node)
    return loader.construct_yaml_int(node) if node.tag.endswith(":int") else loader.construct_yaml_float(node)


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _as_text)
_Loader.add_constructor("tag:yaml.org,2002:int", _number)
_Loader.add_constructor("tag:yaml.org,2002:float", _number)


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
    if style == "selector" and not _mapping(written.body.get("spec")).get("selector"):
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


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
