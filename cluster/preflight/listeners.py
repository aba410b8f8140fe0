"""Who listens on the cluster's ports."""

from collections.abc import Iterator, Mapping
from typing import Any

from cluster.ports import Port, tcp_ports
from cluster.preflight.remarks import Remark, refusal
from cluster.settings import Cluster, Host


def remarks(cluster: Cluster, host: Host, facts: Mapping[str, Any]) -> Iterator[Remark]:
    """Ports of the host's roles that somebody else holds: known by systemd's unit, not by a program's name."""
    for port in tcp_ports(cluster.settings):
        listener = facts["listeners"].get(port.number)
        if port.group not in host.groups or listener is None or _is_ours(port, listener, facts):
            continue
        yield refusal(host.name, f"port {port.number} is taken by {_who(listener)}; {_advice(port, listener)}")


def _is_ours(port: Port, listener: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    unit = facts["units"].get(port.program, {})
    # Before the project has written its part of the unit, what packages have started is theirs.
    return bool(listener["pid"]) and listener["pid"] == unit.get("pid") and unit["ours"]


def _who(listener: Mapping[str, Any]) -> str:
    if not listener["name"]:
        return "another program"
    known = [text for text in (listener["program"], listener["unit"]) if text]
    return f"{listener['name']} ({', '.join(known)})" if known else listener["name"]


def _advice(port: Port, listener: Mapping[str, Any]) -> str:
    if listener["unit"] == f"{port.program}.service":
        return f"it is not of this cluster: save what it holds, then `systemctl disable --now {port.program}`"
    return f"{port.program} needs it: stop that one"
