"""The lab's cache: complete or absent, verified on reuse, and clean after a kill."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from lab import cache


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CONTAINER_CLOUD_CACHE", str(tmp_path / "cache"))


class Maker:
    """Makes an entry of one file and counts how often it had to."""

    def __init__(self, content: str = "built") -> None:
        self.content = content
        self.times = 0

    def __call__(self, files: Path, scratch: Path) -> None:
        assert list(files.iterdir()) == [] and list(scratch.iterdir()) == []
        self.times += 1
        (scratch / "object.o").write_text("half-way")
        (files / "sub").mkdir()
        (files / "sub/program").write_text(self.content)


def test_an_entry_is_made_once():
    make = Maker()
    assert cache.get("thing", "1", make) == cache.get("thing", "1", make)
    assert make.times == 1


def test_an_entry_holds_its_files_and_their_checksums_only():
    entry = cache.get("thing", "1", Maker())
    assert sorted(path.name for path in entry.rglob("*")) == ["SHA256SUMS", "program", "sub"]
    assert cache.read_manifest(entry) == {"sub/program": cache.sha256(entry / "sub/program")}


def test_another_version_is_another_entry():
    make = Maker()
    assert cache.get("thing", "1", make) != cache.get("thing", "2", make)
    assert make.times == 2


def _damage_content(entry: Path) -> None:
    (entry / "sub/program").write_text("bui1t")


def _lose_file(entry: Path) -> None:
    (entry / "sub/program").unlink()


def _lose_manifest(entry: Path) -> None:
    (entry / "SHA256SUMS").unlink()


def _garble_manifest(entry: Path) -> None:
    (entry / "SHA256SUMS").write_text("not a checksum\n")


def _empty_manifest(entry: Path) -> None:
    (entry / "SHA256SUMS").write_text("")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_damage_content, "sub/program has changed"),
        (_lose_file, "sub/program is missing"),
        (_lose_manifest, "no SHA256SUMS"),
        (_garble_manifest, "SHA256SUMS cannot be read"),
        (_empty_manifest, "SHA256SUMS is empty"),
    ],
)
def test_a_damaged_entry_is_noticed_and_made_again(damage, said, capsys):
    make = Maker()
    entry = cache.get("thing", "1", make)
    damage(entry)
    assert cache.problem(entry) == said
    assert (cache.get("thing", "1", make) / "sub/program").read_text() == "built"
    assert make.times == 2
    assert said in capsys.readouterr().err


def _killed_half_way(files: Path, scratch: Path) -> None:
    (files / "program").write_text("half")
    (scratch / "module").mkdir()
    (scratch / "module/file").write_text("read-only, as Go leaves its modules")
    (scratch / "module").chmod(0o555)
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_build_starts_over_cleanly():
    killed = multiprocessing.get_context("fork").Process(target=cache.get, args=("thing", "1", _killed_half_way))
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    assert (cache.root() / "thing-1.part/files/program").exists()
    assert not (cache.root() / "thing-1").exists()

    entry = cache.get("thing", "1", Maker())

    assert cache.problem(entry) is None
    assert not (entry / "program").exists()
    assert not (cache.root() / "thing-1.part").exists()


def test_a_failed_build_leaves_no_entry():
    def fail(files: Path, scratch: Path) -> None:
        (files / "program").write_text("half")
        raise RuntimeError("compiler")

    with pytest.raises(RuntimeError, match="compiler"):
        cache.get("thing", "1", fail)
    assert not (cache.root() / "thing-1").exists()


def test_a_key_tells_its_parts_apart():
    assert cache.key_of("ab", "c") != cache.key_of("a", "bc")
