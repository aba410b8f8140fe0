"""Bringing a host to what a role asks for, whatever the role."""

import base64
import shlex
from collections.abc import Iterator, Mapping

from pyinfra import host, state
from pyinfra.api import QuoteString, StringCommand

from cluster.desired import RECORD_DIRECTORY, File, Role
from cluster.families import FamilyName
from cluster.plan import Plan, Start, plan, unmet
from facts.role import RoleState, asked
from facts.shell import FIND_PROGRAMS, words
from operations.inventory import the_cluster
from operations.packages import install_packages, install_programs
from operations.preflight import distribution
from operations.refusal import refuse
from operations.report import announce, arriving

_PATIENCE = 60  # seconds: after etcd was down, an API server has needed 30
# What Kubernetes' programs print behind an error: every flag they know, or what every goroutine was doing.
_NOISE = r"^([[:blank:]]|$|goroutine |created by |[^ ]+\(.*\)$|.*[Ff]lags:$|Usage:$)"


def converge(role: Role) -> Iterator[StringCommand]:
    """Read the host once, say what differs, and change only that.

    To be called from an operation: `yield from converge(role)`.
    """
    family = distribution().family.name
    found = host.get_fact(RoleState, **asked([role], family))
    changes = plan(role, found, arriving(host.name))
    if not changes.lines() and _answer(changes.starts):
        host.noop(f"{role.name} is as configured")
        return
    announce(host, changes.lines(), changes.installs())
    missing = unmet(role, found)
    if not state.is_executing and (missing or any(f.content is None for f in changes.files)):
        yield StringCommand("true")  # a plan counts that something is done, not what
    elif missing:
        yield refuse(f"{role.name} needs {', '.join(missing)} as the store has it: run deploys/pki.py first")
    else:
        yield from _commands(role, changes, family)


def _answer(waits: tuple[Start, ...]) -> bool:
    """Whether services that run answer after a while: one that follows another's restart needs no change."""
    ready = {w.unit.name: w.unit.ready for w in waits}
    return not (ready and state.is_executing) or answer(ready, _PATIENCE)


def answer(ready: Mapping[str, str], seconds: int) -> bool:
    """Whether services of this host answer, waited for so long at most.

    Args:
        ready: by unit, the shell condition that asks the service.
        seconds: how long.
    """
    found = host.get_fact(RoleState, ready=ready, seconds=seconds)
    return all(found["ready"].get(name) for name in ready)


def _commands(role: Role, changes: Plan, family: FamilyName) -> Iterator[StringCommand]:
    if changes.sources:
        yield write_files(changes.sources)
    if changes.packages:
        yield _shell(install_packages(family, changes.packages, role.packaged_units))
    if changes.programs:
        yield _shell(install_programs(changes.programs))
    if changes.files:
        yield write_files(changes.files)
    if changes.gone:
        yield _shell(f"rm -f {words(changes.gone)}")
    for step in changes.before:
        yield _shell(step.repair)
    if changes.reload or changes.starts or changes.enable:
        yield _shell(" && ".join(_reload(role, changes)))
    if changes.starts:
        yield _start(changes.starts)
    for step in changes.after:
        yield _shell(step.repair)


def _shell(script: str) -> StringCommand:
    return StringCommand("sh", "-c", QuoteString(f"{FIND_PROGRAMS}; {script}"))


def write_files(files: tuple[File, ...]) -> StringCommand:
    """One command that writes files atomically, each with its final owner and mode from the start.

    The contents travel on standard input only: not in an argument list, a log, a diff or a temporary directory.
    """
    script = ["set -eu; umask 077"]
    for file in files:
        if file.content is None:
            raise ValueError(f"the content of {file.path} is not known")
        encoded = base64.b64encode(file.content.encode()).decode()
        new = f"{file.path}.container-cloud"
        directory = file.path.rpartition("/")[0]
        script += [
            f"[ -d '{directory}' ] || (umask 022; mkdir -p '{directory}')",
            f"printf %s '{encoded}' | base64 -d > '{new}'",
            *([_accepted(file.test, new, file.path)] if file.test else []),
            f"chown {file.owner} '{new}' && chmod {file.mode} '{new}' && mv -f '{new}' '{file.path}'",
        ]
    return StringCommand("sh", "-s", _stdin=["\n".join(script)])


def _accepted(test: str, new: str, path: str) -> str:
    refusal = f"echo {shlex.quote(f'{path} is left as it is: {test} does not accept the new one')} >&2"
    return f"{test} '{new}' >&2 || {{ rm -f '{new}'; {refusal}; exit 1; }}"


def _reload(role: Role, changes: Plan) -> Iterator[str]:
    # A killed installation may have left its masks behind.
    if role.packaged_units:
        yield f"systemctl unmask -q --runtime {' '.join(role.packaged_units)}"
    yield "systemctl daemon-reload"
    if changes.enable:
        yield f"systemctl enable -q {' '.join(changes.enable)}"


def _start(starts: tuple[Start, ...]) -> StringCommand:
    """Start or restart units together, in systemd's order, then wait until each service itself answers.

    Each may take `start_timeout` seconds; one that dies five times meanwhile does not need them all to be called
    broken. The message of a failure has the unit's last log lines and the likely cause.
    """
    seconds = the_cluster().settings.start_timeout
    waits = [
        f"ready() {{ {s.unit.ready}; }}\n"
        f'await {s.unit.name} {shlex.quote(s.unit.hint)} "${{deaths{n}:-0}}" "${{old{n}:-}}"'
        for n, s in enumerate(starts)
    ]
    return _shell(f"""
deploying={RECORD_DIRECTORY}/deploying
mkdir -p {RECORD_DIRECTORY} && touch $deploying
trap 'rm -f $deploying' EXIT
show() {{ systemctl show -p $1 $2 | cut -d= -f2-; }}
start() {{ s=$(show InvocationID $1); echo ${{s:-$(show InactiveExitTimestampMonotonic $1)}}; }}
deaths() {{ d=$(show NRestarts $1); echo ${{d:-0}}; }}
await() {{
    end=$(($(date +%s) + {seconds}))
    until new=$(start $1); [ "$new" != "$4" ] && systemctl is-active -q $1 && ( ready ) >/dev/null 2>&1; do
        died=0 why=
        [ "$new" = "$4" ] || died=$(deaths $1)
        [ $died -lt $3 ] || died=$((died - $3))
        [ $died -lt 5 ] || why="died $died times"
        [ $(date +%s) -lt $end ] || why="is not ready after {seconds} s"
        if [ -n "$why" ]; then
            echo "$1 $why. Its last log lines:"
            journalctl -u $1 -n 400 --no-pager -o cat | grep -vE '{_NOISE}' | tail -n 15 | cut -c1-400
            echo "Likely cause: $2"
            exit 1
        fi >&2
        sleep 0.2
    done
}}
{_act(starts)}
{chr(10).join(waits)}
""")


def _act(starts: tuple[Start, ...]) -> str:
    lines = []
    for number, start in enumerate(starts):
        name = start.unit.name
        # A new process's count begins anew; until then, those of before are not its own.
        lines.append(f"deaths{number}=$(deaths {name})")
        if start.verb == "restart":
            # Until systemd has begun a new one, it is the old process that would answer.
            lines.append(f"old{number}=$(start {name})")
    for verb in ("start", "restart"):
        if names := " ".join(s.unit.name for s in starts if s.verb == verb):
            reset = f"systemctl reset-failed {names} 2>/dev/null; " if verb == "start" else ""
            lines.append(f"{reset}systemctl {verb} --no-block {names} || exit 1")
    return "\n".join(lines)
