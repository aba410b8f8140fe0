"""The shell that asks etcd's members, with programs that answer what a test says."""

from pathlib import Path
from typing import Any

import pytest

from facts.etcd import Alarms
from tests.unit.example import SEVERAL, current, roles
from tests.unit.test_pod_network import run

THIS = current(SEVERAL | {"etcd": ["master", "node1", "node2"]})
ETCD = roles(THIS, THIS.hosts[0])["etcd"]
OPEN, CLOSED = '{"header":{},"kvs":[]}', '{"error":"permission denied"}'


@pytest.mark.parametrize(("answers", "code"), [(OPEN, 1), (CLOSED, 0)])
def test_a_member_that_lets_anybody_read_is_no_success(answers: str, code: int, tmp_path: Path) -> None:
    """Behind `auth enable`, which it may not have heard of."""
    asked = "for url; do :; done; echo " + f"'{answers}'; echo \"$url\""
    done = run(
        ETCD.grants[0].change, tmp_path, {"etcdctl": "exit 0", "curl": asked},
        "+ authentication at https://10.1.10.101:2379\n",
    )  # fmt: skip
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
    third: tuple[str, ...], does: bool, tmp_path: Path
) -> None:
    turn = ETCD.units[0].turn
    assert turn
    healthy = 'for url; do :; done; case $url in *.102:*|*.103:*) echo \'{"health":"true"}\' ;; *) exit 7 ;; esac'
    done = run(turn.others, tmp_path, {"etcdctl": _members(*third), "curl": healthy})
    assert (done.returncode == 0) is does, done.stdout


@pytest.mark.parametrize(("healthy", "told"), [("false", {"alarms": ["NOSPACE"], "database": 15986688}), ("true", {})])
def test_alarms_are_read_as_etcdctl_prints_them(healthy: str, told: dict[str, Any], tmp_path: Path) -> None:
    said = """case $1 in
alarm) echo 'memberID:13803658152347727308 alarm:NOSPACE '; echo 'memberID:1 alarm:NOSPACE ' ;;
endpoint) printf '%s\\n' '"MemberID" : 1' '"DBSize" : 15986688' '"DBSizeInUse" : 15900672' ;;
esac"""
    done = run(Alarms().script(), tmp_path, {"etcdctl": said, "curl": f'echo \'{{"health":"{healthy}"}}\''})
    lines = done.stdout.splitlines()
    assert (Alarms().read(lines) if any(lines) else {}) == told
