"""Where everything in the picture of the network is drawn. Lengths are in the picture's own units, about a pixel."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt
from typing import Literal

from audit.model import HostFound, Report
from audit.report.words import listed, short

Kind = Literal["both", "broken", "unknown"]
BOX_HEIGHT, PITCH, TOP = 88, 104, 48


@dataclass(frozen=True)
class Link:
    """Two nodes, and what they say of the way between them.

    + kind: both reach each other; broken if one says it does not; unknown if one says nothing
    + number: of the line in the key that describes a broken one, 0 for others
    + hub: the node that line is about
    """

    first: HostFound
    second: HostFound
    kind: Kind
    number: int = 0
    hub: str = ""

    @property
    def title(self) -> str:
        """In words, who reaches whom."""
        names = f"{self.first.name} and {self.second.name}"
        if self.kind == "both":
            return f"{names} reach each other"
        if self.kind == "unknown":
            return f"{names}: not known whether both reach each other"
        ends = (self.first, self.second), (self.second, self.first)
        return "; ".join(f"{a.name} does not reach {b.name}" for a, b in ends if a.reaches.get(b.name) is False)


@dataclass(frozen=True)
class Box:
    """A host in the picture. `lines` is its text, cut to the box; the whole of it is in `title`."""

    host: HostFound
    x: float
    y: float
    width: float
    name: str
    lines: tuple[str, ...]
    title: str

    @property
    def middle(self) -> float:
        """The height at which lines reach it."""
        return self.y + BOX_HEIGHT / 2


@dataclass(frozen=True)
class Line:
    """A link as a path, and where its number stands."""

    link: Link
    path: str
    x: float
    y: float


@dataclass(frozen=True)
class Picture:
    """The whole of it.

    + beside: hosts that are no nodes
    + nodes: in the overlay's frame, which begins at `frame` and ends with the picture
    + stems: paths from boxes to ports, and `ports`, where links end
    """

    width: float
    height: float
    frame: float
    overlay: str
    beside: tuple[Box, ...]
    nodes: tuple[Box, ...]
    lines: tuple[Line, ...]
    stems: tuple[str, ...]
    ports: tuple[tuple[float, float], ...]


def links(report: Report) -> list[Link]:
    """Every two nodes. Broken ones that one line of the key can describe share its number."""
    pairs = [Link(a, b, _kind(a, b)) for a, b in combinations(_nodes(report), 2)]
    broken = [link for link in pairs if link.kind == "broken"]
    silent = {host.name for host in report.hosts if not host.answered}
    numbered: list[Link] = []
    number = 0
    # A node that nobody reaches breaks as many links as there are others: that shall be one line, not eleven.
    while broken:
        counts = Counter(end for link in broken for end in (link.first.name, link.second.name))
        hub = max(counts, key=lambda name: (counts[name], name in silent))
        number += 1
        taken = [link for link in broken if hub in (link.first.name, link.second.name)]
        numbered += [Link(link.first, link.second, "broken", number, hub) for link in taken]
        broken = [link for link in broken if link not in taken]
    return [link for link in pairs if link.kind != "broken"] + numbered


def _nodes(report: Report) -> list[HostFound]:
    return [host for host in report.hosts if "nodes" in host.groups]


def _kind(first: HostFound, second: HostFound) -> Kind:
    ways = first.reaches.get(second.name), second.reaches.get(first.name)
    if False in ways:
        return "broken"
    return "both" if all(ways) else "unknown"


def key(found: Iterable[Link]) -> list[tuple[int, str]]:
    """For each number of broken links, a sentence that says who does not reach whom."""
    by_number: dict[int, list[Link]] = {}
    for link in found:
        if link.number:
            by_number.setdefault(link.number, []).append(link)
    return [(number, _sentence(group)) for number, group in sorted(by_number.items())]


def _sentence(group: Sequence[Link]) -> str:
    hub = group[0].hub
    ends = [(a, b) for link in group for a, b in ((link.first, link.second), (link.second, link.first))]
    silent = [(a.name, b.name) for a, b in ends if a.reaches.get(b.name) is False]
    reached = [b for a, b in silent if a == hub]
    reaching = [a for a, b in silent if b == hub]
    parts = [f"does not reach {listed(reached)}"] if reached else []
    parts += [f"is not reached from {listed(reaching)}"] if reaching else []
    return f"{hub} {', and '.join(parts)}"


def wide(report: Report) -> Picture:
    """For screens and paper: nodes in two columns, their links between them, across an ellipse."""
    width, box, margin = 800, 208, 24
    beside = _beside(report, margin, box, per_row=3)
    frame = _below(beside)
    nodes, found = _nodes(report), links(report)
    alone = len(nodes) == 1
    boxes = _columns(nodes, ((width - box) / 2 if alone else margin, width - margin - box), frame + TOP, box)
    ports = _ellipse(boxes, width / 2)
    sharing = Counter(link.number for link in found)
    stems = [(b.x if b.x > width / 2 else b.x + box, *ports[b.host.name]) for b in boxes]
    return Picture(
        width=width,
        height=frame + TOP + PITCH * max(_rows(nodes), 1) + 8,
        frame=frame,
        overlay=_overlay(nodes, 88),
        beside=beside,
        nodes=boxes,
        lines=tuple(_straight(link, ports, sharing[link.number]) for link in found),
        stems=() if alone else tuple(f"M{x:g} {y:g}H{end:.1f}" for x, end, y in stems),
        ports=() if alone else tuple(ports.values()),
    )


def _rows(nodes: Sequence[HostFound | Box]) -> int:
    """How many rows two columns have; with an odd number of nodes the second is one shorter."""
    return (len(nodes) + 1) // 2


def _columns(nodes: Sequence[HostFound], lefts: tuple[float, float], top: float, width: float) -> tuple[Box, ...]:
    """The nodes' boxes in two columns, the second one centred beside the first."""
    rows = _rows(nodes)
    down = (rows - len(nodes) // 2) / 2
    places = [*((lefts[0], i) for i in range(rows)), *((lefts[1], i + down) for i in range(len(nodes) - rows))]
    mixed = _mixed(nodes)
    return tuple(_box(host, x, top + PITCH * row, width, mixed) for host, (x, row) in zip(nodes, places, strict=True))


def _ellipse(boxes: Sequence[Box], centre: float) -> dict[str, tuple[float, float]]:
    """Where links end, by node: beside its box, on an ellipse, so that no link crosses a third node's end."""
    half = _rows(boxes) * PITCH / 2
    middle = sum(b.middle for b in (boxes[0], boxes[_rows(boxes) - 1])) / 2 if boxes else 0
    ports = {}
    for b in boxes:
        reach = 136 * sqrt(1 - ((b.middle - middle) / half) ** 2)
        ports[b.host.name] = (centre + (reach if b.x > centre else -reach), b.middle)
    return ports


def narrow(report: Report) -> Picture:
    """For phones: nodes in one column, their links as arcs beside it."""
    width, box, margin = 328, 184, 8
    beside = _beside(report, margin, box, per_row=1)
    frame = _below(beside)
    nodes = _nodes(report)
    boxes = tuple(_box(host, margin, frame + TOP + PITCH * i, box, _mixed(nodes)) for i, host in enumerate(nodes))
    ports = {b.host.name: (margin + box, b.middle) for b in boxes}
    return Picture(
        width=width,
        height=frame + TOP + PITCH * max(len(nodes), 1),
        frame=frame,
        overlay=_overlay(nodes, 40),
        beside=beside,
        nodes=boxes,
        lines=tuple(_arc(link, ports, len(nodes)) for link in links(report)),
        stems=(),
        ports=() if len(nodes) == 1 else tuple(ports.values()),
    )


def _straight(link: Link, ports: Mapping[str, tuple[float, float]], sharing: int) -> Line:
    """The line between two ports, and its number: in the middle, or where lines from one hub are apart.

    + sharing: how many have that number
    """
    ends = [link.first.name, link.second.name]
    (x1, y1), (x2, y2) = (ports[name] for name in (reversed(ends) if link.hub == ends[0] else ends))
    part = 0.3 if sharing > 1 else 0.5
    return Line(link, f"M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}", x1 + (x2 - x1) * part, y1 + (y2 - y1) * part)


def _arc(link: Link, ports: Mapping[str, tuple[float, float]], nodes: int) -> Line:
    """The arc between two ports of a column, the wider the further they are apart; its number is at its apex."""
    (x, y1), (_, y2) = ports[link.first.name], ports[link.second.name]
    reach = 16 + 96 * (y2 - y1) / (PITCH * (nodes - 1))
    control = x + reach / 0.75
    return Line(link, f"M{x:g} {y1:g}C{control:.1f} {y1:g} {control:.1f} {y2:g} {x:g} {y2:g}", x + reach, (y1 + y2) / 2)


def _beside(report: Report, margin: float, box: float, per_row: int) -> tuple[Box, ...]:
    """The hosts that are no nodes, in rows above the overlay."""
    hosts = [host for host in report.hosts if "nodes" not in host.groups]
    places = [divmod(i, per_row) for i in range(len(hosts))]
    return tuple(
        _box(host, margin + (box + 64) * column, TOP - 16 + PITCH * row, box, False)
        for host, (row, column) in zip(hosts, places, strict=True)
    )


def _below(boxes: Sequence[Box]) -> float:
    """Where the overlay begins: below the boxes above it."""
    return boxes[-1].y + BOX_HEIGHT + 32 if boxes else 1


def _mixed(nodes: Iterable[HostFound]) -> bool:
    """Whether nodes have different backends, so that each must name its own."""
    return len({host.backend for host in nodes if host.backend}) > 1


def _overlay(nodes: Iterable[HostFound], most: int) -> str:
    """What the overlay's frame is called."""
    backends = list(dict.fromkeys(host.backend for host in nodes if host.backend))
    return short(f"flannel overlay: {', '.join(backends) or 'backend not known'}", most)


def _box(host: HostFound, x: float, y: float, width: float, backend: bool) -> Box:
    """A host's box. `backend`: name flannel's backend there, too."""
    facts = [host.address or "no address"]
    if not host.answered:
        facts.append("no answer")
    elif "nodes" in host.groups:
        facts.append(" ".join(filter(None, (host.lease or "no lease", host.backend if backend else ""))))
    letters = int((width - 24) / 7.2)
    roles = ", ".join(host.groups)
    return Box(
        host,
        x,
        y,
        width,
        name=short(host.name, int((width - 24) / 8.6)),
        lines=tuple(short(fact, letters) for fact in facts),
        title=": ".join((host.name, ", ".join(filter(None, (*facts, roles, host.backend))))),
    )
