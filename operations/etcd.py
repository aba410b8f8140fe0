"""etcd members: those there are."""

from collections.abc import Iterator
from typing import Any

from pyinfra import host, state
from pyinfra.api import StringCommand, operation

from cluster.desired import Role
from cluster.etcdctl import etcdctl
from cluster.membership import record_of
from cluster.roles.etcd import etcd_role
from facts.etcd import Alarms, Held
from operations import preflight
from operations.certificates import issued
from operations.inventory import store, the_cluster, this_host
from operations.reading import ask, early
from operations.refusal import refuse
from operations.report import announce
from operations.role import converge
from operations.shell import shell

_ROOM = 0.9  # of its quota: the alarm is raised by a write that would go beyond it, so a little before


@operation()
def member() -> Iterator[StringCommand]:
    """Install, configure and start etcd; one member also gives it its users and flannel's configuration."""
    preflight.etcd_may_start()
    if host.name in preflight.etcd_joiners():
        host.noop("it joins the members that there are")
        return
    yield from converge(role())


def together(**arguments: Any) -> None:
    """Once all members run, on one of them: remember the cluster, and see that it accepts writes."""
    if host.name == preflight.etcd_part().first:
        early(Alarms)
        _together(**arguments)


@operation()
def _together() -> Iterator[StringCommand]:
    """Remember the cluster; disarm its alarm that the database is full if that may be larger now, else end the run."""
    if state.is_executing and not preflight.etcd_joiners():
        known = preflight.record()
        remember(preflight.etcd_held()[host.name] if known else host.get_fact(Held))
    raised = ask(Alarms)
    if not raised:
        host.noop("etcd has raised no alarm")
        return
    told, size, may = ", ".join(raised["alarms"]), raised["database"] // 2**20, the_cluster().settings.etcd_quota_mib
    if raised["alarms"] == ["NOSPACE"] and size <= _ROOM * may:
        announce(host, [f"disarm etcd's alarm {told} (its database has {size} MiB, and may have {may})"])
        yield shell(etcdctl("e alarm disarm >/dev/null"))
    else:
        yield refuse(
            f"etcd has raised the alarm {told}, and accepts no writes: its database has {size} MiB of the {may} that "
            'etcd_quota_mib gives it. What to do: docs/troubleshooting.md, "etcd\'s data and members"'
        )


def role() -> Role:
    """etcd on the host at hand."""
    return etcd_role(the_cluster(), this_host(host.name), preflight.distribution(), issued(), preflight.etcd_part())


def remember(held: dict[str, object]) -> None:
    """Keep in the store that the cluster lives, and where."""
    now = record_of(held)
    if now and now != preflight.record():
        now.keep(store().directory)
