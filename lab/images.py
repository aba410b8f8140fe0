"""Which container images the lab puts together: pause, a busybox to test with, an nginx in two versions, and programs.

What is in them is a compiler's, Debian's, taken out of its packages, or built (lab/build/). lab/archive.py writes them.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lab import apt, archive, build, cache, machine
from lab.archive import Layer, Runs
from lab.process import run
from lab.progress import step

PAUSE = "registry.k8s.io/pause"  # what Kubernetes calls its own
PAUSE_VERSIONS = ("3.2", "3.10.2")  # what a kubelet of 1.20 asks for, and one of today
PAUSES = Runs(("/pause",), user="65535:65535")
# Programs that run in pods, by what the lab calls them: their image as its publisher has it, without the tag.
REPOSITORIES = {
    "coredns": "registry.k8s.io/coredns/coredns",
    "metrics-server": "registry.k8s.io/metrics-server/metrics-server",
}
BUSYBOX = "lab/busybox:1"
NGINX_VERSIONS = ("v1", "v2")
PAUSE_SOURCE = Path(__file__).with_name("pause.c")
KEY = cache.key_of(*(path.read_text() for path in (PAUSE_SOURCE, Path(__file__), Path(archive.__file__))))

_LOADER = "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
_LIBRARIES = ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu")


@dataclass(frozen=True)
class Picture:
    """An image archive.

    + file: where it is
    + pushed: what the lab's registry calls it, repository:tag; None: it is not in there
    """

    file: Path
    pushed: str | None = None


def prepare(programs: Iterable[tuple[str, str]]) -> list[Picture]:
    """The image archives, made if need be: what the cluster needs, and what tests run.

    Args:
        programs: those that run in pods and their versions, of REPOSITORIES.

    Raises:
        LabError: the compiler or a package is missing, or a program could not be built.
    """
    made = cache.get("images", KEY, _make)
    return [
        *(Picture(made / f"pause-{version}.tar", f"pause:{version}") for version in PAUSE_VERSIONS),
        *(Picture(made / f"nginx-{version}.tar", f"nginx:{version}") for version in NGINX_VERSIONS),
        Picture(made / "busybox.tar", "busybox:1"),
        *(of_program(name, version) for name, version in programs),
    ]


def of_program(name: str, version: str) -> Picture:
    """The image archive of a program that runs in pods, by nobody in particular, as its publisher's does.

    Args:
        name: one of REPOSITORIES.
        version: which one.

    Raises:
        LabError: it could not be built.
    """
    file = f"{name}-v{version}.tar"
    (program,) = build.programs(name, version).values()

    def make(files: Path, scratch: Path) -> None:
        layer = Layer(programs={name: program.read_bytes()})
        runs = Runs(entrypoint=(f"/{name}",), user="65532:65532")
        archive.write(files / file, f"{REPOSITORIES[name]}:v{version}", runs, layer)

    entry = cache.get(f"image-{name}", f"{version}-{cache.key_of(KEY, build.key(name, version))}", make)
    return Picture(entry / file, f"{name}:v{version}")


def nginx_configuration(version: str) -> str:
    """A web server that answers whatever it is asked with its version and the name of its host, the pod's."""
    return f"""\
daemon off;
worker_processes 1;
error_log stderr notice;
events {{}}
http {{
    access_log /dev/stdout;
    default_type text/plain;
    server {{
        listen 80;
        return 200 "{version} $hostname\\n";
    }}
}}
"""


def _make(files: Path, scratch: Path) -> None:
    with step("putting the pause, busybox and nginx images together"):
        pause = Layer(programs={"pause": compiled_pause(scratch).read_bytes()})
        for version in PAUSE_VERSIONS:
            archive.write(files / f"pause-{version}.tar", f"{PAUSE}:{version}", PAUSES, pause)

        debian = unpacked(["busybox-static", "nginx"], scratch)
        busybox = busybox_of(debian)
        archive.write(files / "busybox.tar", BUSYBOX, Runs(("sh",)), busybox)
        for version in NGINX_VERSIONS:
            # SIGTERM would have nginx drop the requests it is answering.
            runs = Runs(("/usr/sbin/nginx",), stop_signal="SIGQUIT")
            layer = _nginx(debian, busybox, version)
            archive.write(files / f"nginx-{version}.tar", f"nginx:{version}", runs, layer)


def compiled_pause(scratch: Path) -> Path:
    """The program that holds a pod's namespaces."""
    machine.require_programs(machine.BUILD_PROGRAMS, machine.BUILD_PACKAGES)
    run("gcc", "-Os", "-static", "-s", "-o", scratch / "pause", PAUSE_SOURCE)
    return scratch / "pause"


def unpacked(packages: list[str], scratch: Path) -> Path:
    """A directory with these packages and everything they depend on, unpacked, none set up."""
    apt.Workspace(scratch / "apt").download(packages, scratch / "debs")
    tree = scratch / "debian"
    for package in sorted((scratch / "debs").glob("*.deb")):
        run("dpkg-deb", "--extract", package, tree)
    return tree


def busybox_of(debian: Path) -> Layer:
    """Debian's static busybox, under all its names."""
    program = debian / "bin/busybox"
    applets = run(program, "--list").split()
    links = {f"bin/{applet}": "busybox" for applet in applets if applet != "busybox"}
    return Layer(programs={"bin/busybox": program.read_bytes()}, links=links)


def with_libraries(debian: Path, programs: Iterable[str]) -> Layer:
    """Programs out of unpacked packages, by their paths there, and what they load."""
    needed = dict.fromkeys(path for program in programs for path in (program, *_libraries(debian, program)))
    return Layer(
        programs={path: (debian / path).read_bytes() for path in needed},
        links={"lib64/ld-linux-x86-64.so.2": f"/{_LOADER}"},
    )


def _nginx(debian: Path, busybox: Layer, version: str) -> Layer:
    files = {
        "etc/nginx/nginx.conf": nginx_configuration(version).encode(),
        # nginx's workers run as nobody.
        "etc/passwd": b"root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
        "etc/group": b"root:x:0:\nnogroup:x:65534:\n",
    }
    server = with_libraries(debian, ["usr/sbin/nginx"])
    return busybox | server | Layer(files=files, directories=("run", "var/lib/nginx"))


def _libraries(debian: Path, program: str) -> list[str]:
    """The libraries a program loads, and their loader, as paths in the unpacked packages."""
    search = ":".join(str(debian / directory) for directory in _LIBRARIES)
    listed = run(debian / _LOADER, "--list", "--library-path", search, debian / program)
    return [str(Path(path).relative_to(debian)) for path in re.findall(r"=> (\S+) \(", listed)]
