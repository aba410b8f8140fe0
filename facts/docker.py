"""Docker as it runs, not as it is configured."""

import json
from typing import Any

from pyinfra.api.exceptions import FactProcessError

from facts.base import Fact


class Engine(Fact[dict[str, Any]]):
    """
    Docker's network and cgroup driver as it runs; {} where it does not answer.

    Source: `docker info`, /proc of dockerd's process, `ip addr` and `iptables`. `bip` and `mtu` are those on dockerd's
    command line, `bridge` and `bridge_mtu` what docker0 really has, `forward_policy` the policy of the FORWARD chain.

    .. code:: python

        {"version": "20.10.24+dfsg1", "cgroup_driver": "systemd", "storage_driver": "overlay2",
         "bip": "192.168.13.1/24", "mtu": "1450", "bridge": "192.168.13.1/24", "bridge_mtu": "1450",
         "forward_policy": "DROP", "containers": 4, "insecure_registries": ["127.0.0.0/8"]}
    """

    default = dict
    asks = "docker"
    program = "docker"

    def script(self) -> str:
        return (
            "i=$(docker info --format '{{json .}}' 2>/dev/null) && [ -n \"$i\" ] || exit 0; "
            'echo "info=$i"; p=$(systemctl show -p MainPID --value docker); '
            'tr "\\0" "\\n" < /proc/$p/cmdline | sed -n "s/^--bip=/bip=/p; s/^--mtu=/mtu=/p"; '
            "ip -4 -o addr show docker0 2>/dev/null | sed -n 's/.*inet \\([^ ]*\\).*/bridge=\\1/p'; "
            "ip -o link show docker0 2>/dev/null | sed -n 's/.* mtu \\([0-9]*\\) .*/bridge_mtu=\\1/p'; "
            "iptables -w -S FORWARD 2>/dev/null | sed -n 's/^-P FORWARD /forward_policy=/p'; true"
        )

    def read(self, lines: list[str]) -> dict[str, Any]:
        raw = dict(line.split("=", 1) for line in lines if "=" in line)
        try:
            info = json.loads(raw.pop("info"))
        except (KeyError, ValueError) as error:
            raise FactProcessError(f"docker info is not JSON: {error}") from error
        if "ServerVersion" not in info:
            return {}  # only the client spoke
        registries = (info.get("RegistryConfig") or {}).get("InsecureRegistryCIDRs") or []
        return {
            "version": info["ServerVersion"],
            "cgroup_driver": info["CgroupDriver"],
            "storage_driver": info["Driver"],
            "containers": info["ContainersRunning"],
            "insecure_registries": registries,
            **{key: raw.get(key, "") for key in ("bip", "mtu", "bridge", "bridge_mtu", "forward_policy")},
        }
