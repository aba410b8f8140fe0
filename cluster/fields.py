"""The kinds of values settings take. A function here reads one value, or says what to write instead (ValueError)."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError
from pathlib import Path
from typing import Annotated, NamedTuple, get_args

from pydantic import AfterValidator, BeforeValidator

from cluster.distributions import ARCHITECTURES
from cluster.families import FamilyName
from cluster.problems import either, show

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"


@dataclass(frozen=True)
class Takes:
    """What a kind of value looks like, for docs/settings.md."""

    text: str


class PortRange(NamedTuple):
    """Ports from `first` to `last`, both included."""

    first: int
    last: int

    def holds(self, port: int) -> bool:
        """Whether the port lies in the range."""
        return self.first <= port <= self.last


def is_label(text: str) -> bool:
    """Whether this is a DNS label (RFC 1123): up to 63 of a-z, 0-9 and inner dashes."""
    return re.fullmatch(_LABEL, text) is not None


def is_domain(text: str) -> bool:
    """Whether this is a lower-case DNS name of one or more labels."""
    return len(text) <= 253 and all(is_label(label) for label in text.split("."))


# What a URL may consist of (RFC 3986), and braces, between which a version is filled in.
URL_CHARACTERS = r"[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%{}-]"


def has_control(text: str) -> bool:
    """Whether this has a line break or another control character, which would end a line of a file or hide in it."""
    return re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", text) is not None


def _text(value: object, example: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"must be text; write it in quotes, for example {show(example)}")
    return value.strip()


def _usable(first: IPv4Address) -> None:
    kinds = {
        "a loopback": first.is_loopback,
        "a multicast": first.is_multicast,
        "a reserved": first.is_reserved,
        "the unspecified": int(first) >> 24 == 0,
    }
    for kind, true in kinds.items():
        if true:
            raise ValueError(f'is {kind} address; write another, as "10.1.10.101"')


def network(value: object) -> IPv4Network:
    """An IPv4 network in CIDR notation, without host bits."""
    if isinstance(value, IPv4Network):
        return value
    text = _text(value, "10.0.0.0/16")
    if ":" in text:
        raise ValueError('IPv6 is not supported yet; write an IPv4 network, for example "10.0.0.0/16"')
    base, slash, length = text.partition("/")
    try:
        found = IPv4Network(text, strict=False)
    except (AddressValueError, NetmaskValueError, ValueError):
        raise ValueError('is no network; write address/prefix length, for example "10.0.0.0/16"') from None
    if not slash:
        raise ValueError(f"has no prefix length; write it too, for example {show(text + '/16')}")
    if str(found.network_address) != base:
        raise ValueError(f"host bits are set; write {show(str(found))}")
    if str(found.prefixlen) != length:
        raise ValueError(f"write the prefix length: {show(str(found))}")
    if found.is_loopback or found.is_multicast or found.is_reserved or int(found.network_address) >> 24 == 0:
        raise ValueError('cannot be used by hosts; write a private network, for example "10.0.0.0/16"')
    return found


def address(value: object) -> IPv4Address:
    """An IPv4 address of a host, or of the beginning of a lease."""
    if isinstance(value, IPv4Address):
        return value
    text = _text(value, "10.1.10.101")
    if ":" in text:
        raise ValueError('IPv6 is not supported yet; write an IPv4 address, for example "10.1.10.101"')
    if "/" in text:
        raise ValueError(f"is a network; write one address, for example {show(text.partition('/')[0])}")
    try:
        found = IPv4Address(text)
    except AddressValueError:
        raise ValueError('is no IPv4 address; write four numbers, for example "10.1.10.101"') from None
    _usable(found)
    return found


def host_or_address(text: str) -> str:
    """A DNS name or an IPv4 address, nothing around it."""
    if re.search(r"^\w+://|:\d+$|/", text):
        bare = re.sub(r"^\w+://|:\d+$|/.*$", "", re.sub(r"/.*$", "", re.sub(r"^\w+://", "", text)))
        raise ValueError(f"is a URL, or has a port; write the name or address alone: {show(bare)}")
    if re.fullmatch(r"[0-9.]+", text):
        address(text)
    elif not is_domain(text):
        raise ValueError("is neither a lower-case DNS name nor an IPv4 address")
    return text


def domain(text: str) -> str:
    """A lower-case DNS domain."""
    bare = text.strip(".").lower()
    if not is_domain(text):
        example = bare if is_domain(bare) else "cluster.local"
        raise ValueError(f"is no DNS domain; write lower-case labels with dots between, for example {show(example)}")
    return text


def identifier(text: str) -> str:
    """A name for people: letters, digits, dots, dashes, underscores."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", text):
        raise ValueError('write letters, digits, ".", "-" and "_" only, for example "k8s-cluster"')
    return text


def port_range(value: object) -> PortRange:
    """Ports as first-last."""
    text = _text(value, "30000-32767")
    match = re.fullmatch(r"(\d+)\s*-\s*(\d+)", text)
    if not match:
        raise ValueError('is no port range; write first-last, for example "30000-32767"')
    found = PortRange(int(match[1]), int(match[2]))
    if not 1 <= min(found) <= max(found) <= 65535:
        raise ValueError(f'ports are 1 to 65535; write "{max(1, found.first)}-{min(65535, found.last)}"')
    if found.first > found.last:
        raise ValueError(f'ends before it begins; write "{found.last}-{found.first}"')
    return found


def _port_range(text: str) -> str:
    found = port_range(text)
    return f"{found.first}-{found.last}"


