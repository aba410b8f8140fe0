"""What runs on the cluster, asked on a master with the administrator's certificate."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from pyinfra.api.exceptions import FactProcessError

from cluster.api import KUBECONFIG, api
from cluster.roles.kubernetes import KUBECTL_CACHE
from cluster.shell import program
from cluster.workloads import controllers, draining
from cluster.workloads.differences import differences
from cluster.workloads.objects import AWAITED, Manifest, label, paths, selector_text
from facts.base import Fact
from facts.kubernetes import KUBECTL
from facts.shell import words

MANAGER = "container-cloud"  # the name the server keeps beside the fields this project has set
KINDS = "replicationcontrollers,deployments,statefulsets,daemonsets"
# Every change goes through the server: it knows defaults, admission and who owns which field, and refuses a field that
# it does not know; kubectl would fetch what it knows, and look first, which takes it longer than all the rest.
APPLY = f"apply --server-side --force-conflicts --validate=false --field-manager={MANAGER} -f -"
_MANAGERS = "{.metadata.managedFields[*].manager}"
_TAKEN_OVER = f"managed by {MANAGER} from now on"
# What of a Secret decides whether it changes; only a digest of it leaves the host.
_SECRET = "{.type}{.data}{.immutable}{.metadata.labels}{.metadata.annotations}"


def kubectl(namespace: str | None = None, *, seconds: int = 30) -> str:
    """The beginning of a kubectl command line, and how long each request may take."""
    return f"{KUBECTL} --cache-dir={KUBECTL_CACHE} --kubeconfig={KUBECONFIG} --request-timeout={seconds}s" + (
        f" -n {words([namespace])}" if namespace else ""
    )


_READY = "api 3 /readyz >/dev/null"  # without etcd, whatever is asked for takes its whole time


def stream(manifest: Manifest) -> str:
    """A manifest as APPLY reads it on standard input: an object a line."""
    return "".join(json.dumps(o.complete()) + "\n" for o in manifest)


def asked(manifest: Manifest) -> "Unprinted":
    """A manifest as `Differences` reads it on standard input."""
    return Unprinted(f"{'secret' if o.kind == 'Secret' else 'object'} {json.dumps(o.complete())}\n" for o in manifest)


class Unprinted(list[str]):
    """Lines for standard input that appear in no log, at no verbosity."""

    def __repr__(self) -> str:
        return "…"

    __str__ = __repr__


class Differences(Fact[dict[str, Any]]):
    """
    What applying a manifest would change, as the API server's own dry run answers.

    The manifest comes on standard input: `get_fact(Differences, _stdin=asked(manifest))`.

    + namespace: where objects without one belong; None: in "default"
    + paths: where the API server has the objects that are no Secrets, if that is known of all; else kubectl finds them

    Of a controller that is there, `complete` says whether all its pods are, and are available.

    Source: `kubectl apply --server-side --dry-run=server` against `kubectl get`; of Secrets, digests of their data.

    .. code:: python

        {
            "answers": True,
            "errors": [],
            "objects": {"Service nginx": {"exists": True, "changes": ["spec.type"], "namespace": "default"}},
        }
    """

    default = dict

    def script(self, namespace: str | None = None, paths: Iterable[str] = ()) -> str:
        names = {"MANAGER": MANAGER, "MANAGERS": _MANAGERS, "SECRET": _SECRET, "PATHS": ",".join(paths)}
        return api(program("differences", KUBECTL=kubectl(namespace), APPLY=APPLY, **names))

    def read(self, lines: list[str]) -> dict[str, Any]:
        if "silent" in lines:
            return {"answers": False, "errors": [], "objects": {}}
        objects: dict[str, Any] = dict(_secret(line) for line in lines if line.startswith("secret "))
        told = [line[6:] for line in lines if line.startswith("error ")]
        rest = [line for line in lines if not line.startswith(("secret ", "error "))]
        middle = rest.index("wanted") if "wanted" in rest else len(rest)
        live = {_key(item): item for item in _items(rest[:middle])}
        for item in _items(rest[middle + 1 :]):
            found = live.get(_key(item))
            changes = differences(found, item) if found else []
            if found and not changes and _is_ours(item) and not _is_ours(found):
                changes = [_TAKEN_OVER]
            namespace = item["metadata"].get("namespace")
            objects[_key(item)] = {"exists": found is not None, "changes": changes, "namespace": namespace}
            if found and item["kind"] in AWAITED:
                objects[_key(item)]["complete"] = controllers.controller(found).complete
        errors = [line for line in told if not line.startswith("Warning:")]
        return {"answers": True, "errors": errors, "objects": objects}


class Objects(Fact[dict[str, Any]]):
    """
    Objects as they are, by kind, name and namespace; nothing that is secret.

    + paths: where the API server has them (`cluster.workloads.objects.path`)

    Source: the API server. It is asked for one after the other, up to the first that is not there. {} where it does not
    answer, or not with whole objects, and where the host's curl is older than 7.52.

    .. code:: python

        {"Service kube-dns in kube-system": {"apiVersion": "v1", "kind": "Service", "metadata": {…}, "spec": {…}}}
    """

    default = dict

    def script(self, paths: Iterable[str] = ()) -> str:
        return api(f'paths={words([",".join(paths)])}; api 3 "/{{readyz,$paths}}" --fail-early || true')

    def read(self, lines: list[str]) -> dict[str, Any]:
        ready, text = "\n".join(lines).partition("{")[::2]
        try:
            return {_key(item): item for item in _items(["{" + text])} if ready == "ok" and text else {}
        except (FactProcessError, KeyError):  # cut off, or no object: then the server's dry run says
            return {}


def _secret(line: str) -> tuple[str, dict[str, Any]]:
    _, now, wanted, name, namespace, owned, owning = line.split(" ")
    exists = now != _NOTHING
    changes = ["data"] if exists and now != wanted else []
    if exists and not changes and owned == "0" != owning:
        changes = [_TAKEN_OVER]
    return label("Secret", name, namespace), {"exists": exists, "changes": changes, "namespace": namespace}


_NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # SHA-256 of no text


def _is_ours(item: dict[str, Any]) -> bool:
    return any(m.get("manager") == MANAGER for m in item["metadata"].get("managedFields", []))


def _key(item: dict[str, Any]) -> str:
    return label(item["kind"], item["metadata"]["name"], item["metadata"].get("namespace"))


def _items(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The objects of one or several JSON texts, those of lists singly."""
    for found in _documents(lines):
        try:
            items = found["items"] if found["kind"].endswith("List") else [found]
            yield from (item for item in items if item["metadata"]["name"])
        except (KeyError, TypeError) as error:
            raise FactProcessError(f"no object of the API server's: {str(found)[:200]!r}") from error


