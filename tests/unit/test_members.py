"""What has to happen to etcd's members, for whatever they are and whatever the group is."""

from dataclasses import replace
from typing import Any

import pytest

from cluster.members import (
    Joining,
    Leaving,
    Member,
    Standing,
    first,
    joiners,
    joining,
    knows_strangers,
    leaving,
    remains,
    strangers,
)
from cluster.settings import Cluster
from tests.unit.example import cluster
from tests.unit.test_membership import ALONE, BOTH, GROUP, NODE2, member, without_data

NAMES = ("master", "node1", "node2", "node3")
IDS = {name: f"{number}a" for number, name in enumerate(NAMES)}


def group(*names: str) -> Cluster:
    return cluster({"etcd": list(names)})


def of(host: str, **otherwise: Any) -> Member:
    address = 101 + NAMES.index(host)
    listed = Member(IDS[host], host, f"https://10.1.10.{address}:2380", f"https://10.1.10.{address}:2379")
    return replace(listed, **otherwise)


def unstarted(name: str) -> Member:
    return of(name, name="", client="", learner=True, answers=False, healthy=False)


def silent(name: str, **otherwise: Any) -> Member:
    return of(name, answers=False, healthy=False, **otherwise)


def learner(name: str) -> Member:
    return of(name, learner=True, healthy=False)


def stands(*members: Member) -> Standing:
    return Standing("cdf8", members)


