"""Where everything in the time line of certificates is drawn. Lengths are in the picture's own units, about a pixel."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, datetime
from itertools import islice
from typing import Literal

from audit.model import Certificate, Report
from audit.report.words import day, short, utc

State = Literal["valid", "renewal", "expired", "future"]
_STEPS = (1, 3, 6, 12, 24, 60, 120, 240, 600, 1200, 6000, 12000, 24000)  # months between marks


@dataclass(frozen=True)
class Life:
    """A certificate as it stands on the day of the audit. `words` says so: "2027-03-01, 300 days left"."""

    certificate: Certificate
    state: State
    words: str

    @property
    def renews(self) -> datetime:
        """When renewal begins, within its life."""
        certificate = self.certificate
        return min(max(certificate.renew_from, certificate.not_before), certificate.not_after)


@dataclass(frozen=True)
class Span:
    """The time all time lines show, whichever host's, so that they can be compared."""

    first: datetime
    last: datetime
    today: datetime

    def share(self, moment: datetime) -> float:
        """Where a moment is between first and last: 0 to 1."""
        whole = (self.last - self.first).total_seconds()
        return (utc(moment) - self.first).total_seconds() / whole if whole else 0.0


@dataclass(frozen=True)
class Layout:
    """How rows are laid out: the axis from `left` to `right`; from a row's first line of text down to the rest.

    + letters: of the path, at most
    + words: where they begin, and how far down
    + bar: how far down its upper edge is
    + reach: how far the axis' marks go beyond it, up and down
    """

    width: float
    left: float
    right: float
    pitch: int
    letters: int
    words: tuple[float, float]
    bar: float
    reach: float


# For screens and paper: path, bar and words side by side. For phones: words below the path, the bar below both.
WIDE = Layout(width=800, left=280, right=552, pitch=24, letters=41, words=(568, 0), bar=-8, reach=8)
NARROW = Layout(width=328, left=4, right=324, pitch=56, letters=48, words=(0, 16), bar=23, reach=4)
TOP = 44  # above the first row: the axis


@dataclass(frozen=True)
class Bar:
    """A certificate's row: its text and where it stands, and the bar from its first day over renewal to its last."""

    life: Life
    label: str
    y: float
    words_x: float
    words_y: float
    bar_y: float
    begins: float
    renews: float
    ends: float


@dataclass(frozen=True)
class Line:
    """The time line of one host: rows, marks on the axis (where, and what is written there) and today's place.

    `reach` is how far marks and today's line go beyond each bar: not across text, where that stands above bars.
    """

    width: float
    height: float
    left: float
    right: float
    reach: float
    bars: tuple[Bar, ...]
    marks: tuple[tuple[float, str], ...]
    today: float


def lives(report: Report) -> dict[str, list[Life]]:
    """The certificates of every host that has any, by host in the report's order."""
    groups: dict[str, list[Life]] = {host.name: [] for host in report.hosts}
    for certificate in report.certificates:
        groups.setdefault(certificate.host, []).append(_life(certificate, utc(report.began)))
    return {host: found for host, found in groups.items() if found}


def _life(certificate: Certificate, today: datetime) -> Life:
    begins, renews, ends = (utc(m) for m in (certificate.not_before, certificate.renew_from, certificate.not_after))
    days = (ends - today).days
    if ends <= today:
        return Life(certificate, "expired", f"{day(ends)}, expired {_days((today - ends).days)} ago")
    if begins > today:
        return Life(certificate, "future", f"not valid before {day(begins)}")
    if renews <= today:
        return Life(certificate, "renewal", f"{day(ends)}, renewal due, {_days(days)}")
    return Life(certificate, "valid", f"{day(ends)}, {_days(days)} left")


def _days(number: int) -> str:
    return f"{number} day{'' if number == 1 else 's'}"


def span(report: Report) -> Span:
    """From the first day of any certificate to the last of any; the day of the audit is always within."""
    today = utc(report.began)
    moments = [today, *(utc(m) for c in report.certificates for m in (c.not_before, c.not_after))]
    return Span(min(moments), max(moments), today)


def line(found: Sequence[Life], over: Span, layout: Layout) -> Line:
    """The time line of one host's certificates."""

    def place(moment: datetime) -> float:
        return layout.left + over.share(moment) * (layout.right - layout.left)

    return Line(
        width=layout.width,
        height=TOP + layout.pitch * len(found),
        left=layout.left,
        right=layout.right,
        reach=layout.reach,
        bars=tuple(_bar(life, TOP + layout.pitch * i, layout, place) for i, life in enumerate(found)),
        marks=tuple((place(moment), label) for moment, label in _marks(over, most=5)),
        today=place(over.today),
    )


def _bar(life: Life, y: float, layout: Layout, place: Callable[[datetime], float]) -> Bar:
    begins, renews, ends = (place(m) for m in (life.certificate.not_before, life.renews, life.certificate.not_after))
    return Bar(
        life,
        label=short(life.certificate.path, layout.letters),
        y=y,
        words_x=layout.words[0],
        words_y=y + layout.words[1],
        bar_y=y + layout.bar,
        begins=begins,
        renews=renews,
        # What is short beside the whole span shall still be seen.
        ends=max(ends, begins + 2),
    )


def _marks(over: Span, most: int) -> list[tuple[datetime, str]]:
    """At most so many moments to mark on the axis, at even steps of months, and what is written there."""
    for step in _STEPS:
        marks = list(islice(_months(over, step), most + 1))
        if len(marks) <= most:
            return [(m, f"{m:%Y}" if step >= 12 else f"{m:%Y-%m}") for m in marks]
    return []


def _months(over: Span, step: int) -> Iterator[datetime]:
    """The first days of every `step`th month within the span."""
    month = -(-(over.first.year * 12 + over.first.month - 1) // step) * step
    while month // 12 <= min(over.last.year, MAXYEAR):
        moment = datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)
        if over.first <= moment <= over.last:
            yield moment
        month += step
