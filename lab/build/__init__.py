"""Programs no registry packages, built from the registries, each once into the cache, and only when they are asked for.

Kubernetes 1.20 is built from Debian's source package (lab/build/debian.py), all else from Go modules
(lab/build/modules.py; lab/build/catalogue.py lists them).
"""

from pathlib import Path

from lab.build import debian, modules
from lab.build.catalogue import MODULES
from lab.process import LabError


def programs(name: str, version: str) -> dict[str, Path]:
    """What the lab builds under a name, in a version: program -> file.

    Raises:
        LabError: it is not known, or the build failed; then the message names its log.
    """
    if (name, version) == ("kubernetes", debian.VERSION):
        return debian.programs()
    return modules.programs(_known(name, version))


def key(name: str, version: str) -> str:
    """A name for these programs as they are built now.

    Raises:
        LabError: they are not known.
    """
    return debian.KEY if (name, version) == ("kubernetes", debian.VERSION) else _known(name, version).key


def _known(name: str, version: str) -> modules.Module:
    if (name, version) not in MODULES:
        known = ", ".join(each for other, each in MODULES if other == name)
        raise LabError(f"the lab cannot build {name} {version}; it knows {known or 'none of that name'}")
    return MODULES[name, version]
