"""Clearing what a stopped or killed lab left: processes, mounts, control groups, namespaces.

A process is the lab's if a pid file of the lab names it and /proc confirms it (same program, same start), if it is in
one of the lab's control groups, or if its network is a lab host's. Nothing else is ever killed.
"""

import os
import signal
import time
from pathlib import Path

from lab import cgroups, network
from lab.process import LabError, run
from lab.state import DIRECTORY, HOSTS, Host


def record_process(file: Path, pid: int) -> None:
    """Remember a process: its id and when it started, for ids are used again."""
    file.write_text(f"{pid} {_start_time(pid)}\n")


def live_process(file: Path, program: str) -> int | None:
    """The process a pid file names, if it is still that one.

    Args:
        file: written by record_process.
        program: what its command line must contain.
    """
    try:
        pid, began = file.read_text().split()
        line = Path(f"/proc/{pid}/cmdline").read_text()
        # In the midst of exec a process has no command line.
        if (program in line or not line) and _start_time(int(pid)) == began:
            return int(pid)
    except (OSError, ValueError):
        pass
    return None


def end_process(file: Path, program: str) -> None:
    """Kill the process a pid file names, if it is still that one, and forget it."""
    pid = live_process(file, program)
    _kill({pid} if pid else set())
    file.unlink(missing_ok=True)


def clear_host(host: Host) -> None:
    """Take away everything of a host but its disk.

    Raises:
        LabError: something would not go.
    """
    end_process(host.directory / "pid", "systemd-nspawn")
    _kill(set().union(*map(cgroups.processes, cgroups.existing(host.name))) | _in_namespace(host.namespace))
    unmount_below(host.directory)
    for group in cgroups.existing(host.name):
        cgroups.remove(group)
    network.disconnect(host)


def clear_leftovers(running: list[Host]) -> None:
    """Clear everything of the lab that belongs to no running host, whoever left it and however half-made.

    Args:
        running: hosts to leave alone.
    """
    kept = {host.name for host in running}
    names = {group.name.removeprefix(cgroups.PREFIX) for group in cgroups.existing()}
    names |= {name.removeprefix(f"{network.NAMESPACE}-") for name in network.namespaces() if name != network.NAMESPACE}
    names |= {directory.name for directory in HOSTS.glob("*")}
    for name in sorted(names - kept):
        clear_host(Host(name, ""))
    for mount in _mounts_below(DIRECTORY):
        if not any(mount.is_relative_to(host.directory) for host in running):
            run("umount", "--lazy", mount)


def unmount_below(directory: Path) -> None:
    """Unmount everything mounted in a directory, the innermost first."""
    for mount in _mounts_below(directory):
        run("umount", "--lazy", mount)


def _mounts_below(directory: Path) -> list[Path]:
    # Not the directory itself: that may be a disk of its own.
    mounts = [line.split()[1].replace("\\040", " ") for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [Path(mount) for mount in reversed(mounts) if directory in Path(mount).parents]


def _start_time(pid: int) -> str:
    """When a process started, in clock ticks since the machine booted; a dead one that nobody reaped counts as gone."""
    state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    if state == "Z":
        raise ProcessLookupError(pid)
    return fields[18]


def _in_namespace(name: str) -> set[int]:
    """The processes whose network is that namespace."""
    try:
        wanted = (network.NAMED / name).stat()
    except OSError:
        return set()
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.path.samestat((entry / "ns/net").stat(), wanted):
                found.add(int(entry.name))
        except OSError:  # it ended meanwhile
            continue
    return found


def _kill(pids: set[int], seconds: float = 10) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    deadline = time.monotonic() + seconds
    while alive := [pid for pid in pids if _lives(pid)]:
        if time.monotonic() > deadline:
            raise LabError(f"processes of the lab will not die: {alive}")
        time.sleep(0.02)


def _lives(pid: int) -> bool:
    try:
        _start_time(pid)
    except OSError:
        return False
    return True
