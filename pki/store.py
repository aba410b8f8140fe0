"""The store: which certificates exist, which must be issued anew, and issuing them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509

from pki import certificates
from pki.certificates import Authority
from pki.directory import UNREADABLE, Directory
from pki.export import Export, export
from pki.files import StoreError
from pki.requests import ISSUERS, SIGNED_BY, SIGNING_AUTHORITY, KeyPair, Permitted, Request


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

    + directory: made with mode 0700 at the first write; "~" is the user's home. A file that `export` has written does,
      too, for all that does not write
    + key_type: "rsa-2048" or "ecdsa-p256", for keys made from now on
    + authority_days, certificate_days: life of what is issued, in days
    + renew_days: a certificate with fewer days left is issued again; less than certificate_days
    + passphrase: encrypts every key; keys so far in the clear are encrypted at the next write

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
        self._kept = Export(self.directory) if self.directory.is_file() else Directory(self.directory, passphrase)
        self._key_type = key_type
        self._authority_days = authority_days
        self._certificate_days = certificate_days
        self._renew_days = renew_days

    def check(self) -> None:
        """Raise what everything else would: StoreError for a store that is open to others or another passphrase's."""
        self._kept.begin(write=False)
        self._kept.try_passphrase()

    def authority_certificate(self, name: str, *, write: bool) -> str | None:
        """The certificate of authority `name` (one of ISSUERS) as PEM; ValueError for another name."""
        if name not in ISSUERS:
            raise ValueError(f"authority {name!r} is none of {', '.join(ISSUERS)}")
        self._kept.begin(write=write)
        certificate = self._kept.authority(name)
        if certificate is None and write:
            with self._kept.locked():
                certificate = self._authority(name).certificate
        return certificates.certificate_pem(certificate) if certificate else None

    def signing_authority(self, permitted: Permitted, *, write: bool) -> KeyPair | None:
        """Certificate and key of the authority "cluster-signing", which may sign for what is `permitted` only.

        One that may sign for something else is replaced: a new key, and the former's destroyed.
        """
        self._kept.begin(write=write)
        if self._is_signing(permitted):
            return self._kept.authority_pair(SIGNING_AUTHORITY)
        if not write:
            return None
        with self._kept.locked():
            if not self._is_signing(permitted):
                self._make_signing_authority(permitted)
            return self._kept.authority_pair(SIGNING_AUTHORITY)

    def former_signing_authorities(self) -> list[str]:
        """The PEM certificates of those that were "cluster-signing" before, the youngest first.

        Whoever accepts clients goes on accepting theirs: only such are told of that are still valid themselves, under
        the present authority "cluster".
        """
        self._kept.begin(write=False)
        root, present = self._kept.authority(SIGNED_BY), self._kept.authority(SIGNING_AUTHORITY)
        if root is None:
            return []
        valid = {
            former.serial_number: former
            for former in self._kept.former(SIGNING_AUTHORITY)
            if former.not_valid_after_utc > certificates.now() and certificates.issued_by(former, root)
        }
        if present:
            valid.pop(present.serial_number, None)  # a run that was killed had told of it before it was replaced
        order = sorted(valid.values(), key=lambda c: (c.not_valid_before_utc, c.serial_number), reverse=True)
        return [certificates.certificate_pem(former) for former in order]

    def service_account(self, *, write: bool) -> KeyPair | None:
        """The key that signs service-account tokens, and its public key in place of a certificate."""
        self._kept.begin(write=write)
        pair = self._kept.service_account()
        if pair is None and write:
            with self._kept.locked():
                pair = self._kept.service_account()
                if pair is None:
                    self._kept.write_service_account(certificates.generate_key(self._key_type))
                    pair = self._kept.service_account()
        return pair

    def secrets_key(self, *, write: bool) -> KeyPair | None:
        """The key that encrypts Kubernetes' Secrets in etcd, 32 bytes in base64; made once, and never replaced."""
        self._kept.begin(write=write)
        key = self._kept.secrets_key()
        if key is None and write:
            with self._kept.locked():
                if self._kept.secrets_key() is None:
                    self._kept.write_secrets_key(certificates.generate_seed())
                key = self._kept.secrets_key()
        return key

    def ensure(self, request: Request, *, write: bool) -> KeyPair | None:
        """The pair that `request` describes: the stored one if it fits, otherwise a new one with a new key."""
        self._kept.begin(write=write)
        pair, reasons = self._examine(request)
        if write and (reasons or self._name(request) != request.name):
            with self._kept.locked():
                if (former := self._name(request)) != request.name:
                    self._kept.move_pair(former, request.name)
                # Another process may have issued it while this one waited.
                pair, reasons = self._examine(request)
                return self._issue(request) if reasons else pair
        return None if reasons else pair

    def reasons(self, request: Request) -> list[str]:
        """Why `ensure` would issue `request` anew, a line each; none if what is stored fits."""
        self._kept.begin(write=False)
        return self._examine(request)[1]

    def export(self) -> str:
        """What is public of the store, as text for a file that another `Store` reads: no key, but their digests."""
        return export(self._kept)

    def survey(self) -> list[Entry]:
        """Every certificate in the store, authorities first, sorted by name; StoreError names a damaged file."""
        self._kept.begin(write=False)
        entries = []
        for folder in (self.directory / "authorities", self.directory / "certificates"):
            for path in sorted(folder.rglob("[!.]*.pem")):
                try:
                    certificate = x509.load_pem_x509_certificate(path.read_bytes())
                except UNREADABLE as error:
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
        name = self._name(request)
        try:
            stored = self._kept.pair(name)
        except UNREADABLE:
            return None, [f"{self._kept.pair_path(name)} is damaged"]
        if stored is None:
            return None, ["no certificate"]
        certificate, pair = stored
        reasons = [] if pair else ["key does not match"]
        reasons += self._stale(certificate, request.authority, self._certificate_days)
        reasons += certificates.differences(certificate, request)
        return pair, reasons

    def _name(self, request: Request) -> str:
        """The name under which the pair of `request` is stored: that of before, as long as it has not been moved."""
        former = request.formerly
        if former is None or self._kept.has_pair(request.name):
            return request.name
        try:
            stored = self._kept.pair(former)
        except UNREADABLE:
            return request.name
        return former if stored and certificates.is_for(stored[0], request) else request.name

    def _stale(self, certificate: x509.Certificate, issuer: str, days: int) -> list[str]:
        """Why authority `issuer` must sign anew what `certificate` holds, for `days` days."""
        authority = self._kept.authority(issuer)
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
        self._kept.write_pair(request.name, certificate, key)
        return KeyPair(certificates.certificate_pem(certificate), certificates.key_pem(key))

    # --- Authorities ------------------------------------------------------------------------------------------------

    def _authority(self, name: str) -> Authority:
        """Authority `name`, able to sign; made if there is none. The lock is held."""
        if self._kept.authority(name) is None:
            key = certificates.generate_key(self._key_type)
            depth = 1 if name == SIGNED_BY else 0
            made = certificates.issue_authority(_subject(name), key=key, days=self._authority_days, path_length=depth)
            self._kept.write_authority(name, made)
        authority = self._kept.open_authority(name)
        if authority.certificate.not_valid_after_utc <= certificates.now():
            raise StoreError(
                f"authority {name!r} expired on {authority.certificate.not_valid_after_utc:%Y-%m-%d}: move "
                f"{self._kept.authority_path(name)} away, and the next run makes a new one and issues its "
                "certificates anew"
            )
        return authority

    def _is_signing(self, permitted: Permitted) -> bool:
        """Whether there is a signing authority that does."""
        certificate = self._kept.authority(SIGNING_AUTHORITY)
        if certificate is None or self._stale(certificate, SIGNED_BY, self._authority_days):
            return False
        return certificates.is_permitted_only(certificate, permitted)

    def _make_signing_authority(self, permitted: Permitted) -> None:
        """A new signing authority. The lock is held."""
        made = certificates.issue_authority(
            _subject(SIGNING_AUTHORITY),
            key=certificates.generate_key(self._key_type),
            days=self._authority_days,
            path_length=0,
            issuer=self._authority(SIGNED_BY),
            permitted=permitted,
        )
        self._kept.write_authority(SIGNING_AUTHORITY, made)


def _subject(authority: str) -> str:
    return f"container-cloud {authority} CA"
