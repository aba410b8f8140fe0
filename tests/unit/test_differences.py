"""What differs between an object and what it would become: the fields, and the values of those that are no secret."""

import copy
from typing import Any

import pytest

from cluster.workloads.differences import as_applied, differences, summary

SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "nginx", "namespace": "default", "labels": {"app": "nginx"}, "uid": "02c2", "generation": 1},
    "spec": {"type": "ClusterIP", "selector": {"app": "nginx"}, "ports": [{"port": 80, "targetPort": 80}]},
    "status": {"loadBalancer": {}},
}
CONTROLLER: dict[str, Any] = {
    "kind": "ReplicationController",
    "metadata": {"name": "web"},
    "spec": {
        "replicas": 3,
        "template": {
            "spec": {"containers": [{"image": "web:v1", "env": [{"name": "PASSWORD", "value": "swordfish"}]}]}
        },
    },
}


def changed(whole: dict[str, Any], *path: str | int, to: Any) -> dict[str, Any]:
    other = copy.deepcopy(whole)
    place: Any = other
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return other


def test_nothing() -> None:
    assert differences(SERVICE, copy.deepcopy(SERVICE)) == []


@pytest.mark.parametrize(
    "path",
    [
        ("metadata", name)
        for name in ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")
    ]
    + [("status",)],
)
def test_the_servers_own_bookkeeping_is_no_difference(path: tuple[str, ...]) -> None:
    other = changed(SERVICE, *path, to="other")
    assert differences(SERVICE, other) == differences(other, SERVICE) == []


def test_bookkeeping_in_a_template_is_a_difference() -> None:
    """Only the object's own is the server's."""
    other = changed(CONTROLLER, "spec", "template", "metadata", to={"uid": "1"})
    assert differences(CONTROLLER, other) == ["spec.template.metadata"]


@pytest.mark.parametrize(
    ("whole", "path", "value", "phrase"),
    [
        (SERVICE, ("spec", "type"), "NodePort", "spec.type ClusterIP -> NodePort"),
        (SERVICE, ("spec", "ports", 0, "port"), 81, "spec.ports[0].port 80 -> 81"),
        (SERVICE, ("spec", "ports", 0, "nodePort"), 8080, "spec.ports[0].nodePort None -> 8080"),
        (SERVICE, ("spec", "ports", 0, "targetPort"), "http", "spec.ports[0].targetPort 80 -> http"),
        (CONTROLLER, ("spec", "replicas"), 4, "spec.replicas 3 -> 4"),
        (
            CONTROLLER,
            ("spec", "template", "spec", "containers", 0, "image"),
            "web:v2",
            "spec.template.spec.containers[0].image web:v1 -> web:v2",
        ),
        # Any other is named, and its value is not shown.
        (SERVICE, ("spec", "selector", "app"), "secret", "spec.selector.app"),
        (SERVICE, ("metadata", "labels", "app"), "secret", "metadata.labels.app"),
        (SERVICE, ("metadata", "annotations"), {"note": "secret"}, "metadata.annotations"),
        (SERVICE, ("data",), {"password": "secret"}, "data"),
        (
            CONTROLLER,
            ("spec", "template", "spec", "containers", 0, "env", 0, "value"),
            "secret",
            "spec.template.spec.containers[0].env[0].value",
        ),
    ],
)
def test_one_field(whole: dict[str, Any], path: tuple[str | int, ...], value: Any, phrase: str) -> None:
    assert differences(whole, changed(whole, *path, to=value)) == [phrase]


def test_a_field_that_comes_or_goes() -> None:
    without = copy.deepcopy(SERVICE)
    del without["spec"]["selector"]
    assert differences(SERVICE, without) == ["spec.selector"]
    assert differences(without, SERVICE) == ["spec.selector"]


def test_lists_of_other_lengths_differ_as_a_whole() -> None:
    more = changed(SERVICE, "spec", "ports", to=[{"port": 80}, {"port": 443}])
    assert differences(SERVICE, more) == ["spec.ports"]


def test_a_field_of_another_type() -> None:
    assert differences(SERVICE, changed(SERVICE, "spec", "ports", to=None)) == ["spec.ports"]
    assert differences(SERVICE, changed(SERVICE, "spec", to=[])) == ["spec"]


def test_every_difference_in_the_order_of_names() -> None:
    other = changed(changed(SERVICE, "spec", "type", to="NodePort"), "spec", "sessionAffinity", to="ClientIP")
    other = changed(other, "metadata", "labels", to={})
    assert differences(SERVICE, other) == [
        "metadata.labels.app",
        "spec.sessionAffinity",
        "spec.type ClusterIP -> NodePort",
    ]


def test_no_value_of_an_environment_shows() -> None:
    other = changed(CONTROLLER, "spec", "template", "spec", "containers", 0, "env", to=[])
    for found in (differences(CONTROLLER, other), differences(other, CONTROLLER), differences({}, CONTROLLER)):
        assert found and "swordfish" not in str(found)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b", "c", "d"], "a, b, c, d"),
        (["a", "b", "c", "d", "e"], "a, b, c, d and 1 more"),
        (list("abcdefg"), "a, b, c, d and 3 more"),
    ],
)
def test_a_summary_names_the_first_few(found: list[str], text: str) -> None:
    assert summary(found) == text