THREE = group("master", "node1", "node2")
JOINING = {
    "a new one": (THREE, "node1", stands(of("master")), Joining(add=True)),
    "the second new one": (THREE, "node2", stands(of("master"), of("node1")), Joining(add=True)),
    "added, and killed": (THREE, "node1", stands(of("master"), unstarted("node1")), Joining(listed=True)),
    "another machine of that name": (
        THREE, "node2", stands(of("master"), of("node1"), silent("node2")), Joining((silent("node2"),), add=True,
        replaced=silent("node2")),
    ),
    "in a dead one's place": (
        group("master", "node1", "node3"), "node3", stands(of("master"), of("node1"), silent("node2")),
        Joining((silent("node2"),), add=True),
    ),
    "in a living one's place": (
        group("master", "node1", "node3"), "node3", stands(of("master"), of("node1"), of("node2")), Joining(add=True),
    ),
    "beside somebody else's learner": (
        group("master", "node1"), "node1", stands(of("master"), unstarted("node3")),
        Joining((unstarted("node3"),), add=True),
    ),
    "while one of the group is down": (
        group(*NAMES), "node3", stands(of("master"), of("node1"), silent("node2")), Joining(add=True),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", JOINING)
def test_how_a_host_becomes_a_member(name: str) -> None:
    found, host, standing, wanted = JOINING[name]
    assert joining(found, found.host(host), standing, has_data=False) == wanted


def test_one_that_has_its_data_is_what_they_say() -> None:
    for own in (learner("node1"), of("node1")):
        assert joining(THREE, THREE.host("node1"), stands(of("master"), own), has_data=True) == Joining()


@pytest.mark.parametrize(
    ("standing", "said"),
    [
        (Standing(), "none of them answers. Start etcd on more than half"),
        (stands(of("master"), silent("node1"), silent("node2")), "node1, node2 are not healthy, and so"),
        (replace(stands(of("master")), others={"https://x:2379": "beef"}), "at https://x:2379 one of cluster beef"),
        (stands(of("master"), silent("node1"), of("node2"), silent("node3")), "node1, node3 are not healthy"),
    ],
)  # fmt: skip
def test_nothing_is_changed_without_a_majority(standing: Standing, said: str) -> None:
    found = group("master", "node1", "node2", "node3")
    told = joining(found, found.host("node3"), standing, has_data=False)
    assert isinstance(told, str) and said in told and told.startswith("node3 cannot join")


def test_what_is_announced() -> None:
    going = (silent("node2"), silent("node1"), unstarted("node3"))
    lines = Joining(going, add=True, replaced=going[0]).lines("node2")
    assert lines == [
        "remove etcd member node2 (2a: its data are gone, and it is replaced)",
        "remove etcd member node1 (1a: it does not answer, and is not in the group)",
        "remove etcd member 3a (https://10.1.10.104:2380) (3a: it was added and never had a vote)",
        "add etcd member node2 (as a learner)",
    ]
    left = "(it is not in the group any more)"
    assert Leaving(of("node2")).lines(group("master")) == [f"remove etcd member node2 {left}"]
    assert Leaving(of("node2")).lines(THREE) == [f"remove etcd member node2 at https://10.1.10.103:2380 {left}"]


def test_why_one_is_replaced() -> None:
    moved, renamed = replace(silent("node3"), name="node2"), replace(silent("node2"), name="db2")
    told = joining(THREE, THREE.host("node2"), stands(of("master"), of("node1"), moved), has_data=False)
    assert isinstance(told, Joining) and told.lines("node2")[0] == (
        "remove etcd member node2 (3a: it does not answer at https://10.1.10.104:2380, and is not in the group)"
    )
    told = joining(THREE, THREE.host("node2"), stands(of("master"), of("node1"), renamed), has_data=False)
    assert isinstance(told, Joining) and told.lines("node2")[0] == (
        "remove etcd member db2 (2a: node2 has its address now, its data are gone, and it is replaced)"
    )


LEAVING = {
    "nobody": (THREE, stands(of("master"), of("node1"), of("node2")), None, None),
    "one": (group("master"), stands(of("master"), of("node1")), "node1", None),
    "the leader": (group("master"), stands(of("master"), of("node1", leads=True)), "node1", "master"),
    "the leader last": (group("master"), stands(of("master"), of("node1", leads=True), of("node2")), "node2", None),
    "a dead one first": (group("master", "node3"), stands(*map(of, ("master", "node1", "node3")), silent("node2")),
                         "node2", None),
    "one without a vote first": (group("master"), stands(of("master"), of("node1"), learner("node3")), "node3", None),
}  # fmt: skip


@pytest.mark.parametrize("name", LEAVING)
def test_who_leaves_next(name: str) -> None:
    found, standing, who, heir = LEAVING[name]
    step = leaving(found, standing)
    assert (step.member and step.member.name, step.heir and step.heir.name, step.waits) == (who, heir, "")


@pytest.mark.parametrize(
    ("found", "standing", "waits", "refused"),
    [
        (group("master", "node3"), stands(of("master"), of("node1")), "stay until node3 has joined", False),
        (group("master", "node3"), stands(of("master"), of("node1"), learner("node3")), "until node3 has", False),
        (group("master", "node1"), stands(of("master"), silent("node1"), of("node2")), "without node2 fewer", True),
        (group("master"), stands(of("master"), silent("node1")), "node1 are not healthy", True),
    ],
)  # fmt: skip
def test_who_stays_for_now(found: Cluster, standing: Standing, waits: str, refused: bool) -> None:
    step = leaving(found, standing)
    assert step.member is None and waits in step.waits and step.refused is refused


def test_every_step_leaves_a_majority() -> None:
    """All three move to others at once: one by one, whoever leads."""
    found = group("node3")
    members = [of("master", leads=True), of("node1"), of("node2"), of("node3")]
    gone = []
    while (step := leaving(found, stands(*members))).member:
        members.remove(step.member)
        gone.append(step.member.name)
        if step.heir:
            members = [replace(m, leads=m.id == step.heir.id) for m in members]
        assert stands(*members).agrees() or not members
    assert gone == ["node1", "node2", "master"] and [m.name for m in members] == ["node3"]


def test_learners_join_first_and_then_by_the_inventory() -> None:
    held = {"master": member(BOTH), "node1": {}, "node2": without_data(), "node3": {}}
    assert joiners(THREE, held) == ["node1", "node2"]
    known = {"master": "https://10.1.10.101:2380", "node2": "https://10.1.10.103:2380"}
    held["master"] = member(known) | {"learners": [NODE2]}
    held["node2"] = member(known, runs=False)
    assert joiners(THREE, held) == ["node2", "node1"]
    assert joiners(THREE, dict.fromkeys(("master", "node1", "node2"), member(GROUP))) == []


def test_one_that_is_there_does_what_one_does_for_all() -> None:
    assert first(THREE, {"master": {}, "node1": member(ALONE, runs=False), "node2": member(GROUP)}) == "node2"
    assert first(THREE, {"master": {}, "node1": member(ALONE, runs=False)}) == "node1"
    assert first(THREE, {"node1": {}, "node2": {}}) == "node1"
    assert first(THREE, {}) == "master"


def test_strangers_are_told_from_the_group() -> None:
    assert knows_strangers(THREE, {"node3": {}}) is None
    assert knows_strangers(THREE, {"master": member(GROUP)}) is False
    assert knows_strangers(group("master"), {"master": member(GROUP)}) is True
    assert strangers(THREE, stands(of("master"), of("node3"))) == [of("node3")]


def test_remains_are_what_this_project_made() -> None:
    found = group("master")
    held = {"master": member(ALONE), "node1": member(GROUP, runs=False), "node2": without_data(), "node3": {}}
    assert remains(found, held) == ["node1"]
    theirs = member(ALONE) | {"lived": False, "ours": False}
    assert remains(found, {"master": member(ALONE), "node1": theirs, "node2": without_data(ours=True)}) == ["node2"]
