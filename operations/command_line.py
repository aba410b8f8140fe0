"""What was typed: pyinfra's command, as it was called."""

import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from cluster.downloads import LOCK

# pyinfra's commands that run no deploy: they ask nothing of the cluster's settings.
_NO_DEPLOY = ("debug-inventory", "exec", "fact")
_SECRET = ("--ssh-password", "--password", "--ssh-key-password", "--key-password")
_HOSTS = ("--limit", "--exclude")
# By pyinfra's names for them: with these a host does all before another begins, or does not wait for what others do.
_ORDERS = {"serial": "--serial", "no_wait": "--no-wait"}


@dataclass(frozen=True)
class CommandLine:
    """pyinfra as it was called.

    + inventory: as it was given, None if there was no command line
    + called: what to do: deploy files, or a command of pyinfra's own and what belongs to it
    + words: the program and all its arguments
    + orders: those of them that change the order between hosts
    """

    inventory: Path | None
    called: tuple[str, ...]
    words: tuple[str, ...]
    orders: tuple[str, ...] = ()

    @property
    def runs_deploy(self) -> bool:
        """Whether a deploy is to run, not a single command or question."""
        return not self.called or self.called[0] not in _NO_DEPLOY

    def again(self) -> str:
        """The same command, to be typed again; passwords among its arguments are left out."""
        return shlex.join([*_program(self.words[0]), *_unsecret(self.words[1:])])

    def said_here(self, text: str) -> str:
        """A text in which `python -m release lock` is told the inventory, where that is another than its own choice."""
        if self.inventory in (None, Path("inventory.py")):
            return text
        return text.replace(LOCK, f"{LOCK} --inventory {shlex.quote(str(self.inventory))}")

    def on_all_hosts(self, deploy: str) -> str:
        """The same command with another deploy in its place, on every host of the inventory."""
        kept = [word for word in _without(_HOSTS, _unsecret(self.words[1:])) if word not in self.called]
        return shlex.join([*_program(self.words[0]), *kept, deploy])


def typed() -> CommandLine:
    """What was typed, as long as pyinfra's command is at work: not at the end of the process, nor in a host's turn."""
    context = click.get_current_context(silent=True)
    given = context.params if context else {}
    inventory = given.get("inventory")
    called = tuple(str(word) for word in given.get("operations", ()))
    orders = tuple(word for name, word in _ORDERS.items() if given.get(name))
    return CommandLine(Path(str(inventory)) if inventory else None, called, tuple(sys.argv), orders)


def _program(name: str) -> list[str]:
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
