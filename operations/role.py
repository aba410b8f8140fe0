"""Bringing a host to what a role asks for, whatever the role."""

import base64
import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from operator import attrgetter

from pyinfra import host, logger, state
from pyinfra.api import StringCommand

from cluster.desired import ASIDE, File, Role, Step
from cluster.families import FamilyName
from cluster.plan import Granting, Plan, Start, granting, plan, unmet
from cluster.shell import program
from facts.packages import Removals, specifications
from facts.role import RoleState
from facts.shell import words
from operations import draining
from operations.inventory import the_cluster
from operations.packages import install
from operations.preflight import distribution
from operations.reading import answering, forget, held
from operations.refusal import refuse
from operations.report import announce, arriving, take_turns
from operations.shell import shell
from operations.turns import await_turn

_PATIENCE = 60  # seconds: after etcd was down, an API server has needed 30
_BUSY = 10  # seconds: one that has much to do answers within them, and one that hangs is restarted after them
# What Kubernetes' programs print behind an error: every flag they know, or what every goroutine was doing.
_NOISE = r"^([[:blank:]]|$|goroutine |created by |[^ ]+\(.*\)$|.*[Ff]lags:$|Usage:$)"


def converge(role: Role) -> Iterator[StringCommand]:
    """Read the host once, say what differs, and change only that.

    To be called from an operation: `yield from converge(role)`.
    """
    family = distribution().family.name
    found = held(role)
    changes = plan(role, found, arriving(host.name))
    if not changes.lines() and _answer(changes.starts):
        host.noop(f"{role.name} is as configured")
        return
    changes = _with_removals(changes, family)
    unwanted = [name for name in changes.removes if name not in the_cluster().settings.replace_packages]
    if unwanted:
        yield _refuse_removal(changes, unwanted)
        return
    missing = unmet(role, found)
    commands = _commands(role, changes, family)
    if not state.is_executing:
        if missing or any(f.content is None for f in changes.files):
            commands = iter([StringCommand("true")])  # a plan counts that something is done, not what
        yield from _planned(changes.starts, changes.lines(), commands, changes.installs())
    elif missing:
        paths, deploys = (", ".join(dict.fromkeys(getattr(f, what) for f in missing)) for what in ("path", "deploy"))
        yield refuse(f"{role.name} needs {paths} as it shall be: run {deploys} first")
    else:
        yield from _in_turn(changes.starts, found["ready"], changes.lines(), commands)


def _planned(
    starts: tuple[Start, ...], lines: list[str], commands: Iterator[StringCommand], installs: Iterable[str] = ()
) -> Iterator[StringCommand]:
    """What a dry run says of changes, and what pyinfra counts of them."""
    announce(host, lines, installs)
    take_turns(host, starts)
    yield from commands


def foretell(role: Role) -> Iterator[StringCommand]:
    """What a dry run says of a role's files that are written, and its units restarted, after what it has announced."""
    (file,) = role.files
    starts = tuple(Start(unit, "restart", f"{file.path} changed") for unit in role.units)
    lines = [f"write {file.path}", *(line for s in starts for line in s.lines())]
    yield from _planned(starts, lines, iter([StringCommand("true")]))


def _in_turn(
    starts: tuple[Start, ...], ready: Mapping[str, bool], lines: list[str], commands: Iterator[StringCommand]
) -> Iterator[StringCommand]:
    """Carry out what interrupts something once it is this host's turn, and nothing where another has not come back.

    Args:
        ready: whether services of this host are, by unit.
    """
    turns = [s.turn for s in starts if s.turn]
    if turns and (failed := await_turn(min(t.at_once for t in turns))):
        logger.warning(f"{host.print_prefix}left as it is, for {failed} failed")
        host.noop(f"left as it is, for {failed} failed")
        return
    if alone := _alone(starts, ready):
        yield refuse(alone)
        return
    announce(host, lines)
    drains = any(t.drains for t in turns)
    staying = (yield from draining.away()) if drains else None
    yield from commands
    if staying is not None:
        yield from draining.back(staying)


