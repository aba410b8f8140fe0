"""etcd: members, health, database, agreement."""

from collections.abc import Iterator

from audit.answers import Reading
from audit.areas.view import View
from audit.model import Finding, Status

NEAR = 0.8  # of the quota
APART = 1000  # revisions two members may be apart while writes go on


def judge(view: View, reading: Reading) -> Iterator[Finding]:
    """One member, as its administrator sees it."""
    if not reading.host.is_etcd or not view.runs(reading, "etcd") or not view.etcd_answers:
        return
    health, repair = reading.fact("health"), "deploys/etcd.py"
    yield _finding(reading, "health", "healthy", health.get("healthy", False), "it does not answer as healthy", repair)
    if "database" not in health:
        return
    alarms = [a for a in health["alarms"] if a]
    hint = "compact and defragment it (etcdctl compact, etcdctl defrag), then etcdctl alarm disarm"
    yield _finding(reading, "alarms", "none", not alarms, ", ".join(alarms), hint)
    quota = view.settings.etcd_quota_mib * 2**20
    size = f"{health['database'] / 2**20:.0f} MiB"
    near = health["database"] >= NEAR * quota
    told = f"{size} of {view.settings.etcd_quota_mib}"
    yield _finding(reading, "database", f"below {NEAR:.0%} of its quota", not near, told, hint, status="warn")
    yield from _members(view, reading)
    others = [r.fact("health").get("revision", 0) for r in view.readings if r.fact("health")]
    behind = max(others) - health["revision"]
    yield _finding(
        reading, "revision", "that of the others", behind <= APART, f"{behind} behind", "journalctl -u etcd there"
    )


def _members(view: View, reading: Reading) -> Iterator[Finding]:
    members = reading.fact("members")
    wanted = {m.name: f"https://{m.address}:{view.settings.etcd_client_port}" for m in view.cluster.etcd_members}
    foreign = [name or "one that never started" for name in sorted(set(members) - set(wanted))]
    missing = sorted(set(wanted) - set(members))
    other = [n for n, url in wanted.items() if n in members and url not in members[n]["client_urls"]]
    told = [f"{', '.join(foreign)} more" if foreign else "", f"{', '.join(missing)} missing" if missing else ""]
    told += [f"{name} at another address" for name in other]
    repair = "etcdctl member remove, or add the host to the etcd group"
    yield _finding(reading, "members", ", ".join(wanted), not any(told), "; ".join(t for t in told if t), repair)


def _finding(
    reading: Reading, what: str, expected: str, good: bool, found: str, repair: str, status: Status = "drift"
) -> Finding:
    if good:
        return Finding(reading.host.name, "etcd", "ok", what, expected, expected)
    return Finding(reading.host.name, "etcd", status, what, expected, found, repair)
