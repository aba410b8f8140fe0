"""The store: which certificates exist, which must be issued, and their files.

DIRECTORY/authorities/NAME.pem      an authority: its key, encrypted if there is a passphrase, and its certificate
DIRECTORY/certificates/NAME.pem     a pair: key and certificate in one file, so that one never is without the other
DIRECTORY/service-account.pem       the key that signs service-account tokens
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from pki import certificates, files
from pki.certificates import Authority
from pki.files import StoreError
from pki.requests import KeyPair, Request

# Every authority and the one that signs it; None: itself.
AUTHORITIES = {"cluster": None, "etcd": None, "front-proxy": None, "cluster-signing": "cluster"}
# The one authority whose key leaves the store: the controller manager signs with it.
SIGNING_AUTHORITY = "cluster-signing"

_BEGIN_CERTIFICATE = "-----BEGIN CERTIFICATE-----\n"
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm)  # what cryptography raises for a damaged PEM


@dataclass(frozen=True)
class Entry:
    """A certificate in the store.

    + name: the authority's name, or the request's
    + subject, issuer: names as RFC 4514 writes them: "CN=client,O=system:masters"
    + not_after: when it ends, in UTC
    + path: its file
    """

    name: str
    subject: str
    issuer: str
    not_after: datetime
    path: Path


class Store:
    """Authorities, certificates and keys in one directory, safe for several processes and greenlets at once.

    + directory: made with mode 0700 at the first write; "~" is the user's home
    + key_type: "rsa-2048" or "ecdsa-p256", for keys made from now on
    + authority_days, certificate_days: life of what is issued, in days
    + renew_days: a certificate with fewer days left is issued again; less than certificate_days
    + passphrase: encrypts the authorities' keys; keys so far in the clear are encrypted at the next write

    Every method with `write` only reads when it is False: it then answers None for what would be made.
    Raises ValueError for impossible settings; every method raises StoreError when the directory cannot be used, an
    authority's file is damaged or a passphrase is needed and wrong.
    """

    def __init__(
        self,
        directory: Path,
        *,
        key_type: str = "rsa-2048",
        authority_days: int = 3650,
        certificate_days: int = 365,
        renew_days: int = 30,
        passphrase: str | None = None,
    ) -> None:
        if key_type not in certificates.KEY_TYPES:
            raise ValueError(f"key type {key_type!r} is none of {', '.join(certificates.KEY_TYPES)}")
        if authority_days < 1 or certificate_days < 1 or renew_days < 0:
            raise ValueError("an authority and a certificate live 1 day or longer, and renew_days is not negative")
        if renew_days >= certificate_days:
            raise ValueError(
                f"certificates of {certificate_days} days that are renewed with {renew_days} days left would be "
                "issued anew by every run"
            )
        if passphrase == "":
            raise ValueError("the passphrase is empty")
        self.directory = directory.expanduser()
        self._key_type = key_type
        self._authority_days = authority_days
        self._certificate_days = certificate_days
        self._renew_days = renew_days
        self._passphrase = passphrase
        self._mutex = threading.Lock()

    def authority_certificate(self, name: str, *, write: bool) -> str | None:
        """The certificate of authority `name` (one of AUTHORITIES) as PEM; ValueError for another name."""
        if name not in AUTHORITIES:
            raise ValueError(f"authority {name!r} is none of {', '.join(AUTHORITIES)}")
        files.exists(self.directory)
        certificate = self._usable_authority(name)
        if write and (certificate is None or self._key_is_in_the_clear(name)):
            with self._locked():
                certificate = self._authority(name).certificate
        return certificates.certificate_pem(certificate) if certificate else None

    def authority_key_pair(self, name: str, *, write: bool) -> KeyPair | None:
        """Certificate and key of authority `name`, which must be "cluster-signing": ValueError for any other."""
        if name != SIGNING_AUTHORITY:
            raise ValueError(f"the key of authority {name!r} does not leave the store")
        if self.authority_certificate(name, write=write) is None:
            return None
        authority = self._open(name)
        return KeyPair(certificates.certificate_pem(authority.certificate), certificates.key_pem(authority.key))

    def service_account(self, *, write: bool) -> KeyPair | None:
        """The key that signs service-account tokens, and its public key in place of a certificate."""
        files.exists(self.directory)
        pair = self._read_service_account()
        if pair is None and write:
            with self._locked():
                pair = self._read_service_account()
                if pair is None:
                    key = certificates.generate_key(self._key_type)
                    pair = KeyPair(certificates.public_key_pem(key), certificates.key_pem(key))
                    files.write(self._service_account_path, pair.key)
        return pair

    def ensure(self, request: Request, *, write: bool) -> KeyPair | None:
        """The pair that `request` describes: the stored one if it fits, otherwise a new one with a new key."""
        pair, reasons = self._examine(request)
        if not reasons or not write:
            return None if reasons else pair
        with self._locked():
            # Another process may have issued it while this one waited.
            pair, reasons = self._examine(request)
            return pair if not reasons else self._issue(request)

    def reasons(self, request: Request) -> list[str]:
        """Why `ensure` would issue `request` anew, a line each; none if what is stored fits."""
        return self._examine(request)[1]

    def survey(self) -> list[Entry]:
        """Every certificate in the store, authorities first, sorted by name; StoreError names a damaged file."""
        if not files.exists(self.directory):
            return []
        entries = []
        for folder in (self.directory / "authorities", self.directory / "certificates"):
            for path in sorted(folder.rglob("[!.]*.pem")):
                try:
                    certificate = x509.load_pem_x509_certificate(path.read_bytes())
                except _UNREADABLE as error:
                    raise StoreError(f"{path} is damaged: {error}") from error
                entries.append(
                    Entry(
                        name=path.relative_to(folder).with_suffix("").as_posix(),
                        subject=certificate.subject.rfc4514_string(),
                        issuer=certificate.issuer.rfc4514_string(),
                        not_after=certificate.not_valid_after_utc,
                        path=path,
                    )
                )
        return entries

    # --- Certificates -----------------------------------------------------------------------------------------------

    def _examine(self, request: Request) -> tuple[KeyPair | None, list[str]]:
        """The stored pair for `request`, and why it does not do."""
        files.exists(self.directory)
        path = self._certificate_path(request)
        try:
            stored = _read(path)
            if stored is None:
                return None, ["no certificate"]
            certificate, pem = stored
            key = certificates.load_key(pem)
        except _UNREADABLE:
            return None, [f"{path} is damaged"]
        reasons = [] if certificates.key_matches(certificate, key) else ["key does not match"]
        reasons += self._stale(certificate, request.authority, self._certificate_days)
        reasons += certificates.differences(certificate, request)
        return KeyPair(certificates.certificate_pem(certificate), pem), reasons

    def _stale(self, certificate: x509.Certificate, issuer: str, days: int) -> list[str]:
        """Why authority `issuer` must sign anew what `certificate` holds, for `days` days."""
        authority = self._usable_authority(issuer)
        if authority is None:
            return [f"authority {issuer!r} does not exist yet"]
        reasons = []
        if not certificates.issued_by(certificate, authority):
            reasons.append(f"issuer is not authority {issuer!r}")
        end, now = certificate.not_valid_after_utc, certificates.now()
        if end <= now:
            reasons.append(f"expired on {end:%Y-%m-%d}")
        # A certificate that already lives as long as its authority gains nothing: renewing it would never end.
        elif end - now < timedelta(days=self._renew_days) and certificates.expiry(days, authority) > end:
            reasons.append(f"{(end - now).days} days left")
        return reasons

    def _issue(self, request: Request) -> KeyPair:
        """A new pair for `request`, stored. The lock is held."""
        issuer = self._authority(request.authority)
        key = certificates.generate_key(self._key_type)
        certificate = certificates.issue_leaf(request, key=key, days=self._certificate_days, issuer=issuer)
        pair = KeyPair(certificates.certificate_pem(certificate), certificates.key_pem(key))
        files.write(self._certificate_path(request), pair.key + pair.certificate)
        return pair

    # --- Authorities ------------------------------------------------------------------------------------------------

    def _usable_authority(self, name: str) -> x509.Certificate | None:
        """The certificate of authority `name`; None if there is none, or none that its own issuer still stands for."""
        stored = self._read_authority(name)
        parent = AUTHORITIES[name]
        if stored is None or (parent and self._stale(stored[0], parent, self._authority_days)):
            return None
        return stored[0]

    def _authority(self, name: str) -> Authority:
        """Authority `name`, able to sign; made if there is none. The lock is held."""
        if self._usable_authority(name) is None:
            self._make_authority(name)
        elif self._key_is_in_the_clear(name):
            self._write_authority(name, self._open(name))
        authority = self._open(name)
        if authority.certificate.not_valid_after_utc <= certificates.now():
            raise StoreError(
                f"authority {name!r} expired on {authority.certificate.not_valid_after_utc:%Y-%m-%d}: move "
                f"{self._authority_path(name)} away, and the next run makes a new one and issues its certificates anew"
            )
        return authority

    def _make_authority(self, name: str) -> None:
        # One passphrase for the whole store: a mistyped one must not go unnoticed until some later run.
        for other in AUTHORITIES:
            if self._read_authority(other):
                self._open(other)
        parent = AUTHORITIES[name]
        authority = certificates.issue_authority(
            f"container-cloud {name} CA",
            key=certificates.generate_key(self._key_type),
            days=self._authority_days,
            path_length=1 if name in AUTHORITIES.values() else 0,
            issuer=self._authority(parent) if parent else None,
        )
        self._write_authority(name, authority)

    def _open(self, name: str) -> Authority:
        """Authority `name` with its key decrypted."""
        path = self._authority_path(name)
        stored = self._read_authority(name)
        if stored is None:
            raise StoreError(f"{path} has vanished")
        certificate, pem = stored
        encrypted = not _in_the_clear(pem)
        if encrypted and self._passphrase is None:
            raise StoreError(f"the key in {path} is encrypted: its passphrase is needed")
        try:
            key = certificates.load_key(pem, self._passphrase if encrypted else None)
        except _UNREADABLE as error:
            wrong = "cannot be decrypted: the passphrase is wrong, or the file damaged" if encrypted else "is damaged"
            raise StoreError(f"the key in {path} {wrong}") from error
        if not certificates.key_matches(certificate, key):
            raise StoreError(f"key and certificate in {path} do not match: restore the file from a backup")
        return Authority(certificate, key)

    def _key_is_in_the_clear(self, name: str) -> bool:
        """Whether the key of authority `name` should be encrypted and is not."""
        stored = self._read_authority(name)
        return self._passphrase is not None and stored is not None and _in_the_clear(stored[1])

    def _read_authority(self, name: str) -> tuple[x509.Certificate, str] | None:
        """Certificate and PEM key of authority `name` as its file holds them."""
        path = self._authority_path(name)
        try:
            return _read(path)
        except _UNREADABLE as error:
            # Never replaced unasked: everything it signed would stop working.
            raise StoreError(f"{path} is damaged: restore it from a backup") from error

    def _write_authority(self, name: str, authority: Authority) -> None:
        key = certificates.key_pem(authority.key, self._passphrase)
        files.write(self._authority_path(name), key + certificates.certificate_pem(authority.certificate))

    # --- Files ------------------------------------------------------------------------------------------------------

    def _read_service_account(self) -> KeyPair | None:
        path = self._service_account_path
        try:
            key = certificates.load_key(path.read_text())
        except FileNotFoundError:
            return None
        except _UNREADABLE as error:
            raise StoreError(f"{path} is damaged: restore it from a backup") from error
        return KeyPair(certificates.public_key_pem(key), certificates.key_pem(key))

    @property
    def _service_account_path(self) -> Path:
        return self.directory / "service-account.pem"

    def _authority_path(self, name: str) -> Path:
        return self.directory / "authorities" / f"{name}.pem"

    def _certificate_path(self, request: Request) -> Path:
        return self.directory / "certificates" / f"{request.name}.pem"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        # The greenlets of this process queue for the mutex, so that one at a time asks for the file lock.
        with self._mutex, files.locked(self.directory):
            yield


def _read(path: Path) -> tuple[x509.Certificate, str] | None:
    """The certificate and the PEM key in `path`, key first there; None if there is no such file."""
    try:
        key, begin, rest = path.read_text().partition(_BEGIN_CERTIFICATE)
    except FileNotFoundError:
        return None
    return x509.load_pem_x509_certificate((begin + rest).encode()), key


def _in_the_clear(key: str) -> bool:
    return "ENCRYPTED" not in key.partition("\n")[0]