def _alone(starts: tuple[Start, ...], ready: Mapping[str, bool]) -> str | None:
    """What to do first where others cannot do without a service of this host; they may be about to begin."""
    asking = ((s.unit.name, s.turn) for s in starts if s.turn and s.turn.others)
    for name, turn in asking:
        serves = ready.get(name, False) or _holds("serves", turn.serves, _BUSY)
        if serves and not _holds("others", turn.others, _PATIENCE):
            return turn.missing
    return None


def _holds(name: str, condition: str, seconds: int) -> bool:
    """Whether a shell condition is true on this host, waited for so long at most."""
    answers: dict[str, bool] = host.get_fact(RoleState, ready={name: condition}, seconds=seconds)["ready"]
    return answers.get(name, False)


def restart(role: Role, name: str, reason: str) -> Iterator[StringCommand]:
    """Restart one of a role's units for a reason that its own host does not show, unless it is started anew anyway."""
    found = held(role)
    if any(s.unit.name == name and s.verb != "wait" for s in plan(role, found, arriving(host.name)).starts):
        host.noop(f"{name} is started anew anyway")
        return
    (unit,) = (u for u in role.units if u.name == name)
    start = Start(unit, "restart", reason, tuple(found["units"].get(name, {}).get("takes_along", ())))
    command = iter([_start((start,))])
    if state.is_executing:
        yield from _in_turn((start,), found["ready"], start.lines(), command)
    else:
        yield from _planned((start,), start.lines(), command)


def _with_removals(changes: Plan, family: FamilyName) -> Plan:
    """With the packages that would go if others came; only where others come is the host asked."""
    if not changes.packages:
        return changes
    going = host.get_fact(Removals, packages=specifications(family, changes.packages), family=family)
    return replace(changes, removes=tuple(going))


def _refuse_removal(changes: Plan, unwanted: list[str]) -> StringCommand:
    """No package goes unless the settings say so."""
    wanted, going = (", ".join(names) for names in ([p.name for p in changes.packages], unwanted))
    return refuse(
        f"{host.name}: installing {wanted} would remove {going}. "
        f"If the run may, write replace_packages = {json.dumps(unwanted)}; "
        "otherwise remove what is in the way yourself, or, to keep it, name it in package_names"
    )


def _answer(waits: tuple[Start, ...]) -> bool:
    """Whether services that run answer after a while: one that follows another's restart needs no change."""
    ready = {w.unit.name: w.unit.ready for w in waits}
    if not ready or not state.is_executing:
        return True
    forget()
    return not unanswered(ready, _PATIENCE)


def unanswered(ready: Mapping[str, str], seconds: int) -> list[str]:
    """The services of this host that do not answer, waited for so long at most.

    Args:
        ready: by unit, the shell condition that asks the service.
        seconds: how long.
    """
    if answering(ready):
        return []
    found = host.get_fact(RoleState, ready=ready, seconds=seconds)
    return [name for name in ready if not found["ready"].get(name)]


def _commands(role: Role, changes: Plan, family: FamilyName) -> Iterator[StringCommand]:
    if changes.aside:
        keep = [f"keep {words([path])} || exit 1" for path in changes.aside]
        yield shell("\n".join([program("aside", ASIDE=ASIDE), *keep]))
    if changes.sources:
        yield write_files(changes.sources)
    if changes.packages or changes.programs:
        yield shell(install(family, changes, role.packaged_units), downloads=True)
    if changes.files:
        yield write_files(changes.files)
    if changes.gone:
        yield shell(f"rm -f {words(changes.gone)}")
    yield from _repair(changes.before)
    if changes.reload or changes.starts or changes.enable:
        yield shell(" && ".join(_reload(role, changes)))
    if changes.starts:
        yield _start(changes.starts)
    for difference in changes.grants:
        yield from _grant(difference)
    yield from _repair(changes.after)


