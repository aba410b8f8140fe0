"""Certificates: issued on this machine, placed on the hosts that need them."""

from collections.abc import Iterator

from pyinfra import host, state
from pyinfra.api import StringCommand, operation

from cluster.certificates import certificate_files
from cluster.desired import File
from cluster.roles.pki import pki_role
from operations.inventory import store, the_cluster, this_host
from operations.preflight import distribution
from operations.refusal import refuse_all
from operations.role import converge
from pki import StoreError


@operation()
def distribute() -> Iterator[StringCommand]:
    """Issue what is missing or due, place the host's certificates and keys, and let the host trust the authority."""
    yield from converge(pki_role(distribution(), _files(write=state.is_executing)))


def issued() -> tuple[File, ...]:
    """The host's certificate files as the store has them; None stands for the content of one to be issued."""
    return _files(write=False)


def _files(*, write: bool) -> tuple[File, ...]:
    try:
        return certificate_files(the_cluster(), this_host(host.name), distribution(), store(), write=write)
    except StoreError as error:
        refuse_all([str(error)], "the certificate store on this machine cannot be used")
