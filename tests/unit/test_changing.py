"""The scripts that change a host's files, carried out by a real shell below a directory of their own."""

import hashlib
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cluster.desired import File
from cluster.roles.host import HOSTS_BEGIN, HOSTS_END
from cluster.shell import program
from operations.role import write_files

ME = f"{os.getuid()}:{os.getgid()}"


def carry_out(script: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", script], input=stdin, capture_output=True, text=True, timeout=20, check=False)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# --- Writing --------------------------------------------------------------------------------------------------------


def write(*files: File, arrives: slice = slice(None)) -> subprocess.CompletedProcess[str]:
    """Carries the command out; of its standard input a part arrives."""
    command = write_files(files)
    (script,) = command.connector_arguments["_stdin"]
    return carry_out(command.get_raw_value(), script[arrives])


def test_files_are_written_with_mode_and_content(tmp_path: Path) -> None:
    key, plain = (
        File(f"{tmp_path}/new/key", "secret\n", "600", ME),
        File(f"{tmp_path}/it's", "ümlaut\n" * 9000, owner=ME),
    )
    done = write(key, plain)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    for file in (key, plain):
        assert Path(file.path).read_text() == file.content
        assert f"{Path(file.path).stat().st_mode & 0o777:o}" == file.mode
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o755
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["it's", "key", "new"]


@pytest.mark.parametrize(
    "broken",
    [{"owner": "nobody-has-this-name:root"}, {"mode": "nonsense"}, {"test": "false"}],
    ids=["owner", "mode", "refused by its test"],
)
def test_a_file_that_cannot_be_written_fails_and_leaves_nothing(broken: dict[str, str], tmp_path: Path) -> None:
    """What was there stays; nothing lies beside it; what would come after is not written."""
    (tmp_path / "key").write_text("former\n")
    done = write(
        File(f"{tmp_path}/key", **{"content": "secret\n", "owner": ME} | broken), File(f"{tmp_path}/next", "x")
    )
    assert done.returncode != 0 and done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["key"] and (tmp_path / "key").read_text() == "former\n"


def test_a_path_that_is_a_directory_is_no_success(tmp_path: Path) -> None:
    (tmp_path / "key").mkdir()
    assert write(File(f"{tmp_path}/key", "secret\n", owner=ME)).returncode != 0
    assert [p.name for p in tmp_path.rglob("*")] == ["key"]


@pytest.mark.parametrize("arrives", [slice(0), slice(0, -1), slice(0, -9), slice(0, -60)])
def test_what_does_not_arrive_is_no_success(arrives: slice, tmp_path: Path) -> None:
    """`_su_password` takes standard input for itself; a connection may end in the middle of it."""
    done = write(File(f"{tmp_path}/key", "secret\n" * 20, "600", ME), arrives=arrives)
    assert done.returncode != 0 and done.stderr
    if arrives == slice(0):
        assert "_su_password" in done.stderr and list(tmp_path.iterdir()) == []


# --- Somebody else's files ------------------------------------------------------------------------------------------


def keep(tmp_path: Path, path: Path) -> Path:
    done = carry_out(f"{program('aside', ASIDE=f'{tmp_path}/aside')}keep {path}")
    assert (done.returncode, done.stderr) == (0, "")
    return Path(f"{tmp_path}/aside{path}")


def test_a_file_is_kept_once_by_its_own_path(tmp_path: Path) -> None:
    (unit := tmp_path / "etcd.service").write_text("[Service]\n")
    unit.chmod(0o640)
    for _ in range(2):
        kept = keep(tmp_path, unit)
        assert kept.read_text() == "[Service]\n" and kept.stat().st_mode & 0o777 == 0o640
        assert [p.name for p in kept.parent.iterdir()] == ["etcd.service"]
    assert (tmp_path / "aside").stat().st_mode & 0o777 == 0o700


def test_another_that_comes_later_does_not_take_its_place(tmp_path: Path) -> None:
    (unit := tmp_path / "etcd.service").write_text("first\n")
    keep(tmp_path, unit)
    unit.write_text("second\n")
    kept = keep(tmp_path, unit)
    assert {p.name: p.read_text() for p in kept.parent.iterdir()} == {
        "etcd.service": "second\n", "etcd.service.~1~": "first\n",
    }  # fmt: skip


def test_a_mask_is_kept_as_one(tmp_path: Path) -> None:
    (unit := tmp_path / "docker.service").symlink_to("/dev/null")
    assert os.readlink(keep(tmp_path, unit)) == "/dev/null"


# --- /etc/hosts -----------------------------------------------------------------------------------------------------

BLOCK = f"{HOSTS_BEGIN}\n10.1.10.101  master\n10.1.10.102  node1\n{HOSTS_END}\n"
STALE = f"{HOSTS_BEGIN}\n10.9.9.9  master\n{HOSTS_END}\n"
HOSTS = {
    "no block": ("127.0.0.1 localhost\n", f"127.0.0.1 localhost\n{BLOCK}"),
    "no final newline": ("127.0.0.1 localhost", f"127.0.0.1 localhost\n{BLOCK}"),
    "nothing": ("", BLOCK),
    "another block, lines after it": (f"a\n{STALE}# mine\n10.9.9.9 x\n", f"a\n{BLOCK}# mine\n10.9.9.9 x\n"),
    "several copies": (f"a\n{STALE}b\n{BLOCK}{STALE}c\n", f"a\n{BLOCK}b\nc\n"),
    "one glued to a line": (f"127.0.1.1 node1{STALE}{BLOCK}", f"127.0.1.1 node1\n{BLOCK}"),
    "no end": (f"{HOSTS_BEGIN}\n10.9.9.9  a\n10.9.9.8  b.example b\n::1 localhost\n", f"{BLOCK}::1 localhost\n"),
    "no end, then another": (f"{HOSTS_BEGIN}\n10.9.9.9  master\n{STALE}b\n", f"{BLOCK}b\n"),
    "an end alone": (f"a\n{HOSTS_END}\nb\n", f"a\nb\n{BLOCK}"),
    "CRLF": (f"a\r\n{STALE}b\r\n".replace("\n", "\r\n").replace("\r\r", "\r"), f"a\r\n{BLOCK}b\r\n"),
}  # fmt: skip


@pytest.fixture
def hosts(tmp_path: Path) -> Any:
    """Runs the check or the repair on a file; tells whether it succeeded."""
    script = program("hosts", FILE=f"{tmp_path}/hosts", BLOCK=BLOCK.strip(), FIRST=HOSTS_BEGIN, LAST=HOSTS_END)

    def run(what: str) -> bool:
        done = carry_out(f"( {script}{what} )")
        assert done.stderr == ""
        return done.returncode == 0

    return run


@pytest.mark.parametrize(("before", "after"), HOSTS.values(), ids=HOSTS)
def test_the_names_are_there_once(before: str, after: str, hosts: Any, tmp_path: Path) -> None:
    """After one repair; every other line is as it was, and so is the mode."""
    (path := tmp_path / "hosts").write_bytes(before.encode())
    path.chmod(0o664)
    assert not hosts("check")
    assert hosts("repair")
    assert path.read_bytes().decode() == after
    assert path.stat().st_mode & 0o777 == 0o664
    assert hosts("check")
    assert [p.name for p in tmp_path.iterdir()] == ["hosts"]


def test_a_host_without_the_file_gets_it(hosts: Any, tmp_path: Path) -> None:
    assert not hosts("check")
    assert hosts("repair") and hosts("check")
    assert (tmp_path / "hosts").read_text() == BLOCK and (tmp_path / "hosts").stat().st_mode & 0o777 == 0o644


def test_a_missing_newline_after_the_block_is_nothing(hosts: Any, tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text(f"{BLOCK}127.0.0.1 localhost")
    assert hosts("check")


# --- What a program is taken for ------------------------------------------------------------------------------------


def digest(tmp_path: Path, path: Path) -> str:
    done = carry_out(
        f"{program('digests', RECORDS=f'{tmp_path}/records')}digests {shlex.quote(str(path))} {tmp_path}/none"
    )
    assert done.stderr == ""
    kind, found, of = done.stdout.split()
    assert (kind, of) == ("program", str(path))
    return found


@pytest.fixture
def etcd(tmp_path: Path) -> Path:
    """A program of an archive, as it was placed."""
    (path := tmp_path / "etcd").write_text("this is etcd\n")
    (tmp_path / "records").mkdir()
    known = subprocess.run(["stat", "-c", "%s:%Z:%i", path], capture_output=True, text=True, check=True).stdout.strip()
    (tmp_path / "records/etcd").write_text(f"{'ab' * 32} {known} {path} {sha256('this is etcd' + chr(10))}\n")
    return path


def test_a_program_is_known_without_being_read(etcd: Path, tmp_path: Path) -> None:
    assert digest(tmp_path, etcd) == "ab" * 32


def test_a_program_from_a_restored_image_is_the_same(etcd: Path, tmp_path: Path) -> None:
    """With another inode and change time, the file itself is read; its digest is the archive's all the same."""
    text = etcd.read_text()
    etcd.unlink()
    (tmp_path / "other").write_text("takes the inode")
    etcd.write_text(text)
    assert digest(tmp_path, etcd) == "ab" * 32


def test_another_program_is_another(etcd: Path, tmp_path: Path) -> None:
    etcd.write_text("this is not etcd\n")
    assert digest(tmp_path, etcd) == sha256("this is not etcd\n")


def test_a_program_nobody_recorded_is_what_it_is(tmp_path: Path) -> None:
    (path := tmp_path / "etcd").write_text("this is etcd\n")
    assert digest(tmp_path, path) == sha256("this is etcd\n")


def test_a_record_without_the_files_own_digest_counts_while_it_fits(etcd: Path, tmp_path: Path) -> None:
    """As earlier runs wrote it."""
    record = tmp_path / "records/etcd"
    record.write_text(record.read_text().rpartition(" ")[0] + "\n")
    assert digest(tmp_path, etcd) == "ab" * 32
