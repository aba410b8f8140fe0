"""What every role asks of its host, the same for all: packages, programs, files, steps, units."""

from collections.abc import Iterator
from typing import Any

from audit.answers import Reading
from audit.areas import flannel, runtime
from audit.areas.view import DEPLOYS, View, roles
from audit.model import Finding
from cluster import digests
from cluster.desired import File, Role, Step, Unit
from cluster.plan import Plan, Start, plan

_AREA = {role: role for role in ("host", "pki", "etcd", "flannel")}
_AREA |= dict.fromkeys(("docker", "containerd"), runtime.AREA)


def judge(view: View, reading: Reading) -> Iterator[Finding]:
    """Where a host differs from its roles: what a run would change, and why."""
    said: set[str] = set()  # several roles share a file or a package
    for role, held in roles(reading):
        changes = plan(role, held)
        found = [
            *_software(reading, role, changes, held),
            *_files(reading, role, changes, held),
            *_steps(view, reading, role, changes),
            *_grants(view, reading, role, changes),
            *_units(view, reading, role, changes, held),
        ]
        for finding in found:
            if f"{finding.area} {finding.what}" not in said:
                said.add(f"{finding.area} {finding.what}")
                yield finding
        yield from _fine(reading, role, found)


def _software(reading: Reading, role: Role, changes: Plan, held: dict[str, Any]) -> Iterator[Finding]:
    name, repair = reading.host.name, DEPLOYS[role.name]  # which restarts what runs from it, too
    for package in changes.packages:
        there = held["packages"].get(package.name)
        wanted = package.version or "installed"
        yield Finding(name, "packages", "drift", package.name, wanted, there or "not installed", repair)
    for program in changes.programs:
        there = held["programs"].get(program.path)
        wanted = f"{digests.name(program.digest)} {program.digest[:12]}… of {program.url}"
        found = f"{digests.name(there)} {there[:12]}…" if there else "not there"
        yield Finding(name, "packages", "drift", program.path, wanted, found, repair)
    yield from _altered(reading, role)
    for package in role.packages:
        newer = reading.fact("offers").get(package.name, {}).get("newer")
        if newer and package not in changes.packages:
            there = held["packages"].get(package.name, "")
            yield Finding(name, "packages", "ok", package.name, there, f"{there}; the repositories have {newer}")


def _altered(reading: Reading, role: Role) -> Iterator[Finding]:
    """Programs and units that somebody else put where those of the role's packages were."""
    assert reading.distribution
    has = reading.fact("preflight")["managers"]
    again = next(command for manager, command in reading.distribution.family.managers.items() if manager in has)
    own = {p.name for p in role.packages}
    for path, file in reading.fact("altered").items():
        package, found = file["package"], file["found"]
        if package in own:
            expected, repair = f"as {package} brought it", f"{again} {package}"
            yield Finding(reading.host.name, "packages", "drift", path, expected, found, repair)


def _files(reading: Reading, role: Role, changes: Plan, held: dict[str, Any]) -> Iterator[Finding]:
    """A role's own files; those that pki places are pki's alone."""
    area = "pki" if role.name == "pki" else "files"
    for file in (*changes.sources, *changes.files):
        if file.digest is None and file.path in held["files"]:
            continue  # due to be issued again: audit.areas.pki says why
        yield _file(reading, role, area, file, held["files"].get(file.path))
    for path in changes.gone:
        other, former = "a unit of the other kind of installation", "what the settings no longer ask for"
        found = other if path in role.gone else former
        yield Finding(reading.host.name, "files", "drift", path, "not there", found, DEPLOYS[role.name])


def _file(reading: Reading, role: Role, area: str, file: File, there: dict[str, str] | None) -> Finding:
    wanted = [f"mode {file.mode}", f"owner {file.owner}"]
    if there is None:
        return Finding(reading.host.name, area, "drift", file.path, ", ".join(wanted), "not there", DEPLOYS[role.name])
    found = [f"mode {there['mode']}", f"owner {there['owner']}"]
    if there["sha256"] != file.digest:
        wanted.append("as the settings and the store have it" if area == "pki" else "as the settings have it")
        found.append("other content")
    return Finding(reading.host.name, area, "drift", file.path, ", ".join(wanted), ", ".join(found), DEPLOYS[role.name])


def _steps(view: View, reading: Reading, role: Role, changes: Plan) -> Iterator[Finding]:
    area = _AREA.get(role.name, "kubernetes")
    written = {f.path for f in changes.files}
    for step in (*changes.before, *changes.after):
        if written.intersection(step.follows) or not _may_be_asked(view, reading, role, step):
            continue
        # What a node found that loses its pods' packets says more.
        causes = [c for c in reading.fact("pods").get("causes", []) if "FORWARD" in c and "FORWARD" in step.name]
        found = "; ".join(causes) or "not done"
        yield Finding(reading.host.name, area, "drift", step.name, "done", found, DEPLOYS[role.name])