def test_fields_that_only_end_like_a_shown_one_are_not_shown() -> None:
    old, new = ({"kind": "ConfigMap", "data": {"db.type": value}} for value in ("swordfish", "herring"))
    assert differences(old, new) == ["data.db.type"]


# --- What shows by itself that nothing would change -----------------------------------------------------------------

WANTED: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {
        "name": "kube-dns", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}, "finalizers": ["a"],
    },
    "spec": {"clusterIP": "192.168.1.10", "selector": {"k8s-app": "kube-dns"}, "ports": [
        {"name": "dns", "protocol": "UDP", "port": 53}, {"name": "dns-tcp", "protocol": "TCP", "port": 53},
    ]},
}  # fmt: skip
PORT: dict[str, Any] = {".": {}, "f:name": {}, "f:port": {}, "f:protocol": {}}
FIELDS: dict[str, Any] = {
    "f:metadata": {"f:labels": {"f:k8s-app": {}}, "f:finalizers": {'v:"a"': {}}},
    "f:spec": {"f:clusterIP": {}, "f:selector": {}, "f:ports": {
        'k:{"port":53,"protocol":"TCP"}': PORT, 'k:{"port":53,"protocol":"UDP"}': PORT,
    }},
}  # fmt: skip
APPLIED = {"manager": "us", "operation": "Apply", "apiVersion": "v1", "fieldsV1": FIELDS}
STATUS = {"manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1", "subresource": "status"}


def at_server() -> dict[str, Any]:
    """What the server makes of it: with what it fills in, and who wrote it."""
    live = copy.deepcopy(WANTED)
    live["metadata"] |= {"uid": "704c", "resourceVersion": "342", "managedFields": [APPLIED, STATUS]}
    live["spec"] |= {"type": "ClusterIP", "ipFamilies": ["IPv4"]}
    for port in live["spec"]["ports"]:
        port["targetPort"] = 53
    return live


def test_what_was_applied_so_and_is_so_needs_no_server() -> None:
    assert as_applied(at_server(), WANTED, "us")


@pytest.mark.parametrize(
    "path",
    [
        ("spec", "clusterIP"),
        ("spec", "ports", 0, "name"),
        ("metadata", "labels", "k8s-app"),
        ("metadata", "finalizers"),
    ],
)
def test_another_value_is_for_the_server(path: tuple[str | int, ...]) -> None:
    assert not as_applied(changed(at_server(), *path, to=["b"] if path[-1] == "finalizers" else "other"), WANTED, "us")
    assert not as_applied(at_server(), changed(WANTED, *path, to="other"), "us")


@pytest.mark.parametrize(
    "path",
    [("metadata", "labels"), ("metadata", "finalizers"), ("spec", "ports", 1), ("spec", "ports", 0, "name")],
)
def test_what_is_no_longer_wanted_is_for_the_server(path: tuple[str | int, ...]) -> None:
    """It is still there, as it was applied: only who owns it says that it would go."""
    less = copy.deepcopy(WANTED)
    place: Any = less
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    assert not as_applied(at_server(), less, "us")


def test_less_of_what_is_one_value_to_the_server_is_for_the_server() -> None:
    """A selector, or a role's rules: nobody notes whose the parts are."""
    live = at_server()
    live["spec"]["selector"] = {"k8s-app": "kube-dns", "tier": "dns"}
    assert not as_applied(live, WANTED, "us")
    role = {"apiVersion": "v1", "rules": [{"verbs": ["get"]}]}
    mine = APPLIED | {"fieldsV1": {"f:rules": {}}}
    there = {**role, "metadata": {"managedFields": [mine]}}
    assert as_applied(there, role, "us")
    assert not as_applied({**there, "rules": [{"verbs": ["get"], "resourceNames": ["a"]}]}, role, "us")


def test_what_is_wanted_more_is_for_the_server() -> None:
    assert not as_applied(at_server(), changed(WANTED, "spec", "sessionAffinity", to="ClientIP"), "us")
    more = [*WANTED["spec"]["ports"], {"name": "metrics", "protocol": "TCP", "port": 9153}]
    assert not as_applied(at_server(), changed(WANTED, "spec", "ports", to=more), "us")


@pytest.mark.parametrize(
    "written",
    [
        [],
        [APPLIED | {"manager": "kubectl"}],
        [APPLIED | {"operation": "Update"}],
        [APPLIED | {"apiVersion": "v2"}],
        [APPLIED, {"manager": "kubectl-edit", "operation": "Update", "apiVersion": "v1"}],
        [APPLIED | {"fieldsV1": FIELDS | {"i:0": {}}}],
    ],
)
def test_what_others_wrote_is_for_the_server(written: list[dict[str, Any]]) -> None:
    """Also where every value is as it was: in a list or a selector it may stand beside something that must go."""
    assert not as_applied(changed(at_server(), "metadata", "managedFields", to=written), WANTED, "us")


def test_what_is_not_there_is_for_the_server() -> None:
    assert not as_applied({}, WANTED, "us")
