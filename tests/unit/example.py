"""What several tests stand on: clusters to render, a host's state derived from its role, and a run without hosts."""

import inspect
import logging
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatch
from itertools import count
from pathlib import Path
from typing import Any

from pyinfra.api import Config, FactBase, Inventory, State, StringCommand
from pyinfra.api.operation import OperationMeta
from pyinfra.api.state import StateOperationHostData
from pyinfra.connectors.util import CommandOutput
from pyinfra.context import ctx_host, ctx_inventory, ctx_state

from cluster.certificates import certificate_files
from cluster.desired import File, Role
from cluster.distributions import TABLE, Distribution
from cluster.machine import Machine
from cluster.roles.of_host import all_roles
from cluster.settings import Cluster, Host, load
from facts.bundle import Several
from facts.role import RoleState
from operations import inventory
from pki import Store
from tests.unit.test_settings import data, groups, shipped

SEVERAL = {"masters": ["master", "node1"], "nodes": ["node1", "node2", "node3"], "etcd": ["master", "node1", "node2"]}
DEBIAN, DEEPIN = (next(d for d in TABLE if d.name == name) for name in ("Debian", "Deepin Server"))
PACKAGES = dict.fromkeys(("etcd", "flannel", "docker", "kubernetes"), "packages")
RELEASE_FILES = dict.fromkeys(PACKAGES, "release files")
KINDS = ("packages", "holders", "programs", "files", "units", "steps", "grants", "ready")
BARE: dict[str, dict[str, Any]] = {kind: {} for kind in KINDS}

# What the preflight finds on a host before its first run, but for what every host has of its own.
GOOD: dict[str, Any] = {
    "distribution": "debian", "like": "", "version": "12", "managers": ["apt-get"],
    "name": "Debian GNU/Linux 12 (bookworm)", "architecture": "x86_64", "kernel": "6.1.0-18-amd64",
    "root": True, "init": "systemd", "clock": 0.0, "free_disk": 80 * 2**30, "installed": False,
    "cgroup": 2, "secrets_key": "", "secrets": "", "kubernetes": [], "services": {}, "etcd_version": "",
    "time_services": [], "firewalls": [], "resolv_conf": True, "resolvers": ["10.1.10.1"], "resolved": None,
    "client": "10.1.10.1", "listeners": {}, "units": {}, "drop_ins": [], "daemon_json": None, "iptables": [], "nft": [],
    "etcd": {}, "own_ports": {},
}  # fmt: skip


def good(host: Host, number: int) -> dict[str, Any]:
    """What the preflight finds on one of several good hosts."""
    network = [{"to": "default", "via": "10.1.10.1", "dev": "eth0"}, {"to": "10.1.10.0/24", "via": "", "dev": "eth0"}]
    return {
        **GOOD,
        "hostname": host.name,
        "machine_id": f"{number:032x}",
        "interfaces": {"lo": ["127.0.0.1/8"], "eth0": [f"{host.address}/24"]},
        "routes": network,
    }


def cluster(in_groups: Mapping[str, list[str]] | None = None, **changes: Any) -> Cluster:
    """The guide's cluster with checksums filled in, in other groups or with settings changed."""
    return load(data(**changes), groups(**(in_groups or {})))[0]


def current(in_groups: Mapping[str, list[str]] | None = None, **changes: Any) -> Cluster:
    """The shipped cluster, of today's Kubernetes on containerd, likewise."""
    return load(data(shipped, **changes), groups(**(in_groups or {})))[0]


def several(**changes: Any) -> Cluster:
    """Two masters, one of them a node too, behind somebody's balancer; three etcd members."""
    return cluster(SEVERAL, api_server_address="api.example", api_server_balancer=False, **changes)


def expected(cluster: Cluster, host: Host, on: Distribution = DEBIAN) -> tuple[File, ...]:
    """The certificate files of a host before any is issued: their paths and modes."""
    return certificate_files(cluster, host, on, Store(Path("/nowhere")), write=False)


def roles(
    cluster: Cluster, host: Host, certificates: tuple[File, ...] | None = None, on: Distribution = DEBIAN
) -> dict[str, Role]:
    """Every role of a host by name, in the order in which they are brought about."""
    files = expected(cluster, host, on) if certificates is None else certificates
    listed = all_roles(cluster, host, Machine(on, on.ids[0]), files)
    return {role.name: role for role in listed}


