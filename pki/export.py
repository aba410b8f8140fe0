"""A store's public parts in one file: for whoever compares hosts with it and shall hold no key."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cryptography import x509

from pki import certificates
from pki.directory import UNREADABLE, Directory
from pki.files import StoreError
from pki.requests import ISSUERS, SIGNED_BY, SIGNING_AUTHORITY, KeyPair

_FORMAT = "container-cloud store, public parts, 1"


class Export(Directory):
    """What `export` has written to `path`, to be read as a `Directory` is, and never to be written."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, passphrase=None)
        try:
            self._parts: dict[str, Any] = json.loads(path.read_text())
            recognised = self._parts.get("format") == _FORMAT
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}") from error
        except (ValueError, AttributeError):
            recognised = False
        if not recognised:
            raise StoreError(f"the certificate store {path} is neither a directory nor the public parts of one")

    def begin(self, *, write: bool) -> None:
        """Refuse what would write."""
        if write:
            raise StoreError(
                f"{self.path} holds the public parts of a certificate store: enough for an audit. For a run write the "
                "store's own directory into pki_directory"
            )

    def try_passphrase(self) -> None:
        """Nothing is encrypted."""

    def authority_path(self, name: str) -> Path:
        """The file that authority `name` is in."""
        return self.path

    def authority(self, name: str) -> x509.Certificate | None:
        """The certificate of authority `name`."""
        pem = self._parts["authorities"].get(name)
        return _parsed(pem) if pem else None

    def authority_pair(self, name: str) -> KeyPair:
        """Certificate of authority `name`, which exists, and its key's digest."""
        return KeyPair(self._parts["authorities"][name], "", self._parts["signing_key"])

    def former(self, name: str) -> Iterator[x509.Certificate]:
        """The certificates of authorities that had the name before."""
        yield from map(_parsed, self._parts["former"])

    def pair_path(self, name: str) -> Path:
        """The file that the pair `name` is in."""
        return self.path

    def has_pair(self, name: str) -> bool:
        """Whether there is a pair of that name."""
        return name in self._parts["certificates"]

    def pair(self, name: str) -> tuple[x509.Certificate, KeyPair | None] | None:
        """The certificate `name`, and the same with its key's digest."""
        if not self.has_pair(name):
            return None
        pem, digest = self._parts["certificates"][name]
        return _parsed(pem), KeyPair(pem, "", digest)

    def names(self) -> Iterable[str]:
        """The names of all pairs."""
        return list(self._parts["certificates"])

    def service_account(self) -> KeyPair | None:
        """The public key of the service account, and its key's digest."""
        found = self._parts["service_account"]
        return KeyPair(found[0], "", found[1]) if found else None

    def secrets_key(self) -> KeyPair | None:
        """The digest of the key that encrypts Secrets."""
        found = self._parts.get("secrets_key")
        return KeyPair("", "", found) if found else None


def export(directory: Directory) -> str:
    """What `Export` reads: certificates, public keys, and the SHA-256 of every key that hosts hold. No key.

    Raises StoreError as the store does, and when there is none. A damaged pair is left out: to an audit, too, it is
    one that is to be issued anew.
    """
    directory.begin(write=False)
    if directory.authority(SIGNED_BY) is None:
        raise StoreError(f"there is no certificate store in {directory.path} yet: the first run makes it")
    authorities = {name: directory.authority(name) for name in (*ISSUERS, SIGNING_AUTHORITY)}
    signing = directory.authority_pair(SIGNING_AUTHORITY).digest if authorities[SIGNING_AUTHORITY] else None
    encrypts = directory.secrets_key()
    parts = {
        "format": _FORMAT,
        "authorities": {name: certificates.certificate_pem(a) for name, a in authorities.items() if a},
        "signing_key": signing,
        "former": [certificates.certificate_pem(former) for former in directory.former(SIGNING_AUTHORITY)],
        "service_account": _digested(directory.service_account()),
        "secrets_key": encrypts.digest if encrypts else None,
        "certificates": {name: _digested(pair) for name, pair in _pairs(directory, directory.names())},
    }
    return json.dumps(parts, indent=1) + "\n"


def _pairs(directory: Directory, names: Iterable[str]) -> Iterator[tuple[str, KeyPair]]:
    for name in names:
        try:
            stored = directory.pair(name)
        except UNREADABLE:
            continue
        if stored and stored[1]:
            yield name, stored[1]


def _digested(pair: KeyPair | None) -> tuple[str, str] | None:
    return (pair.certificate, pair.digest) if pair else None


def _parsed(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())
