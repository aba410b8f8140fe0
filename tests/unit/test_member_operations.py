"""etcd's members change: who does what in a run, on hosts that are never called."""

from typing import Any

import pytest

from cluster.members import Member
from facts import etcd as facts
from facts.host import Preflight
from facts.role import RoleState
from operations import etcd, members
from tests.unit.example import BARE, Run, on_disk
from tests.unit.test_members import of, silent, unstarted
from tests.unit.test_membership import ALONE, BOTH, NODE1, member
from tests.unit.test_operations import begin, certificates, kinds, said, script_of, stores  # noqa: F401 fixtures

NEW = {"masters": ["master"], "nodes": ["node1", "node2", "node3"], "etcd": ["master", "node1"]}
OLD = {**NEW, "etcd": ["master"]}


def stands(*listed: Member) -> dict[str, Any]:
    return {"cluster": "cdf8", "others": {}, "members": [m.__dict__ for m in listed]}


def known(this: Run, **held: dict[str, Any]) -> Run:
    """The run, where hosts hold this of etcd when it begins."""
    for name, holds in held.items():
        this.answers[name, Preflight] = this.answers[name, Preflight] | {"etcd": holds}
        this.answers[name, facts.Held] = holds
    for host in this.cluster.hosts:
        this.answers[host.name, RoleState] = BARE | {"files": on_disk(*certificates(this, host.name))}
    return this


def obeying(this: Run, host: str, *after: dict[str, Any]) -> Any:
    """Has etcd's members stand otherwise after each command."""
    coming = iter(after)

    def obey(_: object) -> None:
        this.answers[host, facts.Standing] = next(coming, this.answers[host, facts.Standing])

    return obey


def test_a_new_host_joins_and_only_that_one(begin: Any, said: Any) -> None:  # noqa: F811
    this = known(begin(NEW), master=member(ALONE))
    this.answers["node1", facts.Standing] = stands(of("master"))
    assert this.perform(etcd.member, "node1") == [], "it does not begin a cluster of its own"
    commands = this.perform(members.join, "node1")
    lines = this.lines(said.records, "node1")
    assert [line for line in lines if "etcd member" in line] == [
        "add etcd member node1 (as a learner)", "promote etcd member node1 (when it has caught up)",
    ]  # fmt: skip
    assert kinds(commands)[-2:] == ["start etcd", "wait"], "and then it is promoted"
    assert "member add" not in script_of(commands[-1]) and "member promote" in script_of(commands[-1])
    assert [name for name in ("master", "node2", "node3") if this.perform(members.join, name)] == []


def test_the_dry_run_says_the_same(begin: Any, said: Any) -> None:  # noqa: F811
    this = known(begin(NEW), master=member(BOTH))
    this.answers["master", facts.Standing] = stands(of("master"), silent("node1"), of("node2"))
    assert this.perform(members.join, "node1", executing=False)
    assert "remove etcd member node1 (1a: its data are gone, and it is replaced)" in this.lines(said.records, "node1")


def test_who_cannot_join_says_why(begin: Any) -> None:  # noqa: F811
    this = known(begin(NEW), master=member(ALONE))
    this.answers["node1", facts.Standing] = stands(of("master"), silent("node3"))
    (told,) = this.perform(members.join, "node1")
    assert kinds([told]) == ["refuse"] and "node3 are not healthy" in told.get_raw_value()


def test_a_member_that_was_added_begins(begin: Any, said: Any) -> None:  # noqa: F811
    this = known(begin(NEW), master=member(BOTH, started=["master"]) | {"learners": [NODE1]})
    this.answers["node1", facts.Standing] = stands(of("master"), unstarted("node1"))
    this.perform(members.join, "node1")
    assert "join as etcd member node1, which is listed" in this.lines(said.records, "node1")


def test_a_former_member_is_taken_out_then_set_aside(begin: Any, said: Any) -> None:  # noqa: F811
    this = known(begin(OLD), master=member(BOTH), node1=member(BOTH))
    this.answers["master", facts.Standing] = stands(of("master"), of("node1", leads=True))
    then = stands(of("master", leads=True))
    (removed,) = this.perform(members.take_out, "master", obey=obeying(this, "master", then))
    assert "move-leader" in script_of(removed) and "ID=1a" in script_of(removed)
    (aside,) = this.perform(members.set_aside, "node1")
    assert "set aside /var/lib/etcd" in " ".join(this.lines(said.records, "node1"))
    assert 'rm -f "$LIVED"' in script_of(aside).splitlines()[-1], "what shows that it has lived goes last"
    assert [name for name in ("node2", "node3") if this.perform(members.set_aside, name)] == []


def test_what_is_a_member_still_keeps_its_data(begin: Any) -> None:  # noqa: F811
    this = known(begin(OLD), master=member(ALONE), node1=member(BOTH))
    this.answers["master", facts.Standing] = stands(of("master"), of("node1"))
    assert this.perform(members.set_aside, "node1") == []


def test_where_taking_out_failed_nothing_is_set_aside(begin: Any) -> None:  # noqa: F811
    this = known(begin(OLD), master=member(BOTH), node1=member(BOTH))
    this.answers["master", facts.Standing] = stands(of("master"), silent("node1"))
    (told,) = this.perform(members.take_out, "master")
    assert kinds([told]) == ["refuse"]
    assert this.perform(members.set_aside, "node1") == []


def test_with_nothing_to_do_nothing_is_asked(begin: Any) -> None:  # noqa: F811
    this = known(begin(OLD), master=member(ALONE))
    for operation in (members.join, members.take_out, members.set_aside):
        assert [name for name in ("master", "node1", "node2", "node3") if this.perform(operation, name)] == []
    assert facts.Standing not in {fact for _, fact, _ in this.asked}


def test_members_that_cannot_wait_for_each_other_are_refused(begin: Any, said: Any) -> None:  # noqa: F811
    this = known(begin(NEW), master=member(BOTH), node1=member(BOTH))
    this.state.config.PARALLEL = 1
    with pytest.raises(SystemExit):
        this.perform(etcd.member, "master", executing=False)
    assert "--parallel 1: etcd's members master, node1 wait for each other" in said.text
