"""Running the suite from the lab's network against the cluster on the lab's hosts."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from lab import build, network, registry, sets, settings, ssh, state
from lab.conformance import images, report
from lab.conformance.report import Spec
from lab.process import CONTAINED, LabError, run
from lab.progress import say, step

DIRECTORY = state.DIRECTORY / "conformance"
LOG = DIRECTORY / "log"
SERIAL = r"\[Serial\]|\[Disruptive\]"
PROCESSES = 6
KUBECONFIG = "/etc/kubernetes/kubeconfig"  # the administrator's, on a master
SAMPLE = Path(__file__).with_name("sample.txt")
EXCEPTIONS = Path(__file__).with_name("exceptions.txt")


def names_of(file: Path) -> dict[str, str]:
    """Specs that a file names, a line each, and the comment above each: why it is there."""
    found, why = {}, ""
    for line in file.read_text().splitlines():
        if line.startswith("# "):
            why = line.removeprefix("# ")
        elif line.strip():
            found[line.strip()] = why
    return found


def pattern(names: Iterable[str]) -> str:
    """The pattern that just these specs match, for ginkgo (Go's regular expressions)."""
    return "|".join(re.escape(name).replace(r"\ ", " ").replace(r"\-", "-") for name in names)


def conformance(*, serial: bool = False, only: Iterable[str] = (), focus: str | None = None) -> list[Spec]:
    """Run the suite: all its specs that may run beside each other, but for those that no lab of this kind can have.

    Args:
        serial: those that want the cluster for themselves, one after the other.
        only: the names of just these; empty: all.
        focus: a pattern, instead.

    Returns:
        every conformance spec there is, run or not.

    Raises:
        LabError: it did not run.
    """
    line = settings.line()
    version = sets.LINES[line]
    programs = {**build.programs("kubernetes", version), **build.programs("kubernetes-tests", version)}
    pictures = images.prepare(version)
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    DIRECTORY.mkdir(parents=True)
    with step("bringing the suite's images into the registry"):
        registry.push(pictures)
    names = list(only)
    wanted = focus or (pattern(names) if names else r"\[Conformance\]")
    skipped = [pattern(names_of(EXCEPTIONS))] if names_of(EXCEPTIONS) else []
    if serial:
        wanted = rf"({SERIAL}).*\[Conformance\]|\[Conformance\].*({SERIAL})"
    elif not names:
        skipped.append(SERIAL)
    command = _command(programs, wanted, skipped, 1 if serial else PROCESSES)
    title = f"running {'those that run alone of ' if serial else ''}Kubernetes {version}'s conformance suite"
    with step(f"{title} (its output is in {LOG})"):
        _run(command)
    found = DIRECTORY / "report.json"
    if not found.exists():
        raise LabError(f"the suite did not run, see {LOG}")
    return report.read(found)


def _command(programs: Mapping[str, Path], wanted: str, skipped: list[str], processes: int) -> list[str]:
    kubeconfig = DIRECTORY / "kubeconfig"
    kubeconfig.touch(mode=0o600)
    kubeconfig.write_text(run(*ssh.command(state.host("master")), "--", _WHOLE))
    (DIRECTORY / "registries.yaml").write_text(
        "".join(
            f"{name[0].lower()}{name[1:]}: {settings.INSECURE_REGISTRY}{f'/{place}' if place else ''}\n"
            for name, place in images.REGISTRIES.items()
        )
    )
    return [
        str(programs["ginkgo"]),
        f"-procs={processes}",
        "-no-color",
        "-timeout=6h",
        f"-focus={wanted}",
        *(f"-skip={each}" for each in skipped),
        f"-output-dir={DIRECTORY}",
        "-json-report=report.json",
        str(programs["e2e.test"]),
        "--",
        "-provider=skeleton",
        f"-kubeconfig={kubeconfig}",
        f"-kubectl-path={programs['kubectl']}",
        "-disable-log-dump",
    ]


# The administrator's kubeconfig with what its files hold, to be read elsewhere.
_WHOLE = f"kubectl --kubeconfig={KUBECONFIG} config view --raw --flatten"


def _run(command: list[str]) -> None:
    """Run ginkgo in the lab's network to its end, however its specs end."""
    environment = {**os.environ, "KUBE_TEST_REPO_LIST": str(DIRECTORY / "registries.yaml"), "HOME": str(DIRECTORY)}
    with LOG.open("wb") as log:
        subprocess.run(
            [*network.enter(), *CONTAINED, *command],
            cwd=DIRECTORY,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=False,
        )


def show(specs: list[Spec]) -> bool:
    """Print what a run found; whether nothing failed."""
    from rich.console import Console
    from rich.table import Table

    table = Table("area", "passed", "failed", "not run")
    for row in report.by_area(specs):
        table.add_row(*map(str, row))
    Console().print(table)
    for line in report.failures(specs):
        say(f"failed: {line}")
    for name, why in names_of(EXCEPTIONS).items():
        say(f"not run: {name}: {why}")
    ran = [spec for spec in specs if spec.has_run]
    return bool(ran) and not any(spec.has_failed for spec in ran)
