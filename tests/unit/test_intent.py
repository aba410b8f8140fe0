"""Lines of one deploy that contradict each other, whatever their order."""

from typing import Any

import pytest

from cluster.workloads.intent import Intent, Rolled, Scaled
from cluster.workloads.manifests import read
from cluster.workloads.objects import Object

LABELS = {"app": "web"}


def written(
    name: str = "web-v1",
    replicas: int | None = 3,
    *,
    kind: str = "ReplicationController",
    place: str | None = None,
    labels: Any = LABELS,
) -> Object:
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": []}}
    selector = LABELS if kind == "ReplicationController" else {"matchLabels": LABELS}
    spec = {"selector": selector, "template": template} | ({} if replicas is None else {"replicas": replicas})
    body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "labels": labels}, "spec": spec}
    return read(body, namespace=place)[0]


def told(*objects: Object, scaled: list[Scaled] | None = None, rolled: list[Rolled] | None = None) -> list[str]:
    return list(Intent(list(objects), scaled or [], rolled or []).contradictions())


def test_nothing_contradicts_nothing() -> None:
    assert told() == []
    assert told(written(), written("web-v2")) == []


@pytest.mark.parametrize(
    ("o", "contradicts"),
    [
        (written(), True),
        (written(replicas=5), False),
        (written(replicas=None), False),
        (written("web-v2"), False),
        (written(place="shop"), False),
        (written(kind="Deployment"), False),
    ],
)
def test_a_number_in_a_manifest_and_another_to_scale_to(o: Object, contradicts: bool) -> None:
    problems = told(o, scaled=[Scaled("rc/web-v1", 5, "default")])
    assert problems == (
        [
            "the manifest: ReplicationController web-v1: spec.replicas = 3, and scale says 5: each run would do both; "
            "leave replicas out of the manifest"
        ]
        if contradicts
        else []
    )


@pytest.mark.parametrize("name", ["rc/web-v1", "replicationcontroller/web-v1", "ReplicationControllers/web-v1"])
def test_a_controller_by_each_of_its_names(name: str) -> None:
    assert Scaled(name, 5, "shop").concerns(written(place="shop"))


@pytest.mark.parametrize("old", ["web-v1", LABELS, {"app": "web"}])
@pytest.mark.parametrize(
    ("o", "removed"),
    [
        (written(), True),
        (written(replicas=None), True),
        (written("web-v2"), False),  # the new one itself
        (written(place="shop"), False),
        (written(kind="Deployment"), False),
    ],
)
def test_a_manifest_of_what_a_rolling_update_deletes(old: Any, o: Object, removed: bool) -> None:
    problems = told(o, rolled=[Rolled(old, written("web-v2"))])
    assert problems == (
        [
            "the manifest: ReplicationController web-v1: the rolling update to web-v2 deletes it, and each run would "
            "make it again; leave it out"
        ]
        if removed
        else []
    )


@pytest.mark.parametrize("labels", [None, "app=web", ["app"], {"app": "other"}])
def test_labels_of_the_controller_itself_decide(labels: Any) -> None:
    """Not those of its pods; and such as are no mapping are none."""
    assert told(written(labels=labels), rolled=[Rolled(LABELS, written("web-v2"))]) == []


def test_one_update_after_another() -> None:
    """The second deletes what the first makes."""
    first, second = written("web-v2"), written("web-v3")
    (problem,) = told(first, second, rolled=[Rolled("web-v1", first), Rolled("web-v2", second)])
    assert "web-v2: the rolling update to web-v3 deletes it" in problem


def test_every_contradiction_is_told() -> None:
    scaled = [Scaled("rc/web-v1", 5, "default"), Scaled("rc/web-v1", 4, "default")]
    assert len(told(written(), scaled=scaled, rolled=[Rolled(LABELS, written("web-v2"))])) == 4


def test_two_numbers_for_one_controller() -> None:
    scaled = [Scaled("rc/web", 3, "default"), Scaled("replicationcontrollers/web", 5, "default")]
    assert told(scaled=scaled) == ["replicationcontrollers/web is scaled to 3 and 5 replicas: write one of them"]
    assert told(scaled=[Scaled("rc/web", 3, "default"), Scaled("rc/web", 3, "default")]) == []
    assert told(scaled=[Scaled("rc/web", 3, "default"), Scaled("rc/web", 5, "shop")]) == []


def test_a_manifest_that_a_rollback_takes_away() -> None:
    new = written("web-v2")
    rolled = [Rolled("web-v1", new, rollback=True)]
    assert told(new, rolled=rolled) == [], "the update's own"
    assert len(told(new, written("web-v2"), rolled=rolled)) == 1
    assert told(new, written("web-v1"), rolled=rolled) == []
