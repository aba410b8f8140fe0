"""Packages: what is installed and still as it came, and what the repositories have."""

import re
from collections.abc import Iterable
from typing import Any

from cluster.desired import Package
from cluster.families import FamilyName
from cluster.shell import program
from facts.base import Fact
from facts.shell import words

# Of a package's files, those that run: its configuration is for editing, its documents may be left out.
_RUNS = re.compile(r"/(s?bin|libexec|lib/systemd/system)/")

_VERIFY = {
    "deb": "dpkg -V $n",
    "rpm": "q=$(rpm -q $n) || q=$(rpm -q --whatprovides $n) && rpm -V --nodeps --noscripts $q",
}


class Offers(Fact[dict[str, Any]]):
    """
    Installed packages, and the newer versions that the host's repositories offer; a run takes none of them by itself.

    + packages: their names
    + refresh: ask the repositories anew; without it the host's own copy of their lists tells, which may be old

    Source: `apt-cache policy`, or `rpm` and `dnf check-update` (`yum` where there is no dnf). `newer` is None when
    there is none. A package that is not installed is left out.

    .. code:: python

        {"etcd": {"installed": "3.4.23-1", "newer": "3.4.23-2"}, "docker": {"installed": "20.10.24-1", "newer": None}}
    """

    default = dict

    def script(self, packages: Iterable[str], refresh: bool = False) -> str:
        names = words(packages)
        # Lists are downloaded, as packages are: through the host's proxy, if it has one.
        proxy = "unset no_proxy NO_PROXY; " if refresh else ""
        ask = f"if command -v apt-get >/dev/null; then {_apt(names, refresh)}; else {_dnf(names, refresh)}; fi"
        return f"{proxy}{ask}; true"

    def read(self, lines: list[str]) -> dict[str, Any]:
        found: dict[str, dict[str, str | None]] = {}
        name = ""
        for line in lines:
            first, *rest = line.split() or [""]
            if first == "installed":
                found[rest[0]] = {"installed": rest[1], "newer": None}
            elif first == "newer" and len(rest) == 3 and rest[0].rpartition(".")[0] in found:
                found[rest[0].rpartition(".")[0]]["newer"] = rest[1]
            elif line and not line.startswith(" ") and line.endswith(":"):
                name = line[:-1]
            elif first == "Installed:" and rest != ["(none)"]:
                found[name] = {"installed": rest[0], "newer": None}
            elif first == "Candidate:" and name in found and rest[0] != found[name]["installed"]:
                found[name]["newer"] = rest[0]
        return found


_APT_READING = "-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o Debug::NoLocking=1"
# A copy of the host's lists, by hard links where that is possible, and options that make the manager use it.
_COPY = (
    "pm=$(command -v dnf || command -v yum); d=$(mktemp -d -p /var/tmp); own=/var/cache/${pm##*/}; "
    "cp -al $own/. $d 2>/dev/null || cp -a $own/. $d 2>/dev/null; [ ${pm##*/} = dnf ] && c=$d || "
    "c=$d/'$basearch/$releasever'; o=\"--setopt=cachedir=$c --setopt=persistdir=$d --setopt=logdir=$d\"; "
)


def _apt(names: str, refresh: bool) -> str:
    """Asked anew, into lists of its own: the host's stay as they are, for to read is to change nothing."""
    if not refresh:
        return f"apt-cache policy {names} 2>/dev/null"
    lists = "-o Dir::State::lists=$d -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache="
    update = f'd=$(mktemp -d); l="{lists}"; apt-get -qq $l update >/dev/null 2>&1'
    return f"{update}; apt-cache $l policy {names} 2>/dev/null; rm -rf $d"


def _dnf(names: str, refresh: bool) -> str:
    """Asked of a copy of the host's lists, by hard links where that is possible; asked anew, the copy alone is new."""
    version = "%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}"
    how = "clean expire-cache >/dev/null 2>&1; $pm -q $o" if refresh else "-C"
    return (
        f"{_COPY}rpm -q {names} --qf 'installed %{{NAME}} {version}\\n' | grep ^installed; "
        # Three columns, which a long one breaks over two lines.
        f"$pm -q $o {how} check-update {names} 2>/dev/null | sed '/^Obsoleting/,$d' | xargs -n3 echo newer; rm -rf $d"
    )


def specifications(family: FamilyName, packages: Iterable[Package]) -> list[str]:
    """Packages as the family's manager is told of them: with their versions, where they have any."""
    between = {"deb": "=", "rpm": "-"}[family]
    return [f"{p.name}{between}{p.version}" if p.version else p.name for p in packages]


class Removals(Fact[dict[str, Any]]):
    """
    Packages that would go from a host if others came, with the versions they have.

    + packages: those that would come, with or without a version, as the family's manager is told of them
    + family: deb or rpm

    Source: `apt-get -s install`, or `dnf --assumeno install` (`yum`), from the host's own copy of the repositories'
    lists; what they do not have tells nothing.

    .. code:: python

        {"docker-ce": "5:20.10.24~3-0~debian-bookworm", "containerd.io": "1.6.20-1"}
    """

    default = dict

    def script(self, packages: Iterable[str], family: str = "deb") -> str:
        names = words(packages)
        if family == "deb":
            apt = program("apt", READING=_APT_READING)
            return f'{apt}k=$(known {names})\n[ -z "$k" ] || removals $k | sed "s/^/goes /"; true'
        dnf = f'{_COPY}READING="-C $o --setopt=strict=False"; {program("dnf")}'
        return f'{dnf}removals {names} | sed "s/^/goes /"; rm -rf $d'

    def read(self, lines: list[str]) -> dict[str, Any]:
        listed = (line.split() for line in lines)
        return {rest[0]: rest[1] for kind, *rest in listed if kind == "goes"}


class Altered(Fact[dict[str, Any]]):
    """
    Programs and units that are not as their packages brought them.

    + packages: their names, or what they provide
    + family: deb or rpm: how they are asked for

    Source: `dpkg -V` or `rpm -V`, which read every file of a package. Its configuration and documents are left out.

    .. code:: python

        {"/usr/bin/etcdctl": {"package": "etcd-client", "found": "other content"},
         "/usr/bin/docker-proxy": {"package": "docker.io", "found": "not there"}}
    """

    default = dict

    def script(self, packages: Iterable[str], family: str = "deb") -> str:
        return (
            f'for n in {words(packages)}; do {{ {_VERIFY[family]}; }} 2>/dev/null | sed "s/^/altered $n /"; done; true'
        )

    def read(self, lines: list[str]) -> dict[str, Any]:
        found = {}
        for line in lines:
            kind, package, how, *rest = line.split()  # a letter between says what kind of file it is, if of any
            if kind == "altered" and len(rest) == 1 and _RUNS.search(rest[0]) and ("5" in how or how == "missing"):
                found[rest[0]] = {"package": package, "found": "not there" if how == "missing" else "other content"}
        return found
