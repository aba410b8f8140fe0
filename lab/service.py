"""A server in the lab's network: its process, its pid file, its log. The mirror is one, the registry is two."""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import cleanup, network
from lab.process import LabError, last_lines
from lab.state import DIRECTORY, GATEWAY

# Until its id is on record the process waits for a word: killed in between, the lab leaves none that nobody knows.
_ONCE_RECORDED = 'read -r go && exec "$@" </dev/null'
_SECONDS = 15  # that a server may take until it answers


@dataclass(frozen=True)
class Service:
    """A server at 10.1.10.1.

    + name: what its pid file and its log are named after
    + port: where it answers
    + mark: what its command line contains, and no other's
    """

    name: str
    port: int
    mark: str

    def is_running(self) -> bool:
        """Whether its process lives and answers, in the network as it is now."""
        return cleanup.live_process(self._pid, self.mark) is not None and self._answers()

    def start(self, command: Sequence[str | Path], env: Mapping[str, str] | None = None) -> None:
        """Start it, ending first what is left of it, and wait until it answers.

        Args:
            command: the server's command line.
            env: its whole environment (default: this process's).

        Raises:
            LabError: it ended at once or does not answer.
        """
        self.stop()
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                ["/bin/sh", "-c", _ONCE_RECORDED, "sh", *network.enter(), *map(str, command)],
                cwd="/",
                env=env,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        assert process.stdin
        with process.stdin as word:
            cleanup.record_process(self._pid, process.pid)
            word.write(b"go\n")
        deadline = time.monotonic() + _SECONDS
        while not self._answers():
            if process.poll() is not None or time.monotonic() > deadline:
                said = last_lines(self._log.read_text(errors="replace"))
                raise LabError(f"the {self.name} does not serve: {said} ({self._log})")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it, if it runs."""
        cleanup.end_process(self._pid, self.mark)

    def _answers(self) -> bool:
        ask = f"import socket; socket.create_connection(({GATEWAY!r}, {self.port}), 1)"
        return not subprocess.run([*network.enter(), sys.executable, "-ISc", ask], capture_output=True).returncode

    @property
    def _pid(self) -> Path:
        return DIRECTORY / f"{self.name}.pid"

    @property
    def _log(self) -> Path:
        return DIRECTORY / f"{self.name}.log"
