"""What must change on a host for a role: the difference between what it shall hold and what was read from it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

from cluster.desired import ASIDE, SYSTEMD, Cause, File, Grants, Package, Program, Role, Step, Turn, Unit

_OURS = {"ours": True}  # of a file that is not there


@dataclass(frozen=True)
class Start:
    """A unit to start, restart or reload, and why; with a restart, what systemd restarts with it, and what ends."""

    unit: Unit
    verb: str  # start, restart, reload, or wait (it runs, but does not answer yet)
    reason: str
    along: tuple[str, ...] = ()
    ends: str | None = None

    @property
    def turn(self) -> Turn | None:
        """How hosts take turns at it: what does not run, or not yet, interrupts nobody."""
        return self.unit.turn if self.verb == "restart" else None

    def lines(self) -> list[str]:
        """In the words of the announcement; a wait changes nothing."""
        if self.verb == "wait":
            return []
        ends = f"; ends {self.ends}" if self.ends else ""
        drained = "; drained first" if self.turn and self.turn.drains else ""
        own = f"{self.verb} {self.unit.name} ({self.reason}{ends}{drained})"
        return [own, *(f"restart {name} (it requires {self.unit.name})" for name in self.along)]


@dataclass(frozen=True)
class Granting:
    """Grants that differ from what a service keeps, and how; `read`: whether it could be asked at all."""

    grants: Grants
    missing: tuple[str, ...]
    more: tuple[str, ...]
    read: bool

    def lines(self) -> list[str]:
        """In the words of the announcement."""
        name = self.grants.name
        if not self.read:
            return [name]
        granted = [f"{name}: grant {line}" for line in self.missing]
        return [*granted, *(f"{name}: take away {line}" for line in self.more)]


@dataclass(frozen=True)
class Plan:
    """The changes a role needs, in the order they are made.

    + aside: files that somebody else wrote, kept below ASIDE before they are replaced or go
    + gone: files that go
    + removes: packages that go so that others can come; a plan knows none by itself (`facts.packages.Removals`)
    """

    aside: tuple[str, ...]
    sources: tuple[File, ...]
    packages: tuple[Package, ...]
    programs: tuple[Program, ...]
    files: tuple[File, ...]
    gone: tuple[str, ...]
    before: tuple[Step, ...]
    enable: tuple[str, ...]
    reload: bool
    starts: tuple[Start, ...]
    after: tuple[Step, ...]
    grants: tuple[Granting, ...]
    removes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """One line a change, in the words of the announcement and of the closing summary."""
        starts = [line for s in self.starts for line in s.lines()]
        way = ", ".join(p.name for p in self.packages)
        return [
            *(f"set aside {path} (-> {ASIDE}{path})" for path in self.aside),
            *(f"write {f.path}" for f in self.sources),
            *(f"remove {name} (in the way of {way})" for name in self.removes),
            *(f"install {p.name}{f' {p.version}' if p.version else ''}" for p in self.packages),
            *(f"install {p.path}" for p in self.programs),
            *(f"write {f.path}" for f in self.files),
            *(f"remove {path}" for path in self.gone if path not in self.aside),
            *(s.name for s in self.before),
            *(f"enable {name}" for name in self.enable),
            *(starts or (["reload systemd"] if self.reload else [])),
            *(line for g in self.grants for line in g.lines()),
            *(s.name for s in self.after),
        ]

    @property
    def turns(self) -> tuple[Turn, ...]:
        """How hosts take turns at what is restarted here."""
        return tuple(s.turn for s in self.starts if s.turn)

    def installs(self) -> list[str]:
        """The names of packages and the paths of programs that are installed."""
        return [*(p.name for p in self.packages), *(p.path for p in self.programs)]


def plan(role: Role, found: Mapping[str, Any], arriving: frozenset[str] = frozenset()) -> Plan:
    """Compare a role with the host.

    Args:
        role: what the host shall hold.
        found: the host's state as `facts.role.RoleState` returns it.
        arriving: names of packages and paths of programs that an earlier operation of the same dry run installs.
    """
    sources, files = (
        tuple(f for f in listed if _differs(f, found["files"].get(f.path))) for listed in (role.sources, role.files)
    )
    gone = tuple(_gone(role, found["files"]))
    packages = tuple(p for p in role.packages if not _installed(p, found["packages"]))
    programs = tuple(p for p in role.programs if found["programs"].get(p.path) != p.digest)
    written = {f.path for f in files}
    failed = [s for s in role.steps if not found["steps"].get(s.name, False) or written.intersection(s.follows)]
    due = {p.name for p in packages}, {p.path for p in programs}
    starts = [_start(u, role, found, _replaced(u, role, found, *due)) for u in role.units]
    starts += [_follow(u, role, found) for u in role.followers]
    changed = {*gone, *written, *(f.path for f in sources)}
    return Plan(
        aside=tuple(p for p in role.takes_over if p in changed and not found["files"].get(p, _OURS)["ours"]),
        sources=sources,
        files=files,
        gone=gone,
        packages=tuple(p for p in packages if p.name not in arriving),
        programs=tuple(p for p in programs if p.path not in arriving),
        before=tuple(s for s in failed if s.when == "before"),
        enable=tuple(u.name for u in role.units if found["units"].get(u.name, {}).get("enabled") != "enabled"),
        reload=_reload(role, found, changed),
        starts=tuple(s for s in starts if s),
        after=tuple(s for s in failed if s.when == "after"),
        grants=tuple(g for g in (granting(g, found) for g in role.grants) if g.lines()),
    )


def granting(grants: Grants, found: Mapping[str, Any]) -> Granting:
    """How grants differ from what was read; all are missing where nothing could be."""
    held = found["grants"].get(grants.name)
    missing = tuple(line for line in grants.wanted if line not in (held or ()))
    return Granting(grants, missing, tuple(sorted(set(held or ()) - set(grants.wanted))), held is not None)


def _differs(file: File, found: Mapping[str, str] | None) -> bool:
    return found is None or (found["sha256"], found["mode"], found["owner"]) != (file.digest, file.mode, file.owner)


def _gone(role: Role, files: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """What the role says is gone, and what an earlier run of ours wrote that the role has no more."""
    own = {*role.gone, *(f.path for f in (*role.sources, *role.files))}
    yield from (path for path in role.gone if path in files)
    for path, file in files.items():
        if path not in own and file["ours"] and any(fnmatch(path, pattern) for pattern in role.owns):
            yield path


def _installed(package: Package, found: Mapping[str, str]) -> bool:
    """Whether a package is there in its version: one without an epoch or a release has any.

    "1.20.2" is that of "1.20.2-1.el7" and of "1:1.20.2-1.el7".
    """
    version = found.get(package.name)
    if version is None or package.version is None:
        return version is not None
    forms = (version, version.partition(":")[2] or version)
    return package.version in {form for v in forms for form in (v, v.rpartition("-")[0])}


def _reload(role: Role, found: Mapping[str, Any], changed: set[str]) -> bool:
    stale = any(found["units"].get(u.name, {}).get("needs_reload") for u in role.units)
    return stale or any(path.startswith(f"{SYSTEMD}/") for path in changed)


def unmet(role: Role, found: Mapping[str, Any]) -> list[File]:
    """Files the role expects of another that are not on the host as they shall be."""
    return [f for f in role.expects if _differs(f, found["files"].get(f.path))]


def _replaced(unit: Unit, role: Role, found: Mapping[str, Any], packages: set[str], programs: set[str]) -> bool:
    """Whether the unit's program is about to be installed: as a release file, or with the package that holds it.

    Where none of the role's packages is known to hold it, any of them may bring it.
    """
    if unit.program in {p.path for p in role.programs}:
        return unit.program in programs
    holder = found["holders"].get(unit.program)
    return holder in packages if holder else bool(packages)


def _start(unit: Unit, role: Role, found: Mapping[str, Any], replaced: bool) -> Start | None:
    state = found["units"].get(unit.name, {})
    if state.get("active") != "active":
        return Start(unit, "start", f"it is {state.get('active') or 'not there'}")
    reason = _restart_reason(unit, role, found, state, replaced)
    if reason and unit.reloads and _reads_again(unit, reason, state):
        return Start(unit, "reload", reason)
    if reason:
        return _restart(unit, role, found, reason)
    if not found["ready"].get(unit.name, False):
        return Start(unit, "wait", "it does not answer yet")
    return None


def _reads_again(unit: Unit, reason: str, state: Mapping[str, Any]) -> bool:
    """Whether what changed is what the unit reads, or its program, and not the unit itself."""
    own = {f"{path} changed" for path in unit.inputs if path.startswith(f"{SYSTEMD}/")}
    return state.get("started_with") is not None and reason not in own | {c.reason for c in unit.causes}


def _follow(unit: Unit, role: Role, found: Mapping[str, Any]) -> Start | None:
    """Another role's service: restarted if it runs, as that role has it, on something else than is there or coming."""
    state = found["units"].get(unit.name, {})
    if state.get("active") != "active" or state.get("started_with") is None:
        return None
    reason = _restart_reason(unit, role, found, state, replaced=False)
    return _restart(unit, role, found, reason) if reason else None


