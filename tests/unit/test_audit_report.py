"""A report to a terminal, to programs and as a page: nothing left out, nothing foreign obeyed."""

import io
import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import pytest
from rich.console import Console

from audit.model import AREAS, Certificate, Finding, HostFound, Report, Status
from audit.report import network, timeline
from audit.report.machine import SCHEMA, document, text
from audit.report.page import page
from audit.report.table import table
from audit.report.words import by_host, short, verdict

NOW = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
SCHEMA_FILE = Path(__file__).resolve().parents[2] / "docs/audit-schema.json"
# Markup of rich and of HTML, the ends of attributes and of style, an escape sequence, and half a character.
NASTY = "/etc/<b>x</b>[red]y[/red]\"'&</style>\x1b[31m\udc80"


def node(number: int, *reached: str, missed: tuple[str, ...] = (), **changes: Any) -> HostFound:
    found = HostFound(
        f"node{number}",
        f"10.1.10.{101 + number}",
        ("nodes",),
        distribution="Debian 12",
        versions={"kubelet": "1.20.2", "docker": "20.10.24"},
        lease=f"192.168.{number + 1}.0/24",
        backend="vxlan",
        reaches=dict.fromkeys(reached, True) | dict.fromkeys(missed, False),
    )
    return replace(found, **changes)


def certificate(host: str, path: str, begins: int, ends: int, **changes: Any) -> Certificate:
    """A certificate by the days from now at which it begins and ends."""
    first, last = NOW + timedelta(days=begins), NOW + timedelta(days=ends)
    found = Certificate(host, path, f"CN={host}", "CN=container-cloud CA", first, last, last - timedelta(days=30))
    return replace(found, **changes)


MASTER = HostFound("master", "10.1.10.101", ("masters", "etcd"), versions={"etcd": "3.4.23"}, distribution="Debian 12")
SILENT = HostFound("node3", "10.1.10.104", ("nodes",), answered=False)
REPORT = Report(
    cluster="k8s & <i>cluster</i>",
    began=NOW,
    seconds=8.43,
    hosts=(MASTER, node(1, "node2", missed=("node3",)), node(2, missed=("node1", "node3")), SILENT),
    findings=(
        Finding("node1", "kubernetes", "ok", "kubelet.service"),
        Finding("node1", "files", "ok", "/etc/kubernetes/proxy"),
        Finding("node1", "files", "ok", "/etc/kubernetes/config"),
        Finding("node1", "files", "drift", NASTY, "[bold]this[/bold]", "<script>alert(1)</script>", "deploys/node.py"),
        Finding("node1", "files", "error", "/etc/kubernetes/kubelet", "", "permission denied", "by hand"),
        Finding("node2", "pki", "warn", "client.crt", "30 days", "12 days", "deploys/pki.py"),
        Finding("node3", "host", "error", "the host", "an answer", "none", "start it"),
        Finding("master", "etcd", "ok", "master's member"),
    ),
    certificates=(
        certificate("node2", "/etc/kubernetes/ca/client.crt", -300, 12),
        certificate("node1", "/etc/kubernetes/ca/proxy.crt", -375, -10, subject=NASTY),
        certificate("master", "/etc/kubernetes/ca/ca.crt", -300, 3350),
        certificate("master", "/etc/kubernetes/ca/server.crt", 1, 366),
    ),
)
EMPTY = Report("k8s", NOW, 0, (), (), ())
CLEAN = replace(
    REPORT, hosts=REPORT.hosts[:2], findings=tuple(f for f in REPORT.findings if f.status == "ok"), certificates=()
)


def twelve() -> Report:
    """Twelve nodes, of which all but the fifth reach each other."""
    names = {f"node{i}" for i in range(1, 13)}
    hosts = [node(i, *(names - {"node5", f"node{i}"}), missed=("node5",)) for i in range(1, 13)]
    hosts[4] = replace(SILENT, name="node5")
    certificates = tuple(certificate(host.name, f"/{i}.crt", -i, 365) for host in hosts for i in range(9))
    return replace(REPORT, hosts=(MASTER, *hosts), findings=(), certificates=certificates)


REPORTS = {"report": REPORT, "empty": EMPTY, "clean": CLEAN, "twelve": twelve()}
every_report = pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)


# --- Words ----------------------------------------------------------------------------------------------------------


