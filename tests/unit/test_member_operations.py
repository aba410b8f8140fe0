"""etcd's members change: who does what in a run, on hosts that are never called."""

import hashlib
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cluster.desired import RECORD_DIRECTORY
from cluster.members import Member
from cluster.roles.endpoints import told_of_members
from facts import etcd as facts
from facts.host import Preflight
from facts.role import RoleState
from operations import etcd, members
from tests.unit.example import BARE, Run, current, on_disk, roles
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
        told = dict.fromkeys(told_of_members(this.cluster, host), True)
        this.answers[host.name, RoleState] = BARE | {"files": on_disk(*certificates(this, host.name)), "ready": told}
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


@pytest.mark.parametrize(
    ("name", "deploy"),
    [("master", "deploys/master.py"), ("node1", "deploys/flannel.py"), ("node3", "deploys/flannel.py")],
)
def test_a_former_member_stays_while_it_is_called(name: str, deploy: str, begin: Any, said: Any) -> None:  # noqa: F811
    """After deploys/etcd.py alone."""
    this = known(begin(OLD), master=member(BOTH), node1=member(BOTH))
    this.answers["master", facts.Standing] = stands(of("master"), of("node1"))
    this.answers[name, RoleState]["ready"][deploy] = False
    assert this.perform(members.take_out, "master") == []
    assert f"which are still called: run {deploy} ({name}) first" in said.text


@pytest.mark.parametrize("masters", [["master"], ["master", "node1"]], ids=["one", "balanced"])
@pytest.mark.parametrize("name", ["master", "node3"])
def test_who_is_told_of_members_is_known_by_its_files(name: str, masters: list[str], tmp_path: Path) -> None:
    """The conditions, on files as the roles write them: for this group, for another, and before what reads them is."""
    others = {"masters": masters, "nodes": ["node1", "node3"]}
    fewer, more = (current(others | {"etcd": etcd}) for etcd in (["node1", "node2"], ["master", "node1", "node2"]))
    for now, then in ((fewer, more), (more, fewer)):
        conditions = told_of_members(now, now.host(name))
        assert conditions
        for deploy, condition in conditions.items():
            told, untold = (
                {f.path: f.content for r in roles(c, c.host(name)).values() for f in r.files} for c in (now, then)
            )
            assert _is_met(condition, told, told, tmp_path), deploy
            assert not _is_met(condition, untold, untold, tmp_path), deploy
            assert not _is_met(condition, told, untold, tmp_path), deploy


def _is_met(condition: str, files: dict[str, Any], started_with: dict[str, Any], root: Path) -> bool:
    """Whether a condition is true where a service was started with files that are others now."""
    paths = [path for path in files if f"{path})" in condition]
    sums = "".join(f"{hashlib.sha256(started_with[p].encode()).hexdigest()}  {root}{p}\n" for p in paths)
    for path in paths:
        (root / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        (root / path[1:]).write_text(files[path])
    (root / RECORD_DIRECTORY[1:]).mkdir(parents=True, exist_ok=True)
    for unit in ("kube-apiserver", "flanneld", "etcd-balancer"):
        (root / RECORD_DIRECTORY[1:] / f"{unit}.inputs").write_text(f"start\n{sums}")
    there = condition.replace("/etc/", f"{root}/etc/").replace(RECORD_DIRECTORY, f"{root}{RECORD_DIRECTORY}")
    return subprocess.run(["sh", "-c", there], check=False).returncode == 0


def test_what_is_a_member_still_keeps_its_data(begin: Any) -> None:  # noqa: F811
    this = known(begin(OLD), master=member(ALONE), node1=member(BOTH))
    this.answers["master", facts.Standing] = stands(of("master"), of("node1"))
    assert this.perform(members.set_aside, "node1") == []


@pytest.mark.parametrize("away", [False, True])
def test_no_plan_sets_aside_what_the_run_keeps(away: bool, begin: Any) -> None:  # noqa: F811
    """Where a host that may call the member is left out, it stays, and so do its data."""
    this = known(begin(OLD), master=member(BOTH), node1=member(BOTH))
    this.answers["master", facts.Standing] = stands(of("master"), of("node1"))
    if away:
        this.state.active_hosts.discard(this.inventory.get_host("node2"))
    assert bool(this.perform(members.set_aside, "node1", executing=False)) is not away


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
