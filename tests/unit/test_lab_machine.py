"""What the lab reads off the machine: root, powers, control groups, repositories, its own processes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab import apt, cgroups, cleanup, machine
from lab.__main__ import main
from lab.process import LabError, run

V1 = """\
tmpfs /sys/fs/cgroup tmpfs rw,relatime,mode=755 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/cpuset cgroup rw,relatime,cpuset 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,relatime,name=systemd 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
"""
V2 = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate 0 0\n"


@pytest.mark.parametrize(
    "command", [["up"], ["down"], ["status"], ["run", "--", "true"], ["ssh", "node1"], ["cut", "node1"]]
)
def test_without_root_one_line(command, monkeypatch, capsys):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main(command) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "run it as root" in err


def test_v1_controllers_are_found_where_they_are_mounted():
    assert cgroups.v1_hierarchies(V1) == {
        "cpu": Path("/sys/fs/cgroup/cpu,cpuacct"),
        "cpuacct": Path("/sys/fs/cgroup/cpu,cpuacct"),
        "cpuset": Path("/sys/fs/cgroup/cpuset"),
        "memory": Path("/sys/fs/cgroup/memory"),
    }


def test_missing_v1_controllers_are_named():
    assert cgroups.missing_controllers(cgroups.v1_hierarchies(V1)) == ["devices", "freezer", "blkio", "pids"]


def test_a_v2_machine_has_no_v1_controllers():
    assert cgroups.v1_hierarchies(V2) == {}


def test_a_host_gets_a_group_in_systemds_own_hierarchy_too():
    assert [path.name for path in cgroups.hierarchies(V1)] == ["cpu,cpuacct", "cpuset", "memory", "systemd", "unified"]


@pytest.mark.parametrize(("mask", "lacks"), [("000001fffeffffff", True), ("000001ffffffffff", False)])
def test_sys_resource_is_bit_24_of_the_bounding_set(mask, lacks):
    assert machine.lacks_sys_resource(f"CapEff:\t0000000000000000\nCapBnd:\t{mask}\n") is lacks


DEB822 = """\
# a comment
Types: deb deb-src
URIs: http://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://mirror.example/security
Suites:
 bookworm-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
URIs: http://other.example/tools
Suites: stable
Enabled: no
"""


def test_deb822_sources_are_read():
    assert apt.parse_deb822(DEB822) == [
        apt.Source("http://mirror.example/debian", ("bookworm", "bookworm-updates")),
        apt.Source("http://mirror.example/security", ("bookworm-security",)),
    ]


def test_one_line_sources_are_read():
    lines = ["# deb http://no.example x main", "deb [arch=amd64 signed-by=/k] http://a.example/debian bookworm main"]
    assert apt.parse_list("\n".join([*lines, "deb-src http://a.example/debian bookworm main", ""])) == [
        apt.Source("http://a.example/debian", ("bookworm",))
    ]


def test_the_machines_debian_archives_are_told_from_other_repositories():
    sources = [
        apt.Source("http://tools.example", ("cloud-sdk-bookworm",)),
        apt.Source("http://mirror.example/debian-security", ("trixie-security",)),
        apt.Source("http://mirror.example/debian", ("trixie", "trixie-updates")),
    ]
    assert apt.debian_archives(sources) == ("http://mirror.example/debian", "http://mirror.example/debian-security")


def test_a_machine_without_a_debian_archive_is_refused():
    with pytest.raises(LabError, match="none of this machine's apt repositories"):
        apt.debian_archives([apt.Source("http://tools.example", ("nodistro",))])


@pytest.fixture
def sleeper():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def test_a_recorded_process_is_known_again_and_ended(sleeper, tmp_path):
    cleanup.record_process(tmp_path / "pid", sleeper.pid)
    assert cleanup.live_process(tmp_path / "pid", "time.sleep") == sleeper.pid
    cleanup.end_process(tmp_path / "pid", "time.sleep")
    assert sleeper.wait(5) < 0
    assert not (tmp_path / "pid").exists()


def test_a_process_is_known_while_it_becomes_another_program(tmp_path):
    """In the midst of exec it has no command line for a moment: hosts were called stopped for it."""
    for _ in range(20):
        process = subprocess.Popen(["/bin/sh", "-c", 'exec "$@"', "sh", "/bin/sh", "-c", "sleep 2; :", "nspawn"])
        try:
            cleanup.record_process(tmp_path / "pid", process.pid)
            assert {cleanup.live_process(tmp_path / "pid", "nspawn") for _ in range(60)} == {process.pid}
        finally:
            process.kill()
            process.wait()


def test_a_process_with_a_used_again_id_is_never_killed(sleeper, tmp_path):
    (tmp_path / "pid").write_text(f"{sleeper.pid} 1\n")
    cleanup.end_process(tmp_path / "pid", "time.sleep")
    assert sleeper.poll() is None


def test_another_program_is_never_killed(sleeper, tmp_path):
    cleanup.record_process(tmp_path / "pid", sleeper.pid)
    cleanup.end_process(tmp_path / "pid", "systemd-nspawn")
    assert sleeper.poll() is None


def test_a_failed_program_is_reported_with_its_last_words():
    with pytest.raises(LabError, match=r"sh -c .* failed \(3\): no room left"):
        run("sh", "-c", "echo no room left >&2; exit 3")


def test_a_contained_program_dies_with_the_lab(tmp_path):
    """Not only the program: what it started, too, when the lab is killed outright."""
    if os.geteuid() != 0:
        pytest.skip("a pid namespace takes root")
    mark = f"import time; time.sleep(61)  # {tmp_path}"
    script = '"$0" -c "$1" & wait'
    started = f"from lab.process import *; run(*CONTAINED, 'sh', '-c', {script!r}, {sys.executable!r}, {mark!r})"
    lab = subprocess.Popen([sys.executable, "-c", started])
    assert _within(5, lambda: _processes(mark))
    lab.kill()
    lab.wait()
    assert _within(5, lambda: not _processes(mark))


def _processes(mark):
    commands = (entry / "cmdline" for entry in Path("/proc").iterdir() if entry.name.isdigit())
    found = []
    for command in commands:
        try:
            words = command.read_text().split("\0")
        except OSError:
            continue
        found += [words] if words[1:3] == ["-c", mark] else []
    return found


def _within(seconds, condition):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_a_missing_program_is_reported_by_name():
    with pytest.raises(LabError, match="no-such-program is not installed"):
        run("no-such-program")
