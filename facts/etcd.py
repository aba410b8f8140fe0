"""etcd, as its administrator sees it on a member."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pyinfra.api.exceptions import FactProcessError

from cluster.etcdctl import etcdctl
from cluster.membership import DATA, LIVED
from cluster.shell import program
from facts.base import Fact

_HELD = "etcd_"
_METRICS = r"\|".join(("compact_revision", "current_revision", "db_compaction_last", "process_start_time_seconds"))


def _json(lines: Iterable[str]) -> object:
    try:
        return json.loads("\n".join(lines))
    except ValueError as error:
        raise FactProcessError(f"not JSON: {error}") from error


class Members(Fact[dict[str, Any]]):
    """
    etcd's members by id, as etcd itself lists them; {} where etcd does not answer. Two may have one name; one that was
    added and has never started has none: "".

    Source: `etcdctl member list` on a member, with the administrator's certificate.

    .. code:: python

        {"8e9e05c52164694d": {"name": "master", "peer_urls": ["https://10.1.10.101:2380"],
                              "client_urls": ["https://10.1.10.101:2379"], "learner": False}}
    """

    program = "etcdctl"
    default = dict
    asks = "etcd"

    def script(self) -> str:
        return etcdctl("e member list -w json 2>/dev/null || true")

    def read(self, lines: list[str]) -> dict[str, Any]:
        answer = _json(lines)
        assert isinstance(answer, dict)
        return {
            f"{m['ID']:x}": {
                "name": m.get("name", ""),
                "peer_urls": m.get("peerURLs", []),
                "client_urls": m.get("clientURLs", []),
                "learner": m.get("isLearner", False),
            }
            for m in answer["members"]
        }


class Health(Fact[dict[str, Any]]):
    """
    A member's own view of its health; {} where there is no etcd.

    Source: `etcdctl endpoint health`, `endpoint status` and `alarm list`, and the member's /metrics. `cluster` is the
    id of the cluster it is a member of; `led` whether it knows a leader, `leader` whether it is that; `database` and
    `database_in_use` are bytes. `kept` is how many revisions it has not forgotten, `compacted` how many seconds ago it
    last forgot some, or has been started without having; None where a release does not tell.

    .. code:: python

        {"healthy": True, "version": "3.4.23", "cluster": "cdf818194e3a8c32", "led": True, "leader": True, "term": 2,
         "revision": 412, "database": 2199552, "database_in_use": 1200128, "alarms": [], "kept": 212,
         "compacted": 184}
    """

    program = "etcdctl"
    default = dict

    def script(self) -> str:
        return etcdctl(
            "e endpoint health >/dev/null 2>&1 && echo healthy || echo unhealthy; "
            'echo "status $(e endpoint status -w json 2>/dev/null)"; '
            "e alarm list 2>/dev/null | sed 's/^/alarm /'; "
            'curl -s --max-time 5 --cacert "$PKI/ca.crt" --cert "$PKI/root.crt" --key "$PKI/root.key" '
            f"\"$endpoint/metrics\" | sed -n 's/^\\(etcd_debugging_mvcc_\\)*\\({_METRICS}\\) /metric \\2 /p'; "
            'echo "metric now $(date +%s)"; true'
        )

    def read(self, lines: list[str]) -> dict[str, Any]:
        status = next((line[7:] for line in lines if line.startswith("status ")), "")
        answer = _json([status]) if status else []
        if not (isinstance(answer, list) and answer):
            return {"healthy": False}
        found = answer[0]["Status"]
        header = found["header"]  # what is 0 is left out
        return {
            "healthy": "healthy" in lines,
            "version": found.get("version", ""),
            "cluster": f"{header['cluster_id']:x}",
            "led": bool(found.get("leader")),
            "leader": found.get("leader") == header["member_id"],
            "term": found.get("raftTerm", 0),
            "revision": header.get("revision", 0),
            "database": found.get("dbSize", 0),
            "database_in_use": found.get("dbSizeInUse", 0),
            "alarms": [line[6:] for line in lines if line.startswith("alarm ")],
            **_history([line.split() for line in lines if line.startswith("metric ")]),
        }


class Alarms(Fact[dict[str, Any]]):
    """
    The alarms that etcd has raised, and the bytes of a member's database; {} where it has raised none, or does not
    answer.

    Source: the member's /health; where that is not true, `etcdctl alarm list` and `endpoint status`.

    .. code:: python

        {"alarms": ["NOSPACE"], "database": 2147491840}
    """

    program = "etcdctl"
    default = dict

    def script(self) -> str:
        return etcdctl(program("etcd-alarms"))

    def read(self, lines: list[str]) -> dict[str, Any]:
        pairs = [line.split(" ", 1) for line in lines if line]
        alarms = sorted({value for kind, value in pairs if kind == "alarm"})
        return {"alarms": alarms, "database": int(dict(pairs).get("database", 0))} if alarms else {}


def _history(metrics: Iterable[list[str]]) -> dict[str, int | None]:
    """How much of its history a member keeps, of lines "metric NAME VALUE"."""
    found = {name: float(value) for _, name, value in metrics}
    kept = found["current_revision"] - found["compact_revision"] if "compact_revision" in found else None
    last = found.get("db_compaction_last")
    since = None if last is None else last or found.get("process_start_time_seconds")
    return {
        "kept": None if kept is None else int(kept),
        "compacted": None if since is None else int(found["now"] - since),
    }


class FlannelKeys(Fact[dict[str, Any]]):
    """
    flannel's keys in etcd with their values, by name below the prefix; {} where etcd does not answer.

    + prefix: flannel's prefix in etcd
    + api: v2 or v3, the etcd API that flannel reads

    Source: `etcdctl get` on a member. `facts.flannel` reads them as configuration and leases.

    .. code:: python

        {"config": {"Network": "192.168.0.0/16", …}, "subnets/192.168.13.0-24": {"PublicIP": "10.1.10.102", …}}
    """

    program = "etcdctl"
    default = dict
    asks = "etcd"

    def script(self, prefix: str = "/flannel/network", api: str = "v3") -> str:
        if api == "v2":
            return etcdctl(
                f"for k in $(e2 ls -r -p {prefix} 2>/dev/null | grep -v '/$'); do "
                f"echo ${{k#{prefix}/}}; e2 get $k 2>/dev/null; done; true"
            )
        return etcdctl(f"e get --prefix {prefix}/ 2>/dev/null | sed 's|^{prefix}/||'; true")

    def read(self, lines: list[str]) -> dict[str, Any]:
        lines = [line for line in lines if line]
        try:
            return {key: json.loads(value) for key, value in zip(lines[::2], lines[1::2], strict=True)}
        except ValueError as error:
            raise FactProcessError(f"not pairs of key and JSON: {error}") from error


class Held(Fact[dict[str, Any]]):
    """
    What a host holds of etcd, whether it runs or not; {} for nothing.

    Source: /var/lib/etcd/default.etcd, /var/lib/container-cloud/etcd.lived, /etc/etcd/etcd.conf, bootstrap.conf beside
    it, and `etcdctl member list`. `data` is the day since which there is a member's data, "" for none; `lived` whether
    it was ever ready; `ours` whether etcd.conf is this project's; `configured` the members' URLs by name that it was
    first started with. Where etcd answers, `cluster` is its cluster's id, `members` are the members' names by URL for
    each other (two may have one name; without one, the id stands for it), `started` the URLs of those that have ever
    started, and `learners` of those that have no vote yet. On a node of a cluster that has lived,
    `node` is what tells so: pods, or flannel's lease. The preflight reads the same.

    .. code:: python

        {"data": "2026-11-26", "lived": True, "ours": True, "configured": {"master": "https://10.1.10.101:2380"},
         "cluster": "835b1f3db4d06b62", "members": {"https://10.1.10.101:2380": "master"},
         "started": ["https://10.1.10.101:2380"], "learners": []}
    """

    default = dict

    def script(self) -> str:
        return f'{holding()}\netcd_held "$(id -u)" "$(systemctl is-active etcd)"'

    def read(self, lines: list[str]) -> dict[str, Any]:
        return held({key: value for key, _, value in (line.partition("=") for line in lines)})


class Standing(Fact[dict[str, Any]]):
    """
    etcd's members as they stand, asked where they answer, from any host that has the administrator's certificate; {}
    where none does.

    + urls: members' URLs for clients, as far as they are known; those that the members list are asked, too

    Source: `etcdctl member list`, `endpoint status` and `endpoint health` at each. `healthy` is whether it reads what
    the majority agrees on, which one without a vote never says of itself. `others` are the ids of other clusters that
    were met, by URL.

    .. code:: python

        {"cluster": "835b1f3db4d06b62", "others": {},
         "members": [{"id": "8e9e05c52164694d", "name": "master", "peer": "https://10.1.10.101:2380",
                      "client": "https://10.1.10.101:2379", "learner": False, "answers": True, "healthy": True,
                      "leads": True}]}
    """

    program = "etcdctl"
    default = dict

    def script(self, urls: Iterable[str] = ()) -> str:
        return etcdctl(program("etcd-standing", URLS=" ".join(urls)))

    def read(self, lines: list[str]) -> dict[str, Any]:
        told = [line.split(" ", 2) for line in lines]
        lists = {url: json.loads(rest) for word, url, rest in told if word == "members"}
        if not lists:
            return {}
        answers = {url: json.loads(rest) for word, url, rest in told if word == "status"}
        statuses = {url: answer[0]["Status"] for url, answer in answers.items() if answer}
        healthy = {url for word, url, _ in told if word == "healthy"}
        listed = next(iter(lists.values()))
        cluster = f"{listed['header']['cluster_id']:x}"
        clusters = {url: f"{status['header']['cluster_id']:x}" for url, status in statuses.items()}
        return {
            "cluster": cluster,
            "others": {url: other for url, other in sorted(clusters.items()) if other != cluster},
            "members": [_stands(m, statuses, healthy) for m in listed["members"]],
        }


def _stands(listed: Mapping[str, Any], statuses: Mapping[str, Any], healthy: set[str]) -> dict[str, Any]:
    client = next(iter(listed.get("clientURLs", ())), "")
    status = statuses.get(client, {})
    return {
        "id": f"{listed['ID']:x}",
        "name": listed.get("name", ""),
        "peer": ",".join(listed.get("peerURLs", ())),
        "client": client,
        "learner": listed.get("isLearner", False),
        "answers": bool(status),
        "healthy": client in healthy and not listed.get("isLearner", False),
        "leads": bool(status) and status.get("leader") == listed["ID"],
    }


def holding() -> str:
    """Shell in which `etcd_held UID STATE-OF-ETCD` prints what a host holds of etcd, in lines "KEY=VALUE"."""
    return etcdctl(program("etcd-held", DATA=DATA, LIVED=LIVED))


def held(values: Mapping[str, str]) -> dict[str, Any]:
    """What a host holds of etcd, as `Held` tells it, of what `holding` printed."""
    told = {key.removeprefix(_HELD): value for key, value in values.items() if key.startswith(_HELD)}
    if not told:
        return {}
    answer = json.loads(told.get("members") or "{}")
    members = {",".join(m.get("peerURLs", [])): m for m in answer.get("members", [])}
    pairs = (item.partition("=") for item in told.get("configured", "").split(",") if item)
    return {
        "data": told.get("data", "")[:10],
        "lived": "lived" in told,
        "ours": "ours" in told,
        "configured": {name: url for name, _, url in pairs},
        "cluster": f"{answer['header']['cluster_id']:x}" if answer else "",
        "members": {url: m.get("name") or f"{m['ID']:x}" for url, m in members.items()},
        "started": sorted(url for url, m in members.items() if m.get("clientURLs")),
        "learners": sorted(url for url, m in members.items() if m.get("isLearner")),
        **({"node": told["node"]} if "node" in told else {}),
    }
