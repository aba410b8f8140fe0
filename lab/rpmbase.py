"""Debian's userland made a host of the rpm family: the disk of the guide's distribution.

Programs and libraries stay Debian's. What tells the families apart is the rpm family's: the release files, the database
of what is installed, the package manager, the trust store, the firewall.
"""

import os
import shutil
from dataclasses import replace
from pathlib import Path

from lab import cache, convert, rpmbuild, state
from lab.convert import Package
from lab.process import CONTAINED, run
from lab.progress import step

# Beside what every host has.
PACKAGES = (
    "rpm",
    "dnf",
    "python3-dnf",
    "gpg",
    "firewalld",
    "polkitd",
    "p11-kit",
    "p11-kit-modules",
    "openssl",
    "netbase",
    "nftables",
)

# What makes a system Debian's, and has no place in the other family.
_GONE = (
    "adduser",
    "apt",
    "ca-certificates",  # the rpm family's own takes its place
    "debconf",
    "debian-archive-keyring",
    "dpkg",
    "init-system-helpers",
    "libapt-pkg6.0",
    "libdebconfclient0",
    "runit-helper",
    "sensible-utils",
    "ucf",
    "usr-is-merged",
)
_GONE_PATHS = (
    "etc/apt",
    "etc/debian_version",
    "etc/debconf.conf",
    "etc/dpkg",
    "etc/issue",
    "etc/issue.net",
    "etc/os-release",
    "etc/ssl/certs",
    "usr/lib/apt",
    "usr/lib/dpkg",
    "usr/libexec/dpkg",
    "usr/lib/os-release",
    "usr/lib/ssl/cert.pem",
    "usr/share/bug",
    "usr/share/ca-certificates",
    "usr/share/dpkg",
    "usr/share/keyrings",
    "usr/share/lintian",
    "var/cache/apt",
    "var/cache/debconf",
    "var/lib/apt",
    "var/lib/dpkg",
    "var/lib/systemd/deb-systemd-helper-enabled",
    "var/lib/systemd/deb-systemd-helper-masked",
    "var/lib/ucf",
    "var/log/apt",
    "var/log/bootstrap.log",
    "var/log/dpkg.log",
)
_AUTHORITIES = "usr/share/ca-certificates/mozilla"

# In the cache entry: dpkg's account of the disk, rpms of what is on it, and those that make it what it is.
STATUS = "status"
THERE = "there"
OWN = "own"


def recipe() -> str:
    """A name for how the disk is made of what debootstrap left."""
    modules = [Path(module).read_text() for module in (__file__, convert.__file__)]
    return cache.key_of(rpmbuild.key("ca-certificates", "deepin-release"), *modules)


def rpms(archive: Path, key: str) -> Path:
    """The cache entry with an rpm of each package on the disk, by the rpm family's names, and dpkg's status file.

    Args:
        archive: the disk as debootstrap made it.
        key: that archive's key.

    Raises:
        LabError: rpmbuild failed.
    """

    def make(files: Path, scratch: Path) -> None:
        tree = state.DIRECTORY / "base.installed"  # not in the cache: see base._bootstrap
        shutil.rmtree(tree, ignore_errors=True)
        tree.mkdir(parents=True)
        with step("making rpms of what rpm hosts have installed"):
            run(*CONTAINED, "tar", "--numeric-owner", "-xpf", archive, "-C", tree)
            shutil.copyfile(tree / "var/lib/dpkg/status", files / STATUS)
            _convert_installed(tree, files, scratch)
        shutil.rmtree(tree)

    return cache.get("rpm-base", cache.key_of(key, recipe()), make)


def transform(root: Path, entry: Path) -> None:
    """Make a disk as debootstrap left it one of the rpm family.

    Args:
        root: the disk.
        entry: what `rpms` made.

    Raises:
        LabError: rpm failed.
    """
    _remove_debian(root)
    (root / "etc/rpm").mkdir(exist_ok=True)
    (root / "etc/rpm/macros").write_text("%_dbpath /var/lib/rpm\n")
    staged = root / "var/tmp/rpms"
    shutil.copytree(entry, staged)
    # What is there is only written into the database; the others bring what is not.
    run(*CONTAINED, "chroot", root, "sh", "-c", f"rpm -i --justdb --noscripts /var/tmp/rpms/{THERE}/*.rpm")
    run(*CONTAINED, "chroot", root, "sh", "-c", f"rpm -i /var/tmp/rpms/{OWN}/*.rpm")
    shutil.rmtree(staged)
    (root / "usr/lib/ssl/cert.pem").symlink_to("/etc/pki/tls/cert.pem")


def installed(tree: Path) -> list[Package]:
    """What dpkg has installed in a tree, with those files that are there."""
    info = tree / "var/lib/dpkg/info"
    found = []
    for fields in convert.stanzas((tree / "var/lib/dpkg/status").read_text()):
        name = fields["Package"]
        listing = info / f"{name}.list"
        listing = listing if listing.exists() else info / f"{name}:{fields['Architecture']}.list"
        paths = [convert.merged(path) for path in listing.read_text().splitlines() if path != "/."]
        listed = [f"{path}/" if _is_directory(tree, path) else path for path in paths]
        settings = [line.split()[0] for line in fields.get("Conffiles", "").splitlines() if line.strip()]
        one = convert.package(fields, listed, settings)
        found.append(replace(one, files=tuple(path for path in one.files if _stays(tree, path))))
    return found


def described(status: Path) -> list[Package]:
    """The packages of a disk of the rpm family, without their files, from what dpkg once said of it."""
    every = [convert.package(fields, []) for fields in convert.stanzas(status.read_text())]
    return [one for one in every if one.name not in _GONE or one.name == "ca-certificates"]


def _stays(tree: Path, path: str) -> bool:
    gone = any(f"{path}/".startswith(f"/{one}/") for one in _GONE_PATHS)
    return not gone and os.path.lexists(tree / path.lstrip("/"))


def _is_directory(tree: Path, path: str) -> bool:
    place = tree / path.lstrip("/")
    return place.is_dir() and not place.is_symlink()


def _convert_installed(tree: Path, files: Path, scratch: Path) -> None:
    every = {one.name: one for one in installed(tree)}
    packages = [one for one in every.values() if one.name not in _GONE]
    rpmbuild.build_tree(packages, convert.by_name(packages), tree, files / THERE, scratch)
    rpmbuild.build(rpmbuild.spec("deepin-release"), files / OWN, scratch, release="1")
    authorities = sorted((tree / _AUTHORITIES).glob("*.crt"))
    (scratch / "mozilla.pem").write_text("".join(path.read_text() for path in authorities))
    version, release = convert.rpm_version(every["ca-certificates"].version)
    specification = rpmbuild.spec("ca-certificates")
    rpmbuild.build(specification, files / OWN, scratch, version=version, release=release, programs=scratch)


def _remove_debian(root: Path) -> None:
    for one in installed(root):
        if one.name in _GONE:
            for path in one.files:
                if not path.endswith("/"):
                    (root / path.lstrip("/")).unlink(missing_ok=True)
    for path in _GONE_PATHS:
        place = root / path
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
    for wanted in root.glob("etc/systemd/system/*.wants/*"):
        target = os.readlink(wanted)
        if not os.path.lexists(root / target.lstrip("/") if target.startswith("/") else wanted.parent / target):
            wanted.unlink()
