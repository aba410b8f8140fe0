"""The certificate files of the host at hand, out of the store on this machine."""

from pyinfra import host

from cluster.certificates import certificate_files
from cluster.desired import File
from operations.inventory import store, the_cluster, this_host
from operations.preflight import distribution
from operations.refusal import refuse_all
from pki import StoreError


def issued() -> tuple[File, ...]:
    """The host's certificate files as the store has them; None stands for the content of one to be issued."""
    return files(write=False)


def files(*, write: bool) -> tuple[File, ...]:
    """The host's certificate files; with `write` what is missing or due is issued."""
    try:
        return certificate_files(the_cluster(), this_host(host.name), distribution(), store(), write=write)
    except StoreError as error:
        refuse_all([str(error)], "the certificate store on this machine cannot be used")
