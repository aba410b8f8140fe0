"""The certificate files of the host at hand, out of the store on this machine."""

import gevent
from gevent.threadpool import ThreadPool
from pyinfra import host

from cluster.certificates import certificate_files
from cluster.desired import File
from operations.inventory import store, the_cluster, this_host
from operations.preflight import distribution
from operations.refusal import refuse_all
from pki import StoreError
from pki.certificates import have_ahead, make_key

wanted = False  # whether this run places certificates

_pool = ThreadPool(1)  # of threads in which nothing but keys is made
_complete: dict[str, tuple[File, ...]] = {}  # by host, once none is to be issued: examining them takes its time


def issued() -> tuple[File, ...]:
    """The host's certificate files as the store has them; None stands for the content of one to be issued."""
    return _complete.get(host.name) or files(write=False)


def files(*, write: bool) -> tuple[File, ...]:
    """The host's certificate files; with `write` what is missing or due is issued."""
    try:
        found = certificate_files(the_cluster(), this_host(host.name), distribution(), store(), write=write)
    except StoreError as error:
        refuse_all([str(error)], "the certificate store on this machine cannot be used")
    if all(f.digest for f in found):
        _complete[host.name] = found
    return found


def make_keys_ahead() -> None:
    """Begin to make the keys that the host at hand lacks, beside whatever it is at: that takes its time."""
    kind = the_cluster().settings.pki_key_type
    lacking = [f for f in issued() if f.path.endswith(".key") and not f.digest]
    gevent.spawn(_make, kind, len(lacking))


def _make(kind: str, count: int) -> None:
    """One after the other: to hand one over waits until the one before is begun."""
    for _ in range(count):
        have_ahead(kind, [_pool.spawn(make_key, kind).get])
