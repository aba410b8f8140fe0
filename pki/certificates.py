"""X.509 as this project uses it: make keys and certificates, read them back, say how one differs from a request.

Pure functions of their arguments and the clock; files are pki.store's.
"""

import base64
import ipaddress
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pki.requests import Permitted, Request

Extension = TypeVar("Extension", bound=x509.ExtensionType)
# The last is no certificate's: its seed is 32 random bytes, which are kept and encrypted as every other key is.
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

KEY_TYPES = ("rsa-2048", "ecdsa-p256")

_CLOCK_SKEW = timedelta(minutes=5)  # how far behind this machine's clock a host's may be
_USAGE_IDS = {"client": ExtendedKeyUsageOID.CLIENT_AUTH, "server": ExtendedKeyUsageOID.SERVER_AUTH}


@dataclass(frozen=True)
class Authority:
    """An authority that can sign: its certificate and its private key."""

    certificate: x509.Certificate
    key: PrivateKey = field(repr=False)


def now() -> datetime:
    """The time, in UTC and whole seconds as certificates hold it."""
    return datetime.now(UTC).replace(microsecond=0)


_ahead: dict[str, deque[Callable[[], PrivateKey]]] = defaultdict(deque)


def generate_key(key_type: str) -> PrivateKey:
    """A new private key of `key_type`, one of KEY_TYPES: one that was begun ahead, if there is one."""
    return _ahead[key_type].popleft()() if _ahead[key_type] else make_key(key_type)


def have_ahead(key_type: str, keys: Iterable[Callable[[], PrivateKey]]) -> None:
    """Have the next keys of `key_type` be those that somebody has begun to make.

    Args:
        key_type: their kind.
        keys: for each, what waits for it and returns it; each is called at most once.
    """
    _ahead[key_type].extend(keys)


def make_key(key_type: str) -> PrivateKey:
    """A new private key of `key_type`, made here and now."""
    if key_type == "rsa-2048":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    if key_type == "ecdsa-p256":
        return ec.generate_private_key(ec.SECP256R1())
    raise ValueError(f"key type {key_type!r} is none of {', '.join(KEY_TYPES)}")


def generate_seed() -> PrivateKey:
    """A key that is nothing but 32 new random bytes."""
    return ed25519.Ed25519PrivateKey.generate()


def seed(key: PrivateKey) -> str:
    """The 32 bytes of such a key, in base64. Raises ValueError for another."""
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise ValueError("not a key of 32 bytes")
    return base64.b64encode(key.private_bytes_raw()).decode()


def key_pem(key: PrivateKey, passphrase: str | None = None) -> str:
    """`key` as PKCS8 PEM, encrypted when there is a `passphrase`."""
    encryption: KeySerializationEncryption = NoEncryption()
    if passphrase is not None:
        encryption = BestAvailableEncryption(passphrase.encode())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


