"""A host's preparation, and the software its roles need."""

from collections.abc import Iterator

from pyinfra import host, state
from pyinfra.api import StringCommand, operation

from cluster.roles.of_host import prepared
from operations import certificates
from operations.inventory import the_cluster, this_host
from operations.preflight import this_machine
from operations.role import converge


@operation()
def prepare() -> Iterator[StringCommand]:
    """Prepare the host: repositories, its roles' packages and release files, names, kernel, firewall, swap, time.

    Nothing of a role is started.
    """
    if state.is_executing and certificates.wanted:
        certificates.make_keys_ahead()
    yield from converge(prepared(the_cluster(), this_host(host.name), this_machine()))
