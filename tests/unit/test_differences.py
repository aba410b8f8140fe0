"""What differs between an object and what it would become: the fields, and the values of those that are no secret."""

import copy
from typing import Any

import pytest

from cluster.workloads.differences import differences, summary

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
