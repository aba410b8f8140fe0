"""Everything one role needs to know of a host, in one command."""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cluster.desired import Role, Step
from cluster.families import FamilyName
from cluster.formats import HEADER
from cluster.shell import program
from facts.base import Fact
from facts.shell import parse_units, units_shell, words

PROGRAM_RECORDS = "/var/lib/container-cloud/programs"
_SUM = re.compile(r"([0-9a-f]{64}) [ *](/.*)")  # as sha256sum prints it
_OWN = HEADER.partition(";")[0]  # how a file of ours begins, in one of its first lines; or its name says so


class RoleState(Fact[dict[str, Any]]):
    """
    What a host holds of one role: packages, programs, files, units, and which conditions are true.

    + family: deb or rpm: how packages are asked for
    + packages: names of distribution packages, or of what they provide
    + programs: paths of programs installed from release files
    + files: paths of files
    + owned: patterns of further paths, of files that may be there
    + holders: programs of which to tell which of the packages holds them
    + units: names of services, without ".service"
    + steps: shell conditions by name
    + grants: shell by name that prints lines, and fails where there is no telling
    + ready: shell conditions by unit, each asking the service itself
    + seconds: how long to wait for those to be true

    Source: `dpkg-query` or `rpm`, `stat`, `sha256sum`, `grep` and the units' own records (see `facts.units.Units`). A
    program's digest is taken from its record in /var/lib/container-cloud/programs as long as size, change time and
    inode are those of its installation; otherwise the file is read, and is the same one if its own digest is the
    recorded. The digest of one from an archive is the archive's. A file is `ours` if it says that this project wrote
    it, or has its name.

    .. code:: python

        {"packages": {"etcd-server": "3.4.23+dfsg-4"},
         "programs": {"/usr/local/bin/kubelet": "0b2d…"},
         "holders": {"/usr/bin/etcd": "etcd-server"},
         "files": {"/etc/etcd/etcd.conf": {"mode": "644", "owner": "root:root", "sha256": "9f86…", "ours": True}},
         "units": {"etcd": {…}},
         "steps": {"turn swap off": True},
         "grants": {"give etcd's clients their own users": ["user root role root", …]},  # None: it failed
         "ready": {"etcd": True}}
    """

    def script(
        self,
        family: str = "deb",
        packages: Iterable[str] = (),
        programs: Iterable[str] = (),
        files: Iterable[str] = (),
        owned: Iterable[str] = (),
        holders: Iterable[str] = (),
        units: Iterable[str] = (),
        steps: Mapping[str, str] | None = None,
        grants: Mapping[str, str] | None = None,
        ready: Mapping[str, str] | None = None,
        seconds: int = 0,
    ) -> str:
        parts: list[object] = [
            packages and _PACKAGES[family](packages, holders),
            programs and read_programs(programs),
            (files or owned) and _read_files(files, owned),
            (units or steps or grants) and units_shell() + (f"units {words(units)}" if units else "true"),
            seconds and f"end=$(($(date +%s) + {seconds}))",
        ]
        conditions = [
            *(_condition("step", name, check) for name, check in (steps or {}).items()),
            *(_condition("ready", name, check, wait=seconds > 0) for name, check in (ready or {}).items()),
        ]
        # Beside each other, for they wait more than they work. Each prints a short line; what takes several comes when
        # the others have said all.
        beside = f"exec 3>&1; {' '.join(conditions)}" if conditions else ""
        asked = [_asked(number, read) for number, read in enumerate((grants or {}).values())]
        told = [_told(number, name) for number, name in enumerate(grants or {})]
        return "; ".join(
            [str(part) for part in parts if part] + [f"{beside} {'; '.join([*asked, 'wait', *told])}".strip()]
        )

    def default(self) -> dict[str, Any]:
        return {
            "packages": {},
            "holders": {},
            "programs": {},
            "files": {},
            "units": {},
            "steps": {},
            "grants": {},
            "ready": {},
        }

    def read(self, lines: list[str]) -> dict[str, Any]:
        found = self.default()
        granted: list[str] | None = None
        for line in lines:
            kind, _, rest = line.partition(" ")
            if kind == "package":
                name, status, *version = rest.split()
                if status[1:] == "i":  # whatever is wanted of it: a package on hold is installed too
                    # What is there in two versions is the half of an upgrade, and of neither.
                    found["packages"][name] = "" if name in found["packages"] else version[0]
            elif kind == "holds":
                name, path = rest.split(" ", 1)
                found["holders"][path] = name
            elif kind == "program":
                digest, path = rest.split(" ", 1)
                found["programs"][path] = digest
            elif kind == "file":
                mode, owner, path = rest.split(" ", 2)
                own = "container-cloud" in path
                found["files"].setdefault(path, {}).update(mode=mode, owner=owner, ours=own)
            elif summed := _SUM.fullmatch(line):
                found["files"].setdefault(summed[2], {})["sha256"] = summed[1]
            elif line.startswith("/"):  # as grep lists it
                found["files"].setdefault(line, {})["ours"] = True
            elif kind == "grants":
                code, name = rest.split(" ", 1)
                found["grants"][name] = granted = [] if code == "0" else None
            elif kind == "grant" and granted is not None:
                granted.append(rest)
            elif kind in ("step", "ready"):
                code, name = rest.split(" ", 1)
                found[f"{kind}s" if kind == "step" else kind][name] = code == "0"
        found["units"] = parse_units(lines)
        found["files"] = {path: f for path, f in found["files"].items() if len(f) == 4}
        return found


