"""etcd, as its administrator sees it on a member."""

import json
from collections.abc import Iterable

from pyinfra.api.exceptions import FactProcessError

from facts.base import Fact
from facts.shell import needs

ETCD_PKI = "/etc/etcd/pki"
_SHELL = needs("etcdctl") + (
    "u=$(sed -n 's/^ETCD_ADVERTISE_CLIENT_URLS=\"\\(.*\\)\"/\\1/p' /etc/etcd/etcd.conf 2>/dev/null); "
    "e() { ETCDCTL_API=3 ETCDCTL_DIAL_TIMEOUT=2s ETCDCTL_COMMAND_TIMEOUT=3s ETCDCTL_ENDPOINTS=$u "
    f"ETCDCTL_CACERT={ETCD_PKI}/ca.crt "
    f'ETCDCTL_CERT={ETCD_PKI}/root.crt ETCDCTL_KEY={ETCD_PKI}/root.key timeout 10 etcdctl "$@" 2>/dev/null; }}; '
)


def _json(lines: Iterable[str]) -> object:
    try:
        return json.loads("\n".join(lines))
    except ValueError as error:
        raise FactProcessError(f"not JSON: {error}") from error


class Members(Fact[dict]):
    """
    etcd's members by name, as etcd itself lists them; {} where etcd does not answer.

    Source: `etcdctl member list` on a member, with the administrator's certificate.

    .. code:: python

        {"master": {"id": "8e9e05c52164694d", "peer_urls": ["https://10.1.10.101:2380"],
                    "client_urls": ["https://10.1.10.101:2379"], "learner": False}}
    """

    default = dict
    asks = "etcd"

    def script(self) -> str:
        return f"{_SHELL} e member list -w json || true"

    def read(self, lines: list[str]) -> dict:
        answer = _json(lines)
        assert isinstance(answer, dict)
        return {
            m.get("name", ""): {
                "id": f"{m['ID']:x}",
                "peer_urls": m.get("peerURLs", []),
                "client_urls": m.get("clientURLs", []),
                "learner": m.get("isLearner", False),
            }
            for m in answer["members"]
        }


class Health(Fact[dict]):
    """
    A member's own view of its health; {} where there is no etcd.

    Source: `etcdctl endpoint health`, `endpoint status` and `alarm list`. `database` and `database_in_use` are bytes.

    .. code:: python

        {"healthy": True, "version": "3.4.23", "leader": True, "term": 2, "revision": 412,
         "database": 2199552, "database_in_use": 1200128, "alarms": []}
    """

    default = dict

    def script(self) -> str:
        return (
            f"{_SHELL} e endpoint health >/dev/null && echo healthy || echo unhealthy; "
            "echo \"status $(e endpoint status -w json)\"; e alarm list | sed 's/^/alarm /'; true"
        )

    def read(self, lines: list[str]) -> dict:
        status = next((line[7:] for line in lines if line.startswith("status ")), "")
        answer = _json([status]) if status else []
        if not (isinstance(answer, list) and answer):
            return {"healthy": False}
        found = answer[0]["Status"]
        return {
            "healthy": "healthy" in lines,
            "version": found["version"],
            "leader": found["leader"] == found["header"]["member_id"],
            "term": found["raftTerm"],
            "revision": found["header"]["revision"],
            "database": found["dbSize"],
            "database_in_use": found["dbSizeInUse"],
            "alarms": [line[6:] for line in lines if line.startswith("alarm ")],
        }


class FlannelKeys(Fact[dict]):
    """
    flannel's keys in etcd with their values, by name below the prefix; {} where etcd does not answer.

    + prefix: flannel's prefix in etcd
    + api: v2 or v3, the etcd API that flannel reads

    Source: `etcdctl get` on a member. `facts.flannel` reads them as configuration and leases.

    .. code:: python

        {"config": {"Network": "192.168.0.0/16", …}, "subnets/192.168.13.0-24": {"PublicIP": "10.1.10.102", …}}
    """

    default = dict
    asks = "etcd"

    def script(self, prefix: str = "/flannel/network", api: str = "v3") -> str:
        if api == "v2":
            return (
                f"{_SHELL} v() {{ ETCDCTL_API=2 timeout 5 etcdctl --endpoints $u --ca-file {ETCD_PKI}/ca.crt "
                f'--cert-file {ETCD_PKI}/root.crt --key-file {ETCD_PKI}/root.key "$@" 2>/dev/null; }}; '
                f"for k in $(v ls -r -p {prefix} | grep -v '/$'); do echo ${{k#{prefix}/}}; v get $k; done; true"
            )
        return f"{_SHELL} e get --prefix {prefix}/ | sed 's|^{prefix}/||'; true"

    def read(self, lines: list[str]) -> dict:
        lines = [line for line in lines if line]
        try:
            return {key: json.loads(value) for key, value in zip(lines[::2], lines[1::2], strict=True)}
        except ValueError as error:
            raise FactProcessError(f"not pairs of key and JSON: {error}") from error