def test_findings_are_in_order() -> None:
    """Hosts as in the inventory, areas as in AREAS, the worst first; what the report does not know comes last."""
    strange = [Finding("elsewhere", "weather", "ok", "sun"), Finding("node1", "weather", "ok", "rain")]
    groups = by_host(replace(REPORT, findings=(*strange, *REPORT.findings)))
    assert list(groups) == ["master", "node1", "node2", "node3", "elsewhere"]
    assert list(groups["node1"]) == ["files", "kubernetes", "weather"]
    assert [f.status for f in groups["node1"]["files"]] == ["error", "drift", "ok", "ok"]


def test_the_verdict_counts_in_words() -> None:
    assert verdict(REPORT) == (
        "1 host did not answer, 2 things could not be read, 1 thing will break and 1 thing differs from the settings."
    )
    assert verdict(CLEAN) == "Everything looked at is as the settings say."
    assert verdict(EMPTY) == "Nothing was looked at."


@pytest.mark.parametrize(("whole", "cut"), [("master", "master"), ("a-long-name", "a-…ame")])
def test_cut_text_keeps_both_ends(whole: str, cut: str) -> None:
    assert short(whole, 6) == cut


# --- Table ----------------------------------------------------------------------------------------------------------


def printed(report: Report, width: int = 100, **how: bool) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(table(report, **how))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def test_the_table_shows_what_is_not_ok_and_counts_the_rest() -> None:
    shown = printed(REPORT)
    assert "permission denied" in shown and "by hand" in shown
    assert "ok, 2 looked at" in shown
    assert "/etc/kubernetes/proxy" not in shown
    assert shown.index("permission denied") < shown.index("[bold]this[/bold]")
    assert "node3  10.1.10.104  nodes  did not answer" in shown


def test_the_table_shows_everything_if_asked() -> None:
    shown = printed(REPORT, everything=True)
    assert all(f.what in shown for f in REPORT.findings if f.what != NASTY)
    assert "looked at" not in shown


def test_the_table_obeys_no_markup_and_no_control_character() -> None:
    shown = printed(REPORT)
    assert "/etc/<b>x</b>[red]y[/red]\"'&</style>�[31m�" in shown
    assert "\x1b" not in shown


def test_a_long_word_is_folded_not_cut() -> None:
    word = "".join(chr(0x4E00 + i) for i in range(300))
    long = replace(REPORT, findings=(Finding("node1", "files", "drift", word, found=word),))
    assert re.sub(r"\s|found", "", printed(long, width=40)).count(word) == 2


def test_the_table_ends_with_counts_and_exit_code() -> None:
    ends = [printed(report).splitlines()[-1] for report in (REPORT, CLEAN, EMPTY)]
    assert ends[0] == "2 error, 1 warn, 1 drift, 4 ok; exit code 1: something could not be read"
    assert ends[1] == "0 error, 0 warn, 0 drift, 4 ok; exit code 0: clean"
    assert ends[2].startswith("0 error")


# --- JSON -----------------------------------------------------------------------------------------------------------

TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
}
# What `wrong` understands, and what says nothing about validity. The schema may use nothing else.
CHECKED = {"$ref", "type", "const", "enum", "required", "properties", "additionalProperties", "items", "minimum"}
CHECKED |= {"pattern"}
NOTES = {"$schema", "$defs", "title", "description", "examples", "format"}


def schema() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(SCHEMA_FILE.read_text())
    return read


def wrong(value: Any, rule: dict[str, Any], root: dict[str, Any], at: str = "") -> Iterator[str]:
    """Where a value is not as the schema says. Fields the schema does not describe are wrong here."""
    if "$ref" in rule:
        yield from wrong(value, root["$defs"][rule["$ref"].removeprefix("#/$defs/")], root, at)
    expected: Any = TYPES[rule["type"]] if "type" in rule else object
    if not isinstance(value, expected) or (isinstance(value, bool) and rule.get("type") not in ("boolean", None)):
        yield f"{at}: {value!r} is no {rule['type']}"
        return
    if value not in rule.get("enum", [value]) or value != rule.get("const", value):
        yield f"{at}: {value!r} is none of those listed"
    if "minimum" in rule and value < rule["minimum"]:
        yield f"{at}: {value} is too small"
    if "pattern" in rule and not re.search(rule["pattern"], value):
        yield f"{at}: {value!r} is written otherwise"
    if rule.get("type") == "array":
        for i, item in enumerate(value):
            yield from wrong(item, rule["items"], root, f"{at}[{i}]")
    if rule.get("type") == "object":
        fields, others = rule.get("properties", {}), rule.get("additionalProperties")
        yield from (f"{at}.{name}: missing" for name in rule.get("required", []) if name not in value)
        for name, inner in value.items():
            if name in fields or others:
                yield from wrong(inner, fields.get(name, others), root, f"{at}.{name}")
            else:
                yield f"{at}.{name}: not in the schema"


