"""etcd members: those there are."""

from collections.abc import Iterator

from pyinfra import host, state
from pyinfra.api import StringCommand, operation

from cluster.desired import Role
from cluster.membership import record_of
from cluster.roles.etcd import etcd_role
from facts.etcd import Held
from operations import preflight
from operations.certificates import issued
from operations.inventory import store, the_cluster, this_host
from operations.role import converge


@operation()
def member() -> Iterator[StringCommand]:
    """Install, configure and start etcd; one member also gives it its users and flannel's configuration."""
    preflight.etcd_may_start()
    joiners = preflight.etcd_joiners()
    if host.name in joiners:
        host.noop("it joins the members that there are")
        return
    yield from converge(role())
    if state.is_executing and not joiners and host.name == preflight.etcd_part().first:
        known = preflight.record()
        remember(preflight.etcd_held()[host.name] if known else host.get_fact(Held))


def role() -> Role:
    """etcd on the host at hand."""
    return etcd_role(the_cluster(), this_host(host.name), preflight.distribution(), issued(), preflight.etcd_part())


def remember(held: dict[str, object]) -> None:
    """Keep in the store that the cluster lives, and where."""
    now = record_of(held)
    if now and now != preflight.record():
        now.keep(store().directory)