def asked(roles: Iterable[Role], family: FamilyName) -> dict[str, Any]:
    """The arguments with which `RoleState` tells everything about some roles.

    Args:
        roles: of one host.
        family: the host's.
    """
    listed = list(roles)
    units = [u for r in listed for u in (*r.units, *r.followers)]
    return {
        "family": family,
        "packages": _once(p.name for r in listed for p in r.packages),
        "programs": _once(p.path for r in listed for p in r.programs),
        "files": _once(path for r in listed for path in r.paths),
        "owned": _once(pattern for r in listed for pattern in r.owns),
        "holders": _once(path for r in listed for path in _packaged_programs(r)),
        "units": _once(u.name for u in units),
        "steps": {
            **{s.name: _check(s, r) for r in listed for s in r.steps},
            **{name: check for u in units for name, check in u.conditions.items()},
        },
        "grants": {g.name: _asking(r, g.read) for r in listed for g in r.grants},
        "ready": {u.name: u.ready for r in listed for u in r.units},
    }


def _packaged_programs(role: Role) -> Iterator[str]:
    """Programs of a role's units that one of several packages holds."""
    released = {p.path for p in role.programs}
    if len(role.packages) > 1:
        yield from (u.program for u in role.units if u.program and u.program not in released)


def _once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _check(step: Step, role: Role) -> str:
    """A step's condition; what follows the role's units is not asked of a service that does not run."""
    if step.when == "before" or not role.units:
        return step.check
    return _asking(role, step.check)


def _asking(role: Role, shell: str) -> str:
    return f"runs {' '.join(u.name for u in role.units)} && {{ {shell}; }}"


def _read_debs(names: Iterable[str], holders: Iterable[str]) -> str:
    query = f"dpkg-query -W -f 'package ${{Package}} ${{db:Status-Abbrev}} ${{Version}}\\n' {words(names)} 2>/dev/null"
    if not holders:
        return query
    info = "/var/lib/dpkg/info"
    lists = " ".join(f"{info}/{n}.list {info}/{n}:*.list" for n in names)
    sought = " ".join(f"-e {path}" for path in holders)
    return f"{query}; grep -sHxF {sought} {lists} | sed 's|^{info}/|holds |; s|\\(:[a-z0-9]*\\)*[.]list:| |'"


def _read_rpms(names: Iterable[str], holders: Iterable[str]) -> str:
    version = "%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}"
    files = "[holds $n %{FILENAMES}\\n]" if holders else ""
    sought = "".join(f" -e ' {path}$'" for path in holders)
    query = f"--qf \"package $n ii {version}\\n{files}\" 2>/dev/null | grep -e ' ii '{sought}"
    first = "awk '/^package/ && n++ {exit} 1'"  # of several that provide it
    return f"for n in {words(names)}; do rpm -q $n {query} || rpm -q --whatprovides $n {query} | {first}; done"


_PACKAGES = {"deb": _read_debs, "rpm": _read_rpms}


def read_programs(paths: Iterable[str]) -> str:
    """A script that prints a line for each program that is there: "program DIGEST PATH"."""
    return f"{program('digests', RECORDS=PROGRAM_RECORDS)}\ndigests {words(paths)}"


def _read_files(paths: Iterable[str], patterns: Iterable[str]) -> str:
    listed = " ".join([words(paths), *patterns]).strip()
    return (
        f'set -- {listed}; stat -L -c \'file %a %U:%G %n\' "$@" 2>/dev/null; sha256sum "$@" 2>/dev/null; '
        f"grep -ls '^{_OWN}' \"$@\""
    )


def _asked(number: int, read: str) -> str:
    return f"lines{number}=$( ( {read} ) 2>/dev/null ); code{number}=$?"


def _told(number: int, name: str) -> str:
    shown = f"printf '%s\\n' \"$lines{number}\" | sed -n '/./s/^/grant /p'"
    return f"echo grants $code{number} {words([name])}; {shown}"


def _condition(kind: str, name: str, check: str, *, wait: bool = False) -> str:
    """Shell beside what follows that tells on descriptor 3 how a check ended."""
    told = f"trap {shlex.quote(f'echo {kind} $? {words([name])} >&3')} EXIT"
    if wait:
        check = f"while ( {check} ); c=$?; [ $c != 0 ] && [ $(date +%s) -lt $end ]; do sleep 0.5; done; exit $c"
    return f"( {told}; {check}\nexit ) >/dev/null 2>&1 &"
