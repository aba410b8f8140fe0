"""Running other programs, and the one error the lab reports."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

# Before a long program: it and all it starts die with the lab, however that ends, and its mounts go with it. Otherwise
# a killed build would go on writing where the next one begins.
CONTAINED = ("setpriv", "--pdeathsig", "KILL", "--", "unshare", "--fork", "--pid", "--mount-proc", "--kill-child", "--")


class LabError(Exception):
    """Something the lab cannot do; its text is one line for the person at the keyboard."""


def run(
    *command: str | Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    text: str | None = None,
    timeout: float | None = None,
) -> str:
    """Run a program to its end and return its standard output.

    Args:
        command: the program and its arguments.
        cwd: directory to run in.
        env: variables added to this process's environment.
        text: what the program reads on standard input (default: nothing).
        timeout: seconds it may take (default: no limit).

    Raises:
        LabError: it failed; the message holds the last lines it wrote.
    """
    argv = [str(part) for part in command]
    try:
        done = subprocess.run(
            argv,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            input=text if text is not None else "",
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
        )
    except FileNotFoundError:
        raise LabError(f"{argv[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise LabError(f"{' '.join(argv[:4])} … took longer than {timeout:.0f} s") from None
    if done.returncode:
        words = last_lines(done.stderr or done.stdout)
        raise LabError(f"{' '.join(uncontained(argv)[:6])} failed ({done.returncode}): {words}")
    return done.stdout


def run_logged(command: Sequence[str | Path], log: Path, *, cwd: Path, env: Mapping[str, str] | None = None) -> None:
    """Run a long program, contained, its output appended to a log file.

    Raises:
        LabError: it failed; the message names the log and holds its last lines.
    """
    argv = [str(part) for part in command]
    with log.open("ab") as output:
        done = subprocess.run(
            [*CONTAINED, *argv],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    if done.returncode:
        tail = last_lines(log.read_text(errors="replace"))
        raise LabError(f"{' '.join(argv[:3])} failed ({done.returncode}), see {log}: {tail}")


def uncontained(argv: list[str]) -> list[str]:
    """A command line as the person knows it."""
    return argv[len(CONTAINED) :] if tuple(argv[: len(CONTAINED)]) == CONTAINED else argv


def last_lines(text: str, count: int = 4) -> str:
    """The last non-empty lines of a program's output, joined into one."""
    return " | ".join([line.strip() for line in text.splitlines() if line.strip()][-count:])
