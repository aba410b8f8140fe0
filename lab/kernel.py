"""Kernel settings that belong to the machine, not to a host, and that a kubelet changes: put back when the lab ends."""

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
_SYSCTL = Path("/proc/sys")


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
