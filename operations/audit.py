"""What lets an account without root's rights audit a host: one file that reads, and the right to run it."""

from collections.abc import Iterator
from dataclasses import replace

from pyinfra import host
from pyinfra.api import StringCommand, operation

from cluster.desired import File, Role
from cluster.formats import HEADER
from cluster.roles.of_host import all_roles
from facts.audit import READER, questions, reader
from operations.certificates import issued
from operations.inventory import the_cluster, this_host
from operations.preflight import this_machine
from operations.role import converge

SUDOERS = "/etc/sudoers.d/container-cloud-audit"
_VISUDO = "/usr/sbin/visudo -cf"  # a rule that sudo cannot read locks everybody out of it


@operation()
def account() -> Iterator[StringCommand]:
    """Let `audit_account` read what an audit reads; without that setting, take it back."""
    yield from converge(_role())


def _role() -> Role:
    cluster, this = the_cluster(), this_host(host.name)
    name = cluster.settings.audit_account
    if name is None:
        return Role(name="audit", gone=(READER, SUDOERS))
    machine = this_machine()
    family = machine.distribution.family.name
    asked = questions(cluster, this, family, all_roles(cluster, this, replace(machine, time_services=()), issued()))
    rule = f'Defaults!{READER} env_reset, !requiretty\n{name} ALL=(root) NOSETENV: NOPASSWD: {READER} ""\n'
    files = (File(READER, reader(asked), mode="755"), File(SUDOERS, f"{HEADER}{rule}", mode="440", test=_VISUDO))
    return Role(name="audit", files=files)
