"""Commands that install: packages by each family's manager, programs from release files."""

from collections import defaultdict
from collections.abc import Iterable

from cluster.desired import RECORD_DIRECTORY, Package, Program
from cluster.families import FamilyName
from cluster.plan import Plan
from cluster.shell import program
from facts.packages import specifications
from facts.role import PROGRAM_RECORDS
from facts.shell import words

_FETCHES = {"curl", "ca-certificates"}  # what fetches programs


def install(family: FamilyName, changes: Plan, units: Iterable[str]) -> str:
    """A script that installs a plan's packages and programs, both at once if what fetches programs is there.

    Args:
        family: whose package manager the host has.
        changes: what to install, and which packages may go for it.
        units: those that the packages would act on by themselves.
    """
    packages = changes.packages and install_packages(family, changes.packages, units, changes.removes)
    programs = changes.programs and install_programs(changes.programs)
    if packages and programs and not _FETCHES & {p.name for p in changes.packages}:
        return f"(\n{programs}\n) & programs=$!\n(\n{packages}\n)\npackages=$?\nwait $programs && exit $packages"
    return "\n".join(f"(\n{each}\n) || exit 1" for each in (packages, programs) if each)


def install_packages(
    family: FamilyName, packages: Iterable[Package], units: Iterable[str] = (), removes: Iterable[str] = ()
) -> str:
    """A script that installs packages, in the versions they name, and neither starts nor restarts anything.

    Args:
        family: whose package manager the host has.
        packages: what to install.
        units: those that the packages would act on by themselves.
        removes: packages that may go for it; if others would, nothing is installed.
    """
    listed = list(packages)
    manager = {
        "deb": lambda: program("apt", READING=""),
        "rpm": lambda: program(
            "dnf",
            READING="",
            NAMES=" ".join(p.name for p in listed),
            # rpm asks for a version without its epoch
            PINNED=" ".join(f"{p.name}-{p.version.rpartition(':')[2]}" for p in listed if p.version),
        ),
    }[family]()
    before = program("packages", RUN=RECORD_DIRECTORY, UNITS=" ".join(units), REMOVES=" ".join(removes))
    return f"{before}{manager}install_packages {words(specifications(family, listed))}"


def install_programs(programs: Iterable[Program]) -> str:
    """A script that fetches release files side by side; each is verified before it is put in place, recorded after."""
    wanted: defaultdict[tuple[str, str, bool], list[str]] = defaultdict(list)
    for p in programs:
        wanted[p.url, p.digest, p.archive].append(p.path)
    fetches = [
        f"{'unpack' if archive else 'fetch'} {words([url, digest, *paths])} &"
        for (url, digest, archive), paths in wanted.items()
    ]
    functions = program("fetch") + program("programs", RECORDS=PROGRAM_RECORDS)
    return "\n".join([functions, "begin", *fetches, "end"])
