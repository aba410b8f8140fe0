"""`python -m bench`: an empty run, a run that has nothing to do, a run from bare hosts, and the same by hand.

All in one go on one lab, so that the ratios hold whatever the machine's speed. The two short ones take turns.
"""

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lab import lifecycle, network, state

REPOSITORY = Path(__file__).resolve().parents[1]
PYINFRA = str(Path(sys.executable).with_name("pyinfra"))
STORE = state.DIRECTORY / "pki"
SHORT_RUNS = 5
LONG_RUNS = 2
NOOP_AIM, BY_HAND_AIM, COMMANDS_AIM = 2.5, 1.2, 12


def main() -> None:
    """Measure and print the table; exit code 1 if an aim is missed."""
    by_hand, fresh = measure_fresh()
    empty, noop = measure_short()
    commands = count_commands()
    empty_of_many, noop_of_many = measure_many()
    table = Table("What", "Runs", "Median", "Least", "Most", "Ratio", "Aim", title="Four hosts, or as it says")
    noop_ratio = statistics.median(noop) / statistics.median(empty)
    many_ratio = statistics.median(noop_of_many) / statistics.median(empty_of_many)
    fresh_ratio = statistics.median(fresh) / statistics.median(by_hand)
    rows: list[tuple[str, list[float], str, str]] = [
        ("empty pyinfra run", empty, "", ""),
        ("cluster deploy, nothing to do", noop, f"{noop_ratio:.2f} x empty", f"at most {NOOP_AIM:g}"),
        ("empty run, 3 masters and 5 nodes", empty_of_many, "", ""),
        ("nothing to do there", noop_of_many, f"{many_ratio:.2f} x empty", f"at most {NOOP_AIM:g}"),
        ("by hand, one script a host", by_hand, "", ""),
        ("cluster deploy, bare hosts", fresh, f"{fresh_ratio:.2f} x by hand", f"at most {BY_HAND_AIM:g}"),
    ]
    for name, times, ratio, aim in rows:
        figures = [f"{value:.2f} s" for value in (statistics.median(times), min(times), max(times))]
        table.add_row(name, str(len(times)), *figures, ratio, aim)
    most = max(commands.values())
    table.add_row("commands a host, nothing to do", "1", str(most), "", "", "", f"at most {COMMANDS_AIM}")
    Console(width=120).print(table)
    sys.exit(max(noop_ratio, many_ratio) > NOOP_AIM or fresh_ratio > BY_HAND_AIM or most > COMMANDS_AIM)


def measure_fresh() -> tuple[list[float], list[float]]:
    """Seconds from bare hosts to three Ready nodes: by hand, and by the deploy, in turn."""
    by_hand, fresh = [], []
    for _ in range(LONG_RUNS):
        lifecycle.up(fresh=True, nodes=3, masters=1, spares=0, flavour="deb")
        with tempfile.TemporaryDirectory() as ready:
            # What is typed there once, beforehand, does not count.
            run(sys.executable, "-m", "bench.ready", ready)
            by_hand.append(timed(lambda: run("bash", "bench/by_hand.sh", ready)))
        lifecycle.up(fresh=True, nodes=3, masters=1, spares=0, flavour="deb")
        # Both make every key anew.
        shutil.rmtree(STORE, ignore_errors=True)
        fresh.append(timed(lambda: pyinfra("-y", "deploys/cluster.py")))
    return by_hand, fresh


def measure_short() -> tuple[list[float], list[float]]:
    """Seconds of an empty run and of one with nothing to do, in turn, after one of each that does not count."""
    empty, noop = [], []
    for _ in range(SHORT_RUNS + 1):
        empty.append(timed(lambda: pyinfra("-y", "bench/empty.py")))
        noop.append(timed(lambda: pyinfra("-y", "deploys/cluster.py")))
    return empty[1:], noop[1:]


def measure_many() -> tuple[list[float], list[float]]:
    """The same with three masters, each with an etcd member, and five nodes."""
    lifecycle.up(fresh=True, nodes=5, masters=3, spares=0, flavour="deb")
    pyinfra("-y", "deploys/cluster.py")
    return measure_short()


def count_commands() -> dict[str, int]:
    """Commands sent to each host by a run that has nothing to do."""
    sent = re.findall(r"^\s*\[(\w+)\] +>>> ", pyinfra("-y", "-vvv", "deploys/cluster.py"), re.MULTILINE)
    return {host: sent.count(host) for host in set(sent)}


def pyinfra(*arguments: str) -> str:
    """Run pyinfra on the lab's inventory; its standard error."""
    *flags, deploy = arguments
    return run(PYINFRA, *flags, "lab/inventory.py", deploy)


def run(*command: str) -> str:
    """Run a command in the lab's network, which must succeed; its standard error."""
    done = subprocess.run(
        [*network.enter(), *command],
        cwd=REPOSITORY,
        env={**os.environ, "PYINFRA_PROGRESS": "off"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stderr


def timed(action: Callable[[], object]) -> float:
    """Seconds that it took."""
    began = time.monotonic()
    action()
    return time.monotonic() - began


if __name__ == "__main__":
    main()
