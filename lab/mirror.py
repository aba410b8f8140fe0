"""The mirror in the lab's network: an apt repository, yum repositories, release files and images, at 10.1.10.1 (HTTP).

Hosts install from it as from any mirror. Its packages come from this machine's own Debian repositories, signed with a
key of the lab's; what no registry packages is built (lab/build/), put together (lab/images.py, lab/components.py) or
packaged (lab/yum.py). Release files are laid out as their publishers do (lab/publishers.py), for those Kubernetes lines
(lab/sets.py) that were asked for.
"""

import json
import os
import shutil
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

from lab import apt, cache, components, images, publishers, sets, state
from lab import base as bare
from lab import yum as yum_repositories
from lab.process import LabError, run
from lab.progress import step
from lab.service import Service
from lab.state import DIRECTORY, GATEWAY, MIRROR

URL = f"http://{GATEWAY}"
PORT = 80
KEY = DIRECTORY / "mirror-key.asc"  # what hosts verify the repository with
# {"lines": […], "files": {place: SHA-256}, "images": {name: {"url":, "sha256":}}, "registry": {image: file}}
MANIFEST = "manifest.json"
_GNUPG = DIRECTORY / "gnupg"
_SERVICE = Service("mirror", PORT, "serve.py")

# What deploys and tests may ask for, beyond the base image; dependencies come along.
PACKAGES = [
    "runc",
    "docker-registry",
    "iptables",
    "nftables",
    "haproxy",
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
    "haproxy",
]
GUIDES_PACKAGES = [
    "etcd-server",
    "etcd-client",
    "docker.io",
    "containerd",
    "containernetworking-plugins",
]


def prepare(lines: Collection[str], *, yum: bool = False) -> None:
    """Fill the mirror's directory, unless it holds this already.

    Args:
        lines: the Kubernetes lines it shall have; those it has stay.
        yum: with the yum repositories. Only rpm hosts want them, and they take a while to make.

    Raises:
        LabError: something could not be fetched or built.
    """
    here = manifest().get("lines", []) if (MIRROR / MANIFEST).exists() else []
    yum = yum or (MIRROR / "yum").exists()
    wanted = {*lines, *([sets.GUIDES] if yum else []), *(line for line in here if line in sets.LINES)}
    key = cache.key_of(bare.key("deb"), *packages_of(wanted), sets.key(wanted), images.KEY, publishers.KEY)
    key += f"-{yum_repositories.key()}" if yum else ""
    if here and state.load().get("mirror") == key:
        return
    packages = _packages(packages_of(wanted))
    release = {
        (part, version): publishers.files(part, version, components.programs(part, version, packages))
        for part, version in dict.fromkeys(each for line in sorted(wanted) for each in sets.parts(line))
    }
    pictures = images.prepare(dict.fromkeys(each for line in sorted(wanted) for each in sets.in_pods(line)))
    rpms = yum_repositories.prepare(packages) if yum else None
    with step("publishing the mirror"):
        part = MIRROR.with_name("mirror.part")
        shutil.rmtree(part, ignore_errors=True)
        _make_key()
        _publish_packages(packages, part / "debian")
        for (name, _), files in release.items():
            for target, source in files.items():
                _publish_release(name, source, part / target)
        for picture in pictures:
            place(picture.file, part / "images" / picture.file.name)
        if rpms:
            yum_repositories.publish(rpms, part / "yum", _GNUPG)
        targets = [target for files in release.values() for target in files]
        (part / MANIFEST).write_text(json.dumps(_manifest(part, sorted(wanted), targets, pictures), indent=2) + "\n")
        shutil.rmtree(MIRROR, ignore_errors=True)
        part.rename(MIRROR)
    state.update(mirror=key)


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


def packages_of(lines: Collection[str]) -> list[str]:
    """The Debian packages that hosts may ask for, for these lines."""
    return PACKAGES + (GUIDES_PACKAGES if sets.GUIDES in lines else [])


def _packages(names: list[str]) -> Path:
    """The cache entry that holds every package deb hosts may ask for."""

    def fetch(files: Path, scratch: Path) -> None:
        with step("fetching the packages hosts will ask for"):
            # What is installed on the hosts' disks need not be mirrored.
            (scratch / "status").write_text(run("tar", "-xOf", bare.bootstrapped("deb"), "./var/lib/dpkg/status"))
            apt.Workspace(scratch / "apt", scratch / "status").download(names, files)

    return cache.get("packages", f"{apt.SUITE}-{cache.key_of(bare.key('deb'), *names)}", fetch)


def _publish_release(part: str, source: Path, target: Path) -> None:
    """Place a release file, and its checksum file as its publisher has it."""
    place(source, target)
    checksums = publishers.checksum_file(part, target.name, cache.sha256(source), _signed)
    if checksums:
        name, text = checksums
        (target.parent / name).write_text(text)


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


def _signed(text: str) -> str:
    """A text with the lab's signature around it."""
    signed = run(*_gpg(), "--clearsign", text=text)
    run("gpgconf", "--homedir", _GNUPG, "--kill", "gpg-agent")
    return signed


def _manifest(directory: Path, lines: list[str], files: list[str], pictures: list[images.Picture]) -> dict[str, Any]:
    return {
        "lines": lines,
        "files": {file: cache.sha256(directory / file) for file in files},
        "images": {
            picture.file.stem: {
                "url": f"{URL}/images/{picture.file.name}",
                "sha256": cache.sha256(directory / "images" / picture.file.name),
            }
            for picture in pictures
        },
        "registry": {picture.pushed: picture.file.name for picture in pictures if picture.pushed},
    }
