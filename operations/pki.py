"""Certificates: issued on this machine, placed on the hosts that need them."""

from collections.abc import Iterator

from pyinfra import host, state
from pyinfra.api import StringCommand, operation

from cluster.certificates import certificate_files
from cluster.desired import File
from cluster.roles.pki import pki_role
from operations.preflight import family
from operations.role import converge
from operations.run import store, the_cluster, this_host


@operation()
def distribute() -> Iterator[StringCommand]:
    """Issue what is missing or due, place the host's certificates and keys, and let the host trust the authority."""
    files = certificate_files(the_cluster(), this_host(host.name), store(), write=state.is_executing)
    yield from converge(pki_role(family(), tuple(files)))


def issued() -> tuple[File, ...]:
    """The host's certificate files as the store has them; None stands for the content of one to be issued."""
    return tuple(certificate_files(the_cluster(), this_host(host.name), store(), write=False))