def version(text: str) -> str:
    """A release: three numbers with dots between."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", text):
        match = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", text)
        example = f"{match[1]}.{match[2]}.{match[3] or 0}" if match else "1.20.2"
        raise ValueError(f"is no release; write three numbers, for example {show(example)}")
    return text


def package_version(text: str) -> str:
    """A package's version as its distribution writes it."""
    if not re.fullmatch(r"[0-9][A-Za-z0-9.+:~^_-]*", text):
        raise ValueError(
            'is no package version; write it as the distribution does, as "3.4.23+dfsg-4" or "3:24.0.7-1.el9"'
        )
    return text


def by_family(value: object) -> object:
    """One text for each family of distributions; one alone stands for all."""
    if isinstance(value, str):
        return dict.fromkeys(get_args(FamilyName), value)
    families = either(get_args(FamilyName))
    if not isinstance(value, Mapping) or not all(isinstance(text, str) for text in value.values()):
        raise ValueError(f"takes a text, or one by family, as {{{families.replace(' or', ': ...,')}: ...}}")
    for name in value:
        if name not in get_args(FamilyName):
            raise ValueError(f"{show(name)} is no family; write {families}")
    return value


def by_architecture(value: object) -> object:
    """One text, or one by architecture."""
    if value is None or isinstance(value, str):
        return value
    known = ARCHITECTURES.values()
    if isinstance(value, Mapping) and all(name in known and isinstance(text, str) for name, text in value.items()):
        return value
    raise ValueError('takes a text, or one by architecture, as {"amd64": ..., "arm64": ...}')


def package_name(text: str) -> str:
    """A package's name."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9+._-]*", text):
        raise ValueError('is no package name; write it as the distribution does, as "docker-ce"')
    return text


def account(text: str) -> str:
    """A user's name, as useradd takes it."""
    if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", text):
        raise ValueError('is no account; write lower-case letters, digits, "-" and "_", for example "auditor"')
    return text


def etcd_key(text: str) -> str:
    """An absolute key in etcd."""
    if not re.fullmatch(r"(/[A-Za-z0-9._-]+)+", text):
        good = "/" + "/".join(part for part in text.split("/") if part)
        example = good if re.fullmatch(r"(/[A-Za-z0-9._-]+)+", good) else "/flannel/network"
        raise ValueError(f'must begin with "/" and not end with it; write {show(example)}')
    return text


def image(text: str) -> str:
    """An image's name, with or without a registry, tag and digest."""
    if "://" in text:
        raise ValueError(f"an image's name has no scheme; write {show(text.partition('://')[2])}")
    name, _, digest = text.partition("@")
    part = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
    registry = r"([A-Za-z0-9.-]+(:\d+)?/)?"
    if not re.fullmatch(rf"{registry}{part}(/{part})*(:[\w][\w.-]{{0,127}})?", name) or (
        digest and not re.fullmatch(r"sha256:[0-9a-f]{64}", digest)
    ):
        raise ValueError('is no image name; write registry/name:tag in lower case, as "mirror.example/pause:3.2"')
    return text


def repository(text: str) -> str:
    """An image's name without tag and digest."""
    bare = re.sub(r"(@[^/]*|:[^/]*)$", "", image(text))
    if bare != text:
        raise ValueError(f"has a tag or a digest; write the name alone: {show(bare)}")
    return text


def tag(text: str) -> str:
    """An image's tag that can be part of a Kubernetes object's name."""
    if len(text) > 40 or not is_domain(text):
        raise ValueError('names an object too; write lower-case letters, digits, "-" and ".", for example "v2"')
    return text


def interface(text: str) -> str:
    """A network interface's name, as Linux allows it."""
    if not re.fullmatch(r"[A-Za-z0-9_.:@+=-]{1,15}", text):
        raise ValueError(
            'is no interface name; write up to 15 characters, of letters, digits and "_.:@+=-", as "eth1", or None'
        )
    return text


def controller_path(text: str) -> str:
    """An absolute path on this machine; ~ is its user's home."""
    path = Path(os.path.expanduser(text))
    if not path.is_absolute():
        where = "names no user of this machine" if text.startswith("~") else "is a relative path"
        example = "~/" + text.lstrip("~./") if text.strip("~./") else "~/.container-cloud/pki"
        raise ValueError(f"{where}; write one that begins with / or ~/, for example {show(example)}")
    return text


Network = Annotated[IPv4Network, BeforeValidator(network), Takes("an IPv4 network")]
Address = Annotated[IPv4Address, BeforeValidator(address), Takes("an IPv4 address")]
HostOrAddress = Annotated[str, AfterValidator(host_or_address), Takes("a DNS name or IPv4 address")]
Domain = Annotated[str, AfterValidator(domain), Takes("a DNS domain")]
Identifier = Annotated[str, AfterValidator(identifier), Takes("a name")]
PortRangeText = Annotated[str, AfterValidator(_port_range), Takes("first-last")]
Version = Annotated[str, AfterValidator(version), Takes("a release")]
ByFamily = Annotated[dict[str, str], BeforeValidator(by_family), Takes("a text, or one by family")]
ByArchitecture = Annotated[
    str | dict[str, str], BeforeValidator(by_architecture), Takes("a text, or one by architecture")
]
Account = Annotated[str, AfterValidator(account), Takes("an account's name")]
PackageName = Annotated[str, AfterValidator(package_name), Takes("a package's name")]
EtcdKey = Annotated[str, AfterValidator(etcd_key), Takes("a key in etcd")]
Image = Annotated[str, AfterValidator(image), Takes("an image's name")]
Repository = Annotated[str, AfterValidator(repository), Takes("an image's name without tag")]
Tag = Annotated[str, AfterValidator(tag), Takes("an image's tag")]
Interface = Annotated[str, AfterValidator(interface), Takes("an interface's name")]
ControllerPath = Annotated[str, AfterValidator(controller_path), Takes("a path on this machine")]