def rules(rule: dict[str, Any], at: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """A schema and every one inside it, with where it is."""
    yield at, rule
    for holder in ("properties", "$defs"):
        for name, inner in rule.get(holder, {}).items():
            yield from rules(inner, f"{at}.{name}")
    for holder in ("items", "additionalProperties"):
        if holder in rule:
            yield from rules(rule[holder], f"{at}.{holder}")


@every_report
def test_documents_are_as_the_schema_says(report: Report) -> None:
    written = json.loads(text(report))
    assert list(wrong(written, schema(), schema())) == []
    assert written == document(report)
    assert list(written) == schema()["required"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("surplus",), 1),
        (("schema",), "container-cloud-audit/2"),
        (("began",), "2026-05-04T09:30:00+00:00"),
        (("exit_code",), 3),
        (("counts", "ok"), True),
        (("counts", "ok"), -1),
        (("hosts", 0, "surplus"), ""),
        (("hosts", 0, "groups"), "masters"),
        (("hosts", 1, "reaches", "node2"), "yes"),
        (("findings", 0, "status"), "fine"),
        (("findings", 0, "what"), None),
        (("certificates", 0, "not_after"), 0),
    ],
)
def test_the_schema_refuses(path: tuple[str | int, ...], value: object) -> None:
    written = json.loads(text(REPORT))
    holder = written
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    assert len(list(wrong(written, schema(), schema()))) == 1


def test_the_schema_misses_what_is_left_out() -> None:
    written = json.loads(text(REPORT))
    del written["findings"][0]["repair"]
    assert list(wrong(written, schema(), schema())) == [".findings[0].repair: missing"]


def test_the_schema_describes_every_field_and_the_version() -> None:
    read = schema()
    for at, rule in rules(read):
        assert rule.get("description") or rule.keys() == {"$ref"}, at
        assert not rule.keys() - CHECKED - NOTES, at
        assert rule.get("required", []) == list(rule.get("properties", {})), at
    assert read["properties"]["schema"]["const"] == SCHEMA
    assert "changes when" in read["description"]
    finding = read["$defs"]["finding"]["properties"]
    assert tuple(finding["area"]["examples"]) == AREAS
    assert tuple(finding["status"]["enum"]) == get_args(Status)


@pytest.mark.parametrize("began", [NOW.replace(tzinfo=None), NOW.astimezone(timezone(timedelta(hours=8)))])
def test_moments_are_in_utc(began: datetime) -> None:
    assert document(replace(EMPTY, began=began))["began"] == "2026-05-04T09:30:00Z"


def test_text_can_be_written_whatever_is_in_it() -> None:
    written = text(REPORT).encode()
    assert NASTY in (finding["what"] for finding in json.loads(written)["findings"])


# --- Page -----------------------------------------------------------------------------------------------------------


class Balanced(HTMLParser):
    """Reads a page; every element but those that have no end must be ended where it began. Collects what is asked."""

    VOID = ("meta", "br", "hr", "link", "img", "input")

    def __init__(self, written: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(written)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> at {self.getpos()}"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def pictures(written: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(svg) for svg in re.findall(r"<svg class=.*?</svg>", written, re.DOTALL)]


@every_report
def test_the_page_is_well_formed_and_stands_alone(report: Report) -> None:
    written = page(report)
    written.encode()
    read = Balanced(written)
    tags = {tag for tag, _ in read.tags}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "base", "form", "use", "image"}
    assert {"b", "details"} & tags and "i" not in tags
    assert set(re.findall(r"https?:[^\"\s]*", written)) <= {"http://www.w3.org/2000/svg"}
    assert "url(" not in written and "@import" not in written
    for tag, attributes in read.tags:
        assert not {"src", "srcset", "style", "xlink:href"} & attributes.keys()
        assert not [name for name in attributes if name.startswith("on")]
        assert (attributes.get("href") or "#").startswith("#"), tag
    targets = {attributes["href"] for _, attributes in read.tags if attributes.get("href")}
    assert targets == {f"#{attributes['id']}" for _, attributes in read.tags if "id" in attributes}
    pictures(written)


