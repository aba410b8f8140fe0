"""What all renderings of a report share: its order, its words, and what of foreign text may be shown."""

from datetime import UTC, datetime

from audit.model import AREAS, Finding, Report, Status, counted

WORST: tuple[Status, ...] = ("error", "warn", "drift", "ok")
MEANING: dict[Status, str] = {
    "error": "could not be read",
    "warn": "will break",
    "drift": "differs from the settings",
    "ok": "as the settings say",
}
EXIT = {0: "clean", 1: "something could not be read", 2: "drift or warning"}

# Hosts wrote what is shown. Terminals obey control characters, directional marks turn a line's order round, and lone
# surrogates, which undecodable file names become, cannot be written as UTF-8.
_UNSHOWN = dict.fromkeys(
    [
        *(c for c in range(0x20) if chr(c) not in "\n\t"),
        *range(0x7F, 0xA0),
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
        *range(0xD800, 0xE000),
        0xFFFE,
        0xFFFF,
    ],
    "\N{REPLACEMENT CHARACTER}",
)

Grouped = dict[str, dict[str, list[Finding]]]


def by_host(report: Report) -> Grouped:
    """Findings by host and area, each in the report's order of hosts and in AREAS', the worst first.

    A host of the report without findings is there too; one that only findings name comes last.
    """
    groups: Grouped = {host.name: {} for host in report.hosts}
    for finding in sorted(report.findings, key=lambda f: (*_place(f.area), WORST.index(f.status))):
        groups.setdefault(finding.host, {}).setdefault(finding.area, []).append(finding)
    return groups


def _place(area: str) -> tuple[int, str]:
    """Where an area is sorted: one that is not in AREAS comes behind them, by its name."""
    return (AREAS.index(area), "") if area in AREAS else (len(AREAS), area)


def verdict(report: Report) -> str:
    """What the audit came to, in one sentence."""
    counts = counted(report.findings)
    silent = sum(not host.answered for host in report.hosts)
    said = [
        (silent, "host did not answer", "hosts did not answer"),
        (counts["error"], "thing could not be read", "things could not be read"),
        (counts["warn"], "thing will break", "things will break"),
        (counts["drift"], "thing differs from the settings", "things differ from the settings"),
    ]
    parts = [f"{number} {one if number == 1 else many}" for number, one, many in said if number]
    if not parts:
        return "Everything looked at is as the settings say." if report.findings else "Nothing was looked at."
    return f"{listed(parts)}."


def listed(names: list[str]) -> str:
    """Names as a sentence has them: "a, b and c"."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else ""


def utc(moment: datetime) -> datetime:
    """A moment in UTC; one without a zone is taken to be in it, whatever this machine's zone is."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def day(moment: datetime) -> str:
    """A moment's day: "2027-03-01"."""
    return utc(moment).date().isoformat()


def shown(text: str) -> str:
    """Foreign text without the characters that would act on whatever shows it."""
    return text.translate(_UNSHOWN)


def short(text: str, most: int) -> str:
    """Text of at most so many characters: both its ends, around an ellipsis."""
    if len(text) <= most:
        return text
    end = most // 2
    return f"{text[: most - end - 1]}…{text[-end:]}"
