"""Units, with what they were started with."""

from collections.abc import Iterable
from typing import Any

from cluster.roles import UNITS
from facts.base import Fact
from facts.shell import parse_units, read_units, words


class Units(Fact[dict[str, Any]]):
    """
    The cluster's services as systemd runs them, and the digests of the files each was started with.

    + units: names without ".service"; all the project knows when not given

    Source: `systemctl show`, /proc/PID/exe and /run/container-cloud/UNIT.inputs, which each unit writes when it starts.

    .. code:: python

        {"etcd": {"loaded": "loaded", "active": "active", "sub": "running", "enabled": "enabled",
                  "needs_reload": False, "pid": 412, "started_at": 93.2, "replaced": False, "takes_along": [],
                  "started_with": {"/etc/etcd/etcd.conf": "9f86d08…"}}}
    """

    default = dict

    def script(self, units: Iterable[str] = UNITS) -> str:
        return f"{read_units(units)}; true"

    def read(self, lines: list[str]) -> dict[str, Any]:
        return parse_units(lines)


class CommandLines(Fact[dict[str, Any]]):
    """
    What the cluster's services really run as: account and command line of each main process; none of one that is down.

    + units: names without ".service"; all the project knows when not given

    Source: /proc/PID of the main process.

    .. code:: python

        {"kube-proxy": {"account": "root", "words": ["/usr/local/bin/kube-proxy", "--v=1", …]}}
    """

    default = dict

    def script(self, units: Iterable[str] = UNITS) -> str:
        return (
            f"for u in {words(units)}; do p=$(systemctl show -p MainPID $u | cut -d= -f2); "
            '[ "${p:-0}" != 0 ] || continue; echo "unit $u $(stat -c %U /proc/$p)"; '
            "tr '\\0' '\\n' < /proc/$p/cmdline | sed 's/^/word /'; done; true"
        )

    def read(self, lines: list[str]) -> dict[str, Any]:
        found: dict[str, dict[str, Any]] = {}
        name = ""
        for line in lines:
            kind, _, rest = line.partition(" ")
            if kind == "unit":
                name, _, account = rest.partition(" ")
                found[name] = {"account": account, "words": []}
            elif kind == "word":
                found[name]["words"].append(rest)
        return found
