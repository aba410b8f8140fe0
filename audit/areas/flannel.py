"""flannel: one lease everywhere: in etcd, in flanneld, on the other nodes' routes."""

from collections.abc import Iterator
from ipaddress import IPv4Interface
from typing import Any

from audit.answers import Reading
from audit.areas.view import DEPLOYS, View
from audit.model import Finding
from cluster.roles.flannel import BROKEN_WAY
from cluster.settings import Host
from cluster.ways import device_of, strays

RESTART = "systemctl restart flanneld there: it leases and routes anew"


def judge(view: View, reading: Reading) -> Iterator[Finding]:
    """A host's lease and its ways to the others'; on the etcd member that tells them, leases that nobody has."""
    host = reading.host
    if reading is view.tells_leases:
        yield from _stale(view, reading)
    if host not in view.cluster.leased or not view.runs(reading, "flanneld"):
        return
    if view.tells_leases and reading.knows("lease"):
        yield from _lease(view, reading)
    if view.tells_leases and reading.knows("ways"):
        yield from _ways(view, reading)


def _stale(view: View, reading: Reading) -> Iterator[Finding]:
    addresses = {str(h.address) for h in view.cluster.leased}
    prefix = view.settings.flannel_etcd_prefix
    for subnet, lease in view.leases.items():
        if lease.get("PublicIP") not in addresses:
            key = f"{prefix}/subnets/{subnet.replace('/', '-')}"
            found = f"{lease.get('PublicIP')}, which gets none"
            yield Finding(
                reading.host.name, "flannel", "drift", f"lease {subnet}", "a host's", found, f"etcdctl del {key}"
            )


def _lease(view: View, reading: Reading) -> Iterator[Finding]:
    """The lease in etcd and as flanneld wrote it down."""
    name, own = reading.host.name, view.lease_of(reading.host)
    written = subnet_of(reading.fact("lease").get("FLANNEL_SUBNET", ""))
    mine = [s for s, v in view.leases.items() if v.get("PublicIP") == str(reading.host.address)]
    if own is None:
        yield Finding(name, "flannel", "drift", "lease in etcd", written or "one", "none", RESTART)
    elif written not in mine:
        yield Finding(name, "flannel", "drift", "/run/flannel/subnet.env", own, written or "no lease", RESTART)
    elif len(mine) > 1:
        yield Finding(name, "flannel", "drift", "leases in etcd", "one", ", ".join(mine), "etcdctl del the other")
    else:
        yield Finding(name, "flannel", "ok", f"lease {own}", own, own)


def _ways(view: View, reading: Reading) -> Iterator[Finding]:
    """Routes, and with vxlan the other hosts' devices, to each lease in etcd that another node has."""
    name, steps = reading.host.name, reading.fact("roles").get("steps", {})
    leases = {s: {"address": v.get("PublicIP", ""), "data": v.get("BackendData")} for s, v in view.leases.items()}
    # A run sees what flanneld left half, and what is another's; where nothing is left, flanneld alone knows of a way.
    seen = steps.get(f"flanneld: {BROKEN_WAY}") or strays(view.cluster, reading.host, leases, reading.fact("ways"))
    repair = DEPLOYS["flannel"] if seen else RESTART
    for other, subnet, lost in ways_to_others(view, reading):
        way, to = f"way to {other.name}", f"to {subnet}"
        yield Finding.judged(not lost, name, "flannel", way, to, lost or to, repair)


def ways_to_others(view: View, reading: Reading) -> Iterator[tuple[Host, str, str]]:
    """Each other host that has a lease in etcd, that lease, and what this one lacks to reach it; "" if nothing."""
    for other in view.cluster.leased:
        subnet = view.lease_of(other)
        if other != reading.host and subnet:
            yield other, subnet, _missing(view, reading.fact("ways"), subnet, other)


def _missing(view: View, ways: dict[str, Any], subnet: str, other: Host) -> str:
    """What a host lacks to reach a lease of another; "" if nothing."""
    backend = view.settings.flannel_backend
    if backend == "udp":  # one route for the whole network, into flanneld
        return "" if ways.get("routes") else "no route"
    route = ways.get("routes", {}).get(subnet)
    if not route:
        return "no route"
    if backend == "host-gw":
        return "" if route["via"] == str(other.address) else f"a route by {route['via']}"
    mac = device_of(view.leases.get(subnet, {}).get("BackendData"))
    if mac and ways["neighbours"].get(route["via"]) != mac:
        return f"no neighbour entry for {other.name}'s device"
    if mac and ways["hosts"].get(mac) != str(other.address):
        return f"no forwarding entry for {other.name}'s device"
    return ""


def subnet_of(address: str) -> str:
    """The subnet of a lease as flanneld writes it: "192.168.13.0/24" of "192.168.13.1/24"."""
    return str(IPv4Interface(address).network) if address else ""
