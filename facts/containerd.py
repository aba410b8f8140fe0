"""containerd as it runs, not as it is configured."""

import json
from typing import Any

from facts.base import Fact


class Engine(Fact[dict[str, Any]]):
    """
    containerd's network for pods and cgroup driver as it runs; {} where it does not answer.

    Source: `crictl info`, `crictl pods`, `ip` and `iptables`. `network` and `mtu` are those that pods get from now on,
    as containerd has read them, "" before it has any; `bridge` and `bridge_mtu` what cni0 really has; `trouble` why no
    pod could start; `forward_policy` the policy of the FORWARD chain.

    .. code:: python

        {"version": "2.4.2", "cgroup_driver": "systemd", "trouble": "", "network": "192.168.13.0/24", "mtu": "1450",
         "bridge": "192.168.13.1/24", "bridge_mtu": "1450", "forward_policy": "ACCEPT", "pods": 4}
    """

    default = dict
    asks = "containerd"
    program = "crictl"

    def script(self) -> str:
        return (
            "v=$(crictl version 2>/dev/null | sed -n 's/^RuntimeVersion: *v*//p') && [ -n \"$v\" ] || exit 0; "
            'printf "version=%s\\ninfo=%s\\n" "$v" "$(crictl info 2>/dev/null | tr -d "\\n")"; '
            'echo "pods=$(crictl pods -q --state Ready 2>/dev/null | wc -l)"; '
            "ip -4 -o addr show cni0 2>/dev/null | sed -n 's/.*inet \\([^ ]*\\).*/bridge=\\1/p'; "
            "ip -o link show cni0 2>/dev/null | sed -n 's/.* mtu \\([0-9]*\\) .*/bridge_mtu=\\1/p'; "
            "iptables -w -S FORWARD 2>/dev/null | sed -n 's/^-P FORWARD /forward_policy=/p'; true"
        )

    def read(self, lines: list[str]) -> dict[str, Any]:
        raw = dict(line.split("=", 1) for line in lines if "=" in line)
        info = json.loads(raw["info"])
        runc = info["config"]["containerd"]["runtimes"]["runc"]["options"]
        return {
            "version": raw["version"],
            "cgroup_driver": "systemd" if runc.get("SystemdCgroup") else "cgroupfs",
            "trouble": "; ".join(_troubles(info["status"]["conditions"])),
            **_network(info),
            **{key: raw.get(key, "") for key in ("bridge", "bridge_mtu", "forward_policy")},
            "pods": int(raw["pods"]),
        }


def _troubles(conditions: list[dict[str, Any]]) -> list[str]:
    wanted = ("RuntimeReady", "NetworkReady")
    return [c["message"] or f"not {c['type']}" for c in conditions if c["type"] in wanted and not c["status"]]


def _network(info: dict[str, Any]) -> dict[str, str]:
    """Of the networks that containerd has read, the one that bridges pods."""
    configs = [n["Config"] for n in (info.get("cniconfig") or {}).get("Networks") or []]
    plugins = [json.loads(p["Source"]) for c in configs for p in c["Plugins"]]
    found: dict[str, Any] = next((p for p in plugins if p["type"] == "bridge"), {})
    ranges = found.get("ipam", {}).get("ranges") or [[{}]]
    return {"network": ranges[0][0].get("subnet", ""), "mtu": str(found.get("mtu", ""))}
