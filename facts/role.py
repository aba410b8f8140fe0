"""Everything one role needs to know of a host, in one command."""

from collections.abc import Iterable, Mapping
from typing import Any

from cluster.desired import Role, Step
from cluster.families import FamilyName
from facts.base import Fact
from facts.shell import FIND_PROGRAMS, parse_units, read_units, words

PROGRAM_RECORDS = "/var/lib/container-cloud/programs"


class RoleState(Fact[dict]):
    """
    What a host holds of one role: packages, programs, files, units, and which conditions are true.

    + family: deb or rpm: how packages are asked for
    + packages: names of distribution packages, or of what they provide
    + programs: paths of programs installed from release files
    + files: paths of files
    + units: names of services, without ".service"
    + steps: shell conditions by name
    + ready: shell conditions by unit, each asking the service itself
    + seconds: how long to wait for those to be true

    Source: `dpkg-query` or `rpm`, `stat`, `sha256sum` and the units' own records (see `facts.units.Units`). A
    program's digest is taken from its record in /var/lib/container-cloud/programs as long as size, change time and
    inode are those of its installation; otherwise the file is read. The digest of one from an archive is the archive's.

    .. code:: python

        {"packages": {"etcd-server": "3.4.23+dfsg-4"},
         "programs": {"/usr/local/bin/kubelet": "0b2d…"},
         "files": {"/etc/etcd/etcd.conf": {"mode": "644", "owner": "root:root", "sha256": "9f86…"}},
         "units": {"etcd": {…}},
         "steps": {"turn swap off": True},
         "ready": {"etcd": True}}
    """

    def script(
        self,
        family: str = "deb",
        packages: Iterable[str] = (),
        programs: Iterable[str] = (),
        files: Iterable[str] = (),
        units: Iterable[str] = (),
        steps: Mapping[str, str] | None = None,
        ready: Mapping[str, str] | None = None,
        seconds: int = 0,
    ) -> str:
        parts = [
            FIND_PROGRAMS,
            packages and _PACKAGES[family](packages),
            programs and _read_programs(programs),
            files and _read_files(files),
            units and read_units(units),
            *(_condition("step", name, check) for name, check in (steps or {}).items()),
            seconds and f"end=$(($(date +%s) + {seconds}))",
            *(_condition("ready", name, check, wait=seconds > 0) for name, check in (ready or {}).items()),
        ]
        return "; ".join([part for part in parts if part] + ["echo end"])

    def default(self) -> dict:
        return {"packages": {}, "programs": {}, "files": {}, "units": {}, "steps": {}, "ready": {}}

    def read(self, lines: list[str]) -> dict:
        found = self.default()
        for line in lines:
            kind, _, rest = line.partition(" ")
            if kind == "package":
                name, status, *version = rest.split()
                if status[1:] == "i":  # whatever is wanted of it: a package on hold is installed too
                    # What is there in two versions is the half of an upgrade, and of neither.
                    found["packages"][name] = "" if name in found["packages"] else version[0]
            elif kind == "program":
                digest, path = rest.split(" ", 1)
                found["programs"][path] = digest
            elif kind == "file":
                mode, owner, path = rest.split(" ", 2)
                found["files"].setdefault(path, {}).update(mode=mode, owner=owner)
            elif kind == "sum":
                found["files"].setdefault(rest[66:], {})["sha256"] = rest[:64]
            elif kind in ("step", "ready"):
                code, name = rest.split(" ", 1)
                found[f"{kind}s" if kind == "step" else kind][name] = code == "0"
        found["units"] = parse_units(lines)
        found["files"] = {path: f for path, f in found["files"].items() if len(f) == 3}
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
        "units": _once(u.name for u in units),
        "steps": {
            **{s.name: _check(s, r) for r in listed for s in r.steps},
            **{name: check for u in units for name, check in u.conditions.items()},
        },
        "ready": {u.name: u.ready for r in listed for u in r.units},
    }


def _once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _check(step: Step, role: Role) -> str:
    """A step's condition; what follows the role's units is not asked of a service that does not run."""
    if step.when == "before" or not role.units:
        return step.check
    return f"systemctl is-active -q {' '.join(u.name for u in role.units)} && {{ {step.check}; }}"


def _read_debs(names: Iterable[str]) -> str:
    return f"dpkg-query -W -f 'package ${{Package}} ${{db:Status-Abbrev}} ${{Version}}\\n' {words(names)} 2>/dev/null"


def _read_rpms(names: Iterable[str]) -> str:
    version = "%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}"
    query = f"--qf \"package $n ii {version}\\n\" 2>/dev/null | grep ' ii '"
    return f"for n in {words(names)}; do rpm -q $n {query} || rpm -q --whatprovides $n {query} | head -n1; done"


_PACKAGES = {"deb": _read_debs, "rpm": _read_rpms}


def _read_programs(paths: Iterable[str]) -> str:
    return (
        f"for p in {words(paths)}; do s=$(stat -c '%s:%Z:%i' $p 2>/dev/null) || continue; "
        f'd=$(sed -n "s|^\\([0-9a-f]*\\) $s $p$|\\1|p" {PROGRAM_RECORDS}/* 2>/dev/null); '
        '[ -n "$d" ] || d=$(sha256sum <$p | cut -c1-64); echo "program $d $p"; done'
    )


def _read_files(paths: Iterable[str]) -> str:
    listed = words(paths)
    return f"stat -L -c 'file %a %U:%G %n' {listed} 2>/dev/null; sha256sum {listed} 2>/dev/null | sed 's/^/sum /'"


def _condition(kind: str, name: str, check: str, *, wait: bool = False) -> str:
    ask = f"( {check} ) >/dev/null 2>&1; c=$?"
    if wait:
        ask = f"while {ask}; [ $c != 0 ] && [ $(date +%s) -lt $end ]; do sleep 0.5; done"
    return f"{ask}; echo {kind} $c {words([name])}"