def _grants(view: View, reading: Reading, role: Role, changes: Plan) -> Iterator[Finding]:
    """Who may do what in a service, as far as that is not as it shall be."""
    for difference in changes.grants if _answers(view, reading, role) else ():
        area, name = _AREA.get(role.name, "kubernetes"), difference.grants.name
        expected, found = (", ".join(lines) or "nothing more" for lines in (difference.missing, difference.more))
        told = found if difference.more else f"without {expected}"
        if difference.read:
            yield Finding(reading.host.name, area, "drift", name, expected, told, DEPLOYS[role.name])
        else:
            again = "run the audit again"
            yield Finding(reading.host.name, area, "error", name, "an answer", "could not be read", again)


def _may_be_asked(view: View, reading: Reading, role: Role, step: Step) -> bool:
    """Whether nothing else explains that a step's condition is false."""
    if step.when == "before":
        return role.name != "node" or view.runs_containers(reading)
    return _answers(view, reading, role)


def _answers(view: View, reading: Reading, role: Role) -> bool:
    """Whether a role's services, and what they need, are there to be asked."""
    ready = reading.fact("roles")["ready"]
    running = all(view.runs(reading, u.name) and ready.get(u.name) for u in role.units)
    return running and (role.name != "etcd" or view.etcd_answers) and (role.name != "master" or view.master is not None)


def _units(view: View, reading: Reading, role: Role, changes: Plan, held: dict[str, Any]) -> Iterator[Finding]:
    name, repair = reading.host.name, DEPLOYS[role.name]
    differing = {f.path for f in (*changes.files, *changes.sources)} | {p.path for p in changes.programs}
    differing |= {*changes.gone, *reading.fact("altered")}
    for unit in role.units:
        state = held["units"].get(unit.name, {})
        if unit.name in changes.enable:
            found = state.get("enabled") or "not there"
            yield Finding(name, "units", "drift", f"{unit.name} at boot", "enabled", found, repair)
        if state.get("needs_reload") and not any(f"{unit.name}.service" in path for path in differing):
            yield Finding(name, "units", "drift", f"{unit.name}'s unit", "loaded as on disk", "changed since", repair)
    for start in changes.starts:
        if finding := _start(view, reading, role, start, differing):
            yield finding


def _start(view: View, reading: Reading, role: Role, start: Start, differing: set[str]) -> Finding | None:
    """What is wrong with a service, unless a file that it reads says so already."""
    name, repair, unit = reading.host.name, DEPLOYS[role.name], start.unit
    if unit.name == "kube-proxy" and start.verb in ("start", "wait") and view.forgets(reading.host):
        return None
    if start.verb == "start":
        return Finding(name, "units", "drift", unit.name, "active", start.reason.removeprefix("it is "), repair)
    if start.verb == "wait":
        if not view.needs_met(reading, unit):
            return None
        return Finding(name, "units", "drift", unit.name, "answers", "is active and does not answer", repair)
    if _is_said(view, reading, unit, start.reason):
        return None
    due = any(f.digest is None for f in role.expects)
    explained = any(path in start.reason for path in differing | {f.path for f in role.expects if due})
    if explained or any(f.path in start.reason and _is_others(reading, f) for f in role.expects):
        return None
    return Finding(name, "units", "drift", unit.name, "started with what is on disk", start.reason, repair)


def _is_said(view: View, reading: Reading, unit: Unit, reason: str) -> bool:
    """Whether the unit runs on what is not there any more, and its own area says of what."""
    area = {"flanneld": flannel, "docker": runtime, "containerd": runtime}.get(unit.name)
    true = [
        c.reason
        for c, name in zip(unit.causes, unit.conditions, strict=True)
        if reading.fact("roles")["steps"].get(name)
    ]
    return area is not None and reason in true and any(f.status != "ok" for f in area.judge(view, reading))


def _is_others(reading: Reading, file: File) -> bool:
    """Whether a file that another role places is not as that role has it: then that is what is said."""
    there = reading.fact("roles")["files"].get(file.path)
    return there is None or (there["sha256"], there["mode"], there["owner"]) != (file.digest, file.mode, file.owner)


def _fine(reading: Reading, role: Role, found: list[Finding]) -> Iterator[Finding]:
    """What was looked at and is as it shall be."""
    wrong = {finding.what for finding in found if finding.status != "ok"}
    area = "pki" if role.name == "pki" else "files"
    steps = (*(s.name for s in role.steps), *(g.name for g in role.grants))
    looked = [
        *(("packages", item) for item in (*(p.name for p in role.packages), *(p.path for p in role.programs))),
        *((area, f.path) for f in (*role.sources, *role.files)),
        *((_AREA.get(role.name, "kubernetes"), name) for name in steps),
        *(("units", u.name) for u in role.units),
    ]
    noted = {finding.what for finding in found}
    for where, what in looked:
        if what not in wrong and what not in noted:
            yield Finding(reading.host.name, where, "ok", what)
