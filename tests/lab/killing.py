"""Runs that are killed: by their own host, at a moment that another one shows."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from lab import network
from tests.lab.conftest import REPOSITORY, Lab

_TRIES = 3000  # a tenth of a second each


def killed(lab: Lab, arguments: Iterable[str], *, on: str, until: str, said: Path) -> None:
    """A run of pyinfra that is killed as soon as a shell condition is true on a host.

    Args:
        arguments: pyinfra's.
        said: where what it says goes.

    Raises:
        AssertionError: it ended before, or the condition stays false.
    """
    program = str(Path(sys.executable).with_name("pyinfra"))
    env = {**os.environ, "PYINFRA_PROGRESS": "off"}
    with (
        said.open("w") as log,
        subprocess.Popen(
            [*network.enter(), program, *arguments],
            cwd=REPOSITORY, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        ) as running,
    ):  # fmt: skip
        asked = f"n=0; until {{ {until}; }} 2>/dev/null; do n=$((n+1)); [ $n -lt {_TRIES} ] || exit 1; sleep 0.1; done"
        try:
            found = lab.attempt(on, asked)
            ended = running.poll()
        finally:
            os.killpg(running.pid, signal.SIGKILL)
    assert found.returncode == 0 and ended is None, said.read_text()[-4000:]
    time.sleep(3)  # what a host was told to do, it does to its end
