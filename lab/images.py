"""Container images put together here, in the form `docker save` writes: a pause image, and a busybox to test with.

Nothing of it needs Docker or a registry: a static program is a layer, and an image is a tar of layers and two JSON
files. The same inputs give the same bytes.
"""

import hashlib
import io
import json
import tarfile
from pathlib import Path

from lab import apt, cache, machine
from lab.process import run
from lab.progress import step

PAUSE = "registry.k8s.io/pause:3.2"  # the name Kubernetes 1.20 gives its own
BUSYBOX = "lab/busybox:1"
PAUSE_SOURCE = Path(__file__).with_name("pause.c")
KEY = cache.key_of(PAUSE, BUSYBOX, PAUSE_SOURCE.read_text(), Path(__file__).read_text())


def prepare() -> Path:
    """The cache entry with pause.tar and busybox.tar.

    Raises:
        LabError: the compiler or a package is missing.
    """
    return cache.get("images", KEY, _make)


def _make(files: Path, scratch: Path) -> None:
    machine.require_programs(machine.BUILD_PROGRAMS, machine.BUILD_PACKAGES)
    with step("putting the pause and busybox images together"):
        run("gcc", "-Os", "-static", "-s", "-o", scratch / "pause", PAUSE_SOURCE)
        write(files / "pause.tar", PAUSE, {"pause": (scratch / "pause").read_bytes()}, {}, ["/pause"])
        busybox = _busybox(scratch)
        applets = run(busybox, "--list").split()
        links = {f"bin/{applet}": "busybox" for applet in applets if applet != "busybox"}
        write(files / "busybox.tar", BUSYBOX, {"bin/busybox": busybox.read_bytes()}, links, ["sh"])


def _busybox(scratch: Path) -> Path:
    apt.Workspace(scratch / "apt").download(["busybox-static"], scratch / "debs")
    package = next((scratch / "debs").glob("busybox-static_*.deb"))
    run("dpkg-deb", "--extract", package, scratch / "busybox")
    return scratch / "busybox/bin/busybox"


def write(archive: Path, name: str, programs: dict[str, bytes], links: dict[str, str], command: list[str]) -> None:
    """Write an image of one layer, as `docker save` would.

    Args:
        archive: the tar file to write.
        name: repository:tag.
        programs: path in the image -> an executable's content.
        links: path in the image -> what that symbolic link points at.
        command: what the image runs.
    """
    layer = _tar(
        [_directory(name) for name in ("bin", "etc", "tmp")]
        + [(_info(path, len(content), mode=0o755), content) for path, content in programs.items()]
        + [_link(path, target) for path, target in sorted(links.items())]
    )
    digest = hashlib.sha256(layer).hexdigest()
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {"Cmd": command, "Env": ["PATH=/bin"], "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "container-cloud lab"}],
    }
    config_text = json.dumps(config, sort_keys=True).encode()
    config_name = f"{hashlib.sha256(config_text).hexdigest()}.json"
    manifest = [{"Config": config_name, "RepoTags": [name], "Layers": [f"{digest}/layer.tar"]}]
    parts = {config_name: config_text, f"{digest}/layer.tar": layer, "manifest.json": json.dumps(manifest).encode()}
    archive.write_bytes(_tar([(_info(path, len(content)), content) for path, content in parts.items()]))


def _tar(members: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return output.getvalue()


def _info(path: str, size: int, mode: int = 0o644) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.size, info.mode = size, mode
    return info


def _directory(path: str) -> tuple[tarfile.TarInfo, bytes]:
    info = _info(path, 0, 0o1777 if path == "tmp" else 0o755)
    info.type = tarfile.DIRTYPE
    return info, b""


def _link(path: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    info = _info(path, 0, 0o777)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info, b""
