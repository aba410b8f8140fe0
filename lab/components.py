"""etcd and Docker out of Debian's packages: their programs, and archives of them as their publishers lay them out."""

from pathlib import Path

from lab import cache
from lab.process import CONTAINED, LabError, run
from lab.progress import step

ETCD = "3.4.23"
DOCKER = "20.10.24"
# Archive -> its version, its file on the mirror, the directory in it.
ARCHIVES = {
    "etcd": (ETCD, f"etcd-{ETCD}.tar.gz", f"etcd-v{ETCD}-linux-amd64"),
    "docker": (DOCKER, f"docker-{DOCKER}.tgz", "docker"),
}
# Archive -> its programs, and where Debian has each.
PROGRAMS = {
    "etcd": {"etcd": "usr/bin/etcd", "etcdctl": "usr/bin/etcdctl"},
    "docker": {
        "containerd": "usr/bin/containerd",
        "containerd-shim": "usr/bin/containerd-shim",
        "containerd-shim-runc-v2": "usr/bin/containerd-shim-runc-v2",
        "ctr": "usr/bin/ctr",
        "docker": "usr/bin/docker",
        "docker-init": "usr/bin/tini-static",
        "docker-proxy": "usr/sbin/docker-proxy",
        "dockerd": "usr/sbin/dockerd",
        "runc": "usr/sbin/runc",
    },
}
_PACKAGES = ("etcd-server", "etcd-client", "docker.io", "containerd", "runc", "tini")
_VERSIONS = {"etcd-server": ETCD, "etcd-client": ETCD, "docker.io": DOCKER}
KEY = cache.key_of(Path(__file__).read_text())


def prepare(packages: Path) -> Path:
    """The cache entry with the programs of each archive in a directory of its own, and the archives.

    Args:
        packages: the directory with Debian's packages.

    Raises:
        LabError: a package is missing, or of another version.
    """
    chosen = [_package(packages, name) for name in _PACKAGES]

    def make(files: Path, scratch: Path) -> None:
        with step("putting archives of etcd and Docker together"):
            for package in chosen:
                run(*CONTAINED, "dpkg-deb", "--extract", package, scratch / "debian")
            for name, (_, file, directory) in ARCHIVES.items():
                (files / name).mkdir()
                for program, path in PROGRAMS[name].items():
                    (scratch / "debian" / path).rename(files / name / program)
                _archive(files / name, files / file, directory)

    return cache.get("components", cache.key_of(KEY, *(package.name for package in chosen)), make)


def _package(packages: Path, name: str) -> Path:
    found = next(packages.glob(f"{name}_*.deb"), None)
    if not found:
        raise LabError(f"Debian's {name} is not among the packages fetched")
    if name in _VERSIONS and not found.name.startswith((f"{name}_{_VERSIONS[name]}-", f"{name}_{_VERSIONS[name]}+")):
        raise LabError(f"Debian has {found.name} now, and the lab counts on {_VERSIONS[name]}: see lab/components.py")
    return found


def _archive(programs: Path, target: Path, directory: str) -> None:
    """A compressed tar of a directory under another name; the same bytes every time."""
    always = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"]
    named = f"--transform=s,^{programs.name},{directory},"
    run(*CONTAINED, "tar", *always, named, "-I", "gzip -1n", "-cf", target, "-C", programs.parent, programs.name)
