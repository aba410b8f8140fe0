"""A report as one HTML file, for people: nothing in it is fetched from elsewhere, and no script is needed."""

from pathlib import Path
from typing import Any

import jinja2

from audit.model import Report, counted
from audit.report import network, timeline
from audit.report.words import EXIT, MEANING, WORST, by_host, day, listed, shown, utc, verdict

_TEMPLATES = Path(__file__).parent / "templates"


def page(report: Report) -> str:
    """The page as text; written to a file as UTF-8 it is complete."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: shown(value) if isinstance(value, str) else value,
    )
    environment.filters["day"] = day
    return environment.get_template("page.html").render(
        report=report,
        began=f"{utc(report.began):%Y-%m-%d %H:%M} UTC",
        verdict=verdict(report),
        counts=counted(report.findings),
        statuses=WORST,
        meaning=MEANING,
        exit_meaning=EXIT[report.exit_code],
        silent=listed([host.name for host in report.hosts if not host.answered]),
        hosts={host.name: host for host in report.hosts},
        components=list(dict.fromkeys(name for host in report.hosts for name in host.versions)),
        **_findings(report),
        **_network(report),
        **_certificates(report),
    )


def _findings(report: Report) -> dict[str, Any]:
    """Findings by host, those that are not ok, worst first, apart from those that are; these by area."""
    groups = by_host(report)
    wanting = {
        host: sorted(
            (f for found in areas.values() for f in found if f.status != "ok"), key=lambda f: WORST.index(f.status)
        )
        for host, areas in groups.items()
    }
    fine = {
        host: {area: ok for area, found in areas.items() if (ok := [f for f in found if f.status == "ok"])}
        for host, areas in groups.items()
    }
    return {
        "wanting": {host: found for host, found in wanting.items() if found},
        "fine": {host: areas for host, areas in fine.items() if areas},
    }


def _network(report: Report) -> dict[str, Any]:
    """The picture of the network for wide and narrow screens, and the key to its broken links."""
    return {
        "pictures": {"wide": network.wide(report), "narrow": network.narrow(report)},
        "broken": network.key(network.links(report)),
    }


def _certificates(report: Report) -> dict[str, Any]:
    """Certificates by host, and each host's time line for wide and narrow screens."""
    lives, over = timeline.lives(report), timeline.span(report)
    layouts = {"wide": timeline.WIDE, "narrow": timeline.NARROW}
    return {
        "lives": lives,
        "time_lines": {
            host: {name: timeline.line(found, over, layout) for name, layout in layouts.items()}
            for host, found in lives.items()
        },
    }
