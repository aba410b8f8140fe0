"""Commands that run a script."""

from pyinfra.api import QuoteString, StringCommand

from facts.shell import DIRECT, FIND_PROGRAMS


def shell(script: str, *, downloads: bool = False) -> StringCommand:
    """A command that runs a script: in English, and past any proxy of the host's unless it downloads something."""
    environment = "export LC_ALL=C" if downloads else DIRECT
    return StringCommand("sh", "-c", QuoteString(f"{environment}; {FIND_PROGRAMS}; {script}"))
