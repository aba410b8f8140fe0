"""Certificates: issued on this machine, placed on the hosts that need them."""

from collections.abc import Iterator
from typing import Any

from pyinfra import state
from pyinfra.api import StringCommand, operation

from cluster.roles.pki import pki_role
from operations import certificates
from operations.certificates import files
from operations.preflight import distribution
from operations.role import converge


def distribute(**arguments: Any) -> None:
    """Issue what is missing or due, place the host's certificates and keys, and let the host trust the authority."""
    certificates.wanted = True
    _distribute(**arguments)


@operation()
def _distribute() -> Iterator[StringCommand]:
    yield from converge(pki_role(distribution(), files(write=state.is_executing)))
