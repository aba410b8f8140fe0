"""A registry in the lab's network: Debian's docker-registry, filled with images, in two processes over one storage.

One answers over HTTP at 10.1.10.1:5000, as the guide's registry does: Docker must be told to put up with that. The
other answers over TLS at 10.1.10.1:5443, with a certificate of the cluster's own authority, which hosts trust.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab import cache, mirror, network
from lab.process import LabError, run
from lab.progress import say
from lab.service import Service
from lab.state import DIRECTORY, GATEWAY, MIRROR, PKI

if TYPE_CHECKING:
    from pki import KeyPair

PORT = 5000
TLS_PORT = 5443
STORAGE = DIRECTORY / "registry"


@dataclass(frozen=True)
class Server:
    """One of the registry's processes.

    + name: what its files are named after
    + port: where it answers
    + pair: its certificate and key; None: plain HTTP
    """

    name: str
    port: int
    pair: "KeyPair | None" = None

    @property
    def files(self) -> dict[Path, str]:
        """What it reads when it starts: the configuration, and if there are any the certificate and the key."""
        if not self.pair:
            return {self._configuration: configuration(self.port)}
        certificate, key = DIRECTORY / f"{self.name}.crt", DIRECTORY / f"{self.name}.key"
        text = configuration(self.port, certificate, key)
        return {self._configuration: text, certificate: self.pair.certificate, key: self.pair.key}

    def is_current(self) -> bool:
        """Whether it runs with these files: they are only written while it does not run."""
        written = all(path.is_file() and path.read_text() == text for path, text in self.files.items())
        return written and self._service.is_running()

    def start(self) -> None:
        """Start it with these files.

        Raises:
            LabError: it does not serve.
        """
        self.stop()
        for path, text in self.files.items():
            path.unlink(missing_ok=True)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(text)
        # An empty environment: each variable REGISTRY_… would be a setting.
        self._service.start([_program(), "serve", self._configuration], env={})

    def stop(self) -> None:
        """End it, if it runs."""
        self._service.stop()

    @property
    def _configuration(self) -> Path:
        return DIRECTORY / f"{self.name}.yml"

    @property
    def _service(self) -> Service:
        return Service(self.name, self.port, str(self._configuration))


def start() -> None:
    """Serve the images, over HTTP and over TLS, unless they are being served.

    Raises:
        LabError: a server does not serve, the certificate cannot be had, or an image cannot be pushed.
    """
    plain, secure = Server("registry", PORT), Server("registry-tls", TLS_PORT, _pair())
    if not plain.is_current():
        stop()
        # However the last one ended, what it left half-written is not taken over: the images are pushed in a moment.
        shutil.rmtree(STORAGE, ignore_errors=True)
        plain.start()
    if not secure.is_current():
        secure.start()
    for name in push({name: MIRROR / "images" / file for name, file in mirror.manifest()["registry"].items()}):
        say(f"  pushed {name} to the registry")


def stop() -> None:
    """End the servers, if they run."""
    for server in (Server("registry", PORT), Server("registry-tls", TLS_PORT)):
        server.stop()


def configuration(port: int, certificate: Path | None = None, key: Path | None = None) -> str:
    """What a server of the registry is told.

    Args:
        port: where it listens.
        certificate: the file with its certificate; without it there is no TLS.
        key: the file with the certificate's key.
    """
    text = f"""\
version: 0.1
storage:
  filesystem:
    rootdirectory: {STORAGE}
http:
  addr: {GATEWAY}:{port}
"""
    if certificate:
        text += f"""\
  tls:
    certificate: {certificate}
    key: {key}
"""
    return text


def _pair() -> "KeyPair":
    """The registry's certificate and key, from the lab's own store, which makes the cluster's authority if need be."""
    from pki import Request, Store, StoreError  # takes longer to import than most of the lab's commands run

    server = frozenset({"server"})
    request = Request("lab-registry", "cluster", "lab-registry", addresses=(GATEWAY,), usages=server)
    try:
        pair = Store(PKI).ensure(request, write=True)
    except StoreError as error:
        raise LabError(str(error)) from None
    assert pair
    return pair


def _program() -> Path:
    """The cache entry's docker-registry, taken out of the package that hosts would install from the mirror."""
    package = next((MIRROR / "debian").glob("docker-registry_*.deb"))

    def extract(files: Path, scratch: Path) -> None:
        run("dpkg-deb", "--extract", package, scratch)
        (scratch / "usr/bin/docker-registry").rename(files / "docker-registry")

    return cache.get("registry", package.name.split("_")[1], extract) / "docker-registry"


def push(pictures: Mapping[str, Path]) -> list[str]:
    """Bring image archives into the registry.

    Args:
        pictures: what the registry calls them, repository:tag -> the archive.

    Returns:
        the names of those that were not in it.

    Raises:
        LabError: the registry does not take one.
    """
    pairs = [f"{name}={file}" for name, file in pictures.items()]
    script = Path(__file__).with_name("push.py")
    return run(*network.enter(), sys.executable, "-I", script, GATEWAY, str(PORT), *pairs).split()
