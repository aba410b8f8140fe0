"""Brings image archives into a registry over its HTTP API. Started by lab/registry.py inside the lab's network.

push.py ADDRESS PORT REPOSITORY:TAG=ARCHIVE...
"""

import gzip
import hashlib
import json
import sys
import tarfile
from dataclasses import dataclass
from functools import lru_cache
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


@dataclass(frozen=True)
class Image:
    """An image as its archive holds it.

    + config: its configuration, whose digest is its identity
    + layers: its layers, as tars
    """

    config: bytes
    layers: tuple[bytes, ...]


class Registry:
    """A registry's API, so much of it as a push takes."""

    def __init__(self, address: str, port: int) -> None:
        self._connection = HTTPConnection(address, port, timeout=30)

    def manifest(self, repository: str, tag: str) -> dict[str, Any] | None:
        """The manifest of that name; None if there is none."""
        response, body = self._ask("GET", f"/v2/{repository}/manifests/{tag}", (200, 404), {"Accept": MANIFEST})
        return json.loads(body) if response.status == 200 else None

    def has(self, repository: str, digest: str) -> bool:
        """Whether the repository has that blob."""
        response, _ = self._ask("HEAD", f"/v2/{repository}/blobs/{digest}", (200, 404))
        return response.status == 200

    def upload(self, repository: str, content: bytes) -> None:
        """Put a blob into the repository."""
        response, _ = self._ask("POST", f"/v2/{repository}/blobs/uploads/", (202,))
        location = urlsplit(response.headers["Location"])
        query = "&".join(filter(None, [location.query, urlencode({"digest": digest_of(content)})]))
        headers = {"Content-Type": "application/octet-stream"}
        self._ask("PUT", f"{location.path}?{query}", (201,), headers, content)

    def name(self, repository: str, tag: str, manifest: bytes) -> None:
        """Give the tag to the image of that manifest, whose blobs the repository has."""
        self._ask("PUT", f"/v2/{repository}/manifests/{tag}", (201,), {"Content-Type": MANIFEST}, manifest)

    def _ask(
        self,
        method: str,
        path: str,
        expected: tuple[int, ...],
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> tuple[HTTPResponse, bytes]:
        self._connection.request(method, path, body, headers or {})
        response = self._connection.getresponse()
        answer = response.read()
        if response.status not in expected:
            sys.exit(f"the registry answers {method} {path} with {response.status}: {answer[:300].decode()}")
        return response, answer


def read(archive: Path) -> Image:
    """The one image in an archive that `docker save` or lab/archive.py wrote."""
    with tarfile.open(archive) as tar:

        def member(name: str) -> bytes:
            file = tar.extractfile(name)
            assert file, f"{name} is no file"
            return file.read()

        (entry,) = json.loads(member("manifest.json"))
        return Image(member(entry["Config"]), tuple(member(layer) for layer in entry["Layers"]))


def push(registry: Registry, repository: str, tag: str, image: Image) -> bool:
    """Bring an image into a registry under a name.

    Returns:
        whether anything of it was missing there; nothing was sent otherwise.
    """
    stored = registry.manifest(repository, tag)
    if is_of(stored, image) and all(registry.has(repository, digest) for digest in blobs(stored)):
        return False
    layers = [_compressed(layer) for layer in image.layers]
    for content in (image.config, *layers):
        if not registry.has(repository, digest_of(content)):
            registry.upload(repository, content)
    registry.name(repository, tag, manifest(image.config, layers))
    return True


@lru_cache(maxsize=4)  # images are pushed one after the other, and several have a layer in common
def _compressed(layer: bytes) -> bytes:
    # Quick rather than small: it goes no further than this machine. Without the time the same bytes every time.
    return gzip.compress(layer, compresslevel=1, mtime=0)


def is_of(stored: dict[str, Any] | None, image: Image) -> bool:
    """Whether a manifest is that image's. Its layers need not be looked at: the configuration has their digests."""
    return stored is not None and stored.get("config", {}).get("digest") == digest_of(image.config)


def blobs(stored: dict[str, Any] | None) -> list[str]:
    """The digests of all a manifest names."""
    return [part["digest"] for part in [stored["config"], *stored["layers"]]] if stored else []


def manifest(config: bytes, layers: list[bytes]) -> bytes:
    """The manifest, version 2 schema 2, of an image with this configuration and these compressed layers."""

    def part(kind: str, content: bytes) -> dict[str, Any]:
        return {"mediaType": kind, "size": len(content), "digest": digest_of(content)}

    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": part(CONFIG, config),
        "layers": [part(LAYER, layer) for layer in layers],
    }
    return json.dumps(document, indent=2).encode()


def digest_of(content: bytes) -> str:
    """A blob's name in a registry."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def main(address: str, port: str, *pairs: str) -> None:
    """Push what is missing, and print the name of each image that was."""
    registry = Registry(address, int(port))
    for name, _, archive in (pair.partition("=") for pair in pairs):
        repository, _, tag = name.rpartition(":")
        if push(registry, repository, tag, read(Path(archive))):
            print(name)


if __name__ == "__main__":
    main(*sys.argv[1:])
