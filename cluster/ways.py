"""A host's ways to the others' pieces of the pod network, against the leases in etcd; with vxlan, which alone has more
than routes.
"""

import json
from collections.abc import Mapping
from ipaddress import IPv4Network
from typing import Any

from cluster.settings import Cluster, Host


def device_of(data: str | Mapping[str, Any] | None) -> str:
    """The hardware address of a host's device, of what flannel keeps with its lease; "" if it keeps none.

    Args:
        data: a lease's BackendData, an object or, as older releases write it, its text.
    """
    kept = json.loads(data) if isinstance(data, str) else data or {}
    return str(kept.get("VtepMAC", ""))


def strays(cluster: Cluster, host: Host, leases: Mapping[str, Mapping[str, Any]], ways: Mapping[str, Any]) -> list[str]:
    """The hosts to which this one has a whole way that is another's: flanneld has not heard of their leases.

    A way of which a part is missing is seen without etcd.

    Args:
        leases: by subnet, what `facts.flannel.Leases` tells.
        ways: what `facts.network.Ways` tells of this host.
    """
    of = {lease["address"]: (subnet, device_of(lease.get("data"))) for subnet, lease in leases.items()}
    known = {h.name: of[str(h.address)] for h in cluster.leased if h != host and str(h.address) in of}
    return [name for name, (subnet, device) in known.items() if device and _strays(subnet, device, ways)]


def _strays(subnet: str, device: str, ways: Mapping[str, Any]) -> bool:
    there = ways["neighbours"].get(str(IPv4Network(subnet).network_address))
    return subnet in ways["routes"] and there != device and there in ways["hosts"]
