"""A host's preparation, and the software its roles need."""

from collections.abc import Iterator

from pyinfra import host
from pyinfra.api import StringCommand, operation

from cluster.desired import software
from cluster.roles.host import host_role
from cluster.roles.of_host import services
from operations.inventory import the_cluster, this_host
from operations.preflight import this_machine
from operations.role import converge


@operation()
def prepare() -> Iterator[StringCommand]:
    """Prepare the host for any role: repositories, names, kernel settings, firewall, SELinux, swap, time."""
    yield from converge(host_role(the_cluster(), this_machine()))


@operation()
def install() -> Iterator[StringCommand]:
    """Install the packages and release files of all the host's roles at once; nothing is started."""
    yield from converge(software(services(the_cluster(), this_host(host.name), this_machine())))
