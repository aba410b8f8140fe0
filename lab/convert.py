"""Debian packages as rpms: a tree they are unpacked in becomes one spec with a package for each. Builds nothing."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

# What the rpm family calls the packages that a deploy, or a person, may ask for. All others keep Debian's name.
NAMES = {
    "base-files": "filesystem",
    "conntrack": "conntrack-tools",
    "debianutils": "which",
    "gpg": "gnupg2",
    "iproute2": "iproute",
    "iputils-ping": "iputils",
    "libc-bin": "glibc-common",
    "libc6": "glibc",
    "libcap2": "libcap",
    "libcurl4": "libcurl",
    "libdevmapper1.02.1": "device-mapper-libs",
    "libgcc-s1": "libgcc",
    "libipset13": "ipset-libs",
    "libkmod2": "kmod-libs",
    "libmnl0": "libmnl",
    "libnetfilter-conntrack3": "libnetfilter_conntrack",
    "libnfnetlink0": "libnfnetlink",
    "libnftnl11": "libnftnl",
    "libpcap0.8": "libpcap",
    "libseccomp2": "libseccomp",
    "libselinux1": "libselinux",
    "libssl3": "openssl-libs",
    "libsystemd0": "systemd-libs",
    "netbase": "setup",
    "openssh-client": "openssh-clients",
    "p11-kit-modules": "p11-kit-trust",
    "passwd": "shadow-utils",
    "procps": "procps-ng",
    "zlib1g": "zlib",
}
# What scripts in rpms ask for by its old path, and which package has it, by the rpm family's names.
_PATHS = {"bash": "/bin/bash", "dash": "/bin/sh", "glibc-common": "/sbin/ldconfig"}
MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")  # top directories that are links into /usr


@dataclass(frozen=True)
class Dependency:
    """One package another needs: its name, and if only some will do, how (">=", "=") it must compare to a version."""

    name: str
    relation: str = ""
    version: str = ""


@dataclass(frozen=True)
class Package:
    """A Debian package.

    + name, version, summary: as its control file has them
    + depends: what it needs, each as alternatives in order of preference
    + provides: further names it goes by
    + files: its files, its links and, with a slash at the end, its empty directories; absolute
    + settings: those of its files that a person may edit
    """

    name: str
    version: str
    summary: str = ""
    depends: tuple[tuple[Dependency, ...], ...] = ()
    provides: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    settings: frozenset[str] = frozenset()


def stanzas(text: str) -> list[dict[str, str]]:
    """The paragraphs of a control or status file: field -> value."""
    found = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        found.append(dict(re.findall(r"(?m)^([\w-]+):[ \t]*((?:.*)(?:\n[ \t].*)*)", paragraph)))
    return found


def package(fields: Mapping[str, str], listed: Iterable[str], settings: Iterable[str] = ()) -> Package:
    """A package from its control file's fields.

    Args:
        fields: one paragraph.
        listed: every path in it as tar lists them: directories included, a slash at their end.
        settings: its conffiles.
    """
    needed = ", ".join(filter(None, [fields.get("Pre-Depends", ""), fields.get("Depends", "")]))
    return Package(
        name=fields["Package"],
        version=fields["Version"],
        summary=fields.get("Description", fields["Package"]).splitlines()[0],
        depends=tuple(
            tuple(dependency(part) for part in clause.split("|")) for clause in needed.split(",") if clause.strip()
        ),
        provides=tuple(dependency(part).name for part in fields.get("Provides", "").split(",") if part.strip()),
        files=leaves(listed),
        settings=frozenset(map(merged, settings)),
    )


def dependency(text: str) -> Dependency:
    """One alternative of a Depends field. Upper bounds are left out: a lab has one version of everything."""
    match = re.match(r"\s*([^\s(:]+)(?::\w+)?\s*(?:\(\s*([<>=]+)\s*([^\s)]+)\s*\))?", text)
    assert match, text
    name, relation, version = match.groups()
    return Dependency(name, relation, version) if relation in ("=", ">=") else Dependency(name)


def leaves(listed: Iterable[str]) -> tuple[str, ...]:
    """The paths that have none of the others below them: files, links and, with a slash at their end, directories."""
    paths = {merged(f"/{path.strip().lstrip('./')}") for path in listed}
    parents = {f"{parent}/" for path in paths for parent in Path(path).parents}
    return tuple(sorted(paths - parents - {"/", "//", *(f"/usr/{name}/" for name in MERGED)}))


def merged(path: str) -> str:
    """A path as it is where /bin, /sbin and /lib are links into /usr."""
    return f"/usr{path}" if path.split("/")[1] in MERGED else path


def rpm_name(name: str) -> str:
    """What the rpm family calls a Debian package."""
    return NAMES.get(name, name)


def rpm_version(version: str) -> tuple[str, str]:
    """A Debian version as an rpm's version and release. The epoch goes: every package here comes from one archive."""
    upstream, _, revision = version.rpartition(":")[2].rpartition("-")
    if not upstream:
        upstream, revision = revision, "1"
    return upstream.replace("-", "."), revision.replace("-", ".")


