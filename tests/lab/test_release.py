"""`python -m release lock` against the mirror, which is laid out as the publishers lay out their servers."""

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import mirror, network, settings, state
from tests.lab.conftest import REPOSITORY, Lab

pytestmark = pytest.mark.runtimes("containerd")

# The lab's settings without a digest; some files from elsewhere on the mirror.
SETTINGS = """
import runpy
_lab = runpy.run_path("lab/group_data/all.py")
globals().update({name: value for name, value in _lab.items() if not name.startswith("_")})
_bad = %(bad)r
release_files = {name: {"url": _bad.get(name, file["url"])} for name, file in release_files.items()}
pause_image_archive = {"url": pause_image_archive["url"]}
release_lock = %(lock)r
"""
BAD = "not-as-published"  # a directory of the mirror


@pytest.fixture
def bad() -> Iterator[dict[str, str]]:
    """By name, addresses of one altered and one truncated file, each beside its right checksum file."""
    published = mirror.manifest()["files"]
    made = {}
    for name, change in (("kubectl", lambda content: b"x" + content[1:]), ("crictl", lambda content: content[:-1])):
        place = next(place for place in published if f"/{name}" in place)
        target = state.MIRROR / BAD / place
        target.parent.mkdir(parents=True)
        target.write_bytes(change((state.MIRROR / place).read_bytes()))
        beside = f"{place}.sha256"
        (state.MIRROR / BAD / beside).write_bytes((state.MIRROR / beside).read_bytes())
        made[name] = f"{mirror.URL}/{BAD}/{place}"
    yield made
    subprocess.run(["rm", "-rf", state.MIRROR / BAD], check=True)


def inventory(directory: Path, bad: dict[str, str]) -> Path:
    """The lab's hosts with these settings."""
    for part in ("inventory.py", "group_data/nodes.py"):
        (directory / part).parent.mkdir(exist_ok=True)
        (directory / part).write_text(f'import runpy\nglobals().update(runpy.run_path("{REPOSITORY}/lab/{part}"))\n')
    lock = str(directory / "release.lock")
    (directory / "group_data/all.py").write_text(SETTINGS % {"bad": bad, "lock": lock})
    return directory / "inventory.py"


def lock(path: Path) -> subprocess.CompletedProcess[str]:
    """The command, where the mirror is reachable; what it keeps is beside the inventory."""
    return subprocess.run(
        [*network.enter(), sys.executable, "-m", "release", "lock", "--inventory", path],
        cwd=REPOSITORY, env={**os.environ, "XDG_CACHE_HOME": str(path.parent / "cache")},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def test_what_the_mirror_has_is_locked_and_is_what_hosts_have(
    cluster: Lab, bad: dict[str, str], tmp_path: Path
) -> None:
    path = inventory(tmp_path, bad)
    done = cluster.pyinfra("-y", str(path), "deploys/host.py")
    assert done.code == 1 and f"nobody has its digest; run `python -m release lock --inventory {path}`" in done.err
    assert "no host was contacted" in done.err

    published = mirror.manifest()["files"]
    done = lock(path)
    assert done.returncode == 1 and "nothing was locked" in done.stderr, done.stderr
    for url in bad.values():
        place = url.partition(f"/{BAD}/")[2]
        (line,) = [line for line in done.stderr.splitlines() if line.startswith(f"release: {url} has SHA-256 ")]
        assert f"{url}.sha256 says {published[place]}: not locked" in line
    assert not (tmp_path / "release.lock").exists()

    inventory(tmp_path, {})
    done = lock(path)
    assert done.returncode == 0, done.stderr
    locked = tomllib.loads((tmp_path / "release.lock").read_text())["file"]
    unverified = set()
    for file in locked:
        place = file["url"].removeprefix(f"{mirror.URL}/")
        assert place not in published or file["sha256"] == published[place]
        if not file["verified"].startswith("http"):
            unverified.add(place.rpartition("/")[2])
    assert unverified == {"flanneld-amd64", Path(settings.pause_archive()["url"]).name}, "nobody publishes theirs"
    assert "nothing to fetch" in lock(path).stdout

    done = cluster.pyinfra("--dry", "--json", str(path), "deploys/cluster.py")
    assert done.code == 0 and done.changes == {}, done.err
