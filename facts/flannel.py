"""flannel: its configuration and leases in etcd, and a node's lease as flanneld holds it."""

import shlex
from typing import Any

from pyinfra.api import ShortFactBase

from facts.base import Fact
from facts.etcd import FlannelKeys


class Configuration(ShortFactBase[dict[str, Any]]):
    """
    flannel's network configuration in etcd; {} where there is none. Ask an etcd member.

    + prefix: flannel's prefix in etcd
    + api: v2 or v3, the etcd API that flannel reads

    Source: the key PREFIX/config in etcd.

    .. code:: python

        {"Network": "192.168.0.0/16", "SubnetLen": 24, "SubnetMin": "192.168.2.0", "Backend": {"Type": "vxlan"}}
    """

    fact = FlannelKeys

    def process_data(self, data: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = data.get("config", {})
        return found


class Leases(ShortFactBase[dict[str, Any]]):
    """
    Every node's lease in etcd, by subnet. Ask an etcd member.

    + prefix: flannel's prefix in etcd
    + api: v2 or v3, the etcd API that flannel reads

    Source: the keys PREFIX/subnets/* in etcd.

    .. code:: python

        {"192.168.13.0/24": {"address": "10.1.10.102", "backend": "vxlan", "data": {"VtepMAC": "d2:8e:…"}}}
    """

    fact = FlannelKeys

    def process_data(self, data: dict[str, Any]) -> dict[str, Any]:
        return {
            key.removeprefix("subnets/").replace("-", "/"): {
                "address": lease["PublicIP"],
                "backend": lease.get("BackendType", ""),
                "data": lease.get("BackendData"),
            }
            for key, lease in data.items()
            if key.startswith("subnets/")
        }


class SubnetEnv(Fact[dict[str, Any]]):
    """
    The lease as flanneld wrote it down on a node; {} before its first lease.

    + path: flanneld's subnet file

    Source: /run/flannel/subnet.env.

    .. code:: python

        {"FLANNEL_NETWORK": "192.168.0.0/16", "FLANNEL_SUBNET": "192.168.13.1/24", "FLANNEL_MTU": "1450",
         "FLANNEL_IPMASQ": "true"}
    """

    default = dict

    def script(self, path: str = "/run/flannel/subnet.env") -> str:
        return f"cat {shlex.quote(path)} 2>/dev/null || true"

    def read(self, lines: list[str]) -> dict[str, Any]:
        return dict(line.split("=", 1) for line in lines if "=" in line)
