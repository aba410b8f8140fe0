"""Which states of hosts and store let etcd start, and what is said of the others."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cluster.members import joiners, knows_strangers
from cluster.membership import Record, begins, lost, peer_urls, problems, record_of
from cluster.settings import Cluster, load
from facts import etcd
from facts.etcd import Held
from pki import StoreError
from tests.unit.example import SEVERAL, cluster, data, groups

ONE, THREE = cluster(), cluster(SEVERAL, api_server_address="api.example")
STORE = Path("/store")
MASTER, NODE1, NODE2 = (f"https://10.1.10.{n}:2380" for n in (101, 102, 103))
ALONE = {"master": MASTER}
BOTH = {"master": MASTER, "node1": NODE1}
GROUP = {**BOTH, "node2": NODE2}
NODE1_ALONE = cluster({"etcd": ["node1"]})


def moved(name: str, address: str) -> Cluster:
    """Three, with one by the same name at another address."""
    hosts = data(api_server_address="api.example")
    hosts[name] = hosts[name] | {"address": address}
    return load(hosts, groups(**SEVERAL))[0]


def urls(members: dict[str, str]) -> dict[str, str]:
    """Members' names by URL, as etcd lists them."""
    return {url: name for name, url in members.items()}


def recorded(members: dict[str, str], cluster_id: str = "cdf8") -> Record:
    """What the store remembers of these."""
    return Record(cluster_id, urls(members))


def member(members: dict[str, str], *, runs: bool = True, lived: bool = True, started: Any = None) -> dict[str, Any]:
    """What a member with data holds, of the members' URLs by name."""
    return {
        "data": "2026-11-26", "lived": lived, "configured": members, "cluster": "cdf8" if runs else "",
        "members": urls(members) if runs else {},
        "started": sorted(members[name] for name in (members if started is None else started)) if runs else [],
        "learners": [], "ours": True,
    }  # fmt: skip


def without_data(**held: Any) -> dict[str, Any]:
    return {"data": "", "lived": False, "configured": {}, "cluster": "", "members": {}, "started": [], "learners": [],
            "ours": False} | held  # fmt: skip


def said(of: Any, record: Record | None = None, asked: Any = None, **held: dict[str, Any]) -> list[str]:
    """What is said of a cluster whose hosts hold nothing but this."""
    return problems(of, {h.name: held.get(h.name, {}) for h in of.hosts if not asked or h.name in asked}, record, STORE)


NODE = without_data(node="/var/lib/kubelet/pods")

FINE = {
    "a first run": said(ONE),
    "a first run of three": said(THREE),
    "one that lives": said(ONE, recorded(ALONE), master=member(ALONE)),
    "one whose store is lost": said(ONE, master=member(ALONE)),
    "one that is stopped": said(ONE, recorded(ALONE), master=member(ALONE, runs=False)),
    "three that live": said(THREE, recorded(GROUP), **dict.fromkeys(GROUP, member(GROUP))),
    "renamed in the inventory": said(ONE, recorded({"m": MASTER}), master=member({"m": MASTER})),
    "etcd.conf written, and killed": said(THREE, master=without_data(configured=GROUP)),
    "killed before any was ready": said(THREE, master=member(GROUP, runs=False, lived=False)),
    "killed before the third was started": said(
        THREE, master=member(GROUP, started=["master", "node1"]), node1=member(GROUP, started=["master", "node1"])
    ),
    "data of another cluster on a node": said(ONE, master=member(ALONE), node2=member({"node2": NODE2})),
    "only nodes asked": said(ONE, asked=["node1"]),
    "nodes of one that lives": said(ONE, recorded(ALONE), master=member(ALONE), node1=NODE),
    "grown": said(THREE, recorded(ALONE), master=member(ALONE)),
    "grown, and the store is lost": said(THREE, master=member(ALONE)),
    "grown while etcd is stopped": said(THREE, recorded(ALONE), master=member(ALONE, runs=False)),
    "grown, and only a new host asked": said(THREE, recorded(ALONE), asked=["node1"]),
    "shrunk": said(ONE, recorded(GROUP), master=member(GROUP), node1=member(GROUP), node2=member(GROUP)),
    "shrunk, and the others are gone": said(ONE, recorded(GROUP), master=member(GROUP)),
    "moved": said(NODE1_ALONE, recorded(ALONE), master=member(ALONE)),
    "moved, and the store is lost": said(NODE1_ALONE, master=member(ALONE)),
    "moved, and joined": said(NODE1_ALONE, recorded(ALONE), master=member(BOTH), node1=member(BOTH)),
    "a machine that is new by its name": said(THREE, recorded(GROUP), master=member(GROUP), node2=member(GROUP)),
    "the same, while the others are stopped": said(
        THREE, recorded(GROUP), master=member(GROUP, runs=False), node1=member(GROUP, runs=False)
    ),
    "a learner": said(THREE, recorded(ALONE), master=member(BOTH) | {"learners": [NODE1]},
                      node1=member(BOTH, runs=False)),
    "taken out, its data still there": said(ONE, recorded(GROUP), master=member(ALONE),
                                            node1=member(GROUP, runs=False)),
}  # fmt: skip


