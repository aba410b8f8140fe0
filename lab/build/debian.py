"""Kubernetes 1.20 from Debian's source package: no registry has its programs, and no module proxy that module whole."""

import shutil
from pathlib import Path

from lab import apt, cache, machine
from lab.build import golang
from lab.process import LabError, run_logged
from lab.progress import say, step

VERSION = "1.20.2"
PROGRAMS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubelet",
    "kubectl",
)
# What Kubernetes 1.20 brings of it reads maps as Go before 1.18 laid them out: with a later Go its programs crash.
REFLECT = ("github.com/modern-go/reflect2", "1.0.2", "h1:xBagoLtFs94CBntxluKeaWgTMpvLxC4ur3nMaC9Gz0M=")
_RECIPE = "2"  # raise it when the way of building changes
KEY = f"{VERSION}-{_RECIPE}"


def programs() -> dict[str, Path]:
    """Kubernetes' programs, built if need be.

    Raises:
        LabError: the build failed; the message names its log.
    """
    entry = cache.get("kubernetes", KEY, _build)
    return {name: entry / name for name in PROGRAMS}


def _build(files: Path, scratch: Path) -> None:
    environment = {
        **golang.debian(),
        "GOPATH": str(scratch / "go"),
        "GOCACHE": str(scratch / "go-cache"),
        "GO111MODULE": "off",
        "CGO_ENABLED": "0",
        "GOFLAGS": "-trimpath",
    }
    machine.require_programs(machine.SOURCE_PROGRAMS)
    tree = scratch / "go/src/k8s.io/kubernetes"
    log = cache.root() / f"kubernetes-{VERSION}.log"
    log.write_text("")
    with step(f"fetching the source of Kubernetes {VERSION}"):
        apt.Workspace(scratch / "apt").download_source("kubernetes", scratch)
        original = next(scratch.glob(f"kubernetes_*{VERSION}.orig.tar.gz"), None)
        if not original:
            raise LabError(f"Debian {apt.SUITE} has no source of Kubernetes {VERSION} any more")
        tree.mkdir(parents=True)
        run_logged(["tar", "-xzf", original, "-C", tree, "--strip-components=1"], log, cwd=scratch)
    vendored = tree / "vendor" / REFLECT[0]
    shutil.rmtree(vendored)
    shutil.copytree(golang.fetch(*REFLECT, {**environment, "GO111MODULE": "on"}), vendored)
    say(f"  building Kubernetes takes some 10 minutes, once; its output is in {log}")
    with step("generating Kubernetes' sources"):
        run_logged(["make", "generated_files"], log, cwd=tree, env=environment)
    with step(f"building Kubernetes {VERSION}"):
        packages = [f"./cmd/{name}" for name in PROGRAMS]
        command = ["go", "build", "-ldflags", linker_flags(), "-o", f"{files}/", *packages]
        run_logged(command, log, cwd=tree, env=environment)


def linker_flags(version: str = VERSION) -> str:
    """Linker flags that strip the programs and tell them their version, which else only a git checkout knows."""
    major, minor, _ = version.split(".")
    values = {
        "gitVersion": f"v{version}",
        "gitMajor": major,
        "gitMinor": minor,
        "gitCommit": "debian",
        "gitTreeState": "archive",
        "buildDate": "1970-01-01T00:00:00Z",
    }
    packages = [
        f"{prefix}k8s.io/{package}"
        for prefix in ("", "k8s.io/kubernetes/vendor/")
        for package in ("component-base/version", "client-go/pkg/version")
    ]
    return " ".join(
        ["-s -w"] + [f"-X {package}.{name}={value}" for name, value in values.items() for package in packages]
    )