def _restart(unit: Unit, role: Role, found: Mapping[str, Any], reason: str) -> Start:
    own = {u.name for u in (*role.units, *role.followers)}
    along = tuple(n for n in found["units"][unit.name].get("takes_along", ()) if n not in own)
    ends = next((c.ends for c in _true(unit, found) if c.ends), unit.ends)
    return Start(unit, "restart", reason, along, ends)


def _true(unit: Unit, found: Mapping[str, Any]) -> Iterator[Cause]:
    """The unit's causes that are true on the host."""
    return (c for c, name in zip(unit.causes, unit.conditions, strict=True) if found["steps"].get(name))


def _restart_reason(
    unit: Unit, role: Role, found: Mapping[str, Any], state: Mapping[str, Any], replaced: bool
) -> str | None:
    """Why the running process is not what is configured: what it was started with against what shall be on disk."""
    started = state.get("started_with")
    if started is None:
        return "it was started without its present unit"
    if unit.program and (replaced or state.get("replaced")):
        return f"{unit.program} was replaced"
    shall = {f.path: f.digest for f in (*role.expects, *role.files)}
    for path in unit.inputs:
        now = found["files"].get(path)
        wanted = shall[path] if path in shall else (now["sha256"] if now else "")
        if wanted is None or started.get(path, "") != wanted:
            return f"{path} changed"
    return next((c.reason for c in _true(unit, found)), None)
