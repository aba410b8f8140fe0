"""Whether etcd may be started, and its group be changed: what hosts and the store tell of a cluster that has lived.

A member that starts without its data is an empty cluster, or half of one: kubelets then end every pod. So none begins a
cluster while anything shows that one has lived; hosts without data join it, as `cluster/members.py` has it.
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
    """What the store remembers of etcd: that it has lived, and where its members were when a run last saw them.

    + cluster_id: as etcd writes it, in hex
    + members: their names, by their URLs for each other
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
            read = cls(**json.loads(path.read_text()))
            # Once it was the other way round, and hid one of two by the same name.
            return cls(read.cluster_id, dict((u, n) if "/" in u else (n, u) for u, n in read.members.items()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise StoreError(f"{path} cannot be read: restore it from a backup") from error

    def keep(self, directory: Path) -> None:
        """Write it into a store's directory. Raises StoreError when that cannot be done."""
        with locked(directory):
            write(directory / RECORD, json.dumps(asdict(self), indent=2) + "\n")


def record_of(held: Mapping[str, Any]) -> Record | None:
    """What there is to remember, from what a host holds of etcd; None before all members have started and vote."""
    members = held.get("members")
    if not members or held.get("learners") or set(members) != set(held["started"]):
        return None
    return Record(held["cluster"], dict(members))


def peer_urls(cluster: Cluster) -> dict[str, str]:
    """The members' URLs for each other, by name, as the inventory has them."""
    return {m.name: _peer_url(cluster, m) for m in cluster.etcd_members}


def _named(cluster: Cluster) -> dict[str, str]:
    """The same the other way round, as etcd lists members."""
    return {url: name for name, url in peer_urls(cluster).items()}


def _configured(held: Mapping[str, Any]) -> dict[str, str]:
    """The members that one was first started with, as etcd lists members."""
    return {url: name for name, url in (held.get("configured") or {}).items()}


def _peer_url(cluster: Cluster, host: Host) -> str:
    return f"https://{host.address}:{cluster.settings.etcd_peer_port}"


def problems(
    cluster: Cluster,
    found: Mapping[str, Mapping[str, Any]],
    record: Record | None,
    directory: Path,
    *,
    begins: bool = True,
    read: bool = True,
) -> list[str]:
    """Every reason not to let etcd start or change, one line each, saying what was found and what to do.

    Args:
        found: by the name of each host that was asked, what it holds of etcd, as `facts.etcd.held` returns it.
        record: the store's.
        directory: the store's.
        begins: whether etcd is to be started, so that hosts that were not asked matter.
        read: whether all of the run's deploys have been read, so that `begins` is known.
    """
    state = _State(cluster, found, record, directory, begins, read)
    # Each explains what would be said after it.
    checks = (_divided, _moved, _lost, _unlisted, _too_few, _all_new)
    return next((said for said in (list(check(state)) for check in checks) if said), [])


def lost(
    cluster: Cluster, found: Mapping[str, Mapping[str, Any]], record: Record | None = None, directory: Path = Path()
) -> list[str]:
    """Of `problems` those that some hosts alone show: which data are gone, or of two clusters. Arguments as above."""
    state = _State(cluster, found, record, directory, begins=False)
    checks = (_divided, _moved, _lost, _unlisted)
    return next((said for said in (list(check(state)) for check in checks) if said), [])


def begins(cluster: Cluster, found: Mapping[str, Mapping[str, Any]], record: Record | None) -> bool:
    """Whether the group's hosts begin a cluster together: nothing shows that one has lived. Arguments as above."""
    return _State(cluster, found, record, Path(), begins=True).beginning


@dataclass(frozen=True)
class Part:
    """What decides a member's part in its cluster, beside the inventory.

    + cluster_id: of etcd's cluster that has lived, in hex, as far as it is known
    + first: the host that does what one does for all; "": the first of the group
    """

    cluster_id: str = ""
    first: str = ""


USUAL = Part()


@dataclass(frozen=True)
class _State:
    cluster: Cluster
    found: Mapping[str, Mapping[str, Any]]
    record: Record | None
    directory: Path
    begins: bool
    read: bool = True

    @property
    def members(self) -> Iterator[tuple[Host, Mapping[str, Any]]]:
        """The group's hosts that were asked, with what they hold."""
        return ((m, self.found[m.name]) for m in self.cluster.etcd_members if m.name in self.found)

    @property
    def lists(self) -> dict[str, str]:
        """The members' names by URL, as one that answers tells; {} where none does."""
        for name, held in self.found.items():
            if held.get("members") and (self.cluster.host(name).is_etcd or self._was_ours(held)):
                return dict(held["members"])
        return {}

    def _was_ours(self, held: Mapping[str, Any]) -> bool:
        """Whether a host outside the group has a member of this cluster, rather than of somebody else's."""
        known = {h["cluster"] for m, h in self.members if h.get("cluster")}
        if self.record:
            known.add(self.record.cluster_id)
        return held["cluster"] in known if known else bool(held.get("lived"))

    @property
    def known(self) -> set[str]:
        """The members' URLs: as one that answers tells, else as the store remembers them."""
        return set(self.lists or (self.record.members if self.record else {}))

    @property
    def beginning(self) -> bool:
        """Whether nothing shows that a cluster has lived."""
        lived = any(held.get("lived") for held in self.found.values())
        return not (self.record or self.lists or lived or self.nodes or any(self.outside()))

    @property
    def remembered(self) -> str:
        """What the store says, in words."""
        assert self.record
        names = _listed(self.record.members, _named(self.cluster))
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


def _moved(state: _State) -> Iterator[str]:
    """Members whose URL for the others is not that of the inventory; or that have begun a cluster of other members."""
    wanted = peer_urls(state.cluster)
    for host, held in state.members:
        theirs = state.lists if held.get("members") else _configured(held)
        url = wanted[host.name]
        if not held.get("data") or url in theirs:
            continue
        if former := next((u for u, name in theirs.items() if name == host.name), None):
            yield (
                f"{host.name} has data of etcd's member at {former}, which shall be at {url}: a member "
                "keeps its address and etcd_peer_port. Write the former ones; for another address take the host out "
                "of the group etcd, run, and put it in again with the new one"
            )
    if state.beginning:
        for host, held in state.members:
            theirs, ours = _configured(held), _named(state.cluster)
            if held.get("data") and theirs and set(theirs) != set(ours):
                yield (
                    f"{host.name} has begun a cluster of etcd with the members {_listed(theirs, ours)}, which was "
                    f"never ready, but etcd = {_listed(ours, theirs)} in the inventory. Write the former group "
                    f"again; or, since nothing has lived in it, {state.anew(_holders(state, host))}"
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
        elif held.get("lived") and state.lists:
            yield (
                f"{host.name}: etcd has no data in {DATA}, but its member was ready once ({LIVED}): mount its disk, or "
                "put the directory back. Only if its data are lost for good, stop etcd there (systemctl stop "
                f"etcd), and remove {LIVED}: the next run replaces the member, which fetches them from the others"
            )
        elif held.get("lived") or not (state.beginning or _joins(state)):
            yield (
                f"{host.name}: etcd has no data in {DATA}, but {'; '.join(_witnesses(state, host))}. It would start "
                f"empty, and kubelets would end every pod: {_RESTORE}. {state.anew(_holders(state, host))}"
            )
        elif state.beginning and state.begins and state.unasked:
            yield (
                f"{host.name}: etcd would begin a cluster here, and {state.unasked} could not be asked whether "
                "there is one: run without --limit"
            )


def _joins(state: _State) -> bool:
    """Whether a host without data may join: members answer, or are going to, or were left out by --limit."""
    if state.lists:
        return True
    urls = peer_urls(state.cluster)
    sleeping = any(held.get("data") for _, held in state.members)
    away = {url for name, url in urls.items() if name not in state.found}
    return sleeping or bool(state.record and away & set(state.record.members))


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
    for other, held in state.members:
        if other.name != host.name and held.get("lived") and not held.get("data"):
            yield f"{other.name}'s member was ready once"


def _unlisted(state: _State) -> Iterator[str]:
    """Data of a member that the others do not know."""
    urls = peer_urls(state.cluster)
    for host, held in state.members:
        if held.get("data") and not held.get("members") and state.lists and urls[host.name] not in state.known:
            others = ", ".join(sorted(state.lists.values()))
            yield (
                f"{host.name} has etcd's data in {DATA}, but the members {others} do not know "
                f"it: they were those of a member that was taken out, or of another cluster. On {host.name} stop etcd "
                f"(systemctl stop etcd), move {DATA} away and remove {LIVED}: then it joins anew"
            )


def _too_few(state: _State) -> Iterator[str]:
    """Members of which fewer than half can be there again once the run has started etcd on the group's hosts."""
    if state.lists or not state.record or not state.begins:
        return
    urls = {h.name: _peer_url(state.cluster, h) for h in state.cluster.hosts}
    away = {
        name for name, held in state.found.items()
        if urls[name] in state.known and not (held.get("data") and state.cluster.host(name).is_etcd)
    }  # fmt: skip
    if 2 * (len(state.known) - len(away)) > len(state.known):
        return
    stopped = [name for name in sorted(away) if state.found[name].get("data")]
    start = (
        f"Start etcd on {', '.join(stopped)} first (systemctl start etcd there)" if stopped else _RESTORE.capitalize()
    )
    yield (
        f"{state.remembered}, and fewer than half of these can be started: {', '.join(sorted(away))} "
        f"{'is' if len(away) == 1 else 'are'} without data, or not in the group any more. {start}"
    )


def _all_new(state: _State) -> Iterator[str]:
    """A group of which nobody is a member, in a run that cannot have one join."""
    wanted = peer_urls(state.cluster)
    if not state.known or state.known & set(wanted.values()):
        return
    if not state.lists:
        yield (
            f"etcd = {', '.join(wanted)} in the inventory, and none of them is a member; {state.remembered}, and none "
            "of these answers on a host of this run. Keep one of them in the group etcd for this run, or its host in "
            "another group, with etcd running there; or run without --limit"
        )
    elif state.read and not (state.begins and any(True for _ in state.members)):
        yield (
            f"etcd = {', '.join(wanted)} in the inventory, and none of them is a member yet: API servers and flannel "
            "would be told of members that do not answer. Run deploys/cluster.py, without --limit"
        )


def _holders(state: _State, host: Host) -> list[str]:
    holds = ("data", "lived", "configured", "members")
    others = (name for name, held in state.found.items() if any(held.get(key) for key in holds))
    return [host.name, *(name for name in others if name != host.name)]


def _shows(name: str, held: Mapping[str, Any]) -> str:
    """What a host holds, in words."""
    cluster_id = f" {held['cluster']}" if held.get("cluster") else ""
    since = f", with data since {held['data']}" if held.get("data") else ""
    if held.get("members"):
        return f"{name} is a member of etcd's cluster{cluster_id}{since}"
    return f"{name}, where etcd does not answer, has been a member of a cluster{cluster_id}{since}"


def _listed(members: Mapping[str, str], others: Mapping[str, str]) -> str:
    """Members, of their names by URL, by name; with the URL where one of that name is elsewhere, here or there."""
    told = sorted((name, url) for url, name in members.items())
    elsewhere = {*members.items(), *others.items()}
    return ", ".join(
        f"{name} ({url})" if any(n == name and u != url for u, n in elsewhere) else name for name, url in told
    )