def _grant(difference: Granting) -> Iterator[StringCommand]:
    """Grant and take away; what could not be read before the service was started is read now."""
    grants = difference.grants
    if state.is_executing and not difference.read:
        found = host.get_fact(RoleState, grants={grants.name: grants.read})
        difference = granting(grants, found)
        announce(host, difference.lines() if difference.more else [])
    lines = [*(f"+ {line}" for line in difference.missing), *(f"- {line}" for line in difference.more)]
    if lines:
        yield shell(f"printf '%s\\n' {words(lines)} | {{\n{grants.change}\n}}")


def _repair(steps: tuple[Step, ...]) -> Iterator[StringCommand]:
    """One command for all that follow each other, but for what may go through a proxy; the first that fails ends it."""
    for downloads, listed in groupby(steps, attrgetter("downloads")):
        yield shell("\n".join(f"(\n{step.repair}\n) || exit 1" for step in listed), downloads=downloads)


def write_files(files: tuple[File, ...]) -> StringCommand:
    """One command that writes files atomically, each with its final owner and mode from the start.

    The contents travel on standard input only: not in an argument list, a log, a diff or a temporary directory. Only
    a script that was carried out to its last line has written all of them.
    """
    script = [program("write")]
    for file in files:
        if file.content is None:
            raise ValueError(f"the content of {file.path} is not known")
        encoded = base64.b64encode(file.content.encode()).decode()
        test = [file.test] if file.test else []
        script.append(f"put {words([file.path, file.owner, file.mode, str(file.digest), encoded, *test])}")
    script.append("echo written")
    return StringCommand(
        "said=$(LC_ALL=C sh -s) || exit 1;",
        '[ "$said" = written ] || {',
        "echo 'not all was written: standard input did not arrive, which _su_password takes for itself; use _sudo, or "
        "connect as root' >&2; exit 1; }",
        _stdin=["\n".join(script)],
    )


def _reload(role: Role, changes: Plan) -> Iterator[str]:
    # A killed installation may have left its masks behind.
    if role.packaged_units:
        yield f"systemctl unmask -q --runtime {' '.join(role.packaged_units)}"
    yield "systemctl daemon-reload"
    if changes.enable:
        yield f"systemctl enable -q {' '.join(changes.enable)}"


def _start(starts: tuple[Start, ...]) -> StringCommand:
    """Start, restart or reload units together, in systemd's order, then wait until each service itself answers."""
    seconds = the_cluster().settings.start_timeout
    waits = [
        f"ready() {{ {s.unit.ready}; }}\n"
        f'await {s.unit.name} {shlex.quote(s.unit.hint)} "${{deaths{n}:-0}}" "${{old{n}:-}}"'
        + (f"\nsleep {s.unit.noticed}" if s.verb != "reload" and s.unit.noticed else "")
        for n, s in enumerate(starts)
    ]
    functions = program("start", PATIENCE=seconds, NOISE=_NOISE)
    return shell("\n".join([functions, *_act(starts), *waits]))


def _act(starts: tuple[Start, ...]) -> Iterator[str]:
    for number, start in enumerate(starts):
        name = start.unit.name
        # A new process's count begins anew; until then, those of before are not its own.
        yield f"deaths{number}=$(deaths {name})"
        # Until systemd has begun a new one, it is the old process that would answer.
        if start.verb in ("start", "restart"):
            yield f"old{number}=$(invocation {name})"
    for verb in ("start", "restart"):
        if names := " ".join(s.unit.name for s in starts if s.verb == verb):
            reset = f"again {names}; systemctl reset-failed {names} 2>/dev/null; " if verb == "start" else ""
            yield f"{reset}systemctl {verb} --no-block {names} || exit 1"
    for start in starts:
        if start.verb == "reload":
            yield f"reload {start.unit.name} {shlex.quote(start.unit.hint)}"
