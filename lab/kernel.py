"""Kernel settings that belong to the machine, not to a host.

Those that a kubelet changes are put back when the lab ends. Limits that many hosts reach together are raised, and stay:
another lab may stand on them.
"""

from pathlib import Path

from lab import state

SETTINGS = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
# With some seven kubelets the machine's inotify instances are all in use, which are counted for one user: root.
LIMITS = {"fs/inotify/max_user_instances": 8192}
_SYSCTL = Path("/proc/sys")


def give_room() -> None:
    """Raise the limits that are lower."""
    for name, least in LIMITS.items():
        if int((_SYSCTL / name).read_text()) < least:
            (_SYSCTL / name).write_text(str(least))


def remember() -> None:
    """Note the machine's own values, unless an earlier `up` has and no `down` has put them back."""
    if "kernel" not in state.load():
        state.update(
            kernel={name: (_SYSCTL / name).read_text().strip() for name in SETTINGS if (_SYSCTL / name).exists()}
        )


def restore() -> None:
    """Put the noted values back."""
    for name, value in state.load().get("kernel", {}).items():
        if (_SYSCTL / name).read_text().strip() != value:
            (_SYSCTL / name).write_text(value)
    state.forget("kernel")
