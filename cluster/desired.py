"""What a host shall hold for one role: packages, programs, files, steps and units, as plain data."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

RECORD_DIRECTORY = "/run/container-cloud"
ASIDE = "/var/lib/container-cloud/set-aside"  # somebody else's files, by their own paths, where ours took their place
SYSTEMD = "/etc/systemd/system"


@dataclass(frozen=True)
class File:
    """A file with its final content, mode and owner.

    `content` is None for what is only known once the run is under way (a certificate not yet issued): such a file
    always differs from what is on disk. `sha256`, in hex, is that of a content that is not at hand: it can be compared,
    and not be written. `test` is a shell command that must accept the new file, its last argument,
    before it takes its place. `deploy` is what writes it, where a role expects it of another.
    """

    path: str
    content: str | None = field(repr=False)
    mode: str = "644"
    owner: str = "root:root"
    test: str | None = None
    sha256: str | None = None
    deploy: str = "deploys/pki.py"

    @property
    def digest(self) -> str | None:
        """SHA-256 of the content in hex; None while the content is not known."""
        return self.sha256 if self.content is None else hashlib.sha256(self.content.encode()).hexdigest()


@dataclass(frozen=True)
class Program:
    """A release file: where it goes, where it comes from, and its digest in hex, SHA-256 or SHA-512.

    With `archive` URL and digest are a tar archive's; the program is the file in it that has its name.
    """

    path: str
    url: str
    digest: str
    archive: bool = False


@dataclass(frozen=True)
class Package:
    """A distribution package; `version` is exact, None accepts whatever is installed or offered."""

    name: str
    version: str | None = None


@dataclass(frozen=True)
class Step:
    """A state of the host that a shell condition tells and a shell command brings about.

    `check` exits 0 when nothing is to be done. `repair` is safe to run again at any time; it also runs when one of
    the files it `follows` is written. It runs before the role's units are started, or after they are ready. One that
    `downloads` may go through the host's proxy.
    """

    name: str
    check: str
    repair: str
    when: Literal["before", "after"] = "before"
    follows: tuple[str, ...] = ()
    downloads: bool = False


@dataclass(frozen=True)
class Grants:
    """Who may do what, as a service keeps it: lines, compared whole.

    `read` is shell that prints those there are, and fails where the service does not say. What differs from `wanted`
    is handed to the shell `change`, "+ LINE" or "- LINE" on standard input, once the role's units are ready; that is
    safe to run again at any time.
    """

    name: str
    read: str
    wanted: tuple[str, ...]
    change: str


@dataclass(frozen=True)
class Cause:
    """Why a unit that runs must be restarted, whatever it was started with: the reason, and what tells so on the host.

    `check` is a shell condition, true when it must. A restart makes it false. `ends` is what such a restart ends beside
    the service, where others do not.
    """

    reason: str
    check: str
    ends: str | None = None


@dataclass(frozen=True)
class Turn:
    """How a service that others go by is restarted: on one host after another, on `at_once` hosts at a time.

    `others` is a shell condition, true while the others do without this one; `missing` says what to do where it stays
    false. Where the service is not ready it is asked only if `serves`, a shell condition too, is true: whether the
    process that runs answers, at the port that it has, whatever else its being ready takes. Nobody goes by one that
    does not. With `drains` the node's pods go elsewhere first.
    """

    at_once: int = 1
    others: str = ""
    missing: str = ""
    serves: str = "false"
    drains: bool = False


@dataclass(frozen=True)
class Unit:
    """A systemd service.

    `inputs` are the files it reads when it starts; the unit itself records their digests then (see `recorder`), so
    that a run can tell what the running process was started with. `causes` are further reasons to restart it. `ready`
    is a shell condition that asks the service itself; `hint` is the likely cause when it stays false. `ends` is what
    any restart ends beside the service, for the announcement. `turn` is how hosts take turns to restart it; None: each
    for itself. One that `reloads` reads its inputs again when it is told to, and is not restarted over what is in them:
    only its own unit file takes a restart. `noticed` are seconds until others have noticed that it answers, once
    started.
    """

    name: str
    inputs: tuple[str, ...]
    ready: str
    hint: str
    program: str | None = None
    causes: tuple[Cause, ...] = ()
    ends: str | None = None
    turn: Turn | None = None
    reloads: bool = False
    noticed: int = 0

    @property
    def conditions(self) -> dict[str, str]:
        """The shell conditions of its causes, by names that no other unit's have."""
        return {f"{self.name}: {cause.reason}": cause.check for cause in self.causes}


@dataclass(frozen=True)
class Role:
    """All of one role on one host."""

    name: str
    sources: tuple[File, ...] = ()  # files that packages come from: repositories and their keys
    packages: tuple[Package, ...] = ()
    programs: tuple[Program, ...] = ()
    files: tuple[File, ...] = ()
    gone: tuple[str, ...] = ()  # files of an installation of another kind, which would stand before this one's
    owns: tuple[str, ...] = ()  # patterns of paths: a file of ours that matches and is none of the role's goes
    replaces: tuple[str, ...] = ()  # files of its own at whose paths there may be somebody else's
    expects: tuple[File, ...] = ()  # files that another role writes and this one's units read
    steps: tuple[Step, ...] = ()
    grants: tuple[Grants, ...] = ()
    units: tuple[Unit, ...] = ()
    followers: tuple[Unit, ...] = ()  # other roles' services that read what this one's write: restarted if they run
    packaged_units: tuple[str, ...] = ()  # units that the packages would start or restart by themselves

    @property
    def takes_over(self) -> tuple[str, ...]:
        """Paths at which there may be somebody else's file, which is kept aside: whole units, repositories, and what
        the role itself knows of."""
        whole = [f.path for f in self.files if f.path.rpartition("/")[0] == SYSTEMD]
        return (*self.gone, *(f.path for f in self.sources), *whole, *self.replaces)

    @property
    def paths(self) -> tuple[str, ...]:
        """Every file to read from the host: the role's own, those it expects, and what its units read."""
        own = [f.path for f in (*self.sources, *self.files, *self.expects)]
        return tuple(dict.fromkeys([*own, *self.gone, *(p for u in (*self.units, *self.followers) for p in u.inputs)]))


def software(roles: Iterable[Role]) -> Role:
    """Only the packages and programs of several roles, so that a host fetches them all at once."""
    listed = list(roles)
    return Role(
        name="software",
        packages=tuple(dict.fromkeys(p for r in listed for p in r.packages)),
        programs=tuple(dict.fromkeys(p for r in listed for p in r.programs)),
        packaged_units=tuple(dict.fromkeys(u for r in listed for u in r.packaged_units)),
    )


def recorder(unit: str, inputs: Iterable[str], *, at: str = "ExecStartPre") -> str:
    """The unit line that records what the service is started with, or, at ExecReload, what it has read again.

    Written on every start, by whomever: line 1 is systemd's id of this start, the rest is `sha256sum` of the inputs.
    systemd has such ids since 232; before, the time at which the unit left its rest stands for it.
    """
    record = f"{RECORD_DIRECTORY}/{unit}.inputs"
    rested = f"systemctl show -p InactiveExitTimestampMonotonic {unit} | cut -d= -f2"
    return (
        f"{at}=/bin/sh -c 'mkdir -p {RECORD_DIRECTORY} && "
        f'{{ echo "$${{INVOCATION_ID:-$$({rested})}}"; sha256sum {" ".join(inputs)} 2>/dev/null; true; }} > {record}\''
    )
