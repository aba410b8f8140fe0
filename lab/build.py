"""Programs no registry packages, built from the registries: Kubernetes from Debian's source package, flannel with Go.

Each is built once into the cache, keyed by its version and by how it is built.
"""

import json
import os
import shutil
from functools import partial
from pathlib import Path

from lab import apt, cache, machine
from lab.process import CONTAINED, LabError, run, run_logged
from lab.progress import say, step

KUBERNETES_VERSION = "1.20.2"
KUBERNETES_PROGRAMS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubelet",
    "kubectl",
)
FLANNEL_MODULE = "github.com/flannel-io/flannel"
FLANNEL_SUMS = {  # release -> its checksum as go.sum writes it
    "0.22.2": "h1:gSmg4J8Lw0eU/D6Yg8uCEtTObDVnvWjtrOGKHOFrNvI=",  # reads etcd's v3 API
    "0.15.1": "h1:9v5/fapXePDnXVsFBVnji4IeLoXcO81bO8nEbQioYVQ=",  # reads etcd's v2 API
}
_RECIPE = "1"  # raise it when the way of building changes
KEY = cache.key_of(KUBERNETES_VERSION, *KUBERNETES_PROGRAMS, *FLANNEL_SUMS, _RECIPE)


def release_files() -> dict[tuple[str, str], Path]:
    """Every built program: (name, version) -> file.

    Raises:
        LabError: a build failed; the message names its log.
    """
    kubernetes = cache.get("kubernetes", f"{KUBERNETES_VERSION}-{_RECIPE}", _build_kubernetes)
    files = {(name, KUBERNETES_VERSION): kubernetes / name for name in KUBERNETES_PROGRAMS}
    for version in FLANNEL_SUMS:
        build = partial(_build_flannel, version)
        built = cache.get("flannel", f"{version}-{_RECIPE}", build)
        files["flanneld", version] = built / "flanneld"
    return files


def _build_kubernetes(files: Path, scratch: Path) -> None:
    machine.require_programs(machine.BUILD_PROGRAMS, machine.BUILD_PACKAGES)
    tree = scratch / "go/src/k8s.io/kubernetes"
    log = cache.root() / f"kubernetes-{KUBERNETES_VERSION}.log"
    log.write_text("")
    with step(f"fetching the source of Kubernetes {KUBERNETES_VERSION}"):
        apt.Workspace(scratch / "apt").download_source("kubernetes", scratch)
        original = next(scratch.glob(f"kubernetes_*{KUBERNETES_VERSION}.orig.tar.gz"), None)
        if not original:
            raise LabError(f"Debian {apt.SUITE} has no source of Kubernetes {KUBERNETES_VERSION} any more")
        tree.mkdir(parents=True)
        run_logged(["tar", "-xzf", original, "-C", tree, "--strip-components=1"], log, cwd=scratch)
    environment = {
        **_go(),
        "GOPATH": str(scratch / "go"),
        "GOCACHE": str(scratch / "go-cache"),
        "GO111MODULE": "off",
        "CGO_ENABLED": "0",
        "GOFLAGS": "-trimpath",
    }
    say(f"  building Kubernetes takes some 10 minutes, once; its output is in {log}")
    with step("generating Kubernetes' sources"):
        run_logged(["make", "generated_files"], log, cwd=tree, env=environment)
    with step(f"building Kubernetes {KUBERNETES_VERSION}"):
        packages = [f"./cmd/{name}" for name in KUBERNETES_PROGRAMS]
        run_logged(
            ["go", "build", "-ldflags", kubernetes_ldflags(), "-o", f"{files}/", *packages],
            log,
            cwd=tree,
            env=environment,
        )


def kubernetes_ldflags(version: str = KUBERNETES_VERSION) -> str:
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


def _build_flannel(version: str, files: Path, scratch: Path) -> None:
    machine.require_programs(machine.BUILD_PROGRAMS, machine.BUILD_PACKAGES)
    log = cache.root() / f"flannel-{version}.log"
    log.write_text("")
    environment = {
        **_go(),
        "GOPATH": str(scratch / "go"),
        "GOCACHE": str(scratch / "go-cache"),
        "GOFLAGS": "-mod=readonly -trimpath -buildvcs=false",
        "GO111MODULE": "on",
        "CGO_ENABLED": "1",  # without it the udp backend is not compiled in
    }
    with step(f"building flannel {version}"):
        # Built in its own tree, so that its own go.sum vouches for what it uses.
        tree = scratch / "flannel"
        shutil.copytree(_fetch_flannel(version, environment), tree)
        run_logged(["chmod", "-R", "u+w", tree], log, cwd=scratch)
        package = "pkg/version" if (tree / "pkg/version").is_dir() else "version"
        flags = f"-s -w -X {FLANNEL_MODULE}/{package}.Version=v{version}"
        run_logged(["go", "build", "-ldflags", flags, "-o", files / "flanneld", "."], log, cwd=tree, env=environment)


def _fetch_flannel(version: str, environment: dict[str, str]) -> Path:
    # Its checksum stands above: the checksum database of a machine's module proxy may not know every release.
    unchecked = ",".join(filter(None, [os.environ.get("GONOSUMDB"), FLANNEL_MODULE]))
    environment = {**environment, "GOFLAGS": "-mod=mod", "GONOSUMDB": unchecked}
    download = ["go", "mod", "download", "-json", f"{FLANNEL_MODULE}@v{version}"]
    answer = json.loads(run(*CONTAINED, *download, env=environment))
    if answer["Sum"] != FLANNEL_SUMS[version]:
        raise LabError(
            f"flannel {version} from the Go module proxy has the checksum {answer['Sum']}: not the one known"
        )
    return Path(answer["Dir"])


def _go() -> dict[str, str]:
    """The environment of Debian's Go: the oldest that is installed, for the sources are of its time.

    Raises:
        LabError: there is none.
    """
    found = sorted(Path("/usr/lib").glob("go-1.*/bin/go"), key=lambda go: int(go.parts[3].removeprefix("go-1.")))
    if not found:
        raise LabError("golang-go is installed, but there is no /usr/lib/go-1.*/bin/go")
    home = found[0].parents[1]
    return {"GOROOT": str(home), "PATH": f"{home}/bin:{os.environ['PATH']}"}
