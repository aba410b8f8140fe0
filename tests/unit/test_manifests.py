"""Manifests as they are read: from files, templates and mappings; each thing wrong with them is said with its place."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.workloads.documents import BadManifest
from cluster.workloads.manifests import read
from cluster.workloads.objects import (
    CONTROLLERS,
    Manifest,
    Object,
    label,
    parse_resource,
    scaled_kind,
    selector_text,
    selects,
)

MANIFESTS = Path(__file__).parents[2] / "deploys" / "manifests"
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n"
CONTROLLER = """\
apiVersion: v1
kind: ReplicationController
metadata:
  name: web
spec:
  replicas: 3
  selector: {app: web}
  template:
    metadata:
      labels: {app: web, version: v1}
    spec:
      containers: [{name: web, image: web:v1}]
"""
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str, name: str = "x.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return written


def refused(sources: Any, values: dict[str, Any] | None = None) -> list[str]:
    with pytest.raises(BadManifest) as caught:
        read(sources, values)
    return caught.value.problems


def config_map(**changes: Any) -> dict[str, Any]:
    return {**yaml.safe_load(CONFIG_MAP), **changes}


def controller(kind: str = "ReplicationController", **spec: Any) -> dict[str, Any]:
    body = yaml.safe_load(CONTROLLER)
    if CONTROLLERS.get(kind) == "selector":
        body["spec"]["selector"] = {"matchLabels": {"app": "web"}}
    return {**body, "kind": kind, "spec": {**body["spec"], **spec}}


def template(labels: Any) -> dict[str, Any]:
    return {"metadata": {"labels": labels}, "spec": {"containers": []}}


# --- Sources --------------------------------------------------------------------------------------------------------


def test_a_file_by_name_and_by_path(write: Write) -> None:
    path = write(CONFIG_MAP)
    for source in (path, str(path), [path], (str(path),)):
        (found,) = read(source)
        assert (found.kind, found.name, found.where) == ("ConfigMap", "settings", f"{path}, line 1")


def test_a_mapping() -> None:
    (found,) = read(config_map())
    assert str(found) == "ConfigMap settings"
    assert found.where == "the manifest"


def test_several_sources_keep_their_order(write: Write) -> None:
    found = read([write(CONFIG_MAP), controller(), {**config_map(), "metadata": {"name": "other"}}])
    assert list(map(str, found)) == ["ConfigMap settings", "ReplicationController web", "ConfigMap other"]
    assert [o.where for o in found][1:] == ["manifest 2", "manifest 3"]


def test_several_documents_each_know_their_line(write: Write) -> None:
    path = write(f"# first\n{CONFIG_MAP}---\n---\n# nothing here\n---\n{CONTROLLER}")
    found = read(path)
    assert [(str(o), o.where) for o in found] == [
        ("ConfigMap settings", f"{path}, line 2"),
        ("ReplicationController web", f"{path}, line 10"),
    ]


def test_a_list_is_its_items(write: Write) -> None:
    path = write(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": [config_map(), controller()]}))
    assert [(str(o), o.where) for o in read(path)] == [
        ("ConfigMap settings", f"{path}, line 1, item 1"),
        ("ReplicationController web", f"{path}, line 1, item 2"),
    ]


def test_json_is_yaml(write: Write) -> None:
    (found,) = read(write('{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "j"}}\n', "x.json"))
    assert found.name == "j"


def test_a_template_is_filled_in(write: Write) -> None:
    path = write(CONFIG_MAP + "data:\n  who: {{ name }}\n", "x.yaml.j2")
    (found,) = read(path, {"name": "me"})
    assert found.body["data"] == {"who": "me"}


def test_a_file_that_is_no_template_keeps_its_braces(write: Write) -> None:
    (found,) = read(write(CONFIG_MAP + 'data:\n  who: "{{ name }}"\n'), {"name": "me"})
    assert found.body["data"] == {"who": "{{ name }}"}


def test_values_may_be_markup(write: Write) -> None:
    (found,) = read(write(CONFIG_MAP + "data:\n  page: '{{ page }}'\n", "x.j2"), {"page": "<b>&amp;</b>"})
    assert found.body["data"] == {"page": "<b>&amp;</b>"}


def test_dates_stay_text(write: Write) -> None:
    (found,) = read(write(CONFIG_MAP + "data: {day: 2024-01-01, moment: 2024-01-01T10:00:00Z}\n"))
    assert found.body["data"] == {"day": "2024-01-01", "moment": "2024-01-01T10:00:00Z"}


def test_merge_keys_and_what_overrides_them(write: Write) -> None:
    (found,) = read(write(CONFIG_MAP + "data:\n  a: &a {x: '1', y: '1'}\n  b: {<<: *a, x: '2'}\n"))
    assert found.body["data"]["b"] == {"x": "2", "y": "1"}


@pytest.mark.parametrize("version", ["v1", "1.25.3", "v2-alpine", "1.25", "25", "on", "null", "0x1f"])
def test_the_shipped_manifests(version: str) -> None:
    values = {"image": "registry.example:5000/nginx", "version": version, "replicas": 3, "node_port": 80}
    controlling, service = read([MANIFESTS / "nginx-controller.yaml.j2", MANIFESTS / "nginx-service.yaml.j2"], values)
    assert str(controlling) == f"ReplicationController nginx-{version}"
    assert controlling.replicas == 3
    assert controlling.selector == controlling.pod_labels == {"app": "nginx", "version": version}
    assert controlling.pod_spec["containers"][0]["image"] == f"registry.example:5000/nginx:{version}"
    assert service.selector is not None and selects(service.selector, controlling.pod_labels)
    assert service.complete()["spec"]["ports"] == [{"protocol": "TCP", "port": 80, "targetPort": 80, "nodePort": 80}]


# --- Refusals -------------------------------------------------------------------------------------------------------

NO_YAML = [
    ("a:\n\tb: c\n", "line 2: found character '\\t' that cannot start any token"),
    ("a: [1\nb: 2\n", "line 2: expected ',' or ']', but got ':'"),
    ("a: 'b\n", "line 2: found unexpected end of stream"),
    (CONFIG_MAP + "kind: Service\n", 'line 5: "kind" is written twice'),
    (CONFIG_MAP + "data:\n  deep:\n    a: 1\n    b: 2\n    a: 3\n", 'line 9: "a" is written twice'),
    (CONFIG_MAP + "data: *nowhere\n", "line 5: found undefined alias 'nowhere'"),
    (CONFIG_MAP + "data: !secret x\n", "line 5: could not determine a constructor for the tag '!secret'"),
    ("? [a]\n: b\n", "line 1: found unhashable key"),
]


@pytest.mark.parametrize(("text", "problem"), NO_YAML, ids=[p.partition(": ")[2][:30] for _, p in NO_YAML])
def test_malformed_yaml_is_refused_with_its_line(text: str, problem: str, write: Write) -> None:
    path = write(text)
    assert refused(path) == [f"{path}, {problem}"]


def test_characters_that_are_no_text(write: Write) -> None:
    path = write("a: \x07\n")
    (problem,) = refused(path)
    assert problem.startswith(f"{path}: unacceptable character #x0007")
    assert "\n" not in problem


def test_a_line_counts_in_the_template_filled_in(write: Write) -> None:
    path = write("{% for n in names %}\n{{ n }}: 1\n{% endfor %}\n", "x.j2")
    problems = refused(path, {"names": ["a", "a"]})
    assert problems == [f'{path}, line 4 once its template is filled in: "a" is written twice']


@pytest.mark.parametrize(
    ("text", "values", "problem"),
    [
        ("\n\na: {{ b }\n", {}, ", line 3: unexpected '}'"),
        ("{% if %}\n", {}, ", line 1: Expected an expression, got 'end of statement block'"),
        ("a: 1\n{% endfor %}\n", {}, ", line 2: Encountered unknown tag 'endfor'."),
        ("a: {{ versoin }}\n", {"version": 1, "image": 2}, ": 'versoin' is undefined; values has image, version"),
        ("a: {{ version }}\n", {}, ": 'version' is undefined; values has nothing"),
        ("a: {{ v.b }}\n", {"v": {}}, ": 'dict object' has no attribute 'b'; values has v"),
    ],
)
def test_template_errors(text: str, values: dict[str, Any], problem: str, write: Write) -> None:
    path = write(text, "x.yaml.j2")
    assert refused(path, values) == [f"{path}{problem}"]


def test_template_errors_show_no_values(write: Write) -> None:
    path = write("a: {{ pasword }}\n", "x.j2")
    (problem,) = refused(path, {"password": "swordfish"})
    assert "swordfish" not in problem and "password" in problem


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "No such file or directory"),
        (lambda path: path.mkdir(), "Is a directory"),
        (lambda path: path.write_bytes(b"\xff\xfe\x00"), "it is no UTF-8 text"),
    ],
)
def test_a_file_that_cannot_be_read(make: Any, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    make(path)
    assert refused(path) == [f"{path}: cannot be read: {reason}"]


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n---\n", "apiVersion: v1\nkind: List\nitems: []\n"])
def test_no_object_at_all(text: str, write: Write) -> None:
    assert refused(write(text)) == ["there is no object in it: write apiVersion, kind and metadata"]


def test_no_sources() -> None:
    assert refused([]) == ["there is no object in it: write apiVersion, kind and metadata"]


SHAPELESS: list[tuple[Any, str]] = [
    ("hello", "holds a str, not a Kubernetes object"),
    ([1], "holds a list, not a Kubernetes object"),
    ({"apiVersion": "v1", "metadata": {"name": "x"}}, "has no kind (text)"),
    ({"kind": "Pod", "metadata": {"name": "x"}}, "has no apiVersion (text)"),
    ({"apiVersion": "v1", "kind": "Pod"}, "has no metadata.name (text)"),
    ({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": 5}}, "has no metadata.name (text)"),
    ({"apiVersion": "v1", "kind": "Pod", "metadata": "x"}, "has no metadata.name (text)"),
    ({"apiVersion": 1, "kind": ["Pod"]}, "has no apiVersion and no kind and no metadata.name (text)"),
    ({"apiVersion": "v1", "kind": "List", "items": {"a": 1}}, "items is no list"),
]


@pytest.mark.parametrize(("body", "reason"), SHAPELESS, ids=[r[:40] for _, r in SHAPELESS])
def test_what_is_no_object(body: Any, reason: str, write: Write) -> None:
    path = write(f"---\n# a comment\n{yaml.safe_dump(body)}")
    (problem,) = refused(path)
    assert problem.startswith(f"{path}, line 3: {reason}")


def test_items_of_a_list_that_are_no_objects_are_named_by_number() -> None:
    problems = refused({"apiVersion": "v1", "kind": "List", "items": [config_map(), 5, {"kind": "Pod"}]})
    assert problems[0].startswith("the manifest, item 2: holds a int")
    assert problems[1] == "the manifest, item 3: has no apiVersion and no metadata.name (text)"


@pytest.mark.parametrize(
    ("replicas", "shown"), [(-1, "-1"), ("3", '"3"'), (True, "True"), (1.5, "1.5"), ([1], "[1]"), ("three", '"three"')]
)
@pytest.mark.parametrize("kind", ["ReplicationController", "Deployment", "StatefulSet"])
def test_replicas_that_are_no_number_of_pods(kind: str, replicas: Any, shown: str) -> None:
    assert refused(controller(kind, replicas=replicas)) == [
        f"the manifest: {kind} web: spec.replicas = {shown}: write a whole number, 0 or more"
    ]


@pytest.mark.parametrize("replicas", [0, 1, 1000, None])
def test_replicas_that_are(replicas: int | None) -> None:
    (found,) = read(controller(replicas=replicas))
    assert found.replicas == replicas


@pytest.mark.parametrize("labels", [{"app": "wbe"}, {"version": "v1"}])
def test_a_selector_unlike_the_labels_of_its_template(labels: dict[str, str]) -> None:
    (problem,) = refused(controller(template=template(labels)))
    assert problem == (
        "the manifest: ReplicationController web: its selector app=web does not match the labels of its own template "
        f"({selector_text(labels)}): write the same in both"
    )


@pytest.mark.parametrize("kind", [kind for kind, style in CONTROLLERS.items() if style == "selector"])
def test_a_selector_of_match_labels_unlike_the_template(kind: str) -> None:
    (problem,) = refused(controller(kind, selector={"matchLabels": {"app": "other"}}))
    assert "its selector app=other does not match the labels of its own template (app=web,version=v1)" in problem


@pytest.mark.parametrize("kind", [kind for kind, style in CONTROLLERS.items() if style == "selector"])
@pytest.mark.parametrize("selector", [None, {}])
def test_a_selector_that_must_be_written(kind: str, selector: Any) -> None:
    (problem,) = refused(controller(kind, selector=selector))
    assert problem.startswith(f"the manifest: {kind} web: has no spec.selector: write matchLabels")


@pytest.mark.parametrize("spec", [{"template": template({})}, {"template": None}, {"selector": None, "template": 5}])
def test_a_template_without_labels(spec: dict[str, Any]) -> None:
    (problem,) = refused(controller(**spec))
    assert "labels" in problem and "ReplicationController web" in problem


def test_a_selector_of_expressions_needs_labels_all_the_same() -> None:
    expressions = {"matchExpressions": [{"key": "app", "operator": "Exists"}]}
    (found,) = read(controller("Deployment", selector=expressions))
    assert found.selector is None
    (problem,) = refused(controller("Deployment", selector=expressions, template=template({})))
    assert "its template has no labels" in problem


@pytest.mark.parametrize("labels", ["app=web", ["app"], 5, True])
def test_labels_that_are_no_mapping_are_none(labels: Any) -> None:
    for kind in CONTROLLERS:
        body = controller(kind, template=template(labels))
        if CONTROLLERS[kind] == "none":
            (found,) = read(body)
            assert found.pod_labels == {}
        else:
            assert "labels" in refused(body)[0]
    (pod,) = read({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": labels}})
    assert pod.pod_labels == {}


def test_the_same_object_twice(write: Write) -> None:
    path = write(f"{CONTROLLER}---\n{CONFIG_MAP}---\n{CONFIG_MAP}")
    assert refused(path) == [f"{path}, line 19: ConfigMap settings is written at {path}, line 14 already"]


def test_the_same_object_twice_in_two_sources(write: Write) -> None:
    path = write(CONFIG_MAP)
    assert refused([path, config_map()]) == [f"manifest 2: ConfigMap settings is written at {path}, line 1 already"]


def test_the_same_name_elsewhere_is_another_object() -> None:
    elsewhere = config_map(metadata={"name": "settings", "namespace": "shop"})
    other_kind = config_map(kind="Secret")
    assert len(read([config_map(), elsewhere, other_kind])) == 3


def test_what_json_cannot_say() -> None:
    (problem,) = refused(controller(template={**template({"app": "web"}), "extra": {1, 2}}))
    assert problem.startswith("the manifest: ReplicationController web: ")


@pytest.mark.parametrize(
    ("written", "given", "place"),
    [(None, None, "default"), (None, "shop", "shop"), ("shop", None, "shop"), ("shop", "shop", "shop")],
)
def test_the_namespace_an_object_goes_to(written: str | None, given: str | None, place: str) -> None:
    metadata = {"name": "settings"} | ({"namespace": written} if written else {})
    found = read([config_map(metadata=metadata), controller()], namespace=given)
    assert (found[0].namespace, found[0].place) == (written, place)
    assert str(found[0]) == label("ConfigMap", "settings", place)
    assert found[1].with_replicas(1).place == found[1].place == (given or "default")


def test_an_object_of_another_namespace_than_the_one_given() -> None:
    park = config_map(metadata={"name": "settings", "namespace": "park"})
    with pytest.raises(BadManifest) as caught:
        read([config_map(), park, controller(replicas=-1)], namespace="shop")
    assert len(caught.value.problems) == 2
    assert 'metadata.namespace is "park", and namespace="shop": write one of them' in caught.value.problems[1]


def test_every_problem_of_every_source_at_once(write: Write) -> None:
    broken, template_ = write("a: [\n", "broken.yaml"), write("{{ x }}", "t.j2")
    problems = refused([broken, "/no/such/file", template_, controller(replicas=-1), {"kind": "Pod"}, config_map()])
    assert len(problems) == 5
    for words in ("broken.yaml, line 2", "/no/such/file", "'x' is undefined", "spec.replicas = -1", "manifest 5"):
        assert sum(words in problem for problem in problems) == 1, words


def test_the_exceptions_text_is_its_problems() -> None:
    assert str(BadManifest(["one", "two"])) == "one\ntwo"


# --- What is told of objects ----------------------------------------------------------------------------------------


def test_no_text_shows_what_objects_hold() -> None:
    found = read([config_map(kind="Secret", data={"password": "c3dvcmRmaXNo"}), controller()])
    for text in (repr(found), str(found), f"{found}", repr(list(found)), repr(found[0]), str(found[0])):
        assert "c3dvcmRmaXNo" not in text and "password" not in text and "web:v1" not in text
    assert repr(found) == str(found) == "Secret settings, ReplicationController web"


def test_a_part_of_a_manifest_hides_as_much() -> None:
    assert repr(Manifest(read([config_map(), controller()])[1:])) == "ReplicationController web"


@pytest.mark.parametrize(
    ("namespace", "text"),
    [(None, "Service nginx"), ("", "Service nginx"), ("default", "Service nginx"), ("shop", "Service nginx in shop")],
)
def test_labels_name_a_namespace_that_is_not_the_default(namespace: str | None, text: str) -> None:
    assert label("Service", "nginx", namespace) == text


def service(**spec: Any) -> Object:
    (found,) = read({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": spec})
    return found


def test_a_services_ports_get_the_protocol_kubernetes_misses() -> None:
    written = service(type="NodePort", ports=[{"port": 80}, {"port": 53, "protocol": "UDP"}])
    complete = written.complete()
    assert complete["spec"] == {
        "type": "NodePort",
        "ports": [{"port": 80, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}],
    }
    assert {k: v for k, v in complete.items() if k != "spec"} == {k: v for k, v in written.body.items() if k != "spec"}
    assert written.body["spec"]["ports"][0] == {"port": 80}, "what was written stays as it was"


@pytest.mark.parametrize("spec", [{}, {"ports": None}, {"ports": "80"}, {"ports": {"port": 80}}])
def test_a_service_without_a_list_of_ports_is_complete(spec: dict[str, Any]) -> None:
    assert service(**spec).complete()["spec"] == spec


def test_a_port_that_is_no_mapping_is_left_to_the_server() -> None:
    assert service(ports=[80]).complete()["spec"]["ports"] == [80]


def test_no_other_kind_is_completed() -> None:
    body = config_map(spec={"ports": [{"port": 80}]})
    (found,) = read(body)
    assert found.complete() == body


def test_another_number_of_replicas() -> None:
    (written,) = read(controller())
    other = written.with_replicas(7)
    assert (other.replicas, written.replicas) == (7, 3)
    assert (other.where, other.name, other.selector) == (written.where, written.name, written.selector)


@pytest.mark.parametrize(
    ("body", "selector"),
    [
        (controller(), {"app": "web"}),
        (controller(selector=None), {"app": "web", "version": "v1"}),  # its template's, as the server defaults it
        *((controller(kind), {"app": "web"}) for kind, style in CONTROLLERS.items() if style == "selector"),
        (controller("Job"), None),
        (config_map(spec={"selector": {"app": "web"}}), None),
        (config_map(kind="Service", spec={"selector": {"app": "web"}}), {"app": "web"}),
        (config_map(kind="Service", spec={"selector": {}}), None),
        (config_map(kind="Service", spec={"selector": "app=web"}), None),
        (config_map(kind="Service", spec={"externalName": "example.com"}), None),
        (config_map(kind="Service"), None),
        (config_map(kind="Pod"), None),
    ],
)
def test_the_selector_of_each_kind(body: dict[str, Any], selector: dict[str, str] | None) -> None:
    (found,) = read(body)
    assert found.selector == selector


def test_the_labels_of_a_pod_are_its_own() -> None:
    (pod,) = read(config_map(kind="Pod", metadata={"name": "p", "labels": {"app": "web"}}))
    assert pod.pod_labels == {"app": "web"}
    assert pod.pod_spec == {}


@pytest.mark.parametrize(("labels", "found"), [({"a": "1"}, {"a": "1"}), (None, {}), ("a=1", {}), (["a"], {})])
def test_an_objects_own_labels(labels: Any, found: dict[str, str]) -> None:
    (written,) = read(config_map(metadata={"name": "settings", "labels": labels}))
    assert written.labels == found


def test_what_makes_no_pods_has_no_pod_labels() -> None:
    (found,) = read(config_map(metadata={"name": "settings", "labels": {"app": "web"}}))
    assert found.pod_labels == {}


@pytest.mark.parametrize(
    ("selector", "labels", "matches"),
    [
        ({}, {"a": "1"}, True),
        ({"a": "1"}, {"a": "1", "b": "2"}, True),
        ({"a": "1", "b": "2"}, {"a": "1"}, False),
        ({"a": "1"}, {"a": "2"}, False),
        ({"a": "1"}, {}, False),
    ],
)
def test_selects(selector: dict[str, str], labels: dict[str, str], matches: bool) -> None:
    assert selects(selector, labels) is matches


def test_labels_as_kubectl_takes_them() -> None:
    assert selector_text({"version": "v1", "app": "nginx"}) == "app=nginx,version=v1"


# --- Names as kubectl writes them -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("rc/nginx-v1", ("rc", "nginx-v1")),
        ("Service/nginx", ("service", "nginx")),
        ("deployments.apps/web", ("deployments.apps", "web")),
        ("clusterrole/system:node", ("clusterrole", "system:node")),
    ],
)
def test_a_resource(text: str, found: tuple[str, str]) -> None:
    assert parse_resource(text) == found


@pytest.mark.parametrize(
    "text", ["", "nginx", "rc/", "/nginx", "rc/a/b", "rc/a b", "rc/$(id)", "-n/x", "rc/-x", None, 5]
)
def test_what_is_no_resource(text: Any) -> None:
    with pytest.raises(ValueError, match='write kind/name, as "rc/nginx-v1"'):
        parse_resource(text)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("rc/x", "ReplicationController"),
        ("ReplicationControllers/x", "ReplicationController"),
        ("rs/x", "ReplicaSet"),
        ("deploy/x", "Deployment"),
        ("deployment/x", "Deployment"),
        ("sts/x", "StatefulSet"),
    ],
)
def test_what_can_be_scaled(text: str, kind: str) -> None:
    assert scaled_kind(text) == (kind, "x")


@pytest.mark.parametrize("text", ["service/x", "ds/x", "pod/x", "job/x"])
def test_what_cannot_be_scaled(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        scaled_kind(text)
    assert text in str(caught.value) and '"rc"' in str(caught.value) and '"deployment"' in str(caught.value)


SMALL = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (SMALL + "data: {x: !!binary aGVsbG8=}\n", "x.yaml"),
        (SMALL + "data: {x: !!int abc}\n", "x.yaml"),
        (SMALL.replace("name: x", "name: x, namespace: [a]"), "x.yaml"),
        ("a: {{ n + 1 }}\n", "x.yaml.j2"),
        ("{% include 'nowhere' %}\n", "x.yaml.j2"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_its_file(text: str, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(BadManifest, match=name):
        read(tmp_path / name, {"n": "3"})


def test_a_template_may_include_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "x.yaml.j2").write_text("{% include 'part.yaml' %}")
    (tmp_path / "part.yaml").write_text(SMALL)
    assert str(read(tmp_path / "x.yaml.j2")) == "ConfigMap x"


def test_the_same_object_is_known_by_its_namespace() -> None:
    plain = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}
    for place in ("default", "shop"):
        placed = plain | {"metadata": {"name": "x", "namespace": place}}
        with pytest.raises(BadManifest, match="already"):
            read([plain, placed], namespace=None if place == "default" else place)


def test_a_selector_with_keys_that_are_no_text_is_refused() -> None:
    spec = {"selector": {1: "a", "b": "c"}, "template": {"metadata": {"labels": {"b": "d"}}}}
    with pytest.raises(BadManifest, match="does not match"):
        read({"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "x"}, "spec": spec})


def test_times_are_text_and_merges_may_be_overridden(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(
        SMALL + "data:\n  at: 22:22\n  a: &a {x: '1'}\n  deep:\n    b: &b {<<: *a, x: '2'}\n  c: {<<: *b}\n"
    )
    data = read(tmp_path / "x.yaml")[0].body["data"]
    assert data["at"] == "22:22" and data["c"] == {"x": "2"}


def test_a_secrets_texts_are_sent_as_data() -> None:
    """The server would keep a key that has gone from stringData, and call nothing different."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "data": {"a": "QQ=="}}
    sent = read(secret | {"stringData": {"b": "ü", "a": "B"}})[0].complete()
    assert sent["data"] == {"a": "Qg==", "b": "w7w="} and "stringData" not in sent
    assert read(secret)[0].complete() == secret
    assert read(secret | {"stringData": {"b": 1}})[0].complete()["stringData"] == {"b": 1}, "for the server to refuse"
