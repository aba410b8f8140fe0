"""What goes into the store, a `Request` or what an authority is `Permitted`, and what comes out of it, a `KeyPair`."""

import hashlib
import ipaddress
import re
from dataclasses import dataclass, field

ISSUERS = ("cluster", "etcd", "front-proxy")
# The one authority whose key leaves the store, for the controller manager signs with it; and who signs it.
SIGNING_AUTHORITY, SIGNED_BY = "cluster-signing", "cluster"
USAGES = frozenset({"client", "server"})
LONGEST_NAME = 64  # characters of a common name or organization; X.520's upper bound

_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DNS_NAME = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*")


@dataclass(frozen=True)
class Request:
    """A certificate as somebody needs it.

    + name: its name in the store, a relative path: "client", "node1/kubelet"
    + authority: who signs it: "cluster", "etcd" or "front-proxy"
    + common_name: the subject's CN, to Kubernetes the user; 1 to 64 characters
    + organizations: the subject's O, to Kubernetes the user's groups; order does not matter
    + dns_names: DNS names the certificate is valid for; order does not matter
    + addresses: IPv4 and IPv6 addresses it is valid for; order does not matter
    + usages: "client", "server" or both: the sides of a connection it may be shown on
    + formerly: its name in a store of before; what is there with this subject is moved, not issued anew

    Raises ValueError, naming the certificate and the value, for what no certificate can hold.
    """

    name: str
    authority: str
    common_name: str
    organizations: tuple[str, ...] = ()
    dns_names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    usages: frozenset[str] = frozenset({"client"})
    formerly: str | None = None

    def __post_init__(self) -> None:
        for wrong in (self._wrong_place(), self._wrong_subject(), self._wrong_names()):
            if wrong:
                raise ValueError(f"certificate {self.name!r}: {wrong}")

    def _wrong_place(self) -> str | None:
        # ".pem" ends the files: "a.pem/b" would need a directory where "a" has its file.
        for name in (self.name, self.name if self.formerly is None else self.formerly):
            if not all(_PART.fullmatch(part) and not part.endswith(".pem") for part in name.split("/")):
                return "a name is a relative path of letters, digits, '.', '_' and '-'"
        if self.authority not in ISSUERS:
            return f"authority {self.authority!r} is none of {', '.join(ISSUERS)}"
        return None

    def _wrong_subject(self) -> str | None:
        for label, value in [("common name", self.common_name), *(("organization", o) for o in self.organizations)]:
            if not 1 <= len(value) <= LONGEST_NAME or not value.isprintable():
                return f"{label} {value!r} is not 1 to {LONGEST_NAME} printable characters"
        return None

    def _wrong_names(self) -> str | None:
        if not self.usages or not self.usages <= USAGES:
            return f"usages {sorted(self.usages)} are not one or both of {', '.join(sorted(USAGES))}"
        for address in self.addresses:
            if not is_address(address):
                return f"{address!r} is not an IP address"
        for name in self.dns_names:
            if is_address(name):
                return f"{name!r} is an IP address, not a DNS name"
            if len(name) > 253 or not _DNS_NAME.fullmatch(name):
                return f"{name!r} is not a DNS name"
        if "server" in self.usages and not self.dns_names and not self.addresses:
            return "a server needs at least one DNS name or address"
        return None


@dataclass(frozen=True)
class Permitted:
    """The names that an authority may sign for: with any other in it, a certificate of its is refused by everybody.

    + dns_names: domains, each with all that is below it; a URI's or a mail address's host must be one of them itself
    + networks: IPv4 or IPv6 networks, "192.168.1.0/24"

    Raises ValueError for what is neither, and without a domain or a network: certificates say what is permitted kind by
    kind, and of a kind that is not mentioned everything is.
    """

    dns_names: tuple[str, ...]
    networks: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.dns_names or not self.networks:
            raise ValueError("an authority that is permitted some names needs a domain and a network")
        for name in self.dns_names:
            if is_address(name) or name.startswith("*") or not _DNS_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no domain")
        for network in self.networks:
            ipaddress.ip_network(network)


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its private key, ready to be written to a host.

    + certificate: PEM; for the service account the public key instead
    + key: PEM, PKCS8, not encrypted; repr leaves it out. "" where only its digest is known (`Export`)
    + known_digest: in this case the digest
    """

    certificate: str
    key: str = field(repr=False)
    known_digest: str = ""

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of the key as it is written to a host."""
        return self.known_digest or hashlib.sha256(self.key.encode()).hexdigest()


def is_address(value: str) -> bool:
    """Whether `value` is one IPv4 or IPv6 address."""
    try:
        # A scope ("fe80::1%eth0") means something on one host only, and has no place in a certificate.
        return "%" not in str(ipaddress.ip_address(value))
    except ValueError:
        return False