def _documents(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """One or several JSON texts."""
    text, decoder = "\n".join(lines).strip(), json.JSONDecoder()
    while text:
        try:
            found, end = decoder.raw_decode(text)
        except ValueError as error:
            raise FactProcessError(f"the API server's answer is not JSON: {text[:200]!r}") from error
        yield found
        text = text[end:].strip()


class Controllers(Fact[dict[str, Any]]):
    """
    Controllers and how far each is, by kind and name.

    + names: only these, as kubectl writes them: ["rc/nginx-v1"]; none: all replication controllers, deployments,
      stateful sets and daemon sets
    + labels: only those that carry these labels
    + namespace: where they are

    Source: `kubectl get`.

    .. code:: python

        {"answers": True, "controllers": {"ReplicationController nginx-v1": {
            "kind": "ReplicationController", "name": "nginx-v1", "replicas": 4, "current": 4, "updated": 4,
            "available": 4, "observed": True, "selector": {"app": "nginx", "version": "v1"},
            "pod_labels": {"app": "nginx", "version": "v1"}, "images": ["nginx:v1"], "drains": True, "probed": True}}}

    `drains` and `probed` say whether every container has a preStop hook and a readiness probe.
    """

    default = dict

    def script(
        self, names: Iterable[str] = (), labels: dict[str, Any] | None = None, namespace: str = "default"
    ) -> str:
        k = kubectl(namespace)
        gets = [f"{words(names)} --ignore-not-found"] if names else []
        if labels or not names:
            gets.append(KINDS + (f" -l {words([selector_text(labels)])}" if labels else ""))
        # All or nothing, and said: no answer must not look like controllers that are gone.
        kept = " && ".join(f"o{n}=$({k} get {get} -o json 2>/dev/null)" for n, get in enumerate(gets))
        shown = " ".join(f'"$o{n}"' for n in range(len(gets)))
        return api(f"{{ {_READY} && {kept} && printf '%s\\n' answers {shown}; }} || true")

    def read(self, lines: list[str]) -> dict[str, Any]:
        at = lines.index("answers") if "answers" in lines else len(lines)
        found = {_key(item): _controller(item) for item in _items(lines[at + 1 :])}
        return {"answers": at < len(lines), "controllers": found}


def _controller(item: dict[str, Any]) -> dict[str, Any]:
    selector, template = item["spec"].get("selector") or {}, item["spec"].get("template", {})
    containers = template.get("spec", {}).get("containers", [])
    return {
        **asdict(controllers.controller(item)),
        "selector": selector.get("matchLabels", {}) if item["kind"] != "ReplicationController" else selector,
        "pod_labels": template.get("metadata", {}).get("labels", {}),
        "images": [c["image"] for c in containers],
        "drains": all(c.get("lifecycle", {}).get("preStop") for c in containers),
        "probed": all(c.get("readinessProbe") for c in containers),
    }


class Pods(Fact[dict[str, Any]]):
    """
    Pods by name, with what keeps those that are not ready.

    + labels: only those that carry these labels
    + namespace: where they are

    Source: `kubectl get pods`.

    .. code:: python

        {"nginx-v1-7xk2p": {
            "node": "node2", "address": "192.168.3.4", "phase": "Running", "ready": True, "ending": False,
            "images": ["nginx:v1"], "labels": {"app": "nginx", "version": "v1"}, "restarts": 0, "trouble": {}}}
    """

    default = dict

    def script(self, labels: dict[str, Any] | None = None, namespace: str = "default") -> str:
        only = f" -l {words([selector_text(labels)])}" if labels else ""
        return api(f"{_READY} && {kubectl(namespace)} get pods{only} -o json 2>/dev/null || true")

    def read(self, lines: list[str]) -> dict[str, Any]:
        return {item["metadata"]["name"]: controllers.pod(item) for item in _items(lines)}


class OnNode(Fact[dict[str, Any]]):
    """
    The pods on a node, by namespace and name, and how far the controllers are that would make them elsewhere; {} where
    the API server does not answer.

    + node: its name
    + owners: controllers to tell of, too, by the paths at which the API server has them

    `stays` says that nobody would make such a pod on another node. `available` are the controllers' pods, of those
    that are there, `wanted` how many are asked of them; `without_room` the controllers for whose next there is no node.

    Source: the API server.

    .. code:: python

        {"pods": {"default/nginx-v1-7xk2p": {
            "node": "node2", "address": "192.168.3.4", "phase": "Running", "ready": True, "ending": False,
            "images": ["nginx:v1"], "labels": {"app": "nginx", "version": "v1"}, "restarts": 0, "trouble": {},
            "owner": "/api/v1/namespaces/default/replicationcontrollers/nginx-v1", "stays": False}},
         "available": {"/api/v1/namespaces/default/replicationcontrollers/nginx-v1": 3},
         "wanted": {"/api/v1/namespaces/default/replicationcontrollers/nginx-v1": 4},
         "without_room": ["/api/v1/namespaces/default/replicationcontrollers/nginx-v1"]}
    """

    default = dict

    def script(self, node: str = "", owners: Iterable[str] = ()) -> str:
        listed = [
            f"api/v1/pods?fieldSelector=spec.nodeName%3D{node}",
            "api/v1/pods?fieldSelector=status.phase%3DPending",
            *(path.lstrip("/") for path in owners),
        ]
        return api(f'paths={words([",".join(listed)])}; api 10 "/{{$paths}}" || true')

    def read(self, lines: list[str]) -> dict[str, Any]:
        every = list(_documents(lines))
        lists = [found for found in every if found["kind"] == "PodList"]
        owners = [o for o in every if o["kind"] != "PodList"]
        made = {draining.place(o["kind"], o["metadata"]): controllers.controller(o) for o in owners}
        if len(lists) != 2:  # one that is missing must not look like no pods
            return {}
        here, pending = (found["items"] for found in lists)
        without_room = {draining.owner(i) for i in pending if draining.is_unschedulable(i)} - {""}
        return {
            "pods": {f"{i['metadata']['namespace']}/{i['metadata']['name']}": _on_node(i) for i in here},
            "available": {place: c.available for place, c in made.items()},
            "wanted": {place: c.replicas for place, c in made.items()},
            "without_room": sorted(without_room),
        }


def _on_node(item: dict[str, Any]) -> dict[str, Any]:
    return {**controllers.pod(item), "owner": draining.owner(item), "stays": draining.stays(item)}


class Present(Fact[dict[str, Any]]):
    """
    Which objects there are.

    + resources: as kubectl writes them: ["rc/nginx-v1", "service/nginx"]
    + namespace: where they are
    + applied: True: only those that were applied by this project, as the server has noted; of kinds in
      `cluster.workloads.objects.PATHS`

    Source: `kubectl get`; with `applied` the API server's answer for their metadata.

    .. code:: python

        {"answers": True, "present": ["rc/nginx-v1"], "errors": []}
    """

    default = dict

    def script(self, resources: Iterable[str] = (), namespace: str = "default", applied: bool = False) -> str:
        k = kubectl(namespace)
        answers = f"{_READY} || {{ echo silent; exit 0; }}; echo answers; "
        if applied:
            listed = "\n".join(f"{path} {resource}" for resource in resources for path in paths(resource, namespace))
            return api(f"{answers}{program('applied', OBJECTS=listed, MANAGER=MANAGER)}")
        return api(
            f"{answers}for r in {words(resources)}; do get() {{ {k} get $r --ignore-not-found -o name; }}; "
            'if o=$(get 2>/dev/null); then [ -z "$o" ] || echo "present $r"; '
            'else get 2>&1 | sed "s/^/error /"; fi; done'
        )

    def read(self, lines: list[str]) -> dict[str, Any]:
        return {
            "answers": "answers" in lines,
            "present": [*dict.fromkeys(line[8:] for line in lines if line.startswith("present "))],
            "errors": [line[6:] for line in lines if line.startswith("error ")],
        }
