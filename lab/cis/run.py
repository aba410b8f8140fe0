"""Running kube-bench on the lab's master and on one of its nodes."""

import shutil
import subprocess
from pathlib import Path

from lab import build, cache, settings, ssh, state
from lab.build import golang
from lab.build.catalogue import MODULES
from lab.cis import report
from lab.cis.report import Check
from lab.process import LabError, last_lines, run
from lab.progress import say, step

VERSION = "0.12.0"  # kube-bench's
BENCHMARK = "cis-1.10"  # what it calls the newest it has
TARGETS = {"master": ("master", "etcd", "controlplane"), "node1": ("node",)}  # by host
CONFIG = Path(__file__).with_name("config.yaml")
# What the checks name themselves, rather than by the configuration -> where it is here.
PLACES = {
    "/etc/kubernetes/pki/": "/etc/kubernetes/ca/",
    "/etc/kubernetes/admin.conf /etc/kubernetes/super-admin.conf": "/etc/kubernetes/kubeconfig",
    "cat $proxykubeconfig": "cat $proxyconf",
}
# It asks kubectl for the version whatever it is told, and that one writes into HOME.
_COMMAND = """\
set -e
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
trap 'exit 1' HUP INT TERM
cd "$place"
tar -xz
HOME=$place ./kube-bench run --config-dir cfg --benchmark {benchmark} --targets {targets} --json
"""


def cis() -> list[Check]:
    """Run the benchmark's checks on the cluster's hosts; nothing of it stays there.

    Raises:
        LabError: it did not run.
    """
    if settings.is_guides():
        raise LabError("the guide's cluster is not meant to pass the benchmark: python -m lab up --kubernetes 1.37")
    archive = prepare()
    with step(f"running kube-bench {VERSION} on {' and '.join(TARGETS)}"):
        return [check for host in TARGETS for check in _run(state.host(host), archive)]


def prepare() -> Path:
    """An archive of all that a host needs: the program, its configuration, the checks.

    Raises:
        LabError: the program could not be built, or its module not fetched.
    """
    program = build.programs("kube-bench", VERSION)["kube-bench"]

    def make(files: Path, scratch: Path) -> None:
        module = MODULES["kube-bench", VERSION]
        source = golang.fetch(module.path, VERSION, module.checksum, golang.debian() | golang.caches())
        checks = scratch / "all/cfg" / BENCHMARK
        checks.mkdir(parents=True)
        for target in (target for targets in TARGETS.values() for target in targets):
            text = (source / "cfg" / BENCHMARK / f"{target}.yaml").read_text()
            (checks / f"{target}.yaml").write_text(with_places(text))
        shutil.copy(CONFIG, checks.parent)
        shutil.copy(program, scratch / "all")
        run("tar", "-C", scratch / "all", "-czf", files / "all.tar.gz", ".")

    parts = (build.key("kube-bench", VERSION), Path(__file__).read_text(), CONFIG.read_text())
    return cache.get("cis", f"{VERSION}-{cache.key_of(*parts)}", make) / "all.tar.gz"


def with_places(checks: str) -> str:
    """A file of checks that looks where this project has things."""
    for theirs, ours in PLACES.items():
        checks = checks.replace(theirs, ours)
    return checks


def _run(host: state.Host, archive: Path) -> list[Check]:
    targets = TARGETS[host.name]
    command = _COMMAND.format(benchmark=BENCHMARK, targets=",".join(targets))
    with archive.open("rb") as file:
        asked = [*ssh.command(host), "--", command]
        done = subprocess.run(asked, stdin=file, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise LabError(f"kube-bench did not run on {host.name}: {last_lines(done.stderr or done.stdout)}")
    checks = report.read(done.stdout)
    if {check.target for check in checks} != set(targets):
        raise LabError(f"kube-bench did not run all of {', '.join(targets)} on {host.name}")
    return checks


def show(checks: list[Check]) -> bool:
    """Print what a run found; whether there is no fault in it."""
    from rich.console import Console
    from rich.table import Table

    table = Table("target", "passed", "failed", "manual")
    for row in report.by_target(checks):
        table.add_row(*map(str, row))
    Console().print(table)
    reasons = report.judged(report.JUDGED.read_text())
    for check in checks:
        if check.state != "passed" and check.number in reasons:
            say(f"{check.state}, no fault: {check.number} {check.title}: {reasons[check.number]}")
    found = report.faults(checks, reasons)
    for line in found:
        say(f"fault: {line}")
    return not found
