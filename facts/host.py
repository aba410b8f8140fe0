"""A host before anything is done to it."""

import json
import re
import time
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from cluster.api import api
from cluster.roles.secrets import CONFIG, WHOLE
from cluster.shell import program
from facts.base import Fact
from facts.etcd import held, holding
from facts.role import PROGRAM_RECORDS

_SERVICE = re.compile(r'.*"metadata":{"name":"([^"]*)".*"clusterIP":"([0-9.]*)"')
_UNIT = re.compile(r".*/([^/:]*\.(?:service|scope))")  # in a line of /proc/PID/cgroup
_ROUTE_KINDS = ("unicast", "blackhole", "unreachable", "prohibit", "throw")
# Where systemd looks for units, as systemd.unit(5) has it.
UNIT_DIRECTORIES = (
    "/etc/systemd/system.control",
    *(f"/run/systemd/{name}" for name in ("system.control", "transient", "generator.early")),
    *("/etc/systemd/system", "/run/systemd/system", "/run/systemd/generator"),
    *(f"{above}/systemd/system" for above in ("/usr/local/lib", "/usr/lib", "/lib")),
    "/run/systemd/generator.late",
)
_Pairs = list[tuple[str, str]]


class Preflight(Fact[dict[str, Any]]):
    """
    What decides whether a host can be used at all.

    + ports: TCP ports whose listeners matter
    + units: services that a run manages
    + known: versions of programs by the digest of the release file they were installed from: these are not asked

    Source: /etc/os-release (ID, ID_LIKE, VERSION_ID, PRETTY_NAME), `command -v`, `uname`, /proc/1/comm,
    /etc/machine-id, `date`, /sys/fs/cgroup, /etc/kubernetes/ca/secrets.key, the API server's encryption
    configuration, `stat`, `systemctl`, API server, kubelet
    and etcd (`--version`, or the records in /var/lib/container-cloud/programs), `ip`, /etc/resolv.conf,
    /run/systemd/resolve/resolv.conf, `ss`, /proc/PID, drop-ins of
    the units, /etc/docker/daemon.json, `iptables-save`, `nft`, and what the project has written for haproxy, API server
    and etcd.

    - `managers`: the package managers there. `clock`: how far, in seconds, the host's clock is ahead of this
      machine's at least; 0 where it is between question and answer. `disk`, `free_disk`: what /var has and has free, in
      bytes. `installed`: whether an earlier run brought certificates here. `kubernetes`: the versions that its units of
      API server and kubelet start. `etcd_version`: that of an etcd with data, else "".
      `services`: the addresses of the services kubernetes and kube-dns, on a master whose API server answers.
      `cgroup`: its version of cgroups. `secrets_key`: the SHA-256 of the key that encrypts Secrets there, "" without
      one; `secrets`: what the API server there does with Secrets, or would if it ran: "encrypted" where it encrypts
      them, "read" where it only reads what is encrypted, "" where it cannot. `time_services`, `firewalls`: units at
      work.
    - `interfaces`: addresses by interface. `routes`: IPv4 routes. `resolv_conf`: whether the file is there;
      `resolvers`: those in it; `resolved`: those that systemd-resolved has, None without it. `client`: the address from
      which SSH is spoken to this host.
    - `listeners`, by port: the process, and, where it is not the main one of a unit, its program and where systemd has
      it. `units`: main process, and whether the project has written a unit or a drop-in. `drop_ins`: files of others
      beside them, which settings each sets or clears, which variables come from files it names, and, outside of /etc
      and /run, whose package it is. `own_ports`, by setting: what the project's files give its services; of several
      ports the first.
    - `daemon_json`: the keys of Docker's own configuration, None without one, or why it cannot be read.
    - `etcd`: what the host holds of it, as `facts.etcd.Held` says.
    - `iptables`, `nft`: rules for what comes in, but for those of Docker and Kubernetes.

    .. code:: python

        {"distribution": "debian", "like": "", "version": "12", "name": "Debian GNU/Linux 12 (bookworm)",
         "managers": ["apt-get"], "architecture": "x86_64",
         "kernel": "6.1.0-18-amd64", "root": True, "init": "systemd", "machine_id": "6cf0…", "hostname": "master",
         "clock": 0.02,
         "disk": 105089261568, "free_disk": 84003123200, "installed": True,
         "kubernetes": ["1.37.2"], "etcd_version": "3.6.16",
         "services": {"kubernetes": "192.168.1.1", "kube-dns": "192.168.1.10"},
         "cgroup": 2, "secrets_key": "", "secrets": "",
         "time_services": ["chrony"], "firewalls": [],
         "interfaces": {"lo": ["127.0.0.1/8"], "eth0": ["10.1.10.101/24"]},
         "routes": [{"to": "default", "via": "10.1.10.1", "dev": "eth0"}],
         "resolv_conf": True, "resolvers": ["10.1.10.1"], "resolved": None, "client": "10.1.10.1",
         "listeners": {2379: {"name": "nginx", "pid": 99, "unit": "nginx.service", "program": "/usr/sbin/nginx"}},
         "own_ports": {"etcd_client_port": 2379},
         "units": {"etcd": {"pid": 612, "ours": True}},
         "drop_ins": [{"unit": "docker", "path": "/etc/systemd/system/docker.service.d/proxy.conf", "package": "",
                       "sets": ["Environment"], "clears": [], "variables": []}],
         "daemon_json": ["log-driver"], "etcd": {}, "iptables": [":INPUT ACCEPT [0:0]"], "nft": []}
    """

    default = dict

    def script(
        self, ports: Iterable[int] = (), units: Iterable[str] = (), known: Mapping[str, str] | None = None
    ) -> str:
        versions = " ".join(f"{digest}={version}" for digest, version in (known or {}).items())
        listed = {"PORTS": " ".join(map(str, ports)), "UNITS": " ".join(units), "KNOWN": versions}
        stored = program("stored", CONFIG=CONFIG, WHOLE=WHOLE)
        where = {"RECORDS": PROGRAM_RECORDS, "DIRECTORIES": " ".join(UNIT_DIRECTORIES)}
        return f"{holding()}\n{api()}\n{stored}\n{program('preflight', **listed, **where)}"

    def read(self, lines: list[str]) -> dict[str, Any]:
        pairs: _Pairs = [line.partition("=")[::2] for line in lines]
        raw = dict(pairs)
        size, blocks, free = map(int, raw.get("blocks", "0 0 0").split())
        texts = ("distribution", "like", "version", "name", "architecture", "kernel", "init", "machine_id", "hostname")
        return {
            **{key: raw.get(key, "") for key in texts},
            "managers": _all(pairs, "manager"),
            "root": raw.get("uid") == "0",
            "clock": _skew(float(raw["clock"]), self.asked_at, time.time()) if "clock" in raw else None,
            "installed": "installed" in raw,
            "kubernetes": _all(pairs, "kubernetes"),
            "etcd_version": raw.get("etcd_version", ""),
            "services": _services(lines),
            "cgroup": int(raw.get("cgroup") or 0),
            "secrets_key": raw.get("secrets_key", ""),
            "secrets": raw.get("secrets", ""),
            "disk": size * blocks,
            "free_disk": size * free,
            "time_services": _all(pairs, "time_service"),
            "firewalls": _all(pairs, "firewall"),
            "interfaces": _interfaces(pairs),
            "routes": [_route(line) for line in _all(pairs, "route")],
            "resolv_conf": "resolv_conf" in raw,
            "resolvers": [line.strip() for line in _all(pairs, "resolver")],
            "resolved": [line.strip() for line in _all(pairs, "real_resolver")] if "resolved" in raw else None,
            "client": raw.get("client", ""),
            "listeners": _listeners(_all(pairs, "listening"), _all(pairs, "process"), _all(pairs, "within")),
            "own_ports": _own_ports(_all(pairs, "own_port")),
            "units": _units(pairs),
            "drop_ins": _drop_ins(pairs),
            "daemon_json": _keys(_all(pairs, "daemon")) if "daemon_json" in raw else None,
            "iptables": _all(pairs, "iptables"),
            "nft": _all(pairs, "nft"),
            "etcd": held(raw),
        }


