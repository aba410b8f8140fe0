"""Where the running lab keeps what it knows: on one machine one lab of a name, whichever clone started it."""

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.process import LabError
from lab.progress import say

NAME = os.environ.get("CONTAINER_CLOUD_LAB") or "lab"  # several labs may stand side by side, each with a name
DIRECTORY = Path(f"/var/lib/container-cloud-{NAME}")
DESCRIPTION = DIRECTORY / "lab.json"  # hosts, base images and mirror of the lab as it is
SSH = DIRECTORY / "ssh"
SSH_KEY = SSH / "id_ed25519"
KNOWN_HOSTS = SSH / "known_hosts"
MIRROR = DIRECTORY / "mirror"  # what the mirror serves
PKI = DIRECTORY / "pki"  # the lab's own certificate store
HOSTS = DIRECTORY / "hosts"
REPOSITORY = Path(__file__).resolve().parents[1]

NETWORK_PREFIX = "10.1.10"
PREFIX_LENGTH = 24
GATEWAY = f"{NETWORK_PREFIX}.1"  # the lab's own end of its network: mirror and registry answer here
FIRST_HOST = 101
MOST_NODES = 80
FIRST_MASTER, FIRST_SPARE = 191, 201  # of those beside the first master and its nodes
MOST_OTHERS = 9
FLAVOURS = ("deb", "rpm", "mixed")  # mixed: deb masters, rpm nodes
DEFAULT_FLAVOUR = "deb"


@dataclass(frozen=True)
class Host:
    """A lab host: its name, its address, and the family of its distribution ("deb" or "rpm")."""

    name: str
    address: str
    flavour: str = DEFAULT_FLAVOUR

    @property
    def directory(self) -> Path:
        """Everything on this machine that is this host's: its disk, its process id, its console."""
        return HOSTS / self.name

    @property
    def namespace(self) -> str:
        """The network namespace, as `ip netns` names it."""
        return f"{NAME}-{self.name}"


def check_name() -> None:
    """Raises LabError when the lab's name cannot be part of the names of namespaces, directories and control groups."""
    if not re.fullmatch(r"[a-z][a-z0-9]{0,11}", NAME):
        raise LabError(f"CONTAINER_CLOUD_LAB must be up to 12 of a-z and 0-9, a letter first, not {NAME!r}")


def hosts_for(nodes: int, flavour: str = DEFAULT_FLAVOUR, masters: int = 1, spares: int = 0) -> list[Host]:
    """Masters, nodes and hosts without a role, so many of each, addressed as the shipped inventory does.

    Args:
        nodes, masters, spares: how many.
        flavour: the lab's, one of FLAVOURS.

    Raises:
        LabError: fewer than 1 master or node, or more than the network holds; or no such flavour.
    """
    for what, number, least, most in (
        ("nodes", nodes, 1, MOST_NODES),
        ("masters", masters, 1, MOST_OTHERS),
        ("spares", spares, 0, MOST_OTHERS),
    ):
        if not least <= number <= most:
            raise LabError(f"--{what} must be {least} to {most}, not {number}")
    if flavour not in FLAVOURS:
        raise LabError(f"--flavour must be one of {', '.join(FLAVOURS)}, not {flavour}")
    first, others = ("deb", "rpm") if flavour == "mixed" else (flavour, flavour)
    listed = [("master", FIRST_HOST, first)]
    listed += [(f"master{n}", FIRST_MASTER + n - 2, first) for n in range(2, masters + 1)]
    listed += [(f"node{n}", FIRST_HOST + n, others) for n in range(1, nodes + 1)]
    listed += [(f"spare{n}", FIRST_SPARE + n - 1, others) for n in range(1, spares + 1)]
    return [Host(name, f"{NETWORK_PREFIX}.{number}", family) for name, number, family in listed]


def load() -> dict[str, Any]:
    """What the lab last wrote about itself; empty if there is none."""
    try:
        return dict(json.loads(DESCRIPTION.read_text()))
    except (FileNotFoundError, ValueError):
        return {}


def update(**changes: Any) -> None:
    """Write changed parts of the description, whole or not at all."""
    _write({**load(), **changes})


def forget(name: str) -> None:
    """Drop one part of the description."""
    _write({key: value for key, value in load().items() if key != name})


def hosts() -> list[Host]:
    """The hosts of the lab as it was last brought up.

    Raises:
        LabError: no lab was.
    """
    known = load()
    if "nodes" not in known:
        raise LabError("there is no lab on this machine: python -m lab up")
    return hosts_for(int(known["nodes"]), flavour(), int(known.get("masters", 1)), int(known.get("spares", 0)))


def flavour() -> str:
    """The flavour of the lab as it was last brought up."""
    return str(load().get("flavour", DEFAULT_FLAVOUR))


def line() -> str | None:
    """The Kubernetes line that the lab as it was last brought up is for."""
    return load().get("line")


def host(name: str) -> Host:
    """The host of that name.

    Raises:
        LabError: the lab has none.
    """
    known = hosts()
    for candidate in known:
        if candidate.name == name:
            return candidate
    raise LabError(f"no host {name!r} in the lab: {', '.join(each.name for each in known)}")


def _write(description: dict[str, Any]) -> None:
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    part = DESCRIPTION.with_suffix(".part")
    part.write_text(json.dumps(description, indent=2) + "\n")
    part.rename(DESCRIPTION)


@contextmanager
def lock() -> Iterator[None]:
    """Keep other lab commands that change hosts waiting until this one is done."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    with (DIRECTORY / "lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("  waiting for another lab command to end")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
