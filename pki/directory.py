"""A store's directory: what lies where in it, and under which passphrase.

DIRECTORY/authorities/NAME.pem      an authority: its key and its certificate
DIRECTORY/former/NAME-SERIAL.crt    the certificate of an authority that another has replaced; its key is gone
DIRECTORY/certificates/NAME.pem     a pair: key and certificate in one file, so that one never is without the other
DIRECTORY/service-account.pem       the key that signs service-account tokens
DIRECTORY/secrets.pem               the key that encrypts Kubernetes' Secrets in etcd

Every key is encrypted if there is a passphrase.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from pki import certificates, files
from pki.certificates import Authority, PrivateKey
from pki.files import StoreError
from pki.requests import KeyPair

UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm)  # what cryptography raises for a damaged PEM
_BEGIN_CERTIFICATE = "-----BEGIN CERTIFICATE-----\n"


class Directory:
    """The files below `path`, safe for several processes and greenlets at once. Raises StoreError as `Store` does."""

    def __init__(self, path: Path, passphrase: str | None) -> None:
        self.path = path
        self._passphrase = passphrase
        self._sealed = passphrase is None  # whether no key is known to be in the clear that should not be
        self._mutex = threading.Lock()

    def begin(self, *, write: bool) -> None:
        """To be called before anything is read or written: is the directory private, and what shall be encrypted?"""
        if files.exists(self.path) and write and not self._sealed:
            self._seal()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock against all other writers."""
        # The greenlets of this process queue for the mutex, so that one at a time asks for the file lock.
        with self._mutex, files.locked(self.path):
            yield

    # --- Authorities ------------------------------------------------------------------------------------------------

    def authority_path(self, name: str) -> Path:
        """The file of authority `name`."""
        return self.path / "authorities" / f"{name}.pem"

    def authority(self, name: str) -> x509.Certificate | None:
        """The certificate of authority `name`."""
        stored = self._read_authority(name)
        return stored[0] if stored else None

    def authority_pair(self, name: str) -> KeyPair:
        """Certificate and key of authority `name`, which exists."""
        authority = self.open_authority(name)
        return KeyPair(certificates.certificate_pem(authority.certificate), certificates.key_pem(authority.key))

    def open_authority(self, name: str) -> Authority:
        """Authority `name`, which exists, with its key decrypted."""
        path = self.authority_path(name)
        stored = self._read_authority(name)
        if stored is None:
            raise StoreError(f"{path} has vanished")
        certificate, pem = stored
        try:
            key = self._decrypted(pem, path)
        except UNREADABLE as error:
            raise StoreError(f"the key in {path} is damaged") from error
        if not certificates.key_matches(certificate, key):
            raise StoreError(f"key and certificate in {path} do not match: restore the file from a backup")
        return Authority(certificate, key)

    def write_authority(self, name: str, authority: Authority) -> None:
        """Store authority `name`. Of one that it replaces the certificate is kept; its key is no more."""
        self.try_passphrase()
        if before := self.authority(name):
            path = self.path / "former" / f"{name}-{before.serial_number:x}.crt"
            files.write(path, certificates.certificate_pem(before))
        text = certificates.key_pem(authority.key, self._passphrase) + certificates.certificate_pem(
            authority.certificate
        )
        files.write(self.authority_path(name), text)

    def former(self, name: str) -> Iterator[x509.Certificate]:
        """The certificates of authorities that had the name before."""
        for path in sorted((self.path / "former").glob(f"{name}-*.crt")):
            try:
                yield x509.load_pem_x509_certificate(path.read_bytes())
            except UNREADABLE as error:
                raise StoreError(f"{path} is damaged: restore it from a backup, or remove it") from error

    def _read_authority(self, name: str) -> tuple[x509.Certificate, str] | None:
        path = self.authority_path(name)
        try:
            return _read(path)
        except UNREADABLE as error:
            # Never replaced unasked: everything it signed would stop working.
            raise StoreError(f"{path} is damaged: restore it from a backup") from error

    # --- Certificates -----------------------------------------------------------------------------------------------

    def pair_path(self, name: str) -> Path:
        """The file of the pair `name`."""
        return self.path / "certificates" / f"{name}.pem"

    def has_pair(self, name: str) -> bool:
        """Whether there is a pair of that name, in whatever state."""
        return self.pair_path(name).exists()

    def pair(self, name: str) -> tuple[x509.Certificate, KeyPair | None] | None:
        """The certificate `name` and, if its key is its own, the pair. Raises one of UNREADABLE for a damaged one."""
        path = self.pair_path(name)
        stored = _read(path)
        if stored is None:
            return None
        certificate, pem = stored
        key = self._decrypted(pem, path)
        if not certificates.key_matches(certificate, key):
            return certificate, None
        plain = pem if _in_the_clear(pem) else certificates.key_pem(key)
        return certificate, KeyPair(certificates.certificate_pem(certificate), plain)

    def write_pair(self, name: str, certificate: x509.Certificate, key: PrivateKey) -> None:
        """Store a pair."""
        text = certificates.key_pem(key, self._passphrase) + certificates.certificate_pem(certificate)
        files.write(self.pair_path(name), text)

    def move_pair(self, old: str, new: str) -> None:
        """Give the pair `old` the name `new`."""
        files.move(self.pair_path(old), self.pair_path(new))

    def names(self) -> Iterable[str]:
        """The names of all pairs."""
        folder = self.path / "certificates"
        return [p.relative_to(folder).with_suffix("").as_posix() for p in sorted(folder.rglob("[!.]*.pem"))]

    # --- The service account's key ----------------------------------------------------------------------------------

    @property
    def _service_account_path(self) -> Path:
        return self.path / "service-account.pem"

    def service_account(self) -> KeyPair | None:
        """The key that signs service-account tokens, and its public key."""
        path = self._service_account_path
        try:
            key = self._decrypted(path.read_text(), path)
        except FileNotFoundError:
            return None
        except UNREADABLE as error:
            raise StoreError(f"{path} is damaged: restore it from a backup") from error
        return KeyPair(certificates.public_key_pem(key), certificates.key_pem(key))

    def write_service_account(self, key: PrivateKey) -> None:
        """Store that key."""
        self.try_passphrase()
        files.write(self._service_account_path, certificates.key_pem(key, self._passphrase))

    # --- The key of Secrets -----------------------------------------------------------------------------------------

    @property
    def _secrets_path(self) -> Path:
        return self.path / "secrets.pem"

    def secrets_key(self) -> KeyPair | None:
        """The key that encrypts Secrets, as hosts have it: 32 bytes in base64, on a line."""
        path = self._secrets_path
        try:
            text = certificates.seed(self._decrypted(path.read_text(), path))
        except FileNotFoundError:
            return None
        except UNREADABLE as error:
            # Never replaced unasked: without it no Secret can be read any more.
            raise StoreError(f"{path} is damaged: restore it from a backup") from error
        return KeyPair("", f"{text}\n")

    def write_secrets_key(self, key: PrivateKey) -> None:
        """Store that key."""
        self.try_passphrase()
        files.write(self._secrets_path, certificates.key_pem(key, self._passphrase))

    # --- The passphrase ---------------------------------------------------------------------------------------------

    def try_passphrase(self) -> None:
        """Open what is there: a mistyped passphrase must not go unnoticed until some later run."""
        for path in sorted((self.path / "authorities").glob("[!.]*.pem")):
            self.open_authority(path.stem)
        self.service_account()
        self.secrets_key()

    def _decrypted(self, pem: str, path: Path) -> PrivateKey:
        """The key that `path` holds as `pem`. Raises one of UNREADABLE when it is damaged."""
        if _in_the_clear(pem):
            return certificates.load_key(pem)
        if self._passphrase is None:
            raise StoreError(f"the key in {path} is encrypted: its passphrase is needed")
        try:
            return certificates.load_key(pem, self._passphrase)
        except UNREADABLE as error:
            reason = "cannot be decrypted: the passphrase is wrong, or the file damaged"
            raise StoreError(f"the key in {path} {reason}") from error

    def _seal(self) -> None:
        """Encrypt the keys that lie in the clear since before there was a passphrase."""
        if self._in_the_clear():
            with self.locked():
                self.try_passphrase()
                for path, text in self._in_the_clear().items():
                    key, begin, rest = text.partition(_BEGIN_CERTIFICATE)
                    with suppress(*UNREADABLE):  # what is damaged is issued anew, or said when it is needed
                        encrypted = certificates.key_pem(certificates.load_key(key), self._passphrase)
                        files.write(path, encrypted + begin + rest)
        self._sealed = True

    def _in_the_clear(self) -> dict[Path, str]:
        found = {}
        for path in self.path.rglob("[!.]*.pem"):
            with suppress(OSError, ValueError):  # moved meanwhile, or damaged
                text = path.read_text()
                if _in_the_clear(text):
                    found[path] = text
        return found


def _read(path: Path) -> tuple[x509.Certificate, str] | None:
    """The certificate and the PEM key in `path`, key first there; None if there is no such file."""
    try:
        key, begin, rest = path.read_text().partition(_BEGIN_CERTIFICATE)
    except FileNotFoundError:
        return None
    return x509.load_pem_x509_certificate((begin + rest).encode()), key


def _in_the_clear(key: str) -> bool:
    return "ENCRYPTED" not in key.partition("\n")[0]