def _skew(there: float, asked_at: float | None, now: float) -> float:
    """How far a host's clock is from this machine's at least: it was read between the question and the answer."""
    return round(there - min(max(there, now if asked_at is None else asked_at), now), 3)


def _all(pairs: _Pairs, wanted: str) -> list[str]:
    return [value for key, value in pairs if key == wanted]


def _services(lines: Iterable[str]) -> dict[str, str]:
    """Addresses by name, of lines that are a service each, as an API server tells it; one may have been cut off."""
    found = (_SERVICE.match(line) for line in lines if line.startswith("{"))
    return {service[1]: service[2] for service in found if service}


def _interfaces(pairs: _Pairs) -> dict[str, list[str]]:
    """Addresses by interface: of one "link=eth0", of one of its addresses "address=eth0 10.1.10.101/24"."""
    found: dict[str, list[str]] = {name: [] for name in _all(pairs, "link")}
    for line in _all(pairs, "address"):
        name, address = line.split()
        found[name].append(address)
    return found


def _route(line: str) -> dict[str, str]:
    """A line of `ip route`: [KIND] NETWORK KEY VALUE …."""
    words = [word for word in line.split() if word not in _ROUTE_KINDS]
    pairs = dict(pairwise(words[1:]))
    return {"to": words[0], "via": pairs.get("via", ""), "dev": pairs.get("dev", "")}


