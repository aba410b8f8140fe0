"""Debian packages from the repositories this machine itself is set up with, without touching its own apt state."""

import re
from dataclasses import dataclass
from pathlib import Path

from lab.process import CONTAINED, LabError, run

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SUITE = "bookworm"  # what the hosts run; etcd 3.4, Docker 20.10 and the kubernetes source package are in it


@dataclass(frozen=True)
class Source:
    """One repository of this machine: its address and the suites taken from it."""

    uri: str
    suites: tuple[str, ...]


def parse_deb822(text: str) -> list[Source]:
    """The enabled repositories of a *.sources file."""
    found = []
    for stanza in re.split(r"\n\s*\n", "\n".join(line for line in text.splitlines() if not line.startswith("#"))):
        joined = re.sub(r"\n[ \t]+", " ", stanza)
        fields = dict(re.findall(r"(?m)^([A-Za-z-]+):[ \t]*(.*)$", joined))
        values = {name.lower(): value.split() for name, value in fields.items()}
        if "deb" in values.get("types", []) and values.get("enabled", ["yes"]) != ["no"]:
            found += [Source(uri.rstrip("/"), tuple(values.get("suites", []))) for uri in values.get("uris", [])]
    return found


def parse_list(text: str) -> list[Source]:
    """The repositories of a *.list file."""
    lines = re.findall(r"(?m)^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)", text)
    return [Source(uri.rstrip("/"), (suite,)) for uri, suite in lines]


def machine_sources(directory: Path = Path("/etc/apt")) -> list[Source]:
    """Every binary repository this machine installs from."""
    found = []
    for path in [directory / "sources.list", *sorted((directory / "sources.list.d").glob("*"))]:
        if path.suffix == ".sources":
            found += parse_deb822(path.read_text())
        elif path.suffix == ".list" and path.is_file():
            found += parse_list(path.read_text())
    return found


def debian_archives(sources: list[Source]) -> tuple[str, str | None]:
    """Which of a machine's repositories are Debian's archive and Debian's security archive.

    Raises:
        LabError: none is.
    """
    codenames = "(stable|oldstable|testing|unstable|sid|bookworm|trixie|forky)"
    archive = security = None
    for source in sources:
        for suite in source.suites:
            if re.fullmatch(codenames, suite) and not archive:
                archive = source.uri
            if re.fullmatch(f"{codenames}(-security|/updates)", suite) and not security:
                security = source.uri
    if not archive:
        raise LabError(
            "none of this machine's apt repositories is a Debian archive: the lab has nothing to make hosts of"
        )
    return archive, security


def archive_uri() -> str:
    """The machine's Debian archive.

    Raises:
        LabError: it has none.
    """
    return debian_archives(machine_sources())[0]


class Workspace:
    """A package state apart from the machine's: own lists, own idea of what is installed, own downloads.

    Args:
        directory: where to keep it.
        status: a dpkg status file that says what is installed already; None: nothing.
    """

    def __init__(self, directory: Path, status: Path | None = None) -> None:
        self.directory = directory
        archive, security = debian_archives(machine_sources())
        suites = [(archive, SUITE), (archive, f"{SUITE}-updates")]
        suites += [(security, f"{SUITE}-security")] if security else []
        for name in ("lists/partial", "cache/archives/partial"):
            (directory / name).mkdir(parents=True, exist_ok=True)
        (directory / "sources.list").write_text(
            "".join(
                f"{kind} [signed-by={KEYRING}] {uri} {suite} main\n"
                for uri, suite in suites
                for kind in ("deb", "deb-src")
            )
        )
        (directory / "status").write_text(status.read_text() if status else "")
        run("apt-get", *self._options(), "update")

    def download(self, packages: list[str], destination: Path) -> None:
        """Fetch packages that can be installed together, with everything they depend on that is not installed.

        Raises:
            LabError: a package is unknown, or the download failed.
        """
        (destination / "partial").mkdir(parents=True, exist_ok=True)
        options = [*self._options(), "-o", f"Dir::Cache::archives={destination}"]
        run(*CONTAINED, "apt-get", *options, "-y", "--download-only", "--no-install-recommends", "install", *packages)
        for leftover in ("partial", "lock"):
            path = destination / leftover
            path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)

    def download_source(self, package: str, destination: Path) -> None:
        """Fetch a source package's files, checked against the repository's signed index.

        Raises:
            LabError: it is unknown, or the download failed.
        """
        run(*CONTAINED, "apt-get", *self._options(), "source", "--download-only", package, cwd=destination)

    def _options(self) -> list[str]:
        settings = {
            "Dir::Etc::sourcelist": self.directory / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::State": self.directory,
            "Dir::State::status": self.directory / "status",
            "Dir::State::lists": self.directory / "lists",
            "Dir::Cache": self.directory / "cache",
            "APT::Architecture": "amd64",
            "APT::Architectures": "amd64",
            "APT::Sandbox::User": "root",
            "APT::Update::Post-Invoke": "",
            "Acquire::Languages": "none",
        }
        return ["-q", *(part for name, value in settings.items() for part in ("-o", f"{name}={value}"))]
