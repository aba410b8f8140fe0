"""What this machine is and has: root, Debian, the programs the lab uses, the powers its processes hold."""

import os
import shutil
from pathlib import Path

from lab.process import LabError, run
from lab.progress import step

# Program -> Debian package. A fresh machine has few of them.
PROGRAMS = {
    "debootstrap": "debootstrap",
    "systemd-nspawn": "systemd-container",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "ssh": "openssh-client",
    "apt-ftparchive": "apt-utils",
    "dpkg-deb": "dpkg",
    "gpg": "gnupg",
    "tar": "tar",
}
BUILD_PROGRAMS = {"gcc": "gcc"}
SOURCE_PROGRAMS = {
    "make": "make",
    "rsync": "rsync",
    "dpkg-source": "dpkg-dev",
}
BUILD_PACKAGES = ("golang-go", "libc6-dev")
RPM_PROGRAMS = {
    "rpmbuild": "rpm",
    "rpmsign": "rpm",
    "createrepo_c": "createrepo-c",
}
CAP_SYS_RESOURCE = 24


def require_root() -> None:
    """Raises LabError, one line, without root."""
    if os.geteuid() != 0:
        raise LabError("the lab makes network namespaces and boots hosts: run it as root")


def require_programs(programs: dict[str, str], packages: tuple[str, ...] = ()) -> None:
    """Install what is missing from the machine's own Debian repositories.

    Args:
        programs: program -> package; installed if the program is not on PATH.
        packages: further packages, installed if dpkg does not know them as installed.

    Raises:
        LabError: not a Debian machine, or apt-get failed.
    """
    missing = [package for program, package in programs.items() if not shutil.which(program)]
    missing += [package for package in packages if not _is_installed(package)]
    if not missing:
        return
    if not shutil.which("apt-get"):
        raise LabError(f"this machine lacks {' '.join(missing)}, and has no apt-get to install them with")
    with step(f"installing {' '.join(missing)}"):
        install = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
        environment = {"DEBIAN_FRONTEND": "noninteractive"}
        try:
            run(*install, env=environment)
        except LabError:  # a fresh machine's package lists are empty or old
            run("apt-get", "update")
            run(*install, env=environment)


def complete_path() -> None:
    """Add to PATH the system directories that a root shell may lack."""
    os.environ["PATH"] = f"{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/local/sbin:/usr/sbin:/sbin"


def require_debian() -> None:
    """Raises LabError on a machine whose repositories cannot hold the hosts' packages."""
    release = Path("/etc/os-release").read_text() if Path("/etc/os-release").exists() else ""
    if "\nID=debian\n" not in f"\n{release}\n":
        raise LabError("the lab makes Debian hosts from the machine's own repositories: it needs a Debian machine")
    if os.uname().machine != "x86_64":
        raise LabError(f"the lab's hosts are amd64; this machine is {os.uname().machine}")


def runs_systemd() -> bool:
    """Whether systemd is this machine's PID 1 (as `sd_booted` decides)."""
    return Path("/run/systemd/system").is_dir()


def has_modules() -> bool:
    """Whether this kernel has modules; in some everything is built in, and modprobe finds nothing to load."""
    return Path(f"/lib/modules/{os.uname().release}").is_dir()


def lacks_sys_resource(status: str | None = None) -> bool:
    """Whether processes here may never lower an oom_score_adj (some sandboxes drop CAP_SYS_RESOURCE).

    Args:
        status: the text of /proc/self/status (default: this process's).
    """
    text = status if status is not None else Path("/proc/self/status").read_text()
    for line in text.splitlines():
        if line.startswith("CapBnd:"):
            return not int(line.split()[1], 16) >> CAP_SYS_RESOURCE & 1
    return False


def _is_installed(package: str) -> bool:
    known = Path("/var/lib/dpkg/info")
    return (known / f"{package}.list").exists() or any(known.glob(f"{package}:*.list"))
