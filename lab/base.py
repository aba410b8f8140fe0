"""The disks hosts start from, one a flavour: a bare system with an SSH server, and nothing the cluster needs.

Both are Debian's userland. lab/rpmbase.py makes the second one a host of the rpm family.
"""

import shutil
from collections.abc import Collection
from functools import partial
from pathlib import Path

from lab import apt, cache, cgroups, machine, rpmbase, state
from lab.process import CONTAINED, run
from lab.progress import step

# Beside debootstrap's minbase. No iptables, no ping, no etcd, no Docker: a deploy brings what it needs.
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "libpam-systemd",
    "openssh-server",
    "iproute2",
    "ca-certificates",
    "curl",
    "procps",
    "kmod",
    "sudo",
)
_RECIPE = "3"  # raise it when _furnish changes
# As people's hosts have it. Nobody answers there, and the lab's gateway says so at once.
RESOLVERS = f"domain lab\nsearch lab\nnameserver {state.GATEWAY}\n"
CIRCUMSTANCES = Path(__file__).parent / "circumstances"

# Units that have nothing to do, or cannot work, in a host without hardware.
_MASKED = (
    "console-getty.service",
    "getty@.service",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "e2scrub_all.timer",
    "fstrim.timer",
)
# And timers that would take the package manager's lock.
MASKED = {
    "deb": (*_MASKED, "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer"),
    "rpm": (*_MASKED, "dnf-makecache.timer"),
}


def packages(flavour: str) -> tuple[str, ...]:
    """What debootstrap installs beside its minbase."""
    return PACKAGES if flavour == "deb" else (*PACKAGES, *rpmbase.PACKAGES)


def key(flavour: str) -> str:
    """A name for the disk as debootstrap makes it."""
    return cache.key_of(apt.SUITE, *packages(flavour))


def directory(flavour: str) -> Path:
    """Where the base image is, or would be, unpacked. Hosts' disks are laid over it; nothing writes to it."""
    needed = _circumstances()
    texts = [(CIRCUMSTANCES / name).read_text() for name in needed]
    parts = [key(flavour), _RECIPE, str(machine.has_modules()), *MASKED[flavour], *needed, *texts]
    if flavour == "rpm":
        parts.append(rpmbase.recipe())
    return state.DIRECTORY / f"base-{cache.key_of(*parts)}"


def prepare(flavour: str) -> Path:
    """Make and unpack a flavour's base image, if need be.

    Returns:
        its directory.
    """
    image = directory(flavour)
    if image.exists():
        return image
    archive = bootstrapped(flavour)
    entry = rpmbase.rpms(archive, key(flavour)) if flavour == "rpm" else None
    with step(f"unpacking the {flavour} hosts' base image"):
        part = state.DIRECTORY / "base.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        run(*CONTAINED, "tar", "--numeric-owner", "--xattrs", "-xpf", archive, "-C", part)
        if entry:
            rpmbase.transform(part, entry)
        _furnish(part, flavour, _circumstances())
        part.rename(image)
    return image


def bootstrapped(flavour: str) -> Path:
    """The cached archive of a disk as debootstrap made it."""
    return cache.get("base", f"{apt.SUITE}-{key(flavour)}", partial(_bootstrap, flavour)) / "base.tar"


def remove_others(images: Collection[Path]) -> None:
    """Throw away base images no host is laid over any more, and half-made ones."""
    for other in state.DIRECTORY.glob("base*"):
        if other not in images and other.is_dir():
            shutil.rmtree(other)


def _bootstrap(flavour: str, files: Path, scratch: Path) -> None:
    # Not in the cache's own directory: a home may be mounted nodev, where no system can be unpacked.
    tree = state.DIRECTORY / "base.bootstrap"
    if tree.exists():
        shutil.rmtree(tree)
    tree.mkdir(parents=True)
    with step(f"making the {flavour} hosts' base image (Debian {apt.SUITE})"):
        run(
            *CONTAINED,
            "debootstrap",
            "--variant=minbase",
            "--arch=amd64",
            f"--include={','.join(packages(flavour))}",
            f"--keyring={apt.KEYRING}",
            apt.SUITE,
            tree,
            apt.archive_uri(),
        )
        for path in [*tree.glob("var/cache/apt/archives/*.deb"), *tree.glob("var/lib/apt/lists/*_*")]:
            path.unlink()
        run(*CONTAINED, "tar", "--numeric-owner", "--xattrs", "-cf", files / "base.tar", "-C", tree, ".")
    shutil.rmtree(tree)


def _circumstances() -> list[str]:
    """Which of the lab-only files this machine makes necessary."""
    needed = ["sshd.conf"]
    if not machine.runs_systemd() and cgroups.v1_hierarchies():
        needed.append("container-cloud-lab-cgroups.service")
    if machine.lacks_sys_resource():
        needed.append("runc")
    return needed


def _furnish(root: Path, flavour: str, circumstances: list[str]) -> None:
    """What makes the bare system a lab host: no repository, no answering name server, the circumstances above."""
    if flavour == "deb":
        (root / "etc/apt/sources.list").write_text("")
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    (root / "etc/resolv.conf").write_text(RESOLVERS)
    (root / "etc/fstab").write_text("")
    for host_key in root.glob("etc/ssh/ssh_host_*"):
        host_key.unlink()
    without_modules = [] if machine.has_modules() else ["systemd-modules-load.service"]
    for unit in [*MASKED[flavour], *without_modules]:
        (root / "etc/systemd/system" / unit).symlink_to("/dev/null")
    shutil.copyfile(CIRCUMSTANCES / "sshd.conf", root / "etc/ssh/sshd_config.d/lab.conf")
    if "runc" in circumstances:
        # Before every place a runc is installed to, whether by a package of either family or from an archive.
        shutil.copyfile(CIRCUMSTANCES / "runc", root / "usr/local/sbin/runc")
        (root / "usr/local/sbin/runc").chmod(0o755)
    if "container-cloud-lab-cgroups.service" in circumstances:
        unit = "container-cloud-lab-cgroups.service"
        shutil.copyfile(CIRCUMSTANCES / unit, root / "etc/systemd/system" / unit)
        wants = root / "etc/systemd/system/basic.target.wants"
        wants.mkdir(exist_ok=True)
        (wants / unit).symlink_to(f"/etc/systemd/system/{unit}")
