"""The kubeconfig of the person at the controlling machine: written here, on no host."""

import stat
from collections.abc import Iterator
from pathlib import Path

from pyinfra import host, state
from pyinfra.api import FunctionCommand, StringCommand, operation

from cluster.certificates import ADMINISTRATOR
from cluster.formats import HEADER
from cluster.kubeconfig import embedded
from operations import certificates
from operations.inventory import store, the_cluster
from operations.refusal import refuse, refuse_all
from operations.report import announce
from pki import KeyPair, StoreError
from pki.files import locked, write

_OURS = HEADER.partition(";")[0]


@operation()
def administrators() -> Iterator[StringCommand | FunctionCommand]:
    """Write the administrator's kubeconfig on this machine, where it is not there as it shall be. No host is asked."""
    path = the_cluster().settings.kubeconfig_path
    try:
        authority = store().authority_certificate(ADMINISTRATOR.authority, write=False)
        pair = store().ensure(ADMINISTRATOR, write=False)
        why = "; ".join(store().reasons(ADMINISTRATOR))
        there = _read(path)
    except StoreError as error:
        refuse_all([str(error)], "no kubeconfig was written")
    if there is not None and not there.startswith(_OURS):
        yield refuse(
            f"{path} is not this project's, or kubectl config has changed it, and is left as it is: move it away, or "
            'write another path for `kubeconfig`, for example "~/.kube/k8s-cluster"'
        )
    elif authority is None and (state.is_executing or not certificates.wanted):
        yield refuse(
            f"the certificate store {store().directory} has no authority yet, so no API server would know its "
            "certificates: run deploys/cluster.py first, or take the store that the cluster is made with"
        )
    elif reason := _why(path, there, authority, pair, why):
        announce(host, [f"write {path} on this machine ({reason})"])
        yield FunctionCommand(_write, (), {})
    else:
        host.noop(f"{path} is as it shall be")


def _why(path: Path, there: str | None, authority: str | None, pair: KeyPair | None, issued_for: str) -> str:
    """Why the file is to be written; "" if it is as it shall be."""
    if there is None:
        return "for kubectl on this machine"
    if authority is None or pair is None:
        return f"another certificate: {issued_for}"
    if there != embedded(the_cluster(), authority, pair):
        return "changed"
    mode = stat.S_IMODE(path.stat().st_mode)
    return f"others may use it: mode {mode:o}" if mode & 0o077 else ""


def _read(path: Path) -> str | None:
    """What the file holds, None if there is none; what is no text is nobody's kubeconfig."""
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from error


def _write() -> None:
    """Issue what is to be issued, and write the file. It takes no argument, for pyinfra shows a function's."""
    settings = the_cluster().settings
    try:
        authority = store().authority_certificate(ADMINISTRATOR.authority, write=False)
        pair = store().ensure(ADMINISTRATOR, write=True)
        assert authority and pair, "the store has an authority, and issues what it does not have"
        path = settings.kubeconfig_path
        with locked(store().directory):
            # A killed run's, with a key in it. Nobody else writes here while the lock is held.
            path.with_name(f".{path.name}.tmp").unlink(missing_ok=True)
            write(path, embedded(the_cluster(), authority, pair))
    except (OSError, StoreError) as error:
        refuse_all([str(error)], "no kubeconfig was written")
