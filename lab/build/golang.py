"""Go: which one builds a program, where it keeps what it fetched and compiled, and modules' sources.

What was compiled once stays below the cache's directory, so that a program costs only what no other one had compiled
before it: Kubernetes' own test suite little more than its link.
"""

import json
import os
import re
import shutil
from pathlib import Path

from lab import cache, machine
from lab.process import CONTAINED, LabError, run
from lab.progress import step

# For machines without a Go that is new enough: one as the module proxy has it, with its checksum as go.sum writes it.
VERSION = "1.26.8"
TOOLCHAIN = (
    "golang.org/toolchain",
    f"0.0.1-go{VERSION}.linux-amd64",
    "h1:ZOmGe1OnfREDMIdb1Qi4G9JSuDPBLGExZMQ4nis1RXM=",
)


def debian() -> dict[str, str]:
    """The environment of Debian's Go: the oldest that is installed, for what Debian has the source of is of its time.

    Raises:
        LabError: it could not be installed.
    """
    machine.require_programs(machine.BUILD_PROGRAMS, machine.BUILD_PACKAGES)
    found = sorted(_packaged())
    if not found:
        raise LabError("golang-go is installed, but there is no /usr/lib/go-1.*/bin/go")
    return _environment(found[0][1])


def for_module(tree: Path) -> dict[str, str]:
    """The environment of the oldest Go on this machine that is new enough for a module, or of the pinned toolchain.

    Args:
        tree: the module's source; its go.mod says which Go it wants.

    Raises:
        LabError: there is none, and it could not be fetched.
    """
    machine.require_programs(machine.BUILD_PROGRAMS, machine.BUILD_PACKAGES)
    wanted = wanted_by((tree / "go.mod").read_text())
    fit = sorted((version, home) for version, home in (*_packaged(), *_own()) if version >= wanted)
    if fit:
        return _environment(fit[0][1]) | caches()
    if wanted > version_of(VERSION):
        raise LabError(f"{tree.name} wants Go {'.'.join(map(str, wanted))}, and the lab knows {VERSION} only")
    return _environment(_toolchain()) | caches()


def caches() -> dict[str, str]:
    """Where Go keeps what it fetched and compiled, and what it must not take from the person's own settings."""
    home = cache.root() / "go"
    return {
        "GOPATH": str(home),
        "GOMODCACHE": str(home / "modules"),
        "GOCACHE": str(home / "build"),
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GO111MODULE": "on",
    }


def fetch(module: str, version: str, checksum: str, environment: dict[str, str]) -> Path:
    """A module's source, from the machine's Go module proxy.

    Args:
        module: its path.
        version: its version, without v.
        checksum: as go.sum writes it.
        environment: a Go's.

    Raises:
        LabError: it could not be fetched, or is another.
    """
    # Its checksum is known here: the checksum database of a machine's module proxy may not know every release.
    unchecked = ",".join(filter(None, [os.environ.get("GONOSUMDB"), module]))
    environment = {**environment, "GOFLAGS": "-mod=mod -modcacherw", "GONOSUMDB": unchecked}
    # Outside any module, lest that one's requirements count.
    command = ("go", "mod", "download", "-json", f"{module}@v{version}")
    answer = json.loads(run(*CONTAINED, *command, cwd=Path("/"), env=environment))
    if answer["Sum"] != checksum:
        raise LabError(
            f"{module} {version} from the Go module proxy has the checksum {answer['Sum']}: not the one known"
        )
    return Path(answer["Dir"])


def wanted_by(text: str) -> tuple[int, ...]:
    """The Go that a go.mod asks for, as (1, 26, 0); (1, 0, 0) where it says nothing."""
    line = re.search(r"^go (\S+)", text, re.MULTILINE)
    return version_of(line[1]) if line else (1, 0, 0)


def version_of(text: str) -> tuple[int, ...]:
    """A Go's version in numbers: 1.19 and go1.19.8 are (1, 19, 0) and (1, 19, 8). A beta counts as its release."""
    numbers = re.match(r"(?:go)?(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(number or 0) for number in numbers.groups()) if numbers else (0, 0, 0)


def _packaged() -> list[tuple[tuple[int, ...], Path]]:
    """Debian's Gos on this machine: version and GOROOT."""
    homes = [path.parents[1] for path in Path("/usr/lib").glob("go-1.*/bin/go")]
    return [(version_of(home.name.removeprefix("go-")), home) for home in homes]


def _own() -> list[tuple[tuple[int, ...], Path]]:
    """The Go that somebody else put on this machine, if there is one: version and GOROOT."""
    program = shutil.which("go")
    if not program:
        return []
    environment = {"GOTOOLCHAIN": "local"}
    said = run(program, "env", "GOVERSION", "GOROOT", cwd=Path("/"), env=environment).split()
    return [(version_of(said[0]), Path(said[1]))] if len(said) == 2 else []


def _toolchain() -> Path:
    """The cache entry with the pinned toolchain."""

    def make(files: Path, scratch: Path) -> None:
        with step(f"fetching Go {VERSION}"):
            home = fetch(*TOOLCHAIN, {**debian(), **caches(), "GOPATH": str(scratch), "GOMODCACHE": str(scratch)})
            shutil.copytree(home, files, dirs_exist_ok=True)
            # A module's files are never executable.
            for program in (*files.glob("bin/*"), *files.glob("pkg/tool/*/*")):
                program.chmod(0o755)

    return cache.get("go", TOOLCHAIN[1], make)


def _environment(home: Path) -> dict[str, str]:
    return {"GOROOT": str(home), "PATH": f"{home}/bin:{os.environ['PATH']}"}
