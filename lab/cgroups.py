"""Control groups for hosts on machines without systemd as PID 1 and with cgroup v1 controllers mounted one by one.

A host gets a group of its own in each controller; the cgroup namespace then hides hosts from each other, without which
three kubelets delete each other's pods. On a systemd machine systemd-nspawn asks systemd for a scope instead.
"""

import time
from pathlib import Path

from lab.process import LabError
from lab.state import NAME

CONTROLLERS = ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids")
PREFIX = f"container-cloud-{NAME}-"


def v1_hierarchies(mounts: str | None = None) -> dict[str, Path]:
    """Where each cgroup v1 controller is mounted; empty on a machine with cgroup v2 alone.

    Args:
        mounts: the text of /proc/self/mounts (default: this process's).
    """
    text = mounts if mounts is not None else Path("/proc/self/mounts").read_text()
    found: dict[str, Path] = {}
    for line in text.splitlines():
        fields = line.split()
        if len(fields) < 4 or fields[2] != "cgroup":
            continue
        options = fields[3].split(",")
        for controller in CONTROLLERS:
            if controller in options:
                found.setdefault(controller, Path(fields[1]))
    return found


def hierarchies(mounts: str | None = None) -> list[Path]:
    """Every mounted hierarchy, v1 and v2, that can hold a group of ours."""
    text = mounts if mounts is not None else Path("/proc/self/mounts").read_text()
    lines = (line.split() for line in text.splitlines())
    return list(dict.fromkeys(Path(f[1]) for f in lines if len(f) > 3 and f[2] in ("cgroup", "cgroup2")))


def missing_controllers(found: dict[str, Path]) -> list[str]:
    """The v1 controllers a host cannot do without and this machine has not mounted."""
    return [controller for controller in CONTROLLERS if controller not in found]


def create(name: str) -> list[Path]:
    """Make a host's group in every hierarchy, empty: without one in systemd's own, hosts' systemds share their units.

    Returns:
        the groups' directories.

    Raises:
        LabError: the kernel refused.
    """
    groups = []
    for mount in hierarchies():
        group = mount / f"{PREFIX}{name}"
        try:
            group.mkdir(exist_ok=True)
            if (mount / "cpuset.cpus").exists():
                # A cpuset without CPUs or memory nodes admits no process; its children inherit from here.
                for knob in ("cpuset.cpus", "cpuset.mems"):
                    (group / knob).write_text((mount / knob).read_text())
                (group / "cgroup.clone_children").write_text("1")
        except OSError as error:
            raise LabError(f"cannot make the control group {group}: {error.strerror}") from None
        groups.append(group)
    return groups


def existing(name: str | None = None) -> list[Path]:
    """The lab's groups (one host's, or all), whoever made them."""
    pattern = f"{PREFIX}{name}" if name else f"{PREFIX}*"
    return [group for mount in hierarchies() for group in mount.glob(pattern) if group.is_dir()]


def processes(group: Path) -> set[int]:
    """The processes in a group and in the groups below it."""
    found: set[int] = set()
    for file in [group / "cgroup.procs", *group.rglob("cgroup.procs")]:
        try:
            found.update(int(pid) for pid in file.read_text().split())
        except OSError:  # the group went away, or is a threaded one
            continue
    return found


def remove(group: Path, seconds: float = 5) -> None:
    """Remove a group and those below it, waiting for its last processes to be gone.

    Raises:
        LabError: processes are still in it.
    """
    deadline = time.monotonic() + seconds
    while group.exists():
        for directory in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True) + [group]:
            try:
                directory.rmdir()
            except OSError:
                continue
        if group.exists():
            if time.monotonic() > deadline:
                raise LabError(f"the control group {group} still has processes: {sorted(processes(group))}")
            time.sleep(0.05)
