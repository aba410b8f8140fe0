"""etcd's members change by ordinary runs: what was written is there, and a killed run is gone on with."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster.desired import ASIDE
from cluster.etcdctl import etcdctl
from cluster.membership import DATA, LIVED, Record
from lab import state
from tests.lab.conftest import REPOSITORY, Lab, Run
from tests.lab.killing import killed

pytestmark = pytest.mark.usefixtures("cluster")

# Writes a key after the other, each once, and notes which were acknowledged and which were not.
WRITER = """
rm -f /root/stop /root/acknowledged /root/refused; cp /etc/etcd/pki/root.* /etc/etcd/pki/ca.crt /root
export ETCDCTL_ENDPOINTS=%s ETCDCTL_CACERT=/root/ca.crt ETCDCTL_CERT=/root/root.crt ETCDCTL_KEY=/root/root.key
nohup sh -c 'n=0; while [ ! -e /root/stop ]; do n=$((n+1))
    if etcdctl --command-timeout=5s put /probe/$n $n >/dev/null 2>/root/said; then echo $n >>/root/acknowledged
    else echo "$n $(tail -n 1 /root/said)" >>/root/refused; fi
done' >/dev/null 2>&1 </dev/null &
"""
STARTED = "systemctl show -p MainPID,ExecMainStartTimestampMonotonic etcd"


@dataclass
class Members:
    """The group `etcd`, as the test has it."""

    lab: Lab
    directory: Path

    def inventory(self, group: str) -> str:
        """An inventory file of the lab's hosts, in which these hosts are the group."""
        (self.directory / "group_data").exists() or (self.directory / "group_data").symlink_to(
            REPOSITORY / "lab/group_data"
        )
        lines = [
            "import runpy",
            f"_lab = runpy.run_path({str(REPOSITORY / 'lab/inventory.py')!r})",
            "masters, nodes = _lab['masters'], _lab['nodes']",
            f"etcd = [h for name in {group.split()} for h in masters + nodes if h[0] == name]",
        ]
        path = self.directory / f"{group.replace(' ', '-')}.py"
        path.write_text("\n".join([*lines, ""]))
        return str(path)

    def run(self, group: str, *arguments: str, deploy: str = "cluster") -> Run:
        """A run with another group; it may fail."""
        return self.lab.pyinfra(*(arguments or ("-y",)), self.inventory(group), f"deploys/{deploy}.py")

    def are(self, group: str) -> None:
        """Begin with these."""
        done = self.run(group)
        assert done.code == 0, done.err[-6000:]

    def becomes(self, group: str) -> dict[str, list[str]]:
        """Run until the group is that, as announced, and see that the next run has nothing to do; what was changed."""
        announced = self.run(group, "--dry")
        assert announced.code == 0, announced.err[-4000:]
        done = self.run(group)
        assert done.code == 0, done.err[-6000:]
        own = {h: sorted(lines) for h, lines in done.changes.items()}
        assert own == {h: sorted(lines) for h, lines in announced.changes.items()}
        self.settled(group)
        return done.changes

    def settled(self, group: str) -> None:
        """The members are the group, all with a vote; the store knows; nothing is left to do."""
        listed = self.listed(group.split()[0])
        assert sorted(name for name, vote in listed.items() if vote) == sorted(group.split()) == sorted(listed)
        known = Record.read(state.PKI)
        assert known and sorted(known.members.values()) == sorted(group.split())
        again = self.run(group, "-y", "--json")
        assert again.code == 0 and again.totals["success"] == 0, again.err[-4000:]

    def listed(self, on: str) -> dict[str, bool]:
        """Members as one of them lists them, by name, or by id: whether they vote."""
        lines = self.lab.ssh(on, etcdctl("e member list -w simple")).splitlines()
        fields = [line.split(", ") for line in lines]
        return {name or each: learner == "false" for each, _, name, _, _, learner in fields}

    def cluster_id(self, on: str) -> str:
        """The cluster's id."""
        return self.lab.ssh(on, etcdctl("e member list -w json | grep -o '\"cluster_id\":[0-9]*'"))

    @contextmanager
    def writes(self, on: str, through: str) -> Iterator[None]:
        """Writes go on meanwhile, from a host, through members that stay; afterwards all that was acknowledged is
        there, nothing was refused, and the cluster is the same."""
        hosts = {h.name: h.address for h in state.hosts()}
        urls = ",".join(f"https://{hosts[name]}:2379" for name in through.split())
        before = self.cluster_id(on)
        self.lab.ssh(on, WRITER % urls)
        try:
            yield
        finally:
            self.lab.ssh(on, "touch /root/stop; sleep 6")
        through = through.split()[0]
        assert self.cluster_id(through) == before
        acknowledged = self.lab.ssh(on, "cat /root/acknowledged").split()
        there = self.lab.ssh(through, etcdctl("e get --prefix /probe/ --print-value-only")).split()
        print(f"{len(acknowledged)} writes acknowledged")
        assert self.lab.ssh(on, "cat /root/refused 2>/dev/null; true") == ""
        assert len(acknowledged) > 100 and set(acknowledged) - set(there) == set()
        self.lab.ssh(through, etcdctl("e del --prefix /probe/ >/dev/null"))

    def killed(self, group: str, on: str, until: str) -> dict[str, bool]:
        """A run that is killed as soon as a shell condition is true on a member; the members as they are then."""
        arguments, said = ["-y", self.inventory(group), "deploys/cluster.py"], self.directory / "killed.log"
        killed(self.lab, arguments, on=on, until=etcdctl(until), said=said)
        return self.listed(on)