def requires(needing: Package, known: Mapping[str, Package]) -> list[str]:
    """What an rpm needs of those there are, as its spec says it.

    Args:
        needing: the package.
        known: every package there is or will be on a host, by each name it goes by.
    """
    found = {}
    for alternatives in needing.depends:
        there = next((one for one in alternatives if one.name in known), None)
        if there and known[there.name].name != needing.name:
            name = rpm_name(known[there.name].name)
            # A version may only be asked of the package that has it, not of one that stands in for it.
            exact = there.version and known[there.name].name == there.name
            text = f"{name} {there.relation} {_comparable(there.version)}" if exact else name
            found[name, bool(exact)] = text
    return sorted(text for (name, exact), text in found.items() if exact or (name, True) not in found)


def by_name(packages: Iterable[Package]) -> dict[str, Package]:
    """Packages by every name they go by; a package's own name goes before another's stand-in."""
    packages = list(packages)
    standing_in = {name: one for one in packages for name in one.provides}
    return {**standing_in, **{one.name: one for one in packages}}


def spec(packages: Iterable[Package], known: Mapping[str, Package], scripts: Mapping[str, str]) -> str:
    """A spec that makes an rpm of each package, from the tree `%{lab_tree}`.

    Args:
        packages: the packages to make rpms of.
        known: what may be required, see `requires`.
        scripts: rpm name -> its scriptlets, where `{name}` is the rpm's name.
    """
    head = """\
# Written by lab/convert.py.
%{load:%{lab_macros}}
Name: container-cloud-lab-converted
Version: 1
Release: 1
Summary: Debian packages as rpms
License: as in Debian
%description
%install
cd %{lab_tree} && tar -cf - --no-recursion -T %{lab_files} | tar -xpf - -C %{buildroot}
"""
    return head + "".join(_section(one, requires(one, known), scripts) for one in packages)


def _section(one: Package, needed: list[str], scripts: Mapping[str, str]) -> str:
    name = rpm_name(one.name)
    version, release = rpm_version(one.version)
    script = scripts.get(name, "")
    if any(re.search(r"/lib/x86_64-linux-gnu/[^/]+\.so\.", path) for path in one.files):
        script += "%post -n {name} -p /sbin/ldconfig\n%postun -n {name} -p /sbin/ldconfig\n"
    lines = [
        f"\n%package -n {name}",
        f"Version: {version}",
        f"Release: {release}",
        f"Summary: {_plain(one.summary)}",
        "AutoReqProv: no",
        *([f"Provides: {_PATHS[name]}"] if name in _PATHS else []),
        *(f"Requires: {text}" for text in needed),
        f"%description -n {name}",
        f"Debian's {one.name} {one.version}.",
        script.replace("{name}", name),
        f"%files -n {name}",
        "%defattr(-,root,root,-)",
    ]
    return "\n".join(lines) + "\n" + "".join(_file(path, path in one.settings) for path in one.files)


def _file(path: str, setting: bool) -> str:
    # rpmbuild takes a path for a pattern, and no backslash for itself.
    quoted = re.sub(r"[\[{*?]", r"[\g<0>]", path).replace("\\", "?").replace("%", "%%")
    kind = "%dir " if path.endswith("/") else "%config(noreplace) " if setting else ""
    return f'{kind}"{quoted.rstrip("/")}"\n'


def _plain(text: str) -> str:
    return text.replace("%", "%%")


def _comparable(version: str) -> str:
    """A version that something is compared to: without a revision it means any."""
    bare = version.rpartition(":")[2]
    return "-".join(rpm_version(bare)) if "-" in bare else bare
