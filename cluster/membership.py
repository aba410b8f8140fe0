"""Whether etcd may be started: what hosts and the store tell of a cluster that has lived.

A member that starts without its data is an empty cluster, or half of one: kubelets then end every pod. So none does
while anything shows that the cluster has lived, and the members of one that has are those of its first start.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cluster.settings import Cluster, Host
from pki.files import StoreError, locked, write

DIRECTORY = "/var/lib/etcd"
DATA = f"{DIRECTORY}/default.etcd"
LIVED = "/var/lib/container-cloud/etcd.lived"  # made by the unit once its member was ready; outlives the data
RECORD = "etcd.json"  # in the store

_RESTORE = (
    "bring its data back (mount its disk, put the directory back, or restore a snapshot: docs/troubleshooting.md)"
)


@dataclass(frozen=True)
class Record:
    """What the store remembers of etcd: that it has lived, nothing more is decided by it.

    + cluster_id: as etcd writes it, in hex
    + members: the URL for other members, by name
    """

    cluster_id: str
    members: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, directory: Path) -> "Record | None":
        """The record in a store's directory; None: the cluster has not lived, as far as the store knows.

        Raises StoreError when it is damaged.
        """
        path = directory / RECORD
        try:
            return cls(**json.loads(path.read_text()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise StoreError(f"{path} cannot be read: restore it from a backup") from error

    def keep(self, directory: Path) -> None:
        """Write it into a store's directory. Raises StoreError when that cannot be done."""
        with locked(directory):
            write(directory / RECORD, json.dumps(asdict(self), indent=2) + "\n")


def record_of(held: Mapping[str, Any]) -> Record | None:
    """What there is to remember, from what a host holds of etcd; None before all members have started."""
    members = held.get("members")
    return Record(held["cluster"], dict(members)) if members and set(members) == set(held["started"]) else None


def peer_urls(cluster: Cluster) -> dict[str, str]:
    """The members' URLs for each other, by name, as the inventory has them."""
    return {m.name: f"https://{m.address}:{cluster.settings.etcd_peer_port}" for m in cluster.etcd_members}


def problems(
    cluster: Cluster,
    found: Mapping[str, Mapping[str, Any]],
    record: Record | None,
    directory: Path,
    *,
    begins: bool = True,
) -> list[str]:
    """Every reason not to let etcd start or change, one line each, saying what was found and what to do.

    Args:
        found: by the name of each host that was asked, what it holds of etcd, as `facts.etcd.held` returns it.
        record: the store's.
        directory: the store's.
        begins: whether etcd is to be started, so that hosts that were not asked matter.
    """
    state = _State(cluster, found, record, directory, begins)
    # Each explains what would be said after it.
    return list(_changed(state)) or list(_divided(state)) or list(_lost(state))


