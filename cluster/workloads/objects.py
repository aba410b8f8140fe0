"""Kubernetes objects as they are written, and how they are named."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cluster.problems import either, show

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
AWAITED = frozenset(CONTROLLERS) - {"Job"}  # whose pods are to be there, and stay

# What `kubectl scale` can scale, by the names kubectl knows it under.
SCALED = {
    **dict.fromkeys(("rc", "replicationcontroller", "replicationcontrollers"), "ReplicationController"),
    **dict.fromkeys(("rs", "replicaset", "replicasets"), "ReplicaSet"),
    **dict.fromkeys(("deploy", "deployment", "deployments"), "Deployment"),
    **dict.fromkeys(("sts", "statefulset", "statefulsets"), "StatefulSet"),
}

# Where the API server has objects, by kind as kubectl writes it.
_RBAC = "apis/rbac.authorization.k8s.io/v1/"
PATHS = {
    **{kind: (f"api/v1/namespaces/{{}}/{kind}s",) for kind in ("configmap", "secret", "service", "serviceaccount")},
    "deployment": ("apis/apps/v1/namespaces/{}/deployments",),
    "poddisruptionbudget": tuple(f"apis/policy/{v}/namespaces/{{}}/poddisruptionbudgets" for v in ("v1", "v1beta1")),
    "rolebinding": (f"{_RBAC}namespaces/{{}}/rolebindings",),
    **{kind: (f"{_RBAC}{kind}s",) for kind in ("clusterrole", "clusterrolebinding")},
    "apiservice": ("apis/apiregistration.k8s.io/v1/apiservices",),
}


def paths(resource: str, namespace: str) -> tuple[str, ...]:
    """Where the API server has an object, by release.

    Args:
        resource: as kubectl writes it: "service/nginx".
        namespace: where it is, if it is of a kind that has one.

    Raises:
        ValueError: for another kind than those of PATHS.
    """
    kind, _, name = resource.partition("/")
    if kind not in PATHS:
        raise ValueError(f"{resource}: with applied = True, write one of {', '.join(PATHS)}")
    return tuple(f"{place.format(namespace)}/{name}" for place in PATHS[kind])


def path(o: "Object") -> str | None:
    """Where the API server has an object; None for a kind that is not among PATHS in this version, or an odd name."""
    if not all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.:_-]*", part) for part in (o.name, o.place)):
        return None
    places = PATHS.get(o.kind.lower(), ())
    version = o.body["apiVersion"]
    group = f"apis/{version}/" if "/" in version else f"api/{version}/"
    return next((f"{place.format(o.place)}/{o.name}" for place in places if place.startswith(group)), None)


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
        return mapping(self.body["metadata"].get("labels"))

    @property
    def replicas(self) -> int | None:
        """spec.replicas, where it is written."""
        return self._spec.get("replicas")

    @property
    def pod_labels(self) -> Labels:
        """The labels of the pods this object makes, or is; none if it is about no pods."""
        template = self.body if self.kind == "Pod" else mapping(self._spec.get("template"))
        return mapping(mapping(template.get("metadata")).get("labels"))

    @property
    def pod_spec(self) -> Mapping[str, Any]:
        """The specification of the pods a controller makes."""
        return mapping(mapping(self._spec.get("template")).get("spec"))

    @property
    def selector(self) -> Labels | None:
        """The labels it selects pods by: a service's, a controller's; None if it selects none, or not by labels."""
        written = mapping(self._spec.get("selector"))
        if self.kind == "Service":
            return written or None
        if self.kind == "ReplicationController":
            return written or self.pod_labels
        return mapping(written.get("matchLabels")) or None if self.kind in CONTROLLERS else None

    @property
    def node_ports(self) -> list[tuple[str, int]]:
        """Protocol and number of each port that a service asks for on every node."""
        ports = self._spec.get("ports") if self.kind == "Service" else None
        listed = [port for port in ports if isinstance(port, Mapping)] if isinstance(ports, list) else []
        asked = [(str(port.get("protocol", "TCP")), port.get("nodePort")) for port in listed]
        return [(protocol, number) for protocol, number in asked if isinstance(number, int)]

    @property
    def _spec(self) -> Mapping[str, Any]:
        return mapping(self.body.get("spec"))

    def complete(self) -> Mapping[str, Any]:
        """The body as the server takes it: what it would not default, or not own, is written out."""
        if self.kind == "Secret" and self.body.get("stringData"):
            return self._encoded()
        ports = self._spec.get("ports")
        if self.kind != "Service" or not isinstance(ports, list):
            return self.body
        # Kubernetes 1.20 misses its own default here.
        filled = [{"protocol": "TCP", **port} if isinstance(port, Mapping) else port for port in ports]
        return {**self.body, "spec": {**self._spec, "ports": filled}}

    def _encoded(self) -> Mapping[str, Any]:
        """A Secret without stringData: the server would keep a key that has gone from there."""
        texts = mapping(self.body["stringData"])
        if not all(isinstance(text, str) for text in texts.values()):
            return self.body  # for the server to refuse
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
        rest = {key: value for key, value in self.body.items() if key != "stringData"}
        return {**rest, "data": {**mapping(self.body.get("data")), **encoded}}

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


def mapping(value: object) -> Mapping[str, Any]:
    """The value where a mapping belongs; an empty one in place of anything else."""
    return value if isinstance(value, Mapping) else {}
