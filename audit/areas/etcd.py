"""etcd: members, health, database, agreement."""

from collections.abc import Iterator
from typing import Any

from audit.answers import Reading
from audit.areas.view import View
from audit.model import Finding, Status
from cluster.membership import LIVED, lost, peer_urls

NEAR = 0.8  # of the quota
LONG = 1800  # seconds without a compaction; there is one every five minutes
FEW, MANY = 1000, 100_000  # revisions that need none; that no cluster writes in that time
APART = 1000  # revisions two members may be apart while writes go on


def judge(view: View, reading: Reading) -> Iterator[Finding]:
    """One member, as its administrator sees it; on the first that answers, whether all are one cluster."""
    if reading.host == view.first_etcd:
        yield from _data(view, reading)
    if not reading.host.is_etcd:
        yield from _remains(reading)
        return
    if not view.runs(reading, "etcd"):
        return
    if reading.knows("members"):
        yield from _members(view, reading)
    if not reading.knows("health"):
        return
    health = reading.fact("health")
    if health.get("led") is False:
        found = "none: fewer than half of the members reach each other, and nothing can be written"
        yield _finding(reading, "leader", "one", found, False, "start etcd on the others, or mend their network")
    elif view.etcd_answers or "database" not in health:  # without another member, it says least of itself
        yield from _healthy(view, reading, health)


def _data(view: View, reading: Reading) -> Iterator[Finding]:
    """Why a run would refuse to start etcd, by what those hosts hold that told."""
    asked = {name: r.fact("preflight") for name, r in view.by_name.items()}
    held = {name: facts.get("etcd", {}) for name, facts in asked.items() if facts.get("root", True)}
    for problem in lost(view.cluster, held, view.record, view.store):
        yield _finding(reading, "data", "of all members, in one cluster", problem, False, "docs/troubleshooting.md")


def _remains(reading: Reading) -> Iterator[Finding]:
    """What a host outside the group still has of a member."""
    if reading.knows("preflight") and reading.fact("preflight").get("etcd", {}).get("lived"):
        found = f"what is left of a member ({LIVED})"
        yield _finding(reading, "a former member", "nothing of one", found, False, "deploys/cluster.py", "warn")


def _healthy(view: View, reading: Reading, health: dict[str, Any]) -> Iterator[Finding]:
    healthy = "healthy" if health.get("healthy") else "it does not answer as healthy"
    yield _finding(reading, "health", "healthy", healthy, healthy == "healthy", "deploys/etcd.py")
    if "database" not in health:
        return
    alarms = ", ".join(a for a in health["alarms"] if a) or "none"
    room = "compact and defragment it (etcdctl compact, etcdctl defrag), then etcdctl alarm disarm"
    yield _finding(reading, "alarms", "none", alarms, alarms == "none", room)
    quota = view.settings.etcd_quota_mib
    told = f"{health['database'] / 2**20:.0f} MiB of {quota}"
    near = health["database"] >= NEAR * quota * 2**20
    yield _finding(reading, "database", f"below {NEAR:.0%} of its quota", told, not near, room, "warn")
    yield from _history(reading, health)
    others = [r.fact("health").get("revision", 0) for r in view.readings if r.fact("health")]
    behind = max(others) - health["revision"]
    journal = "journalctl -u etcd there"
    yield _finding(reading, "revision", "that of the others", f"{behind} behind", behind <= APART, journal)


def _history(reading: Reading, health: dict[str, Any]) -> Iterator[Finding]:
    """Whoever compacts, members or the API server: what nobody does, fills the database up to its quota."""
    kept, age = health.get("kept"), health.get("compacted")
    if kept is None:
        return
    old = kept > (MANY if age is None else FEW) and (age is None or age > LONG)
    ago = "" if age is None else f", last compacted {age // 60} minutes ago"
    expected = f"compacted every few minutes, {LONG // 60} at most"
    yield _finding(
        reading, "history", expected, f"{kept} revisions{ago}", not old,
        "deploys/etcd.py and deploys/master.py; journalctl -u etcd -u kube-apiserver says who may not compact", "warn",
    )  # fmt: skip


def _members(view: View, reading: Reading) -> Iterator[Finding]:
    members = {",".join(m["peer_urls"]): m | {"id": each} for each, m in reading.fact("members").items()}
    wanted = peer_urls(view.cluster)
    foreign = [f"{m['name'] or m['id']} ({url})" for url, m in members.items() if url not in wanted.values()]
    there = {name: members[url] for name, url in wanted.items() if url in members}
    clients = {m.name: f"https://{m.address}:{view.settings.etcd_client_port}" for m in view.cluster.etcd_members}
    other = [name for name, m in there.items() if m["client_urls"] and clients[name] not in m["client_urls"]]
    silent = [name for name, m in there.items() if m["learner"]]
    missing = set(wanted) - set(there)
    lists = ((foreign, "more"), (missing, "missing"), (silent, "without a vote"), (other, "at another address"))
    told = [f"{', '.join(sorted(names))} {how}" for names, how in lists if names]
    expected = ", ".join(wanted)
    yield _finding(reading, "members", expected, "; ".join(told) or expected, not told, "deploys/cluster.py")


def _finding(
    reading: Reading, what: str, expected: str, found: str, good: bool, repair: str, status: Status = "drift"
) -> Finding:
    return Finding.judged(good, reading.host.name, "etcd", what, expected, found, repair, status)
