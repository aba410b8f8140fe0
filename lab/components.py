"""The programs of each part of a cluster: built, or taken out of Debian's packages."""

from pathlib import Path

from lab import build, cache
from lab.process import CONTAINED, LabError, run
from lab.progress import step

ETCD = "3.4.23"
DOCKER = "20.10.24"
RUNC = "1.1.5"
# Part in the version that Debian has -> its programs, and where each is in which package.
DEBIAN = {
    ("etcd", ETCD): {"etcd": "usr/bin/etcd", "etcdctl": "usr/bin/etcdctl"},
    ("docker", DOCKER): {
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
    ("runc", RUNC): {"runc": "usr/sbin/runc"},
}
PACKAGES = {
    "etcd": ("etcd-server", "etcd-client"),
    "docker": ("docker.io", "containerd", "runc", "tini"),
    "runc": ("runc",),
}
_VERSIONS = {"etcd-server": ETCD, "etcd-client": ETCD, "docker.io": DOCKER, "runc": RUNC}
KEY = cache.key_of(Path(__file__).read_text())


def built(part: str, version: str) -> tuple[str, ...]:
    """Under which names lab/build/ has a part's programs; none if they are Debian's."""
    if (part, version) in DEBIAN:
        return ()
    return ("etcd", "etcdctl", "etcdutl") if part == "etcd" else (part,)


def programs(part: str, version: str, packages: Path) -> dict[str, Path]:
    """A part's programs: name -> file.

    Args:
        part: kubernetes, etcd, flannel, docker, containerd, runc, cni-plugins, crictl, …
        version: which one.
        packages: the directory with Debian's packages.

    Raises:
        LabError: a build failed, or a package is missing or of another version.
    """
    if (part, version) not in DEBIAN:
        return {name: file for known in built(part, version) for name, file in build.programs(known, version).items()}
    chosen = [_package(packages, name) for name in PACKAGES[part]]

    def make(files: Path, scratch: Path) -> None:
        with step(f"taking {part} out of Debian's packages"):
            for package in chosen:
                run(*CONTAINED, "dpkg-deb", "--extract", package, scratch / "debian")
            (files / part).mkdir()
            for program, path in DEBIAN[part, version].items():
                (scratch / "debian" / path).rename(files / part / program)

    entry = cache.get(part, f"{version}-{cache.key_of(KEY, *(package.name for package in chosen))}", make)
    return {name: entry / part / name for name in DEBIAN[part, version]}


def _package(packages: Path, name: str) -> Path:
    found = next(packages.glob(f"{name}_*.deb"), None)
    if not found:
        raise LabError(f"Debian's {name} is not among the packages fetched")
    if name in _VERSIONS and not found.name.startswith((f"{name}_{_VERSIONS[name]}-", f"{name}_{_VERSIONS[name]}+")):
        raise LabError(f"Debian has {found.name} now, and the lab counts on {_VERSIONS[name]}: see lab/components.py")
    return found