def public_key_pem(key: PrivateKey) -> str:
    """The public half of `key` as PEM."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def certificate_pem(certificate: x509.Certificate) -> str:
    """`certificate` as PEM."""
    return certificate.public_bytes(Encoding.PEM).decode()


def load_key(pem: str, passphrase: str | None = None) -> PrivateKey:
    """The private key in `pem`; raises ValueError or TypeError when it cannot be read with this `passphrase`."""
    # Validating an RSA key proves its primes anew, which takes longer than all else here. The key is our own, and
    # `key_matches` still compares it with its certificate.
    key = load_pem_private_key(
        pem.encode(), passphrase.encode() if passphrase is not None else None, unsafe_skip_rsa_key_validation=True
    )
    if not isinstance(key, PrivateKey):
        raise ValueError("neither an RSA nor an elliptic curve key")
    return key


def key_matches(certificate: x509.Certificate, key: PrivateKey) -> bool:
    """Whether `certificate` is for `key`."""
    return certificate.public_key() == key.public_key()


def issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether `issuer` signed `certificate`: the names agree and the signature verifies."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def expiry(days: int, issuer: x509.Certificate | None) -> datetime:
    """When a certificate issued now for `days` days ends: never later than its issuer."""
    end = now() + timedelta(days=days)
    return min(end, issuer.not_valid_after_utc) if issuer else end


def issue_authority(
    common_name: str,
    *,
    key: PrivateKey,
    days: int,
    path_length: int,
    issuer: Authority | None = None,
    permitted: Permitted | None = None,
) -> Authority:
    """A certificate authority for `key`: self-signed, or signed by `issuer`.

    + days: its life, cut to the issuer's
    + path_length: how many authorities may stand between it and a leaf
    + permitted: the names it may sign for; None: any
    """
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = _builder(subject, key, days, issuer.certificate if issuer else None)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
    builder = builder.add_extension(_key_usage(sign_certificates=True), critical=True)
    if permitted:
        builder = builder.add_extension(_constraints(permitted), critical=True)
    return Authority(builder.sign(issuer.key if issuer else key, SHA256()), key)


def issue_leaf(request: Request, *, key: PrivateKey, days: int, issuer: Authority) -> x509.Certificate:
    """A certificate for `key` that holds what `request` asks for, signed by `issuer`.

    + days: its life, cut to the issuer's
    """
    builder = _builder(_subject(request), key, days, issuer.certificate)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    usage = _key_usage(key_encipherment=isinstance(key, rsa.RSAPrivateKey))
    builder = builder.add_extension(usage, critical=True)
    usages = x509.ExtendedKeyUsage([_USAGE_IDS[name] for name in sorted(request.usages)])
    builder = builder.add_extension(usages, critical=False)
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in dict.fromkeys(request.dns_names)]
    names += [x509.IPAddress(a) for a in dict.fromkeys(map(ipaddress.ip_address, request.addresses))]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer.key, SHA256())


def differences(certificate: x509.Certificate, request: Request) -> list[str]:
    """What `request` asks for and `certificate` does not hold (+), or the reverse (-): one line a kind of thing."""
    alternative: Iterable[x509.GeneralName] = _value(certificate, x509.SubjectAlternativeName) or ()
    usages: Iterable[x509.ObjectIdentifier] = _value(certificate, x509.ExtendedKeyUsage) or ()
    used = {next((name for name, oid in _USAGE_IDS.items() if oid == usage), usage.dotted_string) for usage in usages}
    names = {*request.dns_names, *(str(ipaddress.ip_address(address)) for address in request.addresses)}
    compared = (
        ("subject differs", _parts(certificate.subject), _parts(_subject(request))),
        ("names differ", {str(name.value) for name in alternative}, names),
        ("usages differ", used, set(request.usages)),
    )
    return [f"{what}: {_changes(has, wants)}" for what, has, wants in compared if has != wants]


def is_for(certificate: x509.Certificate, request: Request) -> bool:
    """Whether `certificate` has the subject that `request` asks for."""
    return _parts(certificate.subject) == _parts(_subject(request))


def is_permitted_only(certificate: x509.Certificate, permitted: Permitted) -> bool:
    """Whether the authority `certificate` may sign for exactly what is `permitted`."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.NameConstraints)
    except x509.ExtensionNotFound:
        return False
    wanted = _constraints(permitted).permitted_subtrees or ()
    return (
        found.critical and not found.value.excluded_subtrees and set(found.value.permitted_subtrees or ()) == {*wanted}
    )


def _constraints(permitted: Permitted) -> x509.NameConstraints:
    trees: list[x509.GeneralName] = []
    for name in permitted.dns_names:
        trees += [x509.DNSName(name), x509.RFC822Name(name), x509.UniformResourceIdentifier(name)]
    return x509.NameConstraints([*trees, *(x509.IPAddress(ipaddress.ip_network(n)) for n in permitted.networks)], None)


def _changes(has: set[str], wants: set[str]) -> str:
    return ", ".join([*(f"+ {item}" for item in sorted(wants - has)), *(f"- {item}" for item in sorted(has - wants))])


def _subject(request: Request) -> x509.Name:
    organizations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in sorted(set(request.organizations))]
    return x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, request.common_name)])


def _parts(name: x509.Name) -> set[str]:
    return {f"{attribute.rfc4514_attribute_name}={attribute.value!s}" for attribute in name}


def _builder(
    subject: x509.Name, key: PrivateKey, days: int, issuer: x509.Certificate | None
) -> x509.CertificateBuilder:
    """What authorities and leaves have in common."""
    own_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    issuer_id = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value if issuer else own_id
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - _CLOCK_SKEW)
        .not_valid_after(expiry(days, issuer))
        .add_extension(own_id, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_id), critical=False)
    )


def _key_usage(*, key_encipherment: bool = False, sign_certificates: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=key_encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _value(certificate: x509.Certificate, kind: type[Extension]) -> Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
