"""Which container images the lab puts together: pause, a busybox to test with, and an nginx in two versions.

Programs are a compiler's and Debian's, taken out of their packages. lab/archive.py writes the images.
"""

import re
from pathlib import Path

from lab import apt, archive, cache, machine
from lab.archive import Layer
from lab.process import run
from lab.progress import step

PAUSE = "registry.k8s.io/pause:3.2"  # the name Kubernetes 1.20 gives its own
BUSYBOX = "lab/busybox:1"
NGINX_VERSIONS = ("v1", "v2")
PAUSE_SOURCE = Path(__file__).with_name("pause.c")
KEY = cache.key_of(*(path.read_text() for path in (PAUSE_SOURCE, Path(__file__), Path(archive.__file__))))

_LOADER = "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
_LIBRARIES = ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu")


def prepare() -> Path:
    """The cache entry with pause.tar, busybox.tar, nginx-v1.tar and nginx-v2.tar.

    Raises:
        LabError: the compiler or a package is missing.
    """
    return cache.get("images", KEY, _make)


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
    machine.require_programs(machine.BUILD_PROGRAMS, machine.BUILD_PACKAGES)
    with step("putting the pause, busybox and nginx images together"):
        run("gcc", "-Os", "-static", "-s", "-o", scratch / "pause", PAUSE_SOURCE)
        pause = Layer(programs={"pause": (scratch / "pause").read_bytes()})
        archive.write(files / "pause.tar", PAUSE, pause, ["/pause"])

        debian = _unpack(["busybox-static", "nginx"], scratch)
        busybox = _busybox(debian)
        archive.write(files / "busybox.tar", BUSYBOX, busybox, ["sh"])
        for version in NGINX_VERSIONS:
            # SIGTERM would have nginx drop the requests it is answering.
            archive.write(
                files / f"nginx-{version}.tar",
                f"nginx:{version}",
                _nginx(debian, busybox, version),
                ["/usr/sbin/nginx"],
                stop_signal="SIGQUIT",
            )


def _unpack(packages: list[str], scratch: Path) -> Path:
    """A directory with these packages and everything they depend on, unpacked, none set up."""
    apt.Workspace(scratch / "apt").download(packages, scratch / "debs")
    tree = scratch / "debian"
    for package in sorted((scratch / "debs").glob("*.deb")):
        run("dpkg-deb", "--extract", package, tree)
    return tree


def _busybox(debian: Path) -> Layer:
    program = debian / "bin/busybox"
    applets = run(program, "--list").split()
    links = {f"bin/{applet}": "busybox" for applet in applets if applet != "busybox"}
    return Layer(programs={"bin/busybox": program.read_bytes()}, links=links)


def _nginx(debian: Path, busybox: Layer, version: str) -> Layer:
    needed = ["usr/sbin/nginx", *_libraries(debian, "usr/sbin/nginx")]
    return Layer(
        programs={**busybox.programs, **{path: (debian / path).read_bytes() for path in needed}},
        files={
            "etc/nginx/nginx.conf": nginx_configuration(version).encode(),
            # nginx's workers run as nobody.
            "etc/passwd": b"root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
            "etc/group": b"root:x:0:\nnogroup:x:65534:\n",
        },
        links={**busybox.links, "lib64/ld-linux-x86-64.so.2": f"/{_LOADER}"},
        directories=("run", "var/lib/nginx"),
    )


def _libraries(debian: Path, program: str) -> list[str]:
    """The libraries a program loads, and their loader, as paths in the unpacked packages."""
    search = ":".join(str(debian / directory) for directory in _LIBRARIES)
    listed = run(debian / _LOADER, "--list", "--library-path", search, debian / program)
    return [str(Path(path).relative_to(debian)) for path in re.findall(r"=> (\S+) \(", listed)]
