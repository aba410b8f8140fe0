"""Container images as `docker save` writes them: a tar of layers and two JSON files. Nothing of it needs Docker.

The same inputs give the same bytes.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

_ALWAYS = ("bin", "etc", "tmp")
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_EPOCH = "1970-01-01T00:00:00Z"


@dataclass(frozen=True)
class Runs:
    """What an image runs, and how.

    + command: the program and its arguments, or what `entrypoint` is called with
    + entrypoint: what a pod's `args` are given to
    + user: who runs it, as UID or UID:GID; empty: root
    + stop_signal: what ends it; empty: the runtime's own, SIGTERM
    """

    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    user: str = ""
    stop_signal: str = ""


@dataclass(frozen=True)
class Layer:
    """An image's file system; the directories above its files come along. Paths are relative to its root.

    + programs: path -> an executable's content
    + as_root: those that run as root, whoever starts them
    + files: path -> any other file's content
    + links: path -> what that symbolic link points at
    + directories: further ones, empty
    """

    programs: Mapping[str, bytes] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    directories: tuple[str, ...] = ()
    as_root: frozenset[str] = frozenset()

    def __or__(self, other: "Layer") -> "Layer":
        """Both layers' files; the other's where both have one."""
        return Layer(
            {**self.programs, **other.programs},
            {**self.files, **other.files},
            {**self.links, **other.links},
            (*self.directories, *other.directories),
            self.as_root | other.as_root,
        )


def write(archive: Path, name: str, runs: Runs, *layers: Layer) -> None:
    """Write an image, as `docker save` would.

    Args:
        archive: the tar file to write.
        name: repository:tag.
        runs: what it runs.
        layers: its file system; where two have the same file, the later one's.
    """
    packed = {
        f"{number}-{digest}/layer.tar": (digest, tar) for number, (digest, tar) in enumerate(map(_digested, layers))
    }
    config = configuration([digest for digest, _ in packed.values()], runs)
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": config_name, "RepoTags": [name], "Layers": list(packed)}]
    parts = {
        config_name: config,
        **{path: tar for path, (_, tar) in packed.items()},
        "manifest.json": json.dumps(manifest).encode(),
    }
    archive.write_bytes(_tar([_file(path, content) for path, content in parts.items()]))


def _digested(layer: Layer) -> tuple[str, bytes]:
    tar = pack(layer)
    return hashlib.sha256(tar).hexdigest(), tar


def pack(layer: Layer) -> bytes:
    """A layer as a tar, every directory before what is in it."""
    directories = {*_ALWAYS, *layer.directories}
    for path in [*layer.programs, *layer.files, *layer.links, *layer.directories]:
        directories |= {str(parent) for parent in PurePosixPath(path).parents} - {"."}
    return _tar(
        [_directory(path) for path in sorted(directories)]
        + [
            _file(path, content, mode=0o6755 if path in layer.as_root else 0o755)
            for path, content in sorted(layer.programs.items())
        ]
        + [_file(path, content) for path, content in sorted(layer.files.items())]
        + [_link(path, target) for path, target in sorted(layer.links.items())]
    )


def configuration(layers: list[str], runs: Runs) -> bytes:
    """An image's configuration; its SHA-256 is the image's id.

    Args:
        layers: the SHA-256 of each of its layers.
        runs: what it runs.
    """
    known = {"Cmd": runs.command, "Entrypoint": runs.entrypoint, "User": runs.user, "StopSignal": runs.stop_signal}
    how = {key: value for key, value in known.items() if value}
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": _EPOCH,
        "config": {"Env": [_PATH], "WorkingDir": "/", **how},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}" for layer in layers]},
        "history": [{"created": _EPOCH, "created_by": "container-cloud lab"} for _ in layers],
    }
    return json.dumps(config, sort_keys=True).encode()


def _tar(members: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return output.getvalue()


def _file(path: str, content: bytes, mode: int = 0o644) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(path)
    info.size, info.mode = len(content), mode
    return info, content


def _directory(path: str) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(path)
    info.type, info.mode = tarfile.DIRTYPE, 0o1777 if path == "tmp" else 0o755
    return info, b""


def _link(path: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(path)
    info.type, info.linkname, info.mode = tarfile.SYMTYPE, target, 0o777
    return info, b""
