"""What was typed: pyinfra's command, as it was called."""

import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

# pyinfra's commands that run no deploy: they ask nothing of the cluster's settings.
_NO_DEPLOY = ("debug-inventory", "exec", "fact")
_SECRET = ("--ssh-password", "--password", "--ssh-key-password", "--key-password")
_HOSTS = ("--limit", "--exclude")


def runs_deploy() -> bool:
    """Whether pyinfra was called to run a deploy, not a single command or question."""
    return not called() or called()[0] not in _NO_DEPLOY


def called() -> tuple[str, ...]:
    """What pyinfra was called to do: deploy files, or a command of its own and what belongs to it."""
    return tuple(str(word) for word in _parameter("operations", ()))


def inventory_path() -> Path | None:
    """The inventory as it was given, None if pyinfra was not called from a command line."""
    given = _parameter("inventory", None)
    return Path(str(given)) if given else None


def again() -> str:
    """The same command, to be typed again; passwords among its arguments are left out."""
    return shlex.join([*_program(), *_unsecret(sys.argv[1:])])


def on_all_hosts(deploy: str) -> str:
    """The same command with another deploy in its place, on every host of the inventory."""
    kept = [word for word in _without(_HOSTS, _unsecret(sys.argv[1:])) if word not in called()]
    return shlex.join([*_program(), *kept, deploy])


def _parameter(name: str, default: Any) -> Any:
    context = click.get_current_context(silent=True)
    return context.params.get(name, default) if context else default


def _program() -> list[str]:
    name = sys.argv[0]
    if Path(name).name == "__main__.py":
        return [sys.executable, "-m", "pyinfra"]
    return ["pyinfra"] if name == shutil.which("pyinfra") else [name]


def _unsecret(words: Sequence[str]) -> Iterator[str]:
    before = ""
    for word in words:
        name, given, value = word.partition("=")
        if before in _SECRET:
            yield "…"
        elif given and (name in _SECRET or "password" in name):
            yield f"{name}=…"
        else:
            yield name + given + re.sub(r"//[^/@\s]*@", "//…@", value)
        before = word


def _without(options: Sequence[str], words: Iterator[str]) -> Iterator[str]:
    for word in words:
        if word in options:
            next(words, None)
        elif word.partition("=")[0] not in options:
            yield word
