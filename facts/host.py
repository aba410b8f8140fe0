"""A host before anything is done to it."""

import re
import time
from collections.abc import Iterable

from facts.base import Fact
from facts.shell import words

# Units that keep the clock, whatever package brought them.
_TIME_SERVICES = ("systemd-timesyncd", "chrony", "chronyd", "ntp", "ntpd", "ntpsec", "openntpd")


class Preflight(Fact[dict]):
    """
    What decides whether a host can be used at all.

    + ports: TCP ports whose listeners matter

    Source: /etc/os-release (ID, ID_LIKE, VERSION_ID, PRETTY_NAME), `command -v`, `uname`, /proc/1/comm,
    /etc/machine-id, `hostname`, `date`, `df`, `systemctl`, `ss`. `managers` are the package managers there; `clock` is
    the host's clock less this machine's, in seconds, as of the moment its answer was read; `disk` and `free_disk` are
    what /var has and has free, in bytes; `installed` whether an earlier run brought certificates here; `time_services`
    the units at work that keep the clock; `listeners` are program names by port.

    .. code:: python

        {"distribution": "debian", "like": "", "version": "12", "name": "Debian GNU/Linux 12 (bookworm)",
         "managers": ["apt-get"], "architecture": "x86_64",
         "root": True, "init": "systemd", "machine_id": "6cf0…", "hostname": "master", "clock": 0.02,
         "disk": 105089261568, "free_disk": 84003123200, "installed": True,
         "time_services": ["chrony"], "listeners": {2379: "etcd"}}
    """

    default = dict

    def script(self, ports: Iterable[int] = ()) -> str:
        among = " or ".join(f"sport = :{port}" for port in ports)
        listening = f"ss -Hltnp '{among}' 2>/dev/null | sed 's/^/listening=/'; " if among else ""
        return (
            ". /etc/os-release; "
            'echo "distribution=$ID"; echo "like=$ID_LIKE"; echo "version=$VERSION_ID"; echo "name=$PRETTY_NAME"; '
            'for m in apt-get dnf yum; do ! command -v $m >/dev/null || echo "manager=$m"; done; '
            'echo "architecture=$(uname -m)"; '
            'echo "uid=$(id -u)"; echo "init=$(cat /proc/1/comm)"; echo "hostname=$(hostname)"; '
            'echo "machine_id=$(cat /etc/machine-id 2>/dev/null)"; '
            "[ ! -e /etc/kubernetes/ca/ca.crt ] || echo installed=1; "
            'df -P -B1 /var | awk \'NR==2 {print "disk=" $2; print "free_disk=" $4}\'; '
            f"systemctl list-units --no-legend --state=active {words(f'{s}.service' for s in _TIME_SERVICES)} "
            "2>/dev/null | sed -n 's/^ *\\([^ ]*\\)\\.service .*/time_service=\\1/p'; "
            f"{listening}"
            'echo "clock=$(date +%s.%N)"'
        )

    def read(self, lines: list[str]) -> dict:
        pairs = [line.partition("=")[::2] for line in lines]
        raw = dict(pairs)
        texts = ("distribution", "like", "version", "name", "architecture", "init", "machine_id", "hostname")
        return {
            **{key: raw.get(key, "") for key in texts},
            "managers": [value for key, value in pairs if key == "manager"],
            "root": raw.get("uid") == "0",
            "clock": round(float(raw["clock"]) - time.time(), 3) if "clock" in raw else None,
            "installed": "installed" in raw,
            "disk": int(raw.get("disk") or 0),
            "free_disk": int(raw.get("free_disk") or 0),
            "time_services": [value for key, value in pairs if key == "time_service"],
            "listeners": _listeners(value for key, value in pairs if key == "listening"),
        }


def _listeners(lines: Iterable[str]) -> dict[int, str]:
    """Program names by port, of what `ss` prints: state, two queues, local and peer address, program."""
    found: dict[int, str] = {}
    for line in lines:
        _, _, _, local, _, *program = line.split(maxsplit=5)
        name = re.search(r'\(\("([^"]*)"', " ".join(program))
        found.setdefault(int(local.rpartition(":")[2]), name[1] if name else "")
    return found