def _listeners(lines: Iterable[str], processes: Iterable[str], cgroups: Iterable[str]) -> dict[int, dict[str, Any]]:
    """Who listens, by port, of what `ss` prints: state, two queues, local and peer address, program."""
    programs = dict(line.split(" ", 1) for line in processes)
    units: dict[str, str] = {}
    for pid, group in (line.split(" ", 1) for line in cgroups):
        if unit := _UNIT.match(group):
            units.setdefault(pid, unit[1])
    found: dict[int, dict[str, Any]] = {}
    for line in lines:
        _, _, _, local, _, *users = line.split(maxsplit=5)
        name = re.search(r'\(\("([^"]*)",pid=(\d+)', " ".join(users))
        pid = name[2] if name else "0"
        who = {"name": name[1] if name else "", "pid": int(pid)}
        where = {"unit": units.get(pid, ""), "program": programs.get(pid, "")}
        found.setdefault(int(local.rpartition(":")[2]), {**who, **where})
    return found


def _own_ports(lines: Iterable[str]) -> dict[str, int]:
    """Ports by setting, of lines "SETTING PORT": of etcd's balancer, which has several, the first."""
    found: dict[str, int] = {}
    for line in lines:
        setting, port = line.split()
        found.setdefault(setting, int(port))
    return found


def _units(pairs: _Pairs) -> dict[str, dict[str, Any]]:
    ours = set(_all(pairs, "ours"))
    listed = (line.split()[:2] for line in _all(pairs, "unit"))
    return {name: {"pid": int(pid), "ours": name in ours} for name, pid in listed}


def _drop_ins(pairs: _Pairs) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for key, value in pairs:
        if key == "drop_in":
            unit, path, package = value.split(" ", 2)
            found.append({"unit": unit, "path": path, "package": package, "sets": [], "clears": [], "variables": []})
        elif key in ("sets", "clears", "variable") and found:
            found[-1]["variables" if key == "variable" else key].append(value)
    return found


def _keys(lines: list[str]) -> list[str] | str:
    text = "\n".join(lines)
    if not text.strip():
        return []  # as dockerd takes it
    try:
        read = json.loads(text)
    except ValueError as error:
        return str(error)
    return list(read) if isinstance(read, dict) else "no object of names and values"