def test_the_page_shows_foreign_text_as_it_is() -> None:
    written = page(REPORT)
    read = Balanced(written)
    assert "/etc/<b>x</b>[red]y[/red]\"'&</style>�[31m�" in read.text
    assert "<script>alert(1)</script>" in read.text
    assert "k8s & <i>cluster</i>" in read.text
    assert "&amp;amp;" not in written and "&amp;lt;" not in written


def test_foreign_text_in_a_picture_is_only_text() -> None:
    nasty = replace(MASTER, name=NASTY, address=NASTY)
    rows = (certificate(NASTY, NASTY, -1, 1),)
    written = page(replace(REPORT, hosts=(nasty, *REPORT.hosts[1:]), certificates=rows))
    Balanced(written)
    assert len(pictures(written)) == 4


def test_the_page_says_how_it_stands() -> None:
    read = Balanced(page(REPORT)).text
    assert verdict(REPORT) in read
    assert "2026-05-04 09:30 UTC" in read and "No answer from node3." in read
    assert "Exit code 1: something could not be read" in read
    for finding in REPORT.findings:
        assert finding.found in read and finding.repair in read


def test_what_is_ok_is_folded_away_with_its_counts() -> None:
    written = page(REPORT)
    folded = re.findall(r"<details>.*?</details>", written, re.DOTALL)
    assert [re.sub(r"\s+", " ", Balanced(f).text).strip()[:30] for f in folded] == [
        "master 1 ok etcd 1 etcd master",
        "node1 3 ok files 2 kubernetes ",
    ]
    assert written.index("permission denied") < written.index("/etc/kubernetes/proxy")
    assert "permission denied" not in "".join(folded)


def test_every_cell_of_a_card_has_its_label() -> None:
    """On a phone a table's head is not shown."""
    cells = [attributes for tag, attributes in Balanced(page(REPORT)).tags if tag == "td"]
    assert cells and all(cell.get("data-label") for cell in cells)


def test_a_page_of_nothing_says_so() -> None:
    read = Balanced(page(EMPTY)).text
    assert "Nothing was looked at." in read
    assert "No certificate was read." in read
    assert pictures(page(EMPTY)) == []


def test_versions_are_by_host_and_component() -> None:
    read = page(REPORT)
    versions = read[read.index('id="versions"') :]
    assert re.findall(r'scope="col">([^<]+)', versions) == ["Host", "etcd", "kubelet", "docker"]
    assert versions.count("20.10.24") == 2 and "no answer" in versions


# --- The network ----------------------------------------------------------------------------------------------------


def test_links_are_as_both_ends_see_them() -> None:
    hosts = (node(1, "node2", "node3"), node(2, "node1", missed=("node3",)), node(3, "node1", "node2"), node(4))
    found = {(link.first.name, link.second.name): link for link in network.links(replace(REPORT, hosts=hosts))}
    assert found["node1", "node2"].kind == "both"
    assert found["node1", "node2"].title == "node1 and node2 reach each other"
    assert found["node2", "node3"].kind == "broken"
    assert found["node2", "node3"].title == "node2 does not reach node3"
    assert found["node3", "node4"].kind == "unknown"
    assert len(found) == 6


def test_broken_links_are_numbered_and_said() -> None:
    assert network.key(network.links(REPORT)) == [
        (1, "node3 is not reached from node1 and node2"),
        (2, "node1 is not reached from node2"),
    ]
    written = page(REPORT)
    assert "node3 is not reached from node1 and node2" in Balanced(written).text
    # Two pictures, wide and narrow.
    assert written.count('class="link broken" d="M0 4H32"') == 1
    assert written.count('class="link broken"') == 1 + 2 * 3


def test_a_node_nobody_reaches_is_one_line_of_the_key() -> None:
    others = ", ".join(f"node{i}" for i in range(1, 12) if i != 5)
    assert network.key(network.links(twelve())) == [(1, f"node5 is not reached from {others} and node12")]


def test_the_picture_names_hosts_roles_leases_and_backend() -> None:
    for picture in pictures(page(REPORT))[:2]:
        words = [element.text for element in picture.iter() if element.tag.endswith("text")]
        for host in REPORT.hosts:
            assert host.name in words and host.address in words
            assert not host.lease or host.lease in words
        assert words.count("no answer") == 1
        assert words.count("master") == 2 and words.count("etcd") == 1 and words.count("node") == 3
        assert "flannel overlay: vxlan" in words
        silent = [e for e in picture.iter() if "silent" in e.get("class", "").split()]
        assert len(silent) == 1 and any(e.get("class") == "cross" for e in silent[0])


