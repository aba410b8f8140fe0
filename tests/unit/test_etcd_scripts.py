"""The shell that asks etcd's members, with programs that answer what a test says."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from facts.etcd import Alarms
from tests.unit.example import SEVERAL, current, roles

THIS = current(SEVERAL | {"etcd": ["master", "node1", "node2"]})
ETCD = roles(THIS, THIS.hosts[0])["etcd"]
OPEN, CLOSED = '{"header":{},"kvs":[]}', '{"error":"permission denied"}'


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a script where programs are others, by name."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def ran(script: str, said: str = "", **programs: str) -> subprocess.CompletedProcess[str]:
        for name, text in programs.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
            (tmp_path / name).chmod(0o755)
        return subprocess.run(["sh", "-c", script], input=said, capture_output=True, text=True, check=False)

    return ran


@pytest.mark.parametrize(("answers", "code"), [(OPEN, 1), (CLOSED, 0)])
def test_a_member_that_lets_anybody_read_is_no_success(answers: str, code: int, run: Run) -> None:
    """Behind `auth enable`, which it may not have heard of."""
    asked = "for url; do :; done; echo " + f"'{answers}'; echo \"$url\""
    done = run(ETCD.grants[0].change, "+ authentication at https://10.1.10.101:2379\n", etcdctl="exit 0", curl=asked)
    assert done.returncode == code, done.stderr
    assert ("lets any certificate read everything" in done.stderr) is bool(code)


def _members(*third: str) -> str:
    """What etcdctl lists: this member, one that runs, and one more."""
    listed = [
        ("1", "started", "master", "https://10.1.10.101:2380", "https://10.1.10.101:2379", "false"),
        ("2", "started", "node1", "https://10.1.10.102:2380", "https://10.1.10.102:2379", "false"),
        ("3", *third),
    ]
    return f"cat <<'END'\n{chr(10).join(map(', '.join, listed))}\nEND"


@pytest.mark.parametrize(
    ("third", "does"),
    [
        (("started", "node2", "https://10.1.10.103:2380", "https://10.1.10.103:2379", "false"), True),
        (("started", "node2", "https://10.1.10.103:2380", "https://10.1.10.104:2379", "false"), False),
        (("unstarted", "", "https://10.1.10.103:2380", "", "false"), False),
        (("unstarted", "", "https://10.1.10.103:2380", "", "true"), True),
    ],
    ids=["healthy", "not healthy", "never started", "a learner"],
)
def test_others_do_without_a_member_while_more_than_half_are_healthy(
    third: tuple[str, ...], does: bool, run: Run
) -> None:
    turn = ETCD.units[0].turn
    assert turn
    healthy = 'for url; do :; done; case $url in *.102:*|*.103:*) echo \'{"health":"true"}\' ;; *) exit 7 ;; esac'
    done = run(turn.others, etcdctl=_members(*third), curl=healthy)
    assert (done.returncode == 0) is does, done.stdout


@pytest.mark.parametrize(("healthy", "told"), [("false", {"alarms": ["NOSPACE"], "database": 15986688}), ("true", {})])
def test_alarms_are_read_as_etcdctl_prints_them(healthy: str, told: dict[str, Any], run: Run) -> None:
    said = """case $1 in
alarm) echo 'memberID:13803658152347727308 alarm:NOSPACE '; echo 'memberID:1 alarm:NOSPACE ' ;;
endpoint) printf '%s\\n' '"MemberID" : 1' '"DBSize" : 15986688' '"DBSizeInUse" : 15900672' ;;
esac"""
    done = run(Alarms().script(), etcdctl=said, curl=f'echo \'{{"health":"{healthy}"}}\'')
    lines = done.stdout.splitlines()
    assert (Alarms().read(lines) if any(lines) else {}) == told
