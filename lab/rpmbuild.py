"""Making rpms of specs, signing them, indexing a directory of them: a yum repository."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from lab import cache, convert, machine
from lab.convert import Package
from lab.process import CONTAINED, LabError, run

SPECS = Path(__file__).parent / "rpm"  # a directory a package: its spec, and the files the spec takes as they are
_MACROS = SPECS / "macros"
# Quick rather than small; and what is packed stays as it is, nothing stripped or compiled.
_SETTINGS = {
    "_binary_payload": "w3T0.zstdio",
    "__os_install_post": "%{nil}",
    "debug_package": "%{nil}",
    "_build_id_links": "none",
    "_rpmfilename": "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
}


def key(*names: str) -> str:
    """A name for these packages' specs as they are, with every file they take, and for the way rpms are built."""
    files = [path for name in names for path in sorted((SPECS / name).iterdir())]
    return cache.key_of(*(f"{path.name}\n{path.read_text()}" for path in (Path(__file__), _MACROS, *files)))


def spec(name: str) -> Path:
    """A package's spec."""
    return SPECS / name / f"{name}.spec"


def build(specification: Path, output: Path, scratch: Path, **macros: str | Path) -> None:
    """Make a spec's rpms, unsigned.

    Args:
        specification: the spec; the files it takes are beside it.
        output: the directory the rpms go to.
        scratch: a directory to work in.
        macros: what the spec is told, each as %{lab_NAME}.

    Raises:
        LabError: rpmbuild failed.
    """
    machine.require_programs(machine.RPM_PROGRAMS)
    defined = {
        **_SETTINGS,
        "lab_macros": _MACROS,  # --load comes too early: --target has all macros read anew
        **{f"lab_{name}": value for name, value in macros.items()},
        "_topdir": scratch / "rpmbuild",
        "_sourcedir": specification.parent,
        "_rpmdir": output,
        "_dbpath": scratch / "rpmdb",  # the machine's own packages are none of its business
    }
    settings = [part for name, value in defined.items() for part in ("--define", f"{name} {value}")]
    run(*CONTAINED, "rpmbuild", *settings, "--target=x86_64", "-bb", "--quiet", specification)
    if not any(output.glob("*.rpm")):
        raise LabError(f"rpmbuild made nothing of {specification}")


def build_tree(
    packages: Iterable[Package],
    known: Mapping[str, Package],
    tree: Path,
    output: Path,
    scratch: Path,
    scripts: Mapping[str, str] | None = None,
) -> None:
    """Make an rpm of each Debian package unpacked in a tree, unsigned.

    Args:
        packages: the packages; their files are in the tree.
        known: what they may require, see convert.requires.
        tree: the tree.
        output: the directory the rpms go to.
        scratch: a directory to work in.
        scripts: rpm name -> its scriptlets.

    Raises:
        LabError: rpmbuild failed.
    """
    packages = list(packages)
    specification, files = scratch / "converted.spec", scratch / "converted.files"
    specification.write_text(convert.spec(packages, known, scripts or {}))
    files.write_text("".join(f".{path}\n" for one in packages for path in one.files))
    build(specification, output, scratch, tree=tree, files=files)


def sign(rpms: list[Path], homedir: Path) -> None:
    """Sign rpms with the one secret key in a GnuPG directory.

    Raises:
        LabError: it could not be done.
    """
    machine.require_programs(machine.RPM_PROGRAMS)
    defined = {
        "_gpg_path": homedir,
        "_gpg_name": "container-cloud lab",
        "__gpg": "/usr/bin/gpg",
        "_gpg_sign_cmd_extra_args": "--batch --pinentry-mode loopback --passphrase ''",
    }
    settings = [part for name, value in defined.items() for part in ("--define", f"{name} {value}")]
    run(*CONTAINED, "rpmsign", *settings, "--addsign", *rpms)


def index(directory: Path) -> None:
    """Make a directory of rpms a yum repository."""
    run(*CONTAINED, "createrepo_c", "--quiet", "--general-compress-type=gz", directory)
