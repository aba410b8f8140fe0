"""The hosts' name server, at 10.1.10.1: of all the world outside it knows `outside.example`."""

import sys
from pathlib import Path

from lab.service import Service
from lab.state import GATEWAY

PORT = 53
_PROGRAM = Path(__file__).with_name("resolve.py")
_SERVICE = Service("names", PORT, f"lab/{_PROGRAM.name}")  # whichever clone has started it


def start() -> None:
    """Serve names, unless they are being served.

    Raises:
        LabError: the server ended at once or does not answer.
    """
    if not _SERVICE.is_running():
        _SERVICE.start([sys.executable, "-I", _PROGRAM, GATEWAY, str(PORT)])


def stop() -> None:
    """End the name server, if it runs."""
    _SERVICE.stop()
