"""What has to happen to etcd's members: the difference between those it lists and the group of the inventory.

Whoever is asked to change something reads them anew before each step, so that a run that was killed anywhere goes on
where it stood. One member changes at a time, and none while fewer than half of the others would be healthy.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cluster.membership import peer_urls
from cluster.settings import Cluster, Host


@dataclass(frozen=True)
class Member:
    """A member as etcd lists it.

    + id: in hex
    + name: "" of one that has never started
    + peer: its URL for other members
    + client: its URL for clients, "" of one that has never started
    + learner: whether it has no vote yet
    + answers: whether it runs and can be reached
    + healthy: whether it reads what the majority agrees on; a learner never does
    + leads: whether it is the leader
    """

    id: str
    name: str
    peer: str
    client: str
    learner: bool = False
    answers: bool = True
    healthy: bool = True
    leads: bool = False

    @property
    def started(self) -> bool:
        """Whether it has ever been one of them, rather than only been added."""
        return bool(self.client)

    @property
    def called(self) -> str:
        """What it is called in messages."""
        return self.name or f"{self.id} ({self.peer})"


@dataclass(frozen=True)
class Standing:
    """etcd's members as they stand.

    + cluster_id: of their cluster, in hex; "" where nobody answers
    + members: as they list them
    + others: by URL for clients, the id of another cluster that a host was found in
    """

    cluster_id: str = ""
    members: tuple[Member, ...] = ()
    others: Mapping[str, str] = ()  # type: ignore[assignment]

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> "Standing":
        """Of what `facts.etcd.Standing` tells."""
        members = tuple(Member(**m) for m in answer.get("members", ()))
        return cls(answer.get("cluster", ""), members, dict(answer.get("others", {})))

    @property
    def voters(self) -> tuple[Member, ...]:
        """Those that have a vote."""
        return tuple(m for m in self.members if not m.learner)

    @property
    def asked(self) -> tuple[str, ...]:
        """The URLs at which changes may be asked for."""
        return tuple(m.client for m in self.members if m.healthy and m.client)

    def agrees(self, without: Iterable[str] = ()) -> bool:
        """Whether more than half of the voters are healthy, of those that are left without some, by ids."""
        left = [m for m in self.voters if m.id not in set(without)]
        return sum(m.healthy for m in left) > len(left) / 2


@dataclass(frozen=True)
class Joining:
    """What has to happen so that a host becomes a member.

    + lost: members that go before
    + add: whether it is added then
    + listed: whether it has been added, and begins now
    + replaced: of those that go, the one that is at the host's own address
    """

    lost: tuple[Member, ...] = ()
    add: bool = False
    listed: bool = False
    replaced: Member | None = None

    def lines(self, name: str) -> list[str]:
        """One line a change, in the words of the announcement."""
        gone = [f"remove etcd member {m.called} ({m.id}: {self._why(m, name)})" for m in self.lost]
        return [*gone, *([f"add etcd member {name} (as a learner)"] if self.add else [])]

    def _why(self, member: Member, name: str) -> str:
        if member == self.replaced:
            known = "" if member.name == name else f"{name} has its address now, "
            return f"{known}its data are gone, and it is replaced"
        if member.learner:
            return "it was added and never had a vote"
        where = f" at {member.peer}" if member.name == name else ""
        return f"it does not answer{where}, and is not in the group"


def joining(cluster: Cluster, host: Host, standing: Standing, *, has_data: bool) -> Joining | str:
    """What has to happen so that a host of the group becomes a member; or why it cannot be, in words.

    Args:
        has_data: whether a member's data are on it: then it is what they say.
    """
    urls = peer_urls(cluster)
    own = next((m for m in standing.members if m.peer == urls[host.name]), None)
    if own and has_data:
        return Joining()
    if reason := _cannot_change(standing):
        return f"{host.name} cannot join etcd's members: {reason}"
    lost = [m for m in standing.members if m.peer not in urls.values() and (m.learner or not m.answers)]
    if own and own.started:
        lost.insert(0, own)
    voting = [m.id for m in lost if not m.learner]
    if voting and not standing.agrees(without=voting):
        return (
            f"{host.name} cannot join etcd's members: without {', '.join(m.called for m in lost)}, fewer than half of "
            "the others would be healthy: start etcd on those first"
        )
    add = own is None or own.started
    return Joining(tuple(lost), add=add, listed=not add, replaced=own if own in lost else None)


def _cannot_change(standing: Standing) -> str:
    """Why no member may be changed, in words."""
    if not standing.members:
        return (
            "none of them answers. Start etcd on more than half of them (systemctl start etcd there); where their data "
            "are lost for good, restore a snapshot: docs/troubleshooting.md"
        )
    if standing.others:
        told = ", ".join(f"at {url} one of cluster {other}" for url, other in standing.others.items())
        return f"they are of cluster {standing.cluster_id}, but {told} answers: docs/troubleshooting.md"
    if not standing.agrees():
        silent = ", ".join(m.called for m in standing.voters if not m.healthy)
        return f"{silent} are not healthy, and so fewer than half are: start etcd there first"
    return ""


@dataclass(frozen=True)
class Leaving:
    """The member that is taken out next.

    + member: None for none
    + heir: who leads after it, where it leads
    + waits: why those that are left stay for now; `refused`: which is an error
    """

    member: Member | None = None
    heir: Member | None = None
    waits: str = ""
    refused: bool = False

    def lines(self, cluster: Cluster) -> list[str]:
        """One line a change, in the words of the announcement."""
        called = _known(self.member, cluster) if self.member else ""
        return [f"remove etcd member {called} (it is not in the group any more)"] if called else []


def _known(stranger: Member, cluster: Cluster) -> str:
    """What a member that is not in the group is called; another one that is in it may have its name."""
    theirs = any(m.name == stranger.name for m in cluster.etcd_members)
    return f"{stranger.name} at {stranger.peer}" if theirs else stranger.called


def strangers(cluster: Cluster, standing: Standing) -> list[Member]:
    """Members that are not in the group, those first that are missed least."""
    wanted = set(peer_urls(cluster).values())
    found = [m for m in standing.members if m.peer not in wanted]
    return sorted(found, key=lambda m: (not m.learner, m.answers, m.leads))


def leaving(cluster: Cluster, standing: Standing) -> Leaving:
    """Which of the members that are not in the group is taken out next, once the whole group has joined."""
    going = strangers(cluster, standing)
    if not going:
        return Leaving()
    names = ", ".join(_known(m, cluster) for m in going)
    voting = {m.peer for m in standing.voters}
    if away := [name for name, url in peer_urls(cluster).items() if url not in voting]:
        return Leaving(waits=f"etcd's members {names} stay until {', '.join(away)} has joined")
    if reason := _cannot_change(standing):
        return Leaving(waits=f"etcd's members {names} stay: {reason}", refused=True)
    first = going[0]
    if not first.learner and not standing.agrees(without=[first.id]):
        reason = f"without {_known(first, cluster)} fewer than half of the others would be healthy"
        return Leaving(waits=f"etcd's members {names} stay: {reason}", refused=True)
    stay = (m for m in standing.voters if m.healthy and m.peer in peer_urls(cluster).values())
    heir = next(stay, None)
    if first.leads and not heir:
        return Leaving(waits=f"etcd's members {names} stay: none of the group is healthy", refused=True)
    return Leaving(first, heir if first.leads else None)


def joiners(cluster: Cluster, found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The hosts that join a cluster that lives, in the order in which they do: one that has been added goes first.

    Args:
        found: by the name of each host that was asked, what it holds of etcd, as `facts.etcd.held` returns it.
    """
    learners = {url for held in found.values() for url in held.get("learners", ())}
    urls = peer_urls(cluster)
    asked = [m.name for m in cluster.etcd_members if m.name in found]
    fresh = [name for name in asked if not found[name].get("data") or urls[name] in learners]
    return sorted(fresh, key=lambda name: urls[name] not in learners)


def first(cluster: Cluster, found: Mapping[str, Mapping[str, Any]]) -> str:
    """The member that does what one does for all: the first that answers, else the first with data, else the first."""
    asked = [m.name for m in cluster.etcd_members if m.name in found]
    joining_now = joiners(cluster, found)
    for holds in ("members", "data"):
        for name in asked:
            if found[name].get(holds) and name not in joining_now:
                return name
    return (asked or [m.name for m in cluster.etcd_members])[0]


def knows_strangers(cluster: Cluster, found: Mapping[str, Mapping[str, Any]]) -> bool | None:
    """Whether a member that answers lists others than the group's; None where none does."""
    wanted = set(peer_urls(cluster).values())
    ours = (held for name, held in found.items() if _is(cluster, name) or held.get("lived"))
    lists = [set(held["members"]) for held in ours if held.get("members")]
    return any(listed - wanted for listed in lists) if lists else None


def remains(cluster: Cluster, found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Hosts that are not in the group and hold something of a member that this project made."""
    return [
        name for name, held in found.items()
        if not _is(cluster, name) and (held.get("lived") or held.get("ours"))
    ]  # fmt: skip


def _is(cluster: Cluster, name: str) -> bool:
    return cluster.host(name).is_etcd
