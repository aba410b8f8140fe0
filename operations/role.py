"""Bringing a host to what a role asks for, whatever the role."""

import base64
from collections.abc import Iterator

from pyinfra import host, state
from pyinfra.api import QuoteString, StringCommand

from cluster.desired import File, Package, Program, Role
from cluster.plan import Plan, Start, plan
from facts.role import PROGRAM_RECORD, RoleState
from operations import run


def converge(role: Role) -> Iterator[StringCommand]:
    """Read the host once, say what differs, and change only that.

    To be called from an operation: `yield from converge(role)`.
    """
    found = host.get_fact(
        RoleState,
        packages=[p.name for p in role.packages],
        programs=[p.path for p in role.programs],
        files=list(role.paths),
        units=[u.name for u in role.units],
        steps={
            **{s.name: s.check for s in role.steps},
            **{u.name: u.stale for u in role.units if u.stale},
        },
        ready={u.name: u.ready for u in role.units},
    )
    changes = plan(role, found)
    lines = changes.lines()
    if not lines:
        host.noop(f"{role.name} is as configured")
        return
    run.announce(host.print_prefix, host.name, lines)
    unknown = [f.path for f in (*role.expects, *changes.files) if f.content is None]
    if unknown and not state.is_executing:
        yield StringCommand("true")  # a plan counts that something is done, not what
    elif unknown:
        yield refuse(f"{role.name} needs {', '.join(unknown)}: run deploys/pki.py first")
    else:
        yield from _commands(role, changes)


def refuse(reason: str) -> StringCommand:
    """A command that fails this host, with the reason as its message."""
    return StringCommand("echo", QuoteString(reason), ">&2; exit 1")


def _commands(role: Role, changes: Plan) -> Iterator[StringCommand]:
    if changes.files:
        yield write_files(changes.files)
    if changes.packages:
        yield _install_packages(changes.packages, role.packaged_units)
    if changes.programs:
        yield _install_programs(changes.programs)
    for step in changes.before:
        yield _shell(step.repair)
    if changes.reload or changes.starts or changes.enable:
        enable = f" && systemctl enable -q {' '.join(changes.enable)}" if changes.enable else ""
        yield _shell(f"systemctl daemon-reload{enable}")
    for start in changes.starts:
        yield _start(start)
    for step in changes.after:
        yield _shell(step.repair)


def _shell(script: str) -> StringCommand:
    return StringCommand("sh", "-c", QuoteString(script))


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
            f"chown {file.owner} '{new}' && chmod {file.mode} '{new}' && mv -f '{new}' '{file.path}'",
        ]
    return StringCommand("sh", "-s", _stdin=["\n".join(script)])


def _install_packages(packages: tuple[Package, ...], packaged_units: tuple[str, ...]) -> StringCommand:
    """Install, without letting the packages start what is not configured yet."""
    names = " ".join(f"{p.name}={p.version}" if p.version else p.name for p in packages)
    apt = "DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120"
    install = (
        f"{apt} update && {apt} install -y --no-install-recommends --allow-downgrades "
        f"-o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold {names} >/dev/null"
    )
    if not packaged_units:
        return _shell(install)
    units = " ".join(packaged_units)
    return _shell(
        f"for u in {units}; do systemctl is-active -q $u || systemctl mask -q --runtime $u; done; "
        f"{install}; rc=$?; systemctl unmask -q --runtime {units}; exit $rc"
    )


def _install_programs(programs: tuple[Program, ...]) -> StringCommand:
    """Fetch release files side by side, verify each, and only then put it in place."""
    fetches = [f"fetch '{p.path}' '{p.url}' {p.sha256} || echo failed >> \"$failed\" &" for p in programs]
    script = f"""
record={PROGRAM_RECORD}
failed=$(mktemp)
fetch() {{
    mkdir -p "${{1%/*}}"
    curl -fsSL --retry 3 --connect-timeout 20 -o "$1.new" "$2" || {{ echo "cannot fetch $2" >&2; return 1; }}
    if ! echo "$3  $1.new" | sha256sum -c --status; then
        echo "$2 has SHA-256 $(sha256sum < "$1.new" | cut -c1-64), the settings say $3: not installed" >&2
        rm -f "$1.new"; return 1
    fi
    chown root:root "$1.new" && chmod 755 "$1.new" && mv -f "$1.new" "$1"
}}
{chr(10).join(fetches)}
wait
if [ -s "$failed" ]; then rm -f "$failed"; exit 1; fi
rm -f "$failed"
mkdir -p "${{record%/*}}"
{{
    for line in {" ".join(f"{p.sha256}:{p.path}" for p in programs)}; do
        path=${{line#*:}}; echo "${{line%%:*}} $(stat -c '%s:%Z:%i' "$path") $path"
    done
    [ ! -e $record ] || grep -v {" ".join(f"-e ' {p.path}$'" for p in programs)} $record || true
}} > $record.new
mv -f $record.new $record
"""
    return _shell(script)


def _start(start: Start) -> StringCommand:
    """Start or restart a unit and wait until the service itself answers, for `start_timeout` seconds at most."""
    unit, seconds = start.unit, run.the_cluster().settings.start_timeout
    command = {
        "start": f"systemctl unmask -q --runtime {unit.name}; systemctl reset-failed {unit.name} 2>/dev/null; "
        f"systemctl start --no-block {unit.name}",
        "restart": f"systemctl restart --no-block {unit.name}",
        "wait": ":",
    }[start.verb]
    # A service that died five times since it was started does not need the whole deadline to be called broken.
    script = f"""
{command} || exit 1
deadline=$(($(date +%s) + {seconds}))
while :; do
    state=$(systemctl show -p ActiveState -p NRestarts {unit.name})
    case "$state" in *ActiveState=active*) if ( {unit.ready} ) >/dev/null 2>&1; then exit 0; fi;; esac
    restarts=$(echo "$state" | sed -n 's/^NRestarts=//p')
    [ "${{restarts:-0}}" -lt 5 ] || {{ why="died $restarts times"; break; }}
    [ "$(date +%s)" -lt $deadline ] || {{ why="is not ready after {seconds} s"; break; }}
    sleep 0.2
done
exec >&2
echo "{unit.name} $why. Its last log lines:"
journalctl -u {unit.name} -n 15 --no-pager -o cat | cut -c1-400
echo "Likely cause:" {_quote(unit.hint)}
exit 1
"""
    return _shell(script)


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