@pytest.mark.parametrize("name", FINE)
def test_nothing_is_said_of(name: str) -> None:
    assert FINE[name] == []


ANEW = "stop etcd and remove /var/lib/etcd/default.etcd and /var/lib/container-cloud/etcd.lived on "
REFUSED = {
    "moved while its member is stopped": (
        said(NODE1_ALONE, recorded(ALONE), master=member(ALONE, runs=False)),
        ["node1: etcd has no data", "master, where etcd does not answer", "not in the group", f"{ANEW}node1, master"],
    ),
    "moved, and none of them is asked": (
        said(NODE1_ALONE, recorded({"gone": "https://10.1.10.110:2380"}), asked=["node2"]),
        ["etcd = node1 in the inventory, and none of them is a member", "Keep one of them in the group etcd"],
    ),
    "moved, and none of the new ones is asked": (
        said(NODE1_ALONE, recorded(ALONE), asked=["master"], master=member(ALONE)),
        ["none of them is a member yet", "without --limit"],
    ),
    "another port": (
        said(cluster(etcd_peer_port=12380), master=member(ALONE)),
        ["master has data of etcd's member at https://10.1.10.101:2380, which shall be at https://10.1.10.101:12380"],
    ),
    "another port, while it is stopped": (
        said(cluster(etcd_peer_port=12380), recorded(ALONE), master=member(ALONE, runs=False)),
        ["master has data of etcd's member at https://10.1.10.101:2380"],
    ),
    "the group changed before any was ready": (
        said(THREE, master=member(BOTH, runs=False, lived=False)),
        ["master has begun a cluster of etcd with the members master, node1, which was never ready", f"{ANEW}master"],
    ),
    "data that the others do not know": (
        said(THREE, recorded(ALONE), master=member(ALONE), node1=member(GROUP, runs=False)),
        ["node1 has etcd's data", "but the members master do not know it", "then it joins anew"],
    ),
    "a disk that is not mounted": (
        said(THREE, recorded(GROUP), master=member(GROUP), node1=without_data(lived=True), node2=member(GROUP)),
        ["node1: etcd has no data", "mount its disk", "remove /var/lib/container-cloud/etcd.lived: the next run"],
    ),
    "fewer than half have their data": (
        said(THREE, recorded(GROUP), master=member(GROUP, runs=False)),
        ["fewer than half of these can be started: node1, node2 are without data", "restore a snapshot"],
    ),
    "the majority is stopped, and not in the group": (
        said(ONE, recorded(GROUP), **dict.fromkeys(GROUP, member(GROUP, runs=False))),
        ["fewer than half", "Start etcd on node1, node2 first"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_group_that_cannot_become_the_members_is_refused(name: str) -> None:
    (line,), parts = REFUSED[name]
    assert [part for part in parts if part not in line] == [], line


def test_a_group_is_not_changed_behind_the_back_of_those_who_use_it() -> None:
    """A run that starts no etcd would tell API servers of members that do not answer."""
    held = {h.name: {} for h in NODE1_ALONE.hosts} | {"master": member(ALONE)}
    (line,) = problems(NODE1_ALONE, held, recorded(ALONE), STORE, begins=False)
    assert "API servers and flannel would be told of members that do not answer" in line
    assert problems(NODE1_ALONE, held, recorded(ALONE), STORE, begins=False, read=False) == []


@pytest.mark.parametrize("name", ["master", "node2"])
def test_no_cluster_begins_beside_one_that_has_lived(name: str) -> None:
    held = {h.name: {} for h in THREE.hosts}
    assert begins(THREE, held, None) and not begins(THREE, held, recorded(ALONE))
    assert begins(THREE, held | {name: member(GROUP, runs=False, lived=False)}, None)
    assert not begins(THREE, held | {name: without_data(lived=True)}, None)
    assert not begins(THREE, held | {name: member(GROUP)}, None)
    assert not begins(THREE, held | {"node3": NODE}, None)


def test_what_hosts_alone_show_is_what_an_audit_tells() -> None:
    held = {h.name: {} for h in THREE.hosts}
    assert lost(THREE, held) == [] == lost(THREE, held | {"master": member(ALONE)})
    (line,) = lost(ONE, held | {"master": without_data(lived=True)})
    assert line.startswith("master: etcd has no data")


LOST = {
    "the store says so": (
        said(ONE, recorded(ALONE)), ["master: etcd has no data in /var/lib/etcd/default.etcd", "the store says"],
    ),
    "the host says so": (
        said(ONE, master=without_data(lived=True)), ["its member was ready once", "kubelets would end every pod",
         "restore a snapshot", f"{ANEW}master"],
    ),
    "only nodes say so": (
        said(ONE, master=without_data(configured=ALONE), node1=NODE), ["master: etcd has no data", "nodes have pods or "
         "leases of a cluster that has lived: node1 (/var/lib/kubelet/pods)", f"{ANEW}master; on node1 stop"],
    ),
    "it still runs": (
        said(ONE, recorded(ALONE), master=without_data(members=urls(ALONE), cluster="cdf8", started=[MASTER])),
        ["master: etcd runs, but its data directory", "etcdctl snapshot save"],
    ),
    "the others were not asked": (
        said(ONE, asked=["master"]), ["master: etcd would begin a cluster here, and node1, node2, node3 could not be",
         "without --limit"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LOST)
def test_a_member_that_would_start_empty_is_refused(name: str) -> None:
    (line,), parts = LOST[name]
    assert [part for part in parts if part not in line] == [], line


def test_where_etcd_is_not_to_start_hosts_that_were_not_asked_do_not_matter() -> None:
    assert problems(ONE, {"master": {}}, None, STORE, begins=False) == []


def test_every_member_that_has_lost_its_data_is_named() -> None:
    lines = said(THREE, recorded(GROUP))
    assert [line.partition(":")[0] for line in lines] == ["master", "node1", "node2"]


def test_two_clusters_are_told_apart() -> None:
    other = member(GROUP) | {"cluster": "beef"}
    (line,) = said(THREE, master=member(GROUP), node1=member(GROUP), node2=other)
    assert line.startswith("master is a member of etcd's cluster cdf8 and node2 of cluster beef")
    (line,) = said(ONE, recorded(ALONE, "beef"), master=member(ALONE))
    assert "master is a member of etcd's cluster cdf8, but the store says that etcd's cluster beef has lived" in line
    assert "remove /store/etcd.json here" in line


@pytest.mark.parametrize("vote", [True, False])
def test_of_two_by_one_name_neither_hides_the_other(vote: bool) -> None:
    """Another machine by the name of node2 has joined, and the former one lives."""
    listed = urls(GROUP) | {"https://10.1.10.113:2380": "node2"}
    for of, stranger in ((THREE, "https://10.1.10.113:2380"), (moved("node2", "10.1.10.113"), NODE2)):
        learners = [] if vote else [peer_urls(of)["node2"]]
        held = member(GROUP) | {"members": listed, "started": sorted(listed), "learners": learners}
        found = dict.fromkeys(GROUP, held)
        if not vote:
            began = {**BOTH, "3a": stranger, "node2": peer_urls(of)["node2"]}
            found["node2"] = member(began, runs=False)
        assert problems(of, found, recorded(GROUP), STORE) == []
        assert knows_strangers(of, found) is True, stranger
        assert record_of(held) == (Record("cdf8", listed) if vote else None)
        assert joiners(of, found) == ([] if vote else ["node2"])


def test_the_store_remembers_what_was_kept(tmp_path: Path) -> None:
    assert Record.read(tmp_path / "store") is None
    record = record_of(member(GROUP))
    assert record == recorded(GROUP)
    record.keep(tmp_path / "store")
    assert Record.read(tmp_path / "store") == record
    former = {"cluster_id": "cdf8", "members": GROUP}
    (tmp_path / "store/etcd.json").write_text(json.dumps(former))
    assert Record.read(tmp_path / "store") == record, "as earlier runs kept it"
    (tmp_path / "store/etcd.json").write_text("{")
    with pytest.raises(StoreError, match="cannot be read: restore it"):
        Record.read(tmp_path / "store")


def test_a_cluster_is_remembered_once_all_its_members_have_started() -> None:
    assert record_of({}) is None and record_of(without_data()) is None
    assert record_of(member(GROUP, started=["master", "node1"])) is None
    assert record_of(member(GROUP) | {"learners": [NODE2]}) is None


@pytest.mark.parametrize(("user", "printed"), [("0", "etcd_lived=yes\n"), ("1000", "")])
def test_what_an_account_cannot_see_is_not_told(
    user: str, printed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data below etcd's own directory would look lost to it."""
    (tmp_path / "id").write_text(f"#!/bin/sh\necho {user}\n")
    (tmp_path / "id").chmod(0o755)
    (tmp_path / "lived").touch()
    monkeypatch.setattr(etcd, "LIVED", str(tmp_path / "lived"))
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(["sh", "-c", Held().script()], env=path, capture_output=True, text=True, check=False)
    assert done.stdout == printed


@pytest.mark.parametrize("earlier", [False, True])
def test_what_a_host_holds_is_read_of_its_files(earlier: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever zone its clock is in; an earlier release of this project had everything in etcd.conf."""
    (tmp_path / "id").write_text("#!/bin/sh\necho 0\n")
    (tmp_path / "id").chmod(0o755)
    (tmp_path / "data/member").mkdir(parents=True)
    os.utime(tmp_path / "data", (0, 1735689599))
    first = f'ETCD_INITIAL_CLUSTER="master={MASTER},node1={NODE1}"'
    (tmp_path / "etcd.conf").write_text(f"# By container-cloud\n{first if earlier else ''}")
    if not earlier:
        (tmp_path / "bootstrap.conf").write_text(f'ETCD_INITIAL_CLUSTER_STATE="new"\n{first}\n')
    monkeypatch.setattr(etcd, "DATA", str(tmp_path / "data"))
    script = Held().script().replace("/etc/etcd/", f"{tmp_path}/")
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin", "TZ": "Asia/Shanghai"}
    done = subprocess.run(["sh", "-c", script], env=path, capture_output=True, text=True, check=False)
    found = Held().read(done.stdout.splitlines())
    assert (found["data"], found["ours"], found["configured"]) == ("2024-12-31", True, BOTH)