@pytest.fixture
def members(lab: Lab, tmp_path: Path) -> Members:
    """The group as it is, to be changed."""
    return Members(lab, tmp_path)


def test_one_becomes_three(members: Members) -> None:
    started = members.lab.ssh("master", STARTED)
    with members.writes("master", through="master"):
        changes = members.becomes("master node1 node2")
    for name in ("node1", "node2"):
        assert f"add etcd member {name} (as a learner)" in changes[name]
    assert members.lab.ssh("master", STARTED) == started, "a group that changes restarts no member"


@pytest.mark.named
def test_one_of_three_is_replaced_by_another_host(members: Members) -> None:
    members.are("master node1 node2")
    with members.writes("master", through="master node1"):
        changes = members.becomes("master node1 node3")
    assert "remove etcd member node2 (it is not in the group any more)" in changes["master"]
    assert members.lab.ssh("node2", f"systemctl is-enabled etcd; ls {ASIDE}{DATA}.*/member; ls /etc/etcd", check=False)
    assert members.lab.attempt("node2", f"test -e {LIVED} || systemctl is-active etcd").returncode


@pytest.mark.named
def test_a_dead_one_is_replaced_by_name(members: Members) -> None:
    """As a new machine, which has its name and its address and nothing else."""
    members.are("master node1 node3")
    members.lab.ssh(
        "node3", f"systemctl disable --now etcd; rm -rf {DATA} {LIVED} /etc/etcd /etc/systemd/system/etcd.*"
    )
    with members.writes("master", through="master node1"):
        changes = members.becomes("master node1 node3")
    assert [line for line in changes["node3"] if "its data are gone, and it is replaced" in line]


@pytest.mark.named
def test_a_dead_one_is_replaced_by_another_host(members: Members) -> None:
    """Its own is in the inventory no more; for this test, it only has no etcd that answers."""
    members.are("master node1 node3")
    members.lab.ssh("node3", "systemctl disable --now etcd")
    with members.writes("master", through="master node1"):
        changes = members.becomes("master node1 node2")
    assert [line for line in changes["node2"] if line.startswith("remove etcd member node3 (")]


