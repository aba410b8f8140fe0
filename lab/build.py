"""Programs no registry packages, built from the registries: Kubernetes from Debian's source package, flannel with Go.

Each is built once into the cache, keyed by its version and by how it is built.
"""

import json
import os
import re
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
    # Reads etcd's v3 API. 0.18 to 0.25 read it too, but are deaf to new leases once etcd has been restarted.
    "0.26.7": "h1:fG3xrErZfrCYQGtSAdZcPnp0+uBsZsWZmKAK77zC0ok=",
    "0.15.1": "h1:9v5/fapXePDnXVsFBVnji4IeLoXcO81bO8nEbQioYVQ=",  # reads etcd's v2 API
}
# A newer Go than Debian's, for the flannel releases that ask for one, as the module proxy has it.
TOOLCHAIN = ("golang.org/toolchain", "0.0.1-go1.23.12.linux-amd64", "h1:CQZ55qhuGAYcgv4npnr3DsfZP3i8URMjkpv7TYHRIH4=")
# What Kubernetes 1.20 brings of it reads maps as Go before 1.18 laid them out: with a later Go its programs crash.
REFLECT = ("github.com/modern-go/reflect2", "1.0.2", "h1:xBagoLtFs94CBntxluKeaWgTMpvLxC4ur3nMaC9Gz0M=")
_KUBERNETES_RECIPE, _FLANNEL_RECIPE = "2", "1"  # raise one when the way of building changes
KEY = cache.key_of(KUBERNETES_VERSION, *KUBERNETES_PROGRAMS, *FLANNEL_SUMS, _KUBERNETES_RECIPE, _FLANNEL_RECIPE)


def release_files() -> dict[tuple[str, str], Path]:
    """Every built program: (name, version) -> file.

    Raises:
        LabError: a build failed; the message names its log.
    """
    kubernetes = cache.get("kubernetes", f"{KUBERNETES_VERSION}-{_KUBERNETES_RECIPE}", _build_kubernetes)
    files = {(name, KUBERNETES_VERSION): kubernetes / name for name in KUBERNETES_PROGRAMS}
    for version in FLANNEL_SUMS:
        build = partial(_build_flannel, version)
        built = cache.get("flannel", f"{version}-{_FLANNEL_RECIPE}", build)
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
    vendored = tree / "vendor" / REFLECT[0]
    shutil.rmtree(vendored)
    shutil.copytree(_fetch_module(*REFLECT, {**environment, "GO111MODULE": "on"}), vendored)
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
        shutil.copytree(_fetch_module(FLANNEL_MODULE, version, FLANNEL_SUMS[version], environment), tree)
        run_logged(["chmod", "-R", "u+w", tree], log, cwd=scratch)
        environment |= _go_for(tree, scratch, environment)
        package = "pkg/version" if (tree / "pkg/version").is_dir() else "version"
        flags = f"-s -w -X {FLANNEL_MODULE}/{package}.Version=v{version}"
        run_logged(["go", "build", "-ldflags", flags, "-o", files / "flanneld", "."], log, cwd=tree, env=environment)


def _fetch_module(module: str, version: str, checksum: str, environment: dict[str, str]) -> Path:
    """A module's source, from the machine's Go module proxy."""
    # Its checksum is known here: the checksum database of a machine's module proxy may not know every release.
    unchecked = ",".join(filter(None, [os.environ.get("GONOSUMDB"), module]))
    environment = {**environment, "GOFLAGS": "-mod=mod", "GONOSUMDB": unchecked}
    answer = json.loads(run(*CONTAINED, "go", "mod", "download", "-json", f"{module}@v{version}", env=environment))
    if answer["Sum"] != checksum:
        raise LabError(
            f"{module} {version} from the Go module proxy has the checksum {answer['Sum']}: not the one known"
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


def _go_for(tree: Path, scratch: Path, environment: dict[str, str]) -> dict[str, str]:
    """The environment of a Go new enough for a module: Debian's if it will do, else the pinned toolchain."""
    wanted = re.search(r"^go 1\.(\d+)", (tree / "go.mod").read_text(), re.MULTILINE)
    own = int(environment["GOROOT"].rpartition("go-1.")[2])
    if wanted is None or int(wanted[1]) <= own:
        return {}
    home = scratch / "go-toolchain"
    shutil.copytree(_fetch_module(*TOOLCHAIN, environment), home)
    # A module's files are never executable.
    for program in (*home.glob("bin/*"), *home.glob("pkg/tool/*/*")):
        program.chmod(0o755)
    return {"GOROOT": str(home), "PATH": f"{home}/bin:{os.environ['PATH']}", "GOTOOLCHAIN": "local"}
