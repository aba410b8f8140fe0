"""flanneld on the hosts of the pod network."""

import json
import time
from collections.abc import Iterator
from typing import Any

import gevent
from pyinfra import host, state
from pyinfra.api import StringCommand, operation

from cluster.desired import Role
from cluster.roles.etcd import flannel_configuration
from cluster.roles.flannel import flannel_role
from cluster.roles.lease import device
from cluster.ways import strays
from facts.etcd import FlannelKeys
from facts.flannel import Leases
from facts.network import Ways
from operations.certificates import issued
from operations.elsewhere import ask_one, is_first
from operations.inventory import the_cluster, this_host
from operations.preflight import distribution
from operations.reading import ask, early
from operations.refusal import refuse
from operations.role import converge, restart

_HEARS = 5  # seconds in which flanneld has heard of a lease that has just changed, and gone by it


def is_leased() -> bool:
    """Whether the host at hand gets a lease: a node, or a master as the settings have it."""
    return host.name in {h.name for h in the_cluster().leased}


def lease(**arguments: Any) -> None:
    """Install, configure and start flanneld, and wait until it holds a lease."""
    if is_first(the_cluster().etcd_members):
        early(FlannelKeys, **of_etcd())
    _lease(**arguments)


@operation()
def _lease() -> Iterator[StringCommand]:
    """Install, configure and start flanneld, which takes its network from etcd when it starts."""
    wanted = json.loads(flannel_configuration(the_cluster()))
    there = _in_etcd().get("config", wanted) if state.is_executing else wanted
    if there == wanted:
        yield from converge(_role())
    else:
        yield refuse(
            f"etcd holds another network configuration for flannel ({json.dumps(there)}) than the settings: flanneld "
            "would go by that. Run deploys/etcd.py first, without --limit"
        )


def _in_etcd() -> dict[str, Any]:
    keys: dict[str, Any] = ask_one(the_cluster().etcd_members, FlannelKeys, **of_etcd())
    return keys


def _role() -> Role:
    return flannel_role(the_cluster(), this_host(host.name), distribution(), issued())


def ways(**arguments: Any) -> None:
    """Restart flanneld where it goes by leases that others no longer have, and see that it does so no more."""
    settings = the_cluster().settings
    if settings.flannel_backend == "vxlan":
        early(Ways, **_asked_here())
    _ways(**arguments)


@operation()
def _ways() -> Iterator[StringCommand]:
    """Restart flanneld where it goes by leases that others no longer have.

    After etcd was away for longer than its history reaches, one has been seen to miss what changed meanwhile.
    """
    end = time.monotonic() + (_HEARS if state.is_executing else 0)
    while (lost := _strays()) and time.monotonic() < end:
        gevent.sleep(0.5)
    if lost:
        reason = f"its way to {', '.join(lost)} is not that of the lease in etcd"
        yield from restart(_role(), "flanneld", reason)
    else:
        host.noop("its ways are those of the leases in etcd")


def _strays() -> list[str]:
    cluster = the_cluster()
    if cluster.settings.flannel_backend != "vxlan":
        return []
    leases = Leases().process_data(_in_etcd())
    if not leases:
        return []
    return strays(cluster, this_host(host.name), leases, ask(Ways, **_asked_here()))


def of_etcd() -> dict[str, Any]:
    """The arguments with which facts tell what flannel has in etcd."""
    settings = the_cluster().settings
    return {"prefix": settings.flannel_etcd_prefix, "api": settings.flannel_etcd_api}


def _asked_here() -> dict[str, Any]:
    settings = the_cluster().settings
    return {"network": str(settings.pod_network), "device": device(settings)}