def test_nodes_of_different_backends_name_their_own() -> None:
    picture = network.wide(replace(REPORT, hosts=(node(1), node(2, backend="host-gw"))))
    assert picture.overlay == "flannel overlay: vxlan, host-gw"
    assert [box.lines[1] for box in picture.nodes] == ["192.168.2.0/24 vxlan", "192.168.3.0/24 host-gw"]


@pytest.mark.parametrize("draw", [network.wide, network.narrow])
@pytest.mark.parametrize("count", range(1, 13))
def test_boxes_stay_apart_and_inside(count: int, draw: Any) -> None:
    hosts = (MASTER, replace(MASTER, name="other"), *(node(i) for i in range(1, count + 1)))
    picture = draw(replace(REPORT, hosts=hosts))
    boxes = [*picture.beside, *picture.nodes]
    assert len(boxes) == count + 2
    for i, one in enumerate(boxes):
        assert one.x >= 0 and one.x + one.width <= picture.width
        assert one.y >= 0 and one.y + network.BOX_HEIGHT <= picture.height
        for other in boxes[i + 1 :]:
            beside = abs(one.x - other.x) >= one.width
            assert beside or abs(one.y - other.y) > network.BOX_HEIGHT
    assert len(picture.lines) == count * (count - 1) // 2
    assert all(0 <= line.x <= picture.width and 0 <= line.y <= picture.height for line in picture.lines)


def test_a_long_name_is_cut_in_the_box_and_whole_in_its_title() -> None:
    name = "a-node-with-a-name-that-no-box-can-hold"
    box = network.narrow(replace(REPORT, hosts=(node(1, name=name),))).nodes[0]
    assert len(box.name) < 20 and "…" in box.name
    assert name in box.title


# --- Certificates ---------------------------------------------------------------------------------------------------


def test_a_life_is_told_in_words() -> None:
    told = {
        life.certificate.path: (life.state, life.words) for found in timeline.lives(REPORT).values() for life in found
    }
    assert told == {
        "/etc/kubernetes/ca/ca.crt": ("valid", "2035-07-06, 3350 days left"),
        "/etc/kubernetes/ca/server.crt": ("future", "not valid before 2026-05-05"),
        "/etc/kubernetes/ca/proxy.crt": ("expired", "2026-04-24, expired 10 days ago"),
        "/etc/kubernetes/ca/client.crt": ("renewal", "2026-05-16, renewal due, 12 days"),
    }


def test_certificates_are_drawn_by_host_and_told_in_a_table() -> None:
    written = page(REPORT)
    assert list(timeline.lives(REPORT)) == ["master", "node1", "node2"]
    drawn = pictures(written)[2:]
    assert len(drawn) == 2 * 3
    for picture in drawn:
        assert sum(element.get("class") == "today" for element in picture.iter()) == 1
    words = [element.text for element in drawn[2].iter() if element.tag.endswith("text")]
    assert "2026-04-24, expired 10 days ago" in words
    table = written[written.index('<details class="same">') :]
    assert all(c.path in table and c.issuer in table for c in REPORT.certificates)


@pytest.mark.parametrize("layout", [timeline.WIDE, timeline.NARROW])
@pytest.mark.parametrize("years", [0, 1, 10, 7900])
def test_bars_and_marks_stay_on_the_axis(layout: timeline.Layout, years: int) -> None:
    report = replace(
        REPORT,
        certificates=(
            certificate("master", "/a.crt", -1, 365 * years + 3, renew_from=NOW - timedelta(days=90)),
            certificate("master", "/b.crt", -900, -700),
        ),
    )
    line = timeline.line(timeline.lives(report)["master"], timeline.span(report), layout)
    assert 1 <= len(line.marks) <= 5
    places = [place for bar in line.bars for place in (bar.begins, bar.renews)]
    assert all(line.left <= place <= line.right for place in [*places, line.today, *(x for x, _ in line.marks)])
    for bar in line.bars:
        assert bar.begins <= bar.renews <= bar.ends <= line.right + 2
    assert line.bars[-1].bar_y + 8 <= line.height


def test_certificates_of_a_single_moment_can_be_drawn() -> None:
    page(replace(REPORT, certificates=(certificate("master", "/a.crt", 0, 0),)))
