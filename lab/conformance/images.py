"""The images that the conformance suite asks for, under its own names, made of Debian's packages and Go modules.

The names are those of the release's suite, in its test/utils/image/manifest.go.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab import archive, build, cache, images
from lab.archive import Layer, Runs
from lab.build import golang
from lab.build.catalogue import MODULES
from lab.progress import step

ETCD = "3.6.16"  # behind the suite's sample of an aggregated API; any will do
KEY = cache.key_of(Path(__file__).read_text(), images.KEY)
_PACKAGES = [
    "bash",
    "bind9-dnsutils",
    "bind9-host",
    "busybox-static",
    "curl",
    "iperf",
    "iproute2",
    "libc-bin",
    "netcat-openbsd",
    "nginx",
    "socat",
]
_TOOLS = ["bin/ip", "bin/ss", "usr/bin/curl", "usr/bin/dig", "usr/bin/getent", "usr/bin/host"]
_TOOLS += ["bin/nc.openbsd", "usr/bin/iperf", "usr/bin/nslookup", "usr/bin/socat"]
_SYSTEM = {
    "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
    b"user-defined-in-image:x:1000:1000::/home/user-defined-in-image:/bin/sh\n",
    "etc/group": b"root:x:0:\nnogroup:x:65534:\nuser-defined-in-image:x:1000:\n"
    b"group-defined-in-image:x:50000:user-defined-in-image\n",
    # The suite's own images are of Alpine Linux, and one spec looks for that name, in an image that is a volume.
    "etc/os-release": b'ID=lab\nPRETTY_NAME="Debian programs in the place of Alpine Linux"\n',
    "etc/nsswitch.conf": b"passwd: files\ngroup: files\nhosts: files dns\n",
}
# As the suite's own image: what is asked for is a file.
_NGINX = b"""\
daemon off;
error_log stderr notice;
events {}
http {
    access_log /dev/stdout;
    default_type text/html;
    server {
        listen 80;
        listen [::]:80;
        root /usr/share/nginx/html;
    }
}
"""
_WELCOME = b"<html><head><title>Welcome to nginx!</title></head><body><h1>Welcome to nginx!</h1></body></html>\n"


_NNP = "usr/local/bin/nnp"
# What the suite calls its registries -> where its images are in the lab's.
REGISTRIES = {"PromoterE2eRegistry": "e2e-test-images", "GcRegistry": "", "GcEtcdRegistry": ""}


def prepare(version: str) -> dict[str, Path]:
    """The image archives by what the lab's registry calls them, repository:tag.

    Args:
        version: of Kubernetes; one that the lab builds the tests of.

    Raises:
        LabError: a program could not be built, or a package not fetched.
    """
    tests = build.programs("kubernetes-tests", version)
    etcd = build.programs("etcd", ETCD)["etcd"]
    key = cache.key_of(KEY, build.key("kubernetes-tests", version), build.key("etcd", ETCD))

    def make(files: Path, scratch: Path) -> None:
        module = MODULES["kubernetes-tests", version]
        source = golang.fetch(module.path, version, module.checksum, golang.debian() | golang.caches())
        with step("putting the conformance suite's images together"):
            made = _made({**tests, "etcd": etcd}, source / "test/images", scratch)
            names = names_in((source / "test/utils/image/manifest.go").read_text())
            (files / "names.json").write_text(json.dumps({names[each]: f"{each}.tar" for each in made}, indent=2))
            for each, (runs, *layers) in made.items():
                archive.write(files / f"{each}.tar", names[each], runs, *layers)

    entry = cache.get("conformance-images", f"{version}-{key}", make)
    return {name: entry / file for name, file in json.loads((entry / "names.json").read_text()).items()}


def names_in(manifest: str) -> dict[str, str]:
    """What the suite calls each image, and where that is in the lab's registry.

    Args:
        manifest: the suite's manifest.go.
    """
    found = re.findall(r'configs\[(\w+)\] = Config\{list\.(\w+), "(\S+)", "(\S+)"\}', manifest)
    return {
        each: f"{REGISTRIES[registry]}/{name}:{tag}".lstrip("/")
        for each, registry, name, tag in found
        if registry in REGISTRIES
    }


def _made(programs: Mapping[str, Path], sources: Path, scratch: Path) -> dict[str, tuple[Any, ...]]:
    """Each image by the suite's own word for it: what it runs, and its layers.

    Args:
        programs: the suite's, built.
        sources: the suite's directory of images.
        scratch: a directory to work in.
    """
    debian = images.unpacked(_PACKAGES, scratch)
    busybox = images.busybox_of(debian) | Layer(files=_SYSTEM, directories=("root", "home", "usr/local/bin"))
    # Debian's busybox, as a shell, takes its own nc before any other, and drops variables whose names are no shell's:
    # whoever asks for sh by its name alone gets bash. /bin/sh is busybox' where the suite knows it by its messages.
    busybox |= images.with_libraries(debian, ["bin/bash"]) | Layer(links={"usr/local/bin/sh": "/bin/bash"})
    links = {"bin/nc": "nc.openbsd", "bin/sh": "bash"}
    system = busybox | images.with_libraries(debian, _TOOLS) | Layer(links=links)
    agnhost = Layer(
        programs={"agnhost": programs["agnhost"].read_bytes()},
        links={"agnhost-2": "agnhost"},
        files={path.name: path.read_bytes() for path in (sources / "agnhost/porter").glob("localhost.*")},
        directories=("uploads",),
    )
    nginx = Layer(
        files={
            "etc/nginx/nginx.conf": _NGINX,
            "usr/share/nginx/html/index.html": _WELCOME,
            "usr/share/nginx/html/50x.html": _WELCOME,
        },
        directories=("run", "var/lib/nginx", "var/log/nginx"),
    )
    nginx |= images.with_libraries(debian, ["usr/sbin/nginx"])
    privileged = Layer(programs={_NNP: programs["nonewprivs"].read_bytes()}, as_root=frozenset({_NNP}))
    pause = Layer(programs={"pause": images.compiled_pause(scratch).read_bytes()})
    serves, web = Runs(("pause",), ("/agnhost",)), Runs(("nginx",), stop_signal="SIGQUIT")
    pictures = {
        name: Layer(files={path.name: path.read_bytes() for path in (sources / name.lower() / "html").iterdir()})
        for name in ("Kitten", "Nautilus")
    }
    return {
        "Agnhost": (serves, system, agnhost),
        "AgnhostPrev": (serves, system, agnhost),
        "APIServer": (Runs(entrypoint=("/sample-apiserver",)), _program(programs["sample-apiserver"])),
        "BusyBox": (Runs(("sh",)), busybox),
        "Etcd": (Runs(("etcd",)), busybox, _program(programs["etcd"], "usr/local/bin")),
        "GlibcDnsTesting": (Runs(("bash",)), system),
        "Nginx": (web, busybox, nginx),
        "NginxNew": (web, busybox, nginx),
        "Nonewprivs": (Runs(("nnp",)), busybox, privileged),
        "NonRoot": (Runs(("sh",), user="1234"), busybox),
        "Pause": (images.PAUSES, pause),
        **{
            name: (Runs(("test-webserver",), ("/agnhost",)), system, agnhost, layer) for name, layer in pictures.items()
        },
    }


def _program(file: Path, directory: str = "") -> Layer:
    return Layer(programs={f"{directory}/{file.name}".lstrip("/"): file.read_bytes()})
