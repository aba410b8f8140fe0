"""The mirror's yum repositories: base, extras and updates, for hosts of the rpm family.

base     what hosts need of a distribution, converted from Debian's packages
extras   the guide's components, packaged as CentOS and its kin do: lab/rpm/ has their specs
updates  a newer release of one of them
"""

import shutil
from dataclasses import replace
from pathlib import Path

from lab import apt, base, cache, components, convert, rpmbase, rpmbuild, sets
from lab.convert import Package
from lab.process import CONTAINED, run
from lab.progress import step

REPOSITORIES = ("base", "extras", "updates")

# Beside what rpm hosts have installed; dependencies come along.
PACKAGES = ["iptables", "conntrack", "ebtables", "ethtool", "ipset", "socat", "chrony", "tcpdump"]
# What they have installed and may be asked for all the same, by the rpm family's names.
INSTALLED = (
    "ca-certificates",
    "curl",
    "deepin-release",
    "firewalld",
    "gzip",
    "iproute",
    "kmod",
    "openssh-server",
    "openssl",
    "openssl-libs",
    "procps-ng",
    "systemd",
    "tar",
    "util-linux",
)
# What Debian's packages make only when they are installed: path -> what the link points at.
_NFT = "xtables-nft-multi"
LINKS = {
    "iptables": {
        f"/usr/sbin/{name}{part}": _NFT
        for name in ("iptables", "ip6tables", "arptables")
        for part in ("", "-save", "-restore")
    },
    "ebtables": {f"/usr/sbin/ebtables{part}": _NFT for part in ("", "-save", "-restore")},
}
_COMPONENTS = ("etcd", "flannel", "docker", "kubernetes")
_CONVERTED = ("chrony", "tcpdump")  # those that bring something of their own


def key() -> str:
    """A name for what the repositories hold."""
    texts = [Path(module).read_text() for module in (__file__, convert.__file__)]
    parts = [base.key("rpm"), rpmbase.recipe(), sets.key([sets.GUIDES]), rpmbuild.key(*_COMPONENTS, *_CONVERTED)]
    return cache.key_of(*texts, *parts)


def prepare(packages: Path) -> Path:
    """The cache entry with each repository's rpms, unsigned.

    Args:
        packages: the directory with Debian's packages.

    Raises:
        LabError: a package could not be fetched, or a program not built.
    """

    def make(files: Path, scratch: Path) -> None:
        for name in REPOSITORIES:
            (files / name).mkdir()
        installed = rpmbase.rpms(base.bootstrapped("rpm"), base.key("rpm"))
        with step("making rpms of what rpm hosts will ask for"):
            _convert(installed, files / "base", scratch)
            for part, version in sets.parts(sets.GUIDES):
                _package(part, version, packages, files, scratch)

    return cache.get("yum", key(), make)


def publish(entry: Path, directory: Path, homedir: Path) -> None:
    """Make repositories of an entry's rpms, signed.

    Args:
        entry: what `prepare` made.
        directory: where they go.
        homedir: the GnuPG directory with the key.
    """
    for name in REPOSITORIES:
        shutil.copytree(entry / name, directory / name)
        rpmbuild.sign(sorted((directory / name).glob("*.rpm")), homedir)
        rpmbuild.index(directory / name)


def name_of(rpm: Path) -> str:
    """The package an rpm's file name speaks of."""
    return rpm.name.rsplit("-", 2)[0]


def _package(part: str, version: str, packages: Path, files: Path, scratch: Path) -> None:
    """One of the guide's components, etcd in two releases of its package."""
    first, *_ = components.programs(part, version, packages).values()
    spec = rpmbuild.spec(part)
    for name, release in [("extras", "1"), *([("updates", "2")] if part == "etcd" else [])]:
        rpmbuild.build(spec, files / name, scratch, version=version, release=release, programs=first.parent)


def _convert(installed: Path, output: Path, scratch: Path) -> None:
    """What hosts need of a distribution."""
    for rpm in [*(installed / rpmbase.THERE).iterdir(), *(installed / rpmbase.OWN).iterdir()]:
        if name_of(rpm) in INSTALLED:
            shutil.copy(rpm, output)
    debs, tree = scratch / "debs", scratch / "tree"
    apt.Workspace(scratch / "apt", installed / rpmbase.STATUS).download(PACKAGES, debs)
    packages = [_adjusted(_unpack(deb, tree, scratch), tree) for deb in sorted(debs.glob("*.deb"))]
    there = rpmbase.described(installed / rpmbase.STATUS)
    scripts = {name: (rpmbuild.SPECS / name / "scripts").read_text() for name in _CONVERTED}
    rpmbuild.build_tree(packages, convert.by_name([*there, *packages]), tree, output, scratch, scripts)


def _unpack(deb: Path, tree: Path, scratch: Path) -> Package:
    """Unpack a Debian package into a tree where /bin, /sbin and /lib are links into /usr."""
    for name in convert.MERGED:
        (tree / "usr" / name).mkdir(parents=True, exist_ok=True)
        if not (tree / name).is_symlink():
            (tree / name).symlink_to(f"usr/{name}")
    unpack = 'dpkg-deb --fsys-tarfile "$1" | tar -xpf - --keep-directory-symlink -C "$2"'
    run(*CONTAINED, "sh", "-c", unpack, "sh", deb, tree)
    control = scratch / "control" / deb.stem
    control.parent.mkdir(exist_ok=True)
    run("dpkg-deb", "--control", deb, control)
    (fields,) = convert.stanzas((control / "control").read_text())
    settings = (control / "conffiles").read_text().splitlines() if (control / "conffiles").exists() else []
    listed = run("sh", "-c", 'dpkg-deb --fsys-tarfile "$1" | tar -t', "sh", deb).splitlines()
    return convert.package(fields, listed, settings)


def _adjusted(package: Package, tree: Path) -> Package:
    """A package with what Debian's makes only when it is installed, and with the rpm family's places."""
    files = set(package.files)
    for path, target in LINKS.get(package.name, {}).items():
        (tree / path.lstrip("/")).symlink_to(target)
        files.add(path)
    depends = package.depends
    if package.name == "ebtables":
        depends = (*depends, (convert.Dependency("iptables"),))  # whose program its links are
    settings = package.settings
    if package.name == "chrony":
        shutil.copy(tree / "usr/share/chrony/chrony.conf", tree / "etc/chrony.conf")
        shutil.copy(rpmbuild.SPECS / "chrony/chronyd.service", tree / "usr/lib/systemd/system/chronyd.service")
        files -= {"/usr/lib/systemd/system/chrony.service"}
        files |= {"/usr/lib/systemd/system/chronyd.service", "/etc/chrony.conf"}
        settings |= {"/etc/chrony.conf"}
    return replace(package, files=tuple(sorted(files)), depends=depends, settings=settings)
