"""Configuration files of Kubernetes' programs, and what all of them say of TLS."""

from collections.abc import Mapping
from typing import Any

from cluster.formats import yaml_file

# What a client needs at least, and what of TLS 1.2 keeps a secret that is recorded today and broken tomorrow.
TLS_MINIMUM = "VersionTLS12"
TLS_CIPHERS = (
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
)


def document(api_version: str, kind: str, fields: Mapping[str, object]) -> str:
    """A configuration file: its fields by their paths."""
    whole: dict[str, Any] = {"apiVersion": api_version, "kind": kind}
    for path, value in fields.items():
        *above, name = path.split(".")
        place = whole
        for part in above:
            place = place.setdefault(part, {})
        place[name] = value
    return yaml_file(whole)
