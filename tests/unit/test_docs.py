"""The documents against the repository: nothing left out, nothing that is not there."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import record

REPOSITORY = Path(__file__).resolve().parents[2]
READMES = ("README.md", "README.zh-CN.md")
# A path of the repository where a word begins: not the end of a longer path, not a URL.
_PATH = re.compile(r"(?<![\w/.~-])(?:deploys|operations|facts|cluster|pki|lab|docs|tests|bench|group_data)/[\w./<>*-]*")
_CODE = re.compile(r"^ *```.*?^ *```|`[^`\n]+`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def _text(name: str) -> str:
    return (REPOSITORY / name).read_text()


def _documents() -> list[str]:
    found = [p.relative_to(REPOSITORY) for p in REPOSITORY.rglob("*.md")]
    return sorted(str(path) for path in found if not any(part.startswith(".") for part in path.parts))


def _rows(name: str) -> list[str]:
    """The first cell of every table row, without its backticks."""
    return re.findall(r"^\| `([^`]+)` \|", _text(name), re.MULTILINE)


def _fact_classes() -> Iterator[str]:
    for path in sorted((REPOSITORY / "facts").glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            bases = [ast.unparse(base).partition("[")[0] for base in getattr(node, "bases", [])]
            if isinstance(node, ast.ClassDef) and {"Fact", "ShortFactBase"} & set(bases):
                yield f"facts.{path.stem}.{node.name}"


@pytest.mark.parametrize("readme", READMES)
def test_deploys_are_listed(readme: str) -> None:
    deploys = {f"deploys/{path.name}" for path in (REPOSITORY / "deploys").glob("*.py")}
    assert {row for row in _rows(readme) if row.startswith("deploys/")} == deploys


@pytest.mark.parametrize("readme", READMES)
def test_facts_are_listed(readme: str) -> None:
    assert {row for row in _rows(readme) if row.startswith("facts.")} == set(_fact_classes())


@pytest.mark.parametrize("name", list(_fact_classes()))
def test_facts_are_described_with_an_answer(name: str) -> None:
    """The document is made by `python -m lab record`; what it says of a fact is the fact's docstring."""
    module, _, fact = name.removeprefix("facts.").partition(".")
    own = getattr(importlib.import_module(f"facts.{module}"), fact)
    section = _text("docs/facts.md").partition(f"## `{name}`\n\n")[2].partition("\n## ")[0]
    assert section.startswith(record.description(own)), "run: python -m lab record"
    assert "```json\n" in section or name.removeprefix("facts.") in record._NOT_ASKED


def test_readmes_are_in_step() -> None:
    """Both have the same commands, the same rows and the same links in the same order."""
    first, second = (_text(name) for name in READMES)

    def commands(text: str) -> list[str]:
        blocks = re.findall(r"^ *```sh\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
        return [re.sub(r"\s*#.*", "", line).strip() for block in blocks for line in block.splitlines()]

    def links(text: str) -> list[str]:
        return sorted(link for link in _LINK.findall(text) if link not in READMES)

    assert commands(first) == commands(second)
    assert _rows(READMES[0]) == _rows(READMES[1])
    assert links(first) == links(second)


@pytest.mark.parametrize("document", _documents())
def test_links_resolve(document: str) -> None:
    broken = []
    for link in _LINK.findall(_text(document)):
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = (REPOSITORY / document).parent / path if path else REPOSITORY / document
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            broken.append(link)
    assert broken == []


def _anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", _documents())
def test_files_named_exist(document: str) -> None:
    named = {path.rstrip(".") for code in _CODE.findall(_text(document)) for path in _PATH.findall(code)}
    # <...> stands for any name.
    missing = [path for path in sorted(named) if not list(REPOSITORY.glob(re.sub(r"<[^>]*>", "*", path)))]
    assert missing == []