def converged(role: Role) -> dict[str, dict[str, Any]]:
    """What `facts.role.RoleState` says of a host that holds all of a role."""
    files = on_disk(*role.sources, *role.files, *role.expects)
    acted_on = (*role.units, *role.followers)
    for path in (p for u in acted_on for p in u.inputs):
        files.setdefault(path, {"mode": "644", "owner": "root:root", "sha256": "cd" * 32, "ours": True})
    running = {"loaded": "loaded", "active": "active", "sub": "running", "enabled": "enabled", "pid": 1}
    units = {
        u.name: running
        | {"needs_reload": False, "replaced": False, "started_with": {p: files[p]["sha256"] for p in u.inputs}}
        for u in acted_on
    }
    conditions = [name for u in acted_on for name in u.conditions]
    return {
        "packages": {p.name: p.version or "1.0" for p in role.packages},
        "holders": {u.program: role.packages[0].name for u in role.units if u.program and role.packages},
        "programs": {p.path: p.digest for p in role.programs},
        "files": files,
        "units": units,
        "steps": {s.name: True for s in role.steps} | dict.fromkeys(conditions, False),
        "grants": {g.name: list(g.wanted) for g in role.grants},
        "ready": {u.name: True for u in role.units},
    }


def on_disk(*files: File) -> dict[str, dict[str, Any]]:
    """Files of ours as `facts.role.RoleState` says they are."""
    return {f.path: {"mode": f.mode, "owner": f.owner, "sha256": f.digest, "ours": True} for f in files}


class Run:
    """A run over an inventory whose hosts are never called: a test says what their facts are.

    + answers: by host name and fact, the value, or a function that is given the arguments and returns it, or, for
      `RoleState`, everything the host holds; only what is asked of it is told
    + asked: every fact that was asked, with its arguments
    + noops: by host name, what operations said when there was nothing to do
    """

    def __init__(self, in_groups: Mapping[str, list[str]] | None = None, **settings: Any) -> None:
        listed = groups(**(in_groups or {}))
        members = {group: (names, {}) for group, names in listed.items()}
        self.inventory = Inventory((list(data(**settings).items()), {}), **members)
        self.state = State(self.inventory, Config())
        self.answers: dict[tuple[str, type], Any] = {}
        self.asked: list[tuple[str, type, dict[str, Any]]] = []
        self.noops: dict[str, list[str]] = {}
        self._operations = count()
        for host in self.inventory:
            self.state.activate_host(host)
            host.get_fact = self._answers_of(host.name)
            host.connect = lambda **_: None
            host.noop = self.noops.setdefault(host.name, []).append

    def _answers_of(self, host: str) -> Callable[..., Any]:
        def get_fact(fact: type[FactBase], *, _ignore_errors: bool = False, **arguments: Any) -> Any:
            if fact is Several:
                return {name: get_fact(each, **given) for name, (each, given) in arguments["questions"].items()}
            own = {name: value for name, value in arguments.items() if not name.startswith("_")}
            inspect.signature(getattr(fact, "fact", fact)().command).bind(**own)
            self.asked.append((host, fact, arguments))
            answer = self.answers[host, fact]
            if fact is RoleState:
                told = {kind: {k: v for k, v in answer[kind].items() if k in arguments.get(kind, ())} for kind in BARE}
                patterns = arguments.get("owned", ())
                matching = {p: f for p, f in answer["files"].items() if any(fnmatch(p, o) for o in patterns)}
                # Others do without it, and it serves only where a test says so.
                turn = {name: name == "others" for name in arguments.get("ready", {}) if name in ("others", "serves")}
                return told | {"files": told["files"] | matching, "ready": turn | told["ready"]}
            return answer(**arguments) if callable(answer) else answer

        return get_fact

    def perform(
        self,
        operation: Any,
        host: str,
        *arguments: Any,
        executing: bool = True,
        obey: Callable[[StringCommand], None] = lambda command: None,
    ) -> list[StringCommand]:
        """The commands an operation, or a part of one, yields on a host, in the phase that changes things or a dry run.

        Each is handed to `obey` before the operation goes on, as a host would have carried it out by then.
        """
        self.state.is_executing = executing
        this = self.inventory.get_host(host)
        this.executing_op_hash = f"operation {next(self._operations)}"
        commands = []
        with ctx_state.use(self.state), ctx_inventory.use(self.inventory), ctx_host.use(this):
            for command in getattr(operation, "_inner", operation)(*arguments):
                obey(command)
                commands.append(command)
        if commands and executing:
            self.changed(host)
        return commands

    def changed(self, host: str) -> None:
        """Something was changed on a host, as pyinfra remembers it."""
        there = self.state.ops[self.inventory.get_host(host)]
        meta = OperationMeta(str(len(there)), None)
        meta.set_complete(True, [StringCommand("true")], CommandOutput([]))
        there[str(len(there))] = StateOperationHostData(lambda: iter(()), {}, meta)

    @property
    def cluster(self) -> Cluster:
        """The checked settings of this run."""
        with ctx_inventory.use(self.inventory):
            return inventory.the_cluster()

    @property
    def store(self) -> Store:
        """This run's certificate store."""
        with ctx_inventory.use(self.inventory):
            return inventory.store()

    def lines(self, records: Iterable[logging.LogRecord], host: str) -> list[str]:
        """What was announced for a host."""
        prefix = self.inventory.get_host(host).print_prefix
        messages = [record.getMessage() for record in records if record.name == "pyinfra"]
        return [message.removeprefix(prefix) for message in messages if message.startswith(prefix)]
