"""etcd members."""

from collections.abc import Iterator

from pyinfra import host, state
from pyinfra.api import StringCommand, operation

from cluster.membership import record_of
from cluster.roles.etcd import etcd_role
from facts.etcd import Held
from operations import preflight
from operations.certificates import issued
from operations.inventory import store, the_cluster, this_host
from operations.role import converge


@operation()
def member() -> Iterator[StringCommand]:
    """Install, configure and start etcd; the first member also gets its users and flannel's configuration."""
    preflight.etcd_may_start()
    known = preflight.record()
    role = etcd_role(
        the_cluster(), this_host(host.name), preflight.distribution(), issued(), known.cluster_id if known else ""
    )
    yield from converge(role)
    if state.is_executing and host.name == the_cluster().etcd_members[0].name:
        _remember()


def _remember() -> None:
    """Keep in the store that the cluster lives."""
    known = preflight.record()
    now = record_of(preflight.facts()[host.name]["etcd"] if known else host.get_fact(Held))
    if now and now != known:
        now.keep(store().directory)
