"""Units, with what they were started with."""

from collections.abc import Iterable

from pyinfra.api import FactBase

from cluster.roles import UNITS
from facts.shell import parse_units, read_units


class Units(FactBase[dict]):
    """
    The cluster's services as systemd runs them, and the digests of the files each was started with.

    + units: names without ".service"; all the project knows when not given

    Source: `systemctl show`, /proc/PID/exe and /run/container-cloud/UNIT.inputs, which each unit writes when it starts.

    .. code:: python

        {"etcd": {"loaded": "loaded", "active": "active", "sub": "running", "enabled": "enabled",
                  "needs_reload": False, "pid": 412, "started_at": 93.2, "replaced": False,
                  "started_with": {"/etc/etcd/etcd.conf": "9f86d08…"}}}
    """

    default = dict

    def command(self, units: Iterable[str] = UNITS) -> str:
        return f"{read_units(units)}; true"

    def process(self, output: Iterable[str]) -> dict:
        return parse_units(output)
