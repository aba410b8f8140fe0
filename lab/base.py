"""The disk every host starts from: a bare Debian with an SSH server, and nothing the cluster needs."""

import shutil
from pathlib import Path

from lab import apt, cache, cgroups, machine, state
from lab.process import CONTAINED, run
from lab.progress import step

# Beside debootstrap's minbase. No Python, no iptables, no etcd, no Docker: a deploy brings what it needs.
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "libpam-systemd",
    "openssh-server",
    "iproute2",
    "iputils-ping",
    "ca-certificates",
    "curl",
    "procps",
    "kmod",
    "sudo",
)
_RECIPE = "1"  # raise it when _furnish changes
KEY = cache.key_of(apt.SUITE, *PACKAGES)
CIRCUMSTANCES = Path(__file__).parent / "circumstances"

# Units that have nothing to do, or cannot work, in a host without hardware; and timers that would take apt's lock.
MASKED = (
    "console-getty.service",
    "getty@.service",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "fstrim.timer",
)


def directory() -> Path:
    """Where the base image is, or would be, unpacked. Hosts' disks are laid over it; nothing writes to it."""
    needed = _circumstances()
    texts = [(CIRCUMSTANCES / name).read_text() for name in needed]
    return state.DIRECTORY / f"base-{cache.key_of(KEY, _RECIPE, str(machine.has_modules()), *MASKED, *needed, *texts)}"


def prepare() -> Path:
    """Make and unpack the base image, if need be.

    Returns:
        its directory.
    """
    image = directory()
    if image.exists():
        return image
    archive = cache.get("base", f"{apt.SUITE}-{KEY}", _bootstrap) / "base.tar"
    with step("unpacking the hosts' base image"):
        part = state.DIRECTORY / "base.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        run("tar", "--numeric-owner", "--xattrs", "-xpf", archive, "-C", part)
        _furnish(part, _circumstances())
        part.rename(image)
    return image


def remove_others(image: Path) -> None:
    """Throw away base images no host is laid over any more, and half-made ones."""
    for other in state.DIRECTORY.glob("base*"):
        if other != image and other.is_dir():
            shutil.rmtree(other)


def _bootstrap(files: Path, scratch: Path) -> None:
    # Not in the cache's own directory: a home may be mounted nodev, where no system can be unpacked.
    tree = state.DIRECTORY / "base.bootstrap"
    if tree.exists():
        shutil.rmtree(tree)
    tree.mkdir(parents=True)
    with step(f"making the hosts' base image (Debian {apt.SUITE})"):
        run(
            *CONTAINED,
            "debootstrap",
            "--variant=minbase",
            "--arch=amd64",
            f"--include={','.join(PACKAGES)}",
            f"--keyring={apt.KEYRING}",
            apt.SUITE,
            tree,
            apt.archive_uri(),
        )
        for path in [*tree.glob("var/cache/apt/archives/*.deb"), *tree.glob("var/lib/apt/lists/*_*")]:
            path.unlink()
        run("tar", "--numeric-owner", "--xattrs", "-cf", files / "base.tar", "-C", tree, ".")
    shutil.rmtree(tree)


def _circumstances() -> list[str]:
    """Which of the lab-only files this machine makes necessary."""
    needed = ["sshd.conf"]
    if not machine.runs_systemd() and cgroups.v1_hierarchies():
        needed.append("container-cloud-lab-cgroups.service")
    if machine.lacks_sys_resource():
        needed.append("runc")
    return needed


def _furnish(root: Path, circumstances: list[str]) -> None:
    """What makes the bare system a lab host: no repository, no name server, the circumstances above."""
    (root / "etc/apt/sources.list").write_text("")
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    (root / "etc/resolv.conf").write_text("")
    (root / "etc/fstab").write_text("")
    for key in root.glob("etc/ssh/ssh_host_*"):
        key.unlink()
    without_modules = [] if machine.has_modules() else ["systemd-modules-load.service"]
    for unit in [*MASKED, *without_modules]:
        (root / "etc/systemd/system" / unit).symlink_to("/dev/null")
    shutil.copyfile(CIRCUMSTANCES / "sshd.conf", root / "etc/ssh/sshd_config.d/lab.conf")
    if "runc" in circumstances:
        run(
            "chroot",
            root,
            "dpkg-divert",
            "--local",
            "--no-rename",
            "--divert",
            "/usr/sbin/runc.real",
            "--add",
            "/usr/sbin/runc",
        )
        shutil.copyfile(CIRCUMSTANCES / "runc", root / "usr/sbin/runc")
        (root / "usr/sbin/runc").chmod(0o755)
    if "container-cloud-lab-cgroups.service" in circumstances:
        unit = "container-cloud-lab-cgroups.service"
        shutil.copyfile(CIRCUMSTANCES / unit, root / "etc/systemd/system" / unit)
        wants = root / "etc/systemd/system/basic.target.wants"
        wants.mkdir(exist_ok=True)
        (wants / unit).symlink_to(f"/etc/systemd/system/{unit}")
