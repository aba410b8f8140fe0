"""A report for a terminal."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from audit.model import Finding, HostFound, Report, Status, counted
from audit.report.words import EXIT, WORST, by_host, shown

COLOURS: dict[Status, str] = {"ok": "green", "drift": "yellow", "warn": "magenta", "error": "red"}


def table(report: Report, *, everything: bool = False) -> RenderableType:
    """Findings by host and area, the worst first, and a closing line with counts and exit code.

    What is ok is one line for each host and area, with the number of things looked at.

    + everything: list what is ok, too
    """
    hosts = {host.name: host for host in report.hosts}
    parts: list[RenderableType] = []
    for name, areas in by_host(report).items():
        parts += [_heading(name, hosts.get(name)), _areas(areas, everything), Text()]
    return Group(*parts, _closing(report))


def _heading(name: str, host: HostFound | None) -> Text:
    """A host's name, address and groups, and whether it answered."""
    text = Text(shown(name), style="bold", overflow="fold")
    if host:
        about = "  ".join(filter(None, (host.address, ", ".join(host.groups))))
        text.append(f"  {shown(about)}", style="not bold dim")
        text.append("" if host.answered else "  did not answer", style="bold red")
    return text


def _areas(areas: dict[str, list[Finding]], everything: bool) -> RenderableType:
    """A host's findings, a row each; the area stands beside its first."""
    if not areas:
        return Text("  nothing was looked at", style="dim")
    rows = Table.grid(padding=(0, 2), expand=True)
    rows.add_column(min_width=12, overflow="fold")
    rows.add_column(ratio=1, overflow="fold")
    for area, findings in areas.items():
        label = f"  {shown(area)}"
        for row in _rows(findings, everything):
            rows.add_row(Text(label), row)
            label = ""
    return rows


def _rows(findings: list[Finding], everything: bool) -> Iterator[RenderableType]:
    """What is shown of one area's findings, which are sorted with ok last."""
    yield from (_finding(finding) for finding in findings if everything or finding.status != "ok")
    fine = counted(findings)["ok"]
    if fine and not everything:
        yield Text.assemble(("ok", COLOURS["ok"]), f", {fine} looked at")


def _finding(finding: Finding) -> RenderableType:
    """A finding: its status and the thing, and below that what was expected and found, and the repair."""
    rows = Table.grid(padding=(0, 1), expand=True)
    rows.add_column(width=8)
    rows.add_column(ratio=1, overflow="fold")
    rows.add_row(Text(finding.status, style=COLOURS[finding.status]), Text(shown(finding.what)))
    for label in ("expected", "found", "repair"):
        if value := getattr(finding, label):
            rows.add_row(Text(label, style="dim"), Text(shown(value)))
    return rows


def _closing(report: Report) -> Text:
    """How many findings there are of each status, and what the exit code means."""
    counts = counted(report.findings)
    counted_up = [Text(f"{counts[status]} {status}", style=COLOURS[status]) for status in WORST]
    meaning = f"exit code {report.exit_code}: {EXIT[report.exit_code]}"
    return Text.assemble(Text(", ").join(counted_up), f"; {meaning}")
