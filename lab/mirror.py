"""The mirror in the lab's network: an apt repository, yum repositories, release files and images, at 10.1.10.1 (HTTP).

Hosts install from it as from any mirror. Its packages come from this machine's own Debian repositories, signed with a
key of the lab's; what no registry packages is built (lab/build.py), put together (lab/images.py, lab/components.py) or
packaged (lab/yum.py).
"""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from lab import apt, build, cache, components, images, state
from lab import base as bare
from lab import yum as yum_repositories
from lab.process import LabError, run
from lab.progress import step
from lab.service import Service
from lab.state import DIRECTORY, GATEWAY, MIRROR

URL = f"http://{GATEWAY}"
PORT = 80
KEY = DIRECTORY / "mirror-key.asc"  # what hosts verify the repository with
# {"release" and "archives": {name: {version: SHA-256}}, "images": {name: {"url":, "sha256":}}}
MANIFEST = "manifest.json"
_GNUPG = DIRECTORY / "gnupg"
_SERVICE = Service("mirror", PORT, "serve.py")

# What deploys and tests may ask for, beyond the base image; dependencies come along.
PACKAGES = [
    "etcd-server",
    "etcd-client",
    "docker.io",
    "containerd",
    "runc",
    "containernetworking-plugins",
    "docker-registry",
    "iptables",
    "ebtables",
    "ethtool",
    "ipset",
    "conntrack",
    "socat",
    "kmod",
    "curl",
    "ca-certificates",
    "openssl",
    "systemd-timesyncd",
    "nginx-light",
    "busybox-static",
    "netcat-openbsd",
    "tcpdump",
]


def prepare(*, yum: bool = False) -> None:
    """Fill the mirror's directory, unless it holds this already.

    Args:
        yum: with the yum repositories. Only rpm hosts want them, and they take a while to make.

    Raises:
        LabError: something could not be fetched or built.
    """
    key = cache.key_of(bare.key("deb"), *PACKAGES, build.KEY, images.KEY, components.KEY)
    with_yum = f"{key}-{yum_repositories.key()}"
    if (MIRROR / MANIFEST).exists() and state.load().get("mirror") in ([with_yum] if yum else [key, with_yum]):
        return
    packages = _packages()
    release = build.release_files()
    programs = components.prepare(packages)
    pictures = images.prepare()
    rpms = yum_repositories.prepare(programs, release) if yum else None
    with step("publishing the mirror"):
        part = MIRROR.with_name("mirror.part")
        shutil.rmtree(part, ignore_errors=True)
        _make_key()
        _publish_packages(packages, part / "debian")
        for (name, version), source in release.items():
            place(source, part / "release" / f"{name}-{version}")
        for _, file, _ in components.ARCHIVES.values():
            place(programs / file, part / "release" / file)
        for source in pictures.iterdir():
            if source.suffix == ".tar":
                place(source, part / "images" / source.name)
        if rpms:
            yum_repositories.publish(rpms, part / "yum", _GNUPG)
        (part / MANIFEST).write_text(json.dumps(_manifest(part, list(release)), indent=2) + "\n")
        shutil.rmtree(MIRROR, ignore_errors=True)
        part.rename(MIRROR)
    state.update(mirror=with_yum if yum else key)


def start() -> None:
    """Serve the mirror, unless it is being served.

    Raises:
        LabError: the server ended at once or does not answer.
    """
    if not _SERVICE.is_running():
        _SERVICE.start([sys.executable, "-I", Path(__file__).with_name("serve.py"), GATEWAY, str(PORT), MIRROR])


def stop() -> None:
    """End the mirror's server, if it runs."""
    _SERVICE.stop()


def manifest() -> dict[str, Any]:
    """What the mirror serves beside packages, with checksums.

    Raises:
        LabError: there is no mirror.
    """
    try:
        return dict(json.loads((MIRROR / MANIFEST).read_text()))
    except FileNotFoundError:
        raise LabError("there is no lab on this machine: python -m lab up") from None


def place(source: Path, target: Path) -> None:
    """Put a cached file into the mirror without copying it where the file system allows."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _packages() -> Path:
    """The cache entry that holds every package deb hosts may ask for."""

    def fetch(files: Path, scratch: Path) -> None:
        with step("fetching the packages hosts will ask for"):
            # What is installed on the hosts' disks need not be mirrored.
            (scratch / "status").write_text(run("tar", "-xOf", bare.bootstrapped("deb"), "./var/lib/dpkg/status"))
            apt.Workspace(scratch / "apt", scratch / "status").download(PACKAGES, files)

    return cache.get("packages", f"{apt.SUITE}-{cache.key_of(bare.key('deb'), *PACKAGES)}", fetch)


def _publish_packages(packages: Path, repository: Path) -> None:
    """Make a flat, signed apt repository."""
    for package in packages.glob("*.deb"):
        place(package, repository / package.name)
    run("sh", "-c", "apt-ftparchive packages . > Packages && gzip -9nk Packages", cwd=repository)
    description = ["-o", "APT::FTPArchive::Release::Origin=container-cloud lab"]
    (repository / "Release").write_text(run("apt-ftparchive", *description, "release", ".", cwd=repository))
    run(*_gpg(), "--clearsign", "--output", "InRelease", "Release", cwd=repository)
    run("gpgconf", "--homedir", _GNUPG, "--kill", "gpg-agent")


def _make_key() -> None:
    if not KEY.exists():
        shutil.rmtree(_GNUPG, ignore_errors=True)
        _GNUPG.mkdir(mode=0o700)
        run(*_gpg(), "--quick-generate-key", "container-cloud lab", "rsa3072", "sign", "never")
        KEY.with_suffix(".part").write_text(run(*_gpg(), "--armor", "--export"))
        KEY.with_suffix(".part").rename(KEY)


def _gpg() -> list[str]:
    return ["gpg", "--homedir", str(_GNUPG), "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]


def _manifest(directory: Path, release: list[tuple[str, str]]) -> dict[str, Any]:
    versions: dict[str, dict[str, str]] = {}
    for name, version in release:
        versions.setdefault(name, {})[version] = cache.sha256(directory / "release" / f"{name}-{version}")
    pictures = {
        path.stem: {"url": f"{URL}/images/{path.name}", "sha256": cache.sha256(path)}
        for path in sorted((directory / "images").iterdir())
    }
    archives = {
        name: {version: cache.sha256(directory / "release" / file)}
        for name, (version, file, _) in components.ARCHIVES.items()
    }
    return {"release": versions, "archives": archives, "images": pictures}
