"""The host itself: reachable, its clock, its disk."""

from collections.abc import Iterator

from audit.answers import Reading
from audit.areas.view import View
from audit.model import Finding, Status
from cluster.preflight import firewall
from facts.bundle import Unread

SKEW = 1.0  # seconds between two clocks from which on a warning is due; 5 end a run
FULL = 0.9  # of /var: the kubelet throws pods out when 15 % are left, and images when 10 % are


def unread(view: View, reading: Reading) -> Iterator[Finding]:
    """Hosts that did not answer, and answers that could not be read, unless a service that is down explains them."""
    name = reading.host.name
    if reading.trouble:
        yield Finding(name, "host", "error", "the host", "answers", reading.trouble, "start it, or mend its network")
    for fact, value in reading.facts.items():
        if isinstance(value, Unread) and (not value.asks or view.answers(reading, value.asks)):
            yield Finding(name, "host", "error", f"the fact {fact}", "an answer", str(value), "run the audit again")


def judge(view: View, reading: Reading) -> Iterator[Finding]:
    """A host's clock against the others', and its disk."""
    name, facts = reading.host.name, reading.fact("preflight")
    for remark in firewall.remarks(view.cluster, reading.host, facts):
        status: Status = "drift" if remark.weight == "refusal" else "warn"
        found = remark.text.removeprefix(f"{name}: ")
        by_hand = "let it in before that rule, where that firewall's rules are kept"
        yield Finding(name, "host", status, "its firewall", "lets the cluster's hosts in", found, by_hand)
    clocks = [r.fact("preflight").get("clock") for r in view.by_name.values()]
    told = sorted(clock for clock in clocks if clock is not None)
    if facts["clock"] is not None:
        skew = facts["clock"] - told[len(told) // 2]
        found = f"{abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} most others"
        repair = "deploys/host.py, or set it by NTP: timedatectl set-ntp true"
        within = f"within {SKEW:.0f} s of the others"
        yield Finding.judged(abs(skew) < SKEW, name, "host", "the clock", within, found, repair, "warn")
    if facts["disk"]:
        used = 1 - facts["free_disk"] / facts["disk"]
        repair = "make room: docker system df, or crictl imagefsinfo, shows what images take"
        less, found = f"less than {FULL:.0%} used", f"{used:.0%} used"
        yield Finding.judged(used < FULL, name, "host", "/var", less, found, repair, "warn")
