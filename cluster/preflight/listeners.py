"""Who listens on the cluster's ports."""

from collections.abc import Iterator, Mapping
from typing import Any

from cluster.ports import ports_of
from cluster.preflight.remarks import Remark, refusal
from cluster.settings import Cluster, Host


def remarks(cluster: Cluster, host: Host, facts: Mapping[str, Any]) -> Iterator[Remark]:
    """Ports of the host's roles that somebody else holds: known by the service whose process it is, not by a name."""
    units = {unit["pid"]: name for name, unit in facts["units"].items() if unit["pid"]}
    listed = (p for p in ports_of(cluster) if p.group in host.groups)
    for port in {p.number: p for p in listed}.values():
        listener = facts["listeners"].get(port.number)
        if listener is None:
            continue
        unit = units.get(listener["pid"])
        if unit is None and port.program in facts["units"] and listener["unit"] == f"{port.program}.service":
            unit = port.program  # a child of its main process; or it has ended since, and begins anew
        if unit != port.program:
            yield refusal(
                host.name, f"port {port.number} is taken by {_who(listener)}; {port.program} needs it: stop it"
            )
        elif not facts["units"][unit]["ours"]:
            # Before the project has written its part of the unit, what a package has started is somebody's.
            what = f"port {port.number} is taken by {unit}.service, which is not of this cluster"
            yield refusal(host.name, f"{what}: save what it holds, then `systemctl disable --now {unit}`")


def _who(listener: Mapping[str, Any]) -> str:
    if not listener["name"]:
        return "another program"
    known = [text for text in (listener["program"], listener["unit"]) if text]
    return f"{listener['name']} ({', '.join(known)})" if known else str(listener["name"])
