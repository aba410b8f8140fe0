"""Certificates on a host's disk."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from facts.base import Fact

DIRECTORIES = ("/etc/kubernetes/ca", "/etc/etcd/pki", "/etc/flannel/pki")


class Certificates(Fact[dict[str, Any]]):
    """
    Every certificate and key below the cluster's directories. Keys are never read, only their modes.

    + directories: where to look

    Source: the files themselves; certificates are parsed on this machine. `days_left` may be negative.

    .. code:: python

        {"certificates": {"/etc/kubernetes/ca/server.crt": [
            {"subject": "master", "issuer": "container-cloud cluster CA", "serial": "5f2c…", "authority": False,
             "names": ["kubernetes", "10.1.10.101"], "not_before": "2026-11-23T12:00:00+00:00",
             "not_after": "2027-11-23T12:00:00+00:00", "days_left": 364}]},
         "keys": {"/etc/kubernetes/ca/server.key": {"mode": "600", "owner": "root:root"}}}
    """

    default = dict

    def script(self, directories: Iterable[str] = DIRECTORIES) -> str:
        listed = " ".join(directories)
        return (
            f'for d in {listed}; do for f in $d/*.crt; do [ -e $f ] && echo "file $f" && cat $f; done; '
            'for f in $d/*.key; do [ -e $f ] && stat -c "key %a %U:%G %n" $f; done; done; true'
        )

    def read(self, lines: list[str]) -> dict[str, Any]:
        texts: dict[str, list[str]] = {}
        keys: dict[str, dict[str, str]] = {}
        path = ""
        for line in lines:
            if line.startswith("file "):
                path = line[5:]
                texts[path] = []
            elif line.startswith("key "):
                _, mode, owner, key = line.split(" ", 3)
                keys[key] = {"mode": mode, "owner": owner}
            elif path:
                texts[path].append(line)
        return {"certificates": {p: _parse("\n".join(lines)) for p, lines in texts.items()}, "keys": keys}


def _parse(text: str) -> list[dict[str, Any]]:
    try:
        return [_describe(c) for c in x509.load_pem_x509_certificates(text.encode())]
    except ValueError as error:
        return [{"error": str(error)}]


def _describe(certificate: x509.Certificate) -> dict[str, Any]:
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    return {
        "subject": _common_name(certificate.subject),
        "issuer": _common_name(certificate.issuer),
        "serial": f"{certificate.serial_number:x}",
        "authority": _is_authority(certificate),
        "names": _names(certificate),
        "not_before": certificate.not_valid_before_utc.isoformat(),
        "not_after": certificate.not_valid_after_utc.isoformat(),
        "days_left": left.days,
    }


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else ""


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in found]
