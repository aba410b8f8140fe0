"""Programs built from Go modules, each in its own module's tree, so that its own go.sum vouches for what it uses."""

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab import cache
from lab.build import golang
from lab.process import run_logged
from lab.progress import say, step

SUMS = Path(__file__).parent / "sums"
_RECIPE = "1"  # raise it when the way of building changes


@dataclass(frozen=True)
class Siblings:
    """Modules of one repository, whose places in it the module proxy does not have: they are taken from there, too.

    + pattern: what their paths look like
    + version: theirs, without v
    + sums: the file in sums/ with their checksums, as go.sum has them
    """

    pattern: str
    version: str
    sums: str


@dataclass(frozen=True)
class Module:
    """A module and the programs that are built from it.

    + name: what the lab calls it
    + path, version, checksum: the module, its version without v, its checksum as go.sum writes it
    + programs: program -> its package, from the module's root; `test:` before it: its tests, as a program
    + settings: variables the linker sets, by their full names; {version}, {minor}
    + siblings: modules of the same repository, which it names by their place there
    + without: lines with this in them are taken out of main.go and go.mod
    + cgo: whether C is compiled, too
    + lasts: what the person is told when it takes long
    """

    name: str
    path: str
    version: str
    checksum: str
    programs: Mapping[str, str]
    settings: Mapping[str, str] = field(default_factory=dict)
    siblings: Siblings | None = None
    without: str | None = None
    cgo: bool = False
    lasts: str | None = None

    @property
    def sums(self) -> str:
        """The checksums of its siblings, as go.sum has them."""
        return (SUMS / self.siblings.sums).read_text() if self.siblings else ""

    @property
    def key(self) -> str:
        """A name for exactly these programs."""
        parts = (self.path, self.checksum, *self.programs.items(), *self.settings.items(), self.without, self.cgo)
        return f"{self.version}-{cache.key_of(_RECIPE, *map(str, parts), self.sums)}"


def programs(module: Module) -> dict[str, Path]:
    """The module's programs, built if need be.

    Raises:
        LabError: the build failed; the message names its log.
    """
    entry = cache.get(module.name, module.key, lambda files, scratch: _build(module, files, scratch))
    return {name: entry / name for name in module.programs}


def _build(module: Module, files: Path, scratch: Path) -> None:
    log = cache.root() / f"{module.name}-{module.version}.log"
    log.write_text("")
    if module.lasts:
        say(f"  building {module.name} takes {module.lasts}, once; its output is in {log}")
    with step(f"building {module.name} {module.version}"):
        tree = source(module, scratch)
        environment = golang.for_module(tree) | {
            "GOFLAGS": "-mod=readonly -trimpath -buildvcs=false -modcacherw",
            "CGO_ENABLED": str(int(module.cgo)),
        }
        compiled = [name for name, package in module.programs.items() if not package.startswith("test:")]
        for name in compiled:
            command = ["go", "build", "-ldflags", linker_flags(module), "-o", files / name, module.programs[name]]
            run_logged(command, log, cwd=tree, env=environment)
        for name in [name for name in module.programs if name not in compiled]:
            package = module.programs[name].removeprefix("test:")
            command = ["go", "test", "-c", "-vet=off", "-ldflags", linker_flags(module), "-o", files / name, package]
            run_logged(command, log, cwd=tree, env=environment)


def source(module: Module, scratch: Path) -> Path:
    """A copy of a module's source that can be built as it is."""
    tree = scratch / module.name
    fetched = golang.fetch(module.path, module.version, module.checksum, golang.debian() | golang.caches())
    shutil.copytree(fetched, tree, copy_function=shutil.copyfile)
    for path in [tree, *tree.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)
    (tree / "go.mod").write_text(from_proxy((tree / "go.mod").read_text(), module))
    with (tree / "go.sum").open("a") as sums:
        sums.write(module.sums)
    if module.without:
        _take_out(tree / "main.go", module.without)
    return tree


def from_proxy(text: str, module: Module) -> str:
    """A go.mod whose siblings come from the module proxy."""
    if module.without:
        text = re.sub(rf"(?m)^.*{re.escape(module.without)}.*\n", "", text)
    if not module.siblings:
        return text
    siblings, version = module.siblings.pattern, module.siblings.version
    text = re.sub(rf"(?m)^[ \t]*(?:replace )?{siblings} => \.\S+\n", "", text)
    return re.sub(rf"(?m)^(\s*(?:require )?{siblings}) v0\.0\.0(?=\s|$)", rf"\1 v{version}", text)


def linker_flags(module: Module) -> str:
    """Linker flags that strip the programs and tell them their version, which else only a git checkout knows."""
    known = {"version": module.version, "minor": module.version.split(".")[1]}
    values = [f"-X {name}={value.format(**known)}" for name, value in module.settings.items()]
    return " ".join(["-s -w", *values])


def _take_out(file: Path, text: str) -> None:
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for line in lines if text not in line))