@pytest.mark.named
def test_a_full_database_is_given_more_room_one_member_after_another(members: Members) -> None:
    small, group = ("-y", "--data", "etcd_quota_mib=16"), "master node1 node2"
    assert members.run(group, *small).code == 0
    value = "$(head -c 100000 /dev/zero | tr '\\0' x)"
    members.lab.ssh("master", etcdctl(f'n=0; while e put /probe/$n "{value}" >/dev/null 2>&1; do n=$((n + 1)); done'))
    done = members.run(group, *small)
    assert done.code and "etcd has raised the alarm NOSPACE, and accepts no writes" in done.err, done.err[-2000:]
    done = members.run(group)
    assert done.code == 0, done.err[-6000:]
    restarted = [host for host, lines in done.changes.items() if any(x.startswith("restart etcd") for x in lines)]
    assert sorted(restarted) == sorted(group.split())
    assert [line for line in done.changes["master"] if line.startswith("disarm etcd's alarm NOSPACE")]
    members.lab.ssh("node1", etcdctl('e put /probe/last 1 && e del --prefix /probe/ && [ -z "$(e alarm list)" ]'))
    members.settled(group)


@pytest.mark.named
def test_a_member_without_its_disk_is_not_replaced(members: Members) -> None:
    members.are("master node1 node2")
    members.lab.ssh("node2", f"systemctl stop etcd; mv {DATA} /root/kept")
    try:
        done = members.run("master node1 node2")
        assert done.code == 1
        assert "mount its disk, or put the directory back. Only if its data are lost for good, stop etcd" in done.err
        assert f"and remove {LIVED}: the next run replaces the member" in done.err
        assert done.changes == {}
    finally:
        members.lab.ssh("node2", f"mv /root/kept {DATA}")
    members.are("master node1 node2")
    members.settled("master node1 node2")


@pytest.mark.named
def test_with_the_quorum_lost_nothing_is_changed(members: Members) -> None:
    members.are("master node1 node2")
    for name in ("node1", "node2"):
        members.lab.ssh(name, f"systemctl stop etcd; mv {DATA} /root/kept; mv {LIVED} /root/lived")
    try:
        done = members.run("master node3")
        assert done.code == 1 and "fewer than half of these can be started: node1, node2" in done.err
        assert done.changes == {}
    finally:
        for name in ("node1", "node2"):
            members.lab.ssh(name, f"mv /root/kept {DATA}; mv /root/lived {LIVED}; systemctl start --no-block etcd")
    time.sleep(5)
    members.settled("master node1 node2")


def test_three_become_one(members: Members) -> None:
    members.are("master node1 node2")
    with members.writes("master", through="master"):
        changes = members.becomes("master")
    gone = [line for line in changes["master"] if line.startswith("remove etcd member ")]
    assert sorted(gone) == [  # the one that leads goes last, be that this one or that one
        f"remove etcd member {name} (it is not in the group any more)" for name in ("node1", "node2")
    ]


UNSTARTED = "e member list -w simple | grep -q ', unstarted, '"
LEARNER = "e member list -w simple | grep -q ', started, .*, true$'"
GONE = "! e member list -w simple | grep -q ', node1, '"


@pytest.mark.named
@pytest.mark.parametrize(
    ("before", "group", "until"),
    [("master", "master node1 node2", UNSTARTED), ("master", "master node1 node2", LEARNER),
     ("master node1 node2", "master", GONE)],
    ids=["added", "started", "removed"],
)  # fmt: skip
def test_a_killed_run_is_gone_on_with(before: str, group: str, until: str, members: Members) -> None:
    members.are(before)
    with members.writes("master", through="master"):
        print("killed with", members.killed(group, "master", until))
        done = members.run(group)
        assert done.code == 0, done.err[-6000:]
        members.settled(group)


@pytest.mark.named
def test_all_move_to_other_hosts_together(members: Members) -> None:
    """For a while there are as many more. Nobody stays whom a writer could go on with: what was there is there."""
    members.are("master node1")
    before = members.cluster_id("master")
    members.lab.ssh("master", etcdctl("for n in $(seq 200); do e put /probe/$n $n >/dev/null || exit 1; done"))
    changes = members.becomes("node2 node3")
    assert members.cluster_id("node2") == before
    there = members.lab.ssh("node3", etcdctl("e get --prefix /probe/ --print-value-only")).split()
    assert sorted(there, key=int) == [str(n) for n in range(1, 201)]
    assert len([line for line in changes["node2"] if line.startswith("remove etcd member ")]) == 2
    members.lab.ssh("node2", etcdctl("e del --prefix /probe/ >/dev/null"))
    members.are("master")
    members.settled("master")
