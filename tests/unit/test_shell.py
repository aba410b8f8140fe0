"""Shell programs and the values they are given."""

import subprocess
from pathlib import Path

import pytest

from cluster import shell


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory for programs of a test's own."""
    monkeypatch.setattr(shell, "_DIRECTORY", tmp_path)
    return tmp_path


@pytest.mark.parametrize("value", ["plain", "two words", "it's", "$(touch ran)", "`touch ran`", "a\nb", "\\", ""])
def test_a_value_is_a_value_whatever_it_holds(value: str, programs: Path) -> None:
    (programs / "say.sh").write_text('# shellcheck shell=sh\nprintf %s "$VALUE"\n')
    text = shell.program("say", VALUE=value)
    done = subprocess.run(["sh", "-c", text], cwd=programs, capture_output=True, text=True, check=True)
    assert done.stdout == value
    assert sorted(path.name for path in programs.iterdir()) == ["say.sh"]


def test_a_value_that_nobody_reads_is_refused(programs: Path) -> None:
    (programs / "wait.sh").write_text('sleep "$PERIOD"\n')
    with pytest.raises(ValueError, match=r"wait\.sh has no MINUTES"):
        shell.program("wait", MINUTES=3)