def lost(cluster: Cluster, found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Of `problems` those that hosts alone show, but for a changed group: which data are gone, or of two clusters."""
    state = _State(cluster, found, None, Path(), begins=False)
    return [] if list(_changed(state)) else list(_divided(state)) or list(_lost(state))


@dataclass(frozen=True)
class _State:
    cluster: Cluster
    found: Mapping[str, Mapping[str, Any]]
    record: Record | None
    directory: Path
    begins: bool

    @property
    def members(self) -> Iterator[tuple[Host, Mapping[str, Any]]]:
        """The group's hosts that were asked, with what they hold."""
        return ((m, self.found[m.name]) for m in self.cluster.etcd_members if m.name in self.found)

    @property
    def remembered(self) -> str:
        """What the store says, in words."""
        assert self.record
        names = _listed(self.record.members, peer_urls(self.cluster))
        return (
            f"the store says that etcd's cluster {self.record.cluster_id} has lived, with the members {names} "
            f"({self.directory / RECORD})"
        )

    def outside(self) -> Iterator[str]:
        """Hosts that are not in the group and hold something of etcd, in words."""
        for name, held in self.found.items():
            if not self.cluster.host(name).is_etcd and (held.get("data") or held.get("lived")):
                yield f"{_shows(name, held)} and is not in the group"

    def anew(self, hosts: list[str]) -> str:
        """What to remove for a cluster that begins anew."""
        also = f", and {self.directory / RECORD} here" if self.record else ""
        if nodes := self.nodes:
            also += (
                f"; on {', '.join(nodes)} stop the kubelet, end its containers (docker rm -f), and remove "
                "/var/lib/kubelet/pods and /run/flannel/subnet.env"
            )
        return (
            f"For an empty cluster in its place, which loses all it held: stop etcd and remove {DATA} and {LIVED} on "
            f"{', '.join(hosts)}{also}"
        )

    @property
    def unasked(self) -> str:
        """The cluster's hosts that were not asked, in words."""
        return ", ".join(h.name for h in self.cluster.hosts if h.groups and h.name not in self.found)

    @property
    def nodes(self) -> dict[str, str]:
        """Nodes of a cluster that has lived, each with what tells so."""
        return {name: held["node"] for name, held in self.found.items() if held.get("node")}


def _changed(state: _State) -> Iterator[str]:
    """A group that is not the members of a cluster that has lived."""
    wanted = peer_urls(state.cluster)
    agreed, said = False, set()
    for host, held in state.members:
        theirs = _members(held)
        if theirs and set(theirs.values()) == set(wanted.values()):
            agreed = True
        elif theirs and frozenset(theirs.items()) not in said:
            said.add(frozenset(theirs.items()))
            members = f"with the members {_listed(theirs, wanted)}"
            yield _change(state, f"{_shows(host.name, held)}, {members}", theirs)
    remembered = state.record.members if state.record else {}
    if not agreed and not said and remembered and set(remembered.values()) != set(wanted.values()):
        yield _change(state, "; ".join([state.remembered, *state.outside()]), remembered)


def _change(state: _State, shown: str, theirs: Mapping[str, str]) -> str:
    wanted = peer_urls(state.cluster)
    return (
        f"etcd = {_listed(wanted, theirs)} in the inventory, but {shown}: the members of a cluster that has lived "
        "cannot be changed by a run yet. Write the former ones again in the group etcd (with their addresses and "
        "etcd_peer_port); one that somebody added by hand goes by etcdctl member remove. "
        f"{state.anew(sorted({*wanted, *theirs}))}"
    )


def _divided(state: _State) -> Iterator[str]:
    """Members of different clusters."""
    first: tuple[str, str] | None = None
    for host, held in state.members:
        cluster_id = held.get("cluster")
        if not cluster_id:
            continue
        if first and cluster_id != first[1]:
            yield (
                f"{first[0]} is a member of etcd's cluster {first[1]} and {host.name} of cluster {cluster_id}: these "
                "are two clusters, each with data of its own. Find out which one has yours (etcdctl get --prefix "
                f"--keys-only /registry/ on each); on the hosts of the other stop etcd and move {DATA} away"
            )
        first = first or (host.name, cluster_id)
    if first and state.record and state.record.cluster_id != first[1]:
        yield (
            f"{first[0]} is a member of etcd's cluster {first[1]}, but {state.remembered}: restore that one's data; "
            f"or, if {first[0]}'s are the right ones, remove {state.directory / RECORD} here"
        )


def _lost(state: _State) -> Iterator[str]:
    """Members that would start empty though something shows that the cluster has lived."""
    for host, held in state.members:
        if held.get("data"):
            continue
        if held.get("members"):
            yield (
                f"{host.name}: etcd runs, but its data directory {DATA} is gone, and with etcd all it holds: save it "
                "before anything stops it (etcdctl snapshot save), then restore that snapshot: docs/troubleshooting.md"
            )
            continue
        witnesses = list(_witnesses(state, host))
        if witnesses:
            yield (
                f"{host.name}: etcd has no data in {DATA}, but {'; '.join(witnesses)}. It would start empty, and "
                f"kubelets would end every pod: {_RESTORE}. {state.anew(_holders(state, host))}"
            )
        elif state.begins and state.unasked:
            yield (
                f"{host.name}: etcd would begin a cluster here, and {state.unasked} could not be asked whether "
                "there is one: run without --limit"
            )


def _witnesses(state: _State, host: Host) -> Iterator[str]:
    """What shows that a member without data has had some, or that another host has its cluster."""
    if state.found[host.name].get("lived"):
        yield f"its member was ready once ({LIVED})"
    if state.record:
        yield state.remembered
    yield from state.outside()
    if state.nodes:
        listed = ", ".join(f"{name} ({path})" for name, path in state.nodes.items())
        yield f"nodes have pods or leases of a cluster that has lived: {listed}"
    url = peer_urls(state.cluster)[host.name]
    for other, held in state.members:
        name = other.name
        if name == host.name:
            continue
        if held.get("members"):
            if url in (held["members"][started] for started in held["started"]):
                yield f"{name} lists it among the members that have started"
        elif held.get("lived"):
            # It may have been one of them or not, and is not there to say.
            yield f"{name}'s member was ready once and does not answer now (systemctl start etcd there first)"


def _holders(state: _State, host: Host) -> list[str]:
    holds = ("data", "lived", "configured", "members")
    others = (name for name, held in state.found.items() if any(held.get(key) for key in holds))
    return [host.name, *(name for name in others if name != host.name)]


def _members(held: Mapping[str, Any]) -> dict[str, str]:
    """The members of a host's cluster: as etcd says, else as it was configured when it was last started with data."""
    if held.get("members"):
        return dict(held["members"])
    return dict(held.get("configured") or {}) if held.get("data") else {}


def _shows(name: str, held: Mapping[str, Any]) -> str:
    """What a host holds, in words."""
    cluster_id = f" {held['cluster']}" if held.get("cluster") else ""
    since = f", with data since {held['data']}" if held.get("data") else ""
    if held.get("members"):
        return f"{name} is a member of etcd's cluster{cluster_id}{since}"
    return f"{name}, where etcd does not answer, has been a member of a cluster{cluster_id}{since}"


def _listed(members: Mapping[str, str], others: Mapping[str, str]) -> str:
    """Members by name; with the URL where the other list has another one for it."""
    return ", ".join(
        name if others.get(name, url) == url else f"{name} ({url})" for name, url in sorted(members.items())
    )
