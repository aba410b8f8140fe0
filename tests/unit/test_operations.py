"""What each operation yields, on hosts whose facts are made up: what is converged is derived from the role itself.

pyinfra-testing's data files cannot carry these: they give a host no data, no inventory and no second phase.
"""

import base64
import dataclasses
import importlib
import json
import logging
import pkgutil
import re
import runpy
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from pyinfra.api import StringCommand
from pyinfra.api.arguments import pop_global_arguments
from pyinfra.context import ctx_host, ctx_inventory, ctx_state

import operations
from cluster.certificates import certificate_files, signed_names
from cluster.desired import File, Role, software
from cluster.membership import Record, peer_urls
from cluster.roles.balancer import balancer_role
from cluster.roles.etcd import flannel_configuration
from cluster.roles.secrets import CONFIG, known_first
from facts.etcd import Alarms, FlannelKeys, Held
from facts.flannel import Leases
from facts.host import Preflight
from facts.kubernetes import Nodes
from facts.network import Answers, Place, Reach, Reached, Ways
from facts.packages import Removals
from facts.role import RoleState
from operations import (
    addons,
    audit,
    balancer,
    check,
    etcd,
    flannel,
    host,
    kubeconfig,
    kubernetes,
    members,
    pki,
    preflight,
    runtime,
)
from operations.inventory import store, the_cluster
from operations.report import Report
from operations.role import write_files
from pki import Store
from tests.unit.example import BARE, DEBIAN, SEVERAL, Run, converged, good, on_disk, roles
from tests.unit.test_membership import urls
from tests.unit.test_settings import shipped

# The operations that bring a host to a role, with that role's name.
CONVERGING = {
    host.prepare: "prepared",
    pki._distribute: "pki",
    etcd.member: "etcd",
    balancer.balancer: "balancer",
    balancer._unbalanced: "unbalanced",
    flannel._lease: "flannel",
    runtime.engine: "docker",
    kubernetes.master: "master",
    kubernetes.node: "node",
}
OTHERS = {
    audit.account,
    check.nodes_answer,
    check.works,
    etcd._together,
    flannel._ways,
    kubernetes.former_loops,
    kubernetes.former_master,
    kubernetes.joining_server,
    kubeconfig.administrators,
    kubernetes.encrypt_secrets,
    kubernetes._rewrite_secrets,
    kubernetes._uncordon,
    members.join,
    members.take_out,
    members.set_aside,
    preflight.check,
}
# Those on workloads: tests/unit/test_workload_operations.py.
ON_WORKLOADS = {
    kubernetes._manifest,
    kubernetes._absent,
    kubernetes._scale,
    kubernetes._rolling_update,
    addons._metrics_server,
    addons._nodes_are_measured,
}


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificate stores that tests share, one for each inventory: issuing takes time."""
    return tmp_path_factory.mktemp("stores")


@pytest.fixture
def begin(monkeypatch: pytest.MonkeyPatch, stores: Path, tmp_path: Path) -> Iterator[Any]:
    """Begins a run whose hosts pass the preflight; the process remembers nothing of it afterwards."""

    def forget() -> None:
        the_cluster.cache_clear()
        store.cache_clear()

    def begun(in_groups: dict[str, list[str]] | None = None, *, own_store: bool = False, **settings: Any) -> Run:
        forget()
        directory = tmp_path / "pki" if own_store else stores / ("several" if in_groups else "shipped")
        made = Run(in_groups, pki_directory=str(directory), pki_key_type="ecdsa-p256", **settings)
        for number, member in enumerate(made.cluster.hosts):
            made.answers[member.name, Preflight] = good(member, number)
            made.answers[member.name, RoleState] = BARE
            made.answers[member.name, Removals] = {}
            made.answers[member.name, Held] = {}
            made.answers[member.name, FlannelKeys] = {}
            made.answers[member.name, Nodes] = {"elsewhere": {"ready": True}}  # and so no pods to drain a host of
        return made

    for module in ("survey", "elsewhere"):
        monkeypatch.setattr(f"operations.{module}._answers", {})
    monkeypatch.setattr("operations.turns._taken", {})
    monkeypatch.setattr("operations.preflight._told", set())
    monkeypatch.setattr("operations.preflight._judged", {})
    monkeypatch.setattr("operations.certificates._complete", {})
    monkeypatch.setattr("operations.certificates.wanted", False)
    monkeypatch.setattr("operations.report.report", Report())
    yield begun
    forget()


@pytest.fixture(autouse=True)
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "pyinfra")
    return caplog


_issued: dict[tuple[Path, str], tuple[File, ...]] = {}


def certificates(this: Run, name: str, *, write: bool = True) -> tuple[File, ...]:
    """A host's certificate files; those issued are read once of each store."""
    key = this.store.directory, name
    if not write:
        return certificate_files(this.cluster, this.cluster.host(name), DEBIAN, this.store, write=False)
    if key not in _issued:
        _issued[key] = certificate_files(this.cluster, this.cluster.host(name), DEBIAN, this.store, write=True)
    return _issued[key]


def all_roles(this: Run, name: str) -> dict[str, Role]:
    """A host's roles, its preparation among them, with its certificates issued."""
    listed = roles(this.cluster, this.cluster.host(name), certificates(this, name))
    every = software(role for role in listed.values() if role.name != "pki")
    own = {"packages": every.packages, "programs": every.programs, "packaged_units": every.packaged_units}
    return listed | {"prepared": dataclasses.replace(listed["host"], **own)}


def kinds(commands: list[StringCommand]) -> list[str]:
    """What each command is for; one that starts units, by verb and unit."""
    found = []
    for command in commands:
        text, script = command.get_raw_value(), script_of(command)
        if command.connector_arguments.get("_stdin"):
            found.append("write")
        elif "apt-get" in script and "curl -fsSL" in script:
            found.append("packages and programs")
        elif "apt-get" in script:
            found.append("packages")
        elif "curl -fsSL" in script and "/usr/local/bin/" in script:
            found.append("programs")
        elif "systemctl daemon-reload" in script:
            found.append("reload")
        elif "journalctl" in script:
            acts = re.findall(r"systemctl (start|restart) --no-block ([\w -]+?)(?= \|\||$)", script, re.M)
            found += [f"{verb} {unit}" for verb, units in acts for unit in units.split()] or ["wait"]
        elif text.startswith("echo "):
            found.append("refuse")
        else:
            found.append("step" if script else text)
    return found


def script_of(command: StringCommand) -> str:
    """The script a command hands to `sh -c`; empty for another command."""
    words = shlex.split(command.get_raw_value())
    return words[2] if words[:2] == ["sh", "-c"] else ""


def refusal(commands: list[StringCommand]) -> str:
    """The message with which the only command fails its host."""
    (command,) = commands
    done = subprocess.run(["sh", "-c", command.get_raw_value()], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr.strip()


def test_every_operation_is_tested() -> None:
    found = set()
    for module in pkgutil.iter_modules(operations.__path__):
        loaded = importlib.import_module(f"operations.{module.name}")
        found |= {item for item in vars(loaded).values() if hasattr(item, "_inner")}
    assert found == {*CONVERGING, *OTHERS, *ON_WORKLOADS}


def test_the_first_of_several_masters_has_secrets_rewritten_when_all_store_them_so(begin: Any) -> None:
    this = begin(SEVERAL, own_store=True, settings=shipped, api_server_address="api.example")
    (command,) = this.perform(kubernetes._rewrite_secrets, "master")
    assert "rewrite migrated" in str(command)
    assert this.perform(kubernetes._rewrite_secrets, "node1") == []


def providers(commands: list[StringCommand]) -> list[str]:
    """In which order API servers are told to try them, as written by some commands; empty: they write no such thing."""
    files = [f for c in commands if c.connector_arguments.get("_stdin") for f in written(c)]
    return [p for path, content, *_ in files if path == CONFIG for p in re.findall("identity|secretbox", content)]


@pytest.fixture
def unencrypted(begin: Any) -> Run:
    """Two masters that serve, and know no key; Secrets shall be encrypted."""
    this: Run = begin(SEVERAL, own_store=True, settings=shipped, api_server_address="api.example")
    for name in ("master", "node1"):
        this.answers[name, Preflight] |= {"units": DEPLOYED}
        this.answers[name, RoleState] = BARE | {"files": on_disk(*all_roles(this, name)["master"].expects)}
    return this


def test_secrets_are_encrypted_once_every_master_knows_the_key(unencrypted: Run, said: Any) -> None:
    for name in ("master", "node1"):
        assert providers(unencrypted.perform(kubernetes.master, name)) == ["identity", "secretbox"]
    for name in ("master", "node1"):
        unencrypted.answers[name, RoleState] = converged(known_first(all_roles(unencrypted, name)["master"]))
        commands = unencrypted.perform(kubernetes.encrypt_secrets, name)
        assert providers(commands) == ["secretbox", "identity"]
        assert kinds(commands)[-1] == "restart kube-apiserver"
        said.clear()
        unencrypted.perform(kubernetes.encrypt_secrets, name, executing=False)
        left = [f"write {CONFIG}", f"restart kube-apiserver ({CONFIG} changed)"]
        assert unencrypted.lines(said.records, name) == left


def test_a_dry_run_announces_both_rounds(unencrypted: Run, said: Any) -> None:
    for operation in (kubernetes.master, kubernetes.encrypt_secrets):
        assert unencrypted.perform(operation, "master", executing=False) != []
    assert unencrypted.lines(said.records, "master").count(f"write {CONFIG}") == 2


@pytest.mark.parametrize("knows", ["read", "encrypted"])
def test_where_every_master_knows_the_key_there_is_one_round(knows: str, unencrypted: Run) -> None:
    """A killed run is gone on with, and one that was complete changes nothing."""
    for name in ("master", "node1"):
        unencrypted.answers[name, Preflight] |= {"secrets": knows, "secrets_key": "aa"}
        role = all_roles(unencrypted, name)["master"]
        unencrypted.answers[name, RoleState] = converged(known_first(role) if knows == "read" else role)
    for name in ("master", "node1"):
        wanted = ["secretbox", "identity"] if knows == "read" else []
        assert providers(unencrypted.perform(kubernetes.master, name)) == wanted
        assert unencrypted.perform(kubernetes.encrypt_secrets, name) == []


@pytest.mark.parametrize("failed", ["node1", "node2"], ids=["one that stays", "a former one"])
def test_none_encrypts_while_a_master_has_not_come_back(failed: str, unencrypted: Run) -> None:
    unencrypted.answers["node2", Preflight] |= {"units": DEPLOYED}
    assert unencrypted.perform(kubernetes.master, "master") != []
    unencrypted.state.active_hosts.remove(unencrypted.inventory.get_host(failed))
    assert unencrypted.perform(kubernetes.encrypt_secrets, "master") == []
    assert unencrypted.noops["master"] == [f"left to a run that is about {failed}, too"]


def test_a_master_that_joins_does_not_encrypt_before_the_others_know_the_key(unencrypted: Run) -> None:
    unencrypted.answers["node1", Preflight] |= {"units": {}}
    joining = (kubernetes.joining_server, "node1")
    assert providers(unencrypted.perform(*joining)) == ["identity", "secretbox"]
    unencrypted.answers["master", Preflight] |= {"secrets": "encrypted"}
    assert providers(unencrypted.perform(*joining)) == ["secretbox", "identity"]


# --- Masters that come and go -----------------------------------------------------------------------------------

DEPLOYED = {name: {"pid": 1, "ours": True} for name in ("kube-apiserver", "kube-controller-manager")}


def test_a_master_that_joins_serves_first_and_runs_its_control_loops_then(begin: Any) -> None:
    this = begin(SEVERAL, api_server_address="api.example")
    placed = on_disk(*all_roles(this, "node1")["master"].expects)
    this.answers["node1", RoleState] = BARE | {"files": placed}
    this.answers["master", Preflight] |= {"units": DEPLOYED}
    server = this.perform(kubernetes.joining_server, "node1")
    loops = this.perform(kubernetes.master, "node1")
    assert "start kube-apiserver" in " ".join(kinds(server)) and "kube-controller-manager" not in " ".join(
        kinds(server)
    )
    assert "start kube-controller-manager" in " ".join(kinds(loops)) and "kube-apiserver" not in " ".join(kinds(loops))
    assert this.perform(kubernetes.joining_server, "master") == []
    this.answers["node1", Preflight] |= {"units": {"kube-apiserver": {"pid": 1, "ours": True}}}
    assert this.perform(kubernetes.joining_server, "node1") != [], "a run was killed in between"


@pytest.mark.parametrize("units", [{}, DEPLOYED], ids=["of a new cluster", "that are there"])
def test_masters_begin_together(units: dict[str, Any], begin: Any) -> None:
    this = begin(SEVERAL, api_server_address="api.example")
    for name in ("master", "node1"):
        certificates(this, name)
        this.answers[name, Preflight] |= {"units": units}
    for name in ("master", "node1"):
        assert this.perform(kubernetes.master, name) != []
        assert this.perform(kubernetes.joining_server, name) == []


def test_a_master_does_not_join_one_that_does_not_hear_of_it(begin: Any) -> None:
    this = begin(SEVERAL, api_server_address="api.example")
    this.state.active_hosts.remove(this.inventory.get_host("master"))
    message = refusal(this.perform(kubernetes.joining_server, "node1"))
    assert message.startswith("node1 joins the masters, and master must know: run without --limit")


def test_a_master_that_was_deployed_is_mended_alone(begin: Any) -> None:
    this = begin(SEVERAL, api_server_address="api.example")
    certificates(this, "node1")
    this.state.active_hosts.remove(this.inventory.get_host("master"))
    this.answers["node1", Preflight] |= {"units": DEPLOYED}
    assert this.perform(kubernetes.master, "node1") != []


def test_who_is_a_master_no_more_keeps_none_of_its_keys(begin: Any) -> None:
    this = begin(settings=shipped)
    this.answers["node1", Preflight] |= {"units": DEPLOYED}
    files = {
        "/etc/systemd/system/kube-apiserver.service": {"mode": "644", "owner": "root:root", "sha256": "", "ours": True}
    }
    this.answers["node1", RoleState] = BARE | {"files": files}
    loops, rest = (
        "\n".join(script_of(c) for c in this.perform(operation, "node1"))
        for operation in (kubernetes.former_loops, kubernetes.former_master)
    )
    assert "UNITS='kube-scheduler kube-controller-manager'" in loops and "kube-apiserver.service" not in loops
    assert "UNITS='kube-apiserver etcd-balancer'" in rest, "its own balancer goes on: it is a node"
    scripts = loops + rest
    (gone,) = re.findall("^FILES='(.*)'$", scripts, re.M)[-1:]
    keys = {"server.key", "sa.key", "signing-ca.key", "secrets.key", "controller-manager.key", "etcd-client.key"}
    assert {f"/etc/kubernetes/ca/{name}" for name in keys} <= set(gone.split())
    # A node's own stay, under whatever name.
    assert not {"/etc/kubernetes/kubeconfig", "/etc/kubernetes/ca/client.key", "/etc/kubernetes/ca/ca.crt"} & set(
        gone.split()
    )
    # By its unit it is known: that goes with the keys, once all has ended.
    assert "/etc/systemd/system/kube-apiserver.service" in gone.split()
    assert "URLS=https://10.1.10.101:6443\n" in scripts, "those that stay are asked before anything ends"


def test_a_former_master_that_is_an_etcd_member_alone_calls_no_api_server(begin: Any) -> None:
    this = begin({"masters": ["node1", "node2"], "nodes": ["node3"], "etcd": ["master"]}, settings=shipped)
    this.answers["master", Preflight] |= {"units": DEPLOYED}
    text = "\n".join(script_of(c) for c in this.perform(kubernetes.former_master, "master"))
    assert "UNITS='kube-apiserver etcd-balancer api-balancer'" in text
    gone = {path for files in re.findall("^FILES='(.*)'$", text, re.M) for path in files.split()}
    assert {"/etc/kubernetes/api-balancer.cfg", "/etc/systemd/system/api-balancer.service"} <= gone
    assert {"/etc/kubernetes/ca/balancer.key", "/etc/kubernetes/ca/balancer.crt"} <= gone


@pytest.mark.parametrize("executing", [False, True], ids=["dry", "executing"])
def test_a_master_serves_in_every_balancer_until_it_has_ended(executing: bool, begin: Any, said: Any) -> None:
    """It is known to be one at first, and forgotten when it has ended; a dry run says the same of both."""
    this = begin({"masters": ["master", "node1"]}, settings=shipped)
    this.answers["node2", Preflight] |= {"units": DEPLOYED}
    role = all_roles(this, "node3")["balancer"]
    former = (this.cluster.host("node2"),)
    serving = balancer_role(this.cluster, this.cluster.host("node3"), certificates(this, "node3"), former)
    path = "/etc/kubernetes/api-balancer.cfg"
    texts = [next(f.content for f in r.files if f.path == path) for r in (serving, role)]
    assert ["server node2 10.1.10.103:6443" in text for text in texts] == [True, False]
    this.answers["node3", RoleState] = converged(serving if executing else role)
    went = this.perform(balancer._unbalanced if executing else balancer.balancer, "node3", executing=executing)
    assert went != []
    wanted = [f"write {path}", f"reload api-balancer ({path} changed)"]
    assert this.lines(said.records, "node3") == wanted
    if not executing:
        this.perform(balancer._unbalanced, "node3", executing=False)
        assert this.lines(said.records, "node3") == [*wanted, *wanted]


def test_no_balancer_goes_to_members_that_none_of_them_is_yet(begin: Any) -> None:
    this = begin({"masters": ["master", "node1"], "etcd": ["node1", "node2", "node3"]}, own_store=True)
    role = all_roles(this, "master")["balancer"]
    this.answers["master", RoleState] = converged(role)
    assert this.perform(balancer.balancer, "master") == [], "nothing is known of another"
    for listed, refused in (({"https://10.1.10.101:2380": "master"}, True), (urls(peer_urls(this.cluster)), False)):
        Record("c1", listed).keep(this.store.directory)
        commands = this.perform(balancer.balancer, "master")
        assert bool(commands) is refused
        if refused:
            assert "run deploys/etcd.py first" in refusal(commands)


@pytest.mark.parametrize("masters", [["master"], ["master", "node1"]])
def test_secrets_are_rewritten_once_former_masters_have_ended(masters: list[str], begin: Any) -> None:
    """These may store them otherwise until then, and everybody's way may lead there."""
    this = begin({"masters": masters}, own_store=True, settings=shipped)
    this.answers["master", RoleState] = BARE | {"files": on_disk(*all_roles(this, "master")["master"].expects)}
    for there in ({}, DEPLOYED):
        this.answers["node2", Preflight] |= {"units": there}
        alone = not there and len(masters) == 1
        own, after = (str(this.perform(o, "master")) for o in (kubernetes.master, kubernetes._rewrite_secrets))
        assert ("rewrite migrated" in own) is alone
        assert ("rewrite migrated" in after) is not alone


@pytest.mark.parametrize("name", ["master", "node1"])
def test_who_was_no_master_or_is_one_keeps_everything(name: str, begin: Any) -> None:
    this = begin()
    this.answers["master", Preflight] |= {"units": DEPLOYED}
    assert this.perform(kubernetes.former_loops, name) == this.perform(kubernetes.former_master, name) == []


# --- Bringing a host to its roles -----------------------------------------------------------------------------------

ON_SHIPPED = [
    (operation, name)
    for operation, role in CONVERGING.items()
    for name in ("master", "node1")
    if role in ("prepared", "pki", "unbalanced") or (role in ("etcd", "master")) == (name == "master")
    if role != "balancer"
]
# A master, etcd member and node in one.
ON_SEVERAL = [(operation, "node1") for operation, role in CONVERGING.items() if role != "unbalanced"]


@pytest.mark.parametrize(("operation", "name"), ON_SHIPPED)
@pytest.mark.parametrize("executing", [False, True], ids=["dry", "executing"])
def test_nothing_on_a_converged_host(operation: Any, name: str, executing: bool, begin: Any, said: Any) -> None:
    this = begin()
    role = all_roles(this, name)[CONVERGING[operation]]
    this.answers[name, RoleState] = converged(role)
    assert this.perform(operation, name, executing=executing) == []
    assert this.noops[name] == [f"{role.name} is as configured"]
    assert this.lines(said.records, name) == []


@pytest.mark.parametrize(("operation", "name"), ON_SEVERAL)
def test_nothing_on_a_converged_host_of_every_role(operation: Any, name: str, begin: Any) -> None:
    this = begin(SEVERAL, api_server_address="api.example", flannel_version="0.15.1", flannel_etcd_api="v2")
    this.answers[name, RoleState] = converged(all_roles(this, name)[CONVERGING[operation]])
    assert this.perform(operation, name) == []


def test_a_balancer_that_shall_go_elsewhere_is_told_and_not_restarted(begin: Any, said: Any) -> None:
    """And asked whether it still listens; what it had goes on, so that no other start of it is waited for."""
    this = begin(SEVERAL)
    role = all_roles(this, "node2")["balancer"]
    path, held = "/etc/kubernetes/api-balancer.cfg", converged(role)
    held["files"][path]["sha256"] = held["units"]["api-balancer"]["started_with"][path] = "00" * 32
    this.answers["node2", RoleState] = held
    scripts = [script_of(command) for command in this.perform(balancer.balancer, "node2")]
    assert this.lines(said.records, "node2") == [f"write {path}", f"reload api-balancer ({path} changed)"]
    last = scripts[-1].splitlines()
    assert f"reload api-balancer {shlex.quote(role.units[0].hint)}" in last
    assert not [line for line in last if line.startswith(("systemctl", "old0="))]


@pytest.mark.parametrize(("name", "ways"), [("master", ["api", "etcd"]), ("node3", ["api"])])
def test_a_balancer_stays_while_something_is_led_to_it(name: str, ways: list[str], begin: Any) -> None:
    three = {"masters": ["master", "node1"], "nodes": ["node2", "node3"], "etcd": ["master", "node1", "node2"]}
    led = [f for role in all_roles(begin(three), name).values() for f in role.files]
    this = begin(three, api_server_balancer=False, api_server_address="api.example")
    by = "master" if name == "master" else "node"
    files = on_disk(
        *(f for f in led if "kubeconfig" in f.path or "balancer" in f.path or f.path.endswith("/apiserver"))
    )
    this.answers[name, RoleState] = BARE | {"files": files}
    message = refusal(this.perform(balancer._unbalanced, name))
    assert message.startswith("unbalanced needs ") and f"run deploys/{by}.py first" in message
    assert ("/etc/kubernetes/apiserver" in message) is ("etcd" in ways) and "/etc/kubernetes/kubeconfig" in message
    now = on_disk(*all_roles(this, name)[by].files)
    this.answers[name, RoleState] = BARE | {"files": files | now}
    (command, *_) = (c for c in this.perform(balancer._unbalanced, name) if "systemctl stop" in script_of(c))
    assert [f"systemctl stop {way}-balancer" in script_of(command) for way in ("api", "etcd")] == [True, "etcd" in ways]


PREPARED = [
    "write /etc/modules-load.d/container-cloud.conf",
    "write /etc/sysctl.d/90-container-cloud.conf",
    "write the cluster's names to /etc/hosts",
    "load kernel modules",
    "set kernel parameters",
    "stop and disable the firewall",
    "make SELinux permissive",
    "turn swap off",
    "start systemd-timesyncd",
]
BASE = ["ca-certificates", "curl", "iproute2", "iptables", "kmod", "procps", "systemd-timesyncd"]
BARE_HOSTS = [
    (
        host.prepare,
        "master",
        [
            *(f"install {name}" for name in [*BASE, "etcd-server", "etcd-client"]),
            *(
                f"install /usr/local/bin/{name}"
                for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
            ),
            *PREPARED,
        ],
        ["packages and programs", "write", "step"],
    ),
    (
        host.prepare,
        "node1",
        [
            *(f"install {name}" for name in [*BASE, "docker.io"]),
            *(f"install {name}" for name in ("conntrack", "ebtables", "ethtool", "ipset", "socat", "util-linux")),
            *(f"install /usr/local/bin/{name}" for name in ("flanneld", "kubelet", "kube-proxy")),
            *PREPARED,
        ],
        ["packages and programs", "write", "step"],
    ),
    (
        etcd.member,
        "master",
        [
            "install etcd-server",
            "install etcd-client",
            "write /etc/etcd/etcd.conf",
            "write /etc/systemd/system/etcd.service.d/container-cloud.conf",
            "write /etc/etcd/bootstrap.conf",
            "enable etcd",
            "start etcd (it is not there)",
            "give etcd's clients their own users",
            "set flannel's network configuration in etcd (/flannel/network/config)",
        ],
        ["packages", "write", "step", "reload", "start etcd", "step", "step"],
    ),
    (
        flannel._lease,
        "node1",
        [
            "install /usr/local/bin/flanneld",
            "write /etc/sysconfig/flanneld",
            "write /usr/local/libexec/container-cloud/lease",
            "write /etc/systemd/system/flanneld.service",
            "enable flanneld",
            "start flanneld (it is not there)",
        ],
        ["programs", "write", "reload", "start flanneld"],
    ),
    (
        runtime.engine,
        "node1",
        [
            "install docker.io",
            "write /etc/sysconfig/docker",
            "write /etc/systemd/system/docker.service.d/container-cloud.conf",
            "write /usr/local/libexec/container-cloud/forward",
            "write /etc/systemd/system/docker.socket.d/container-cloud.conf",
            "enable docker",
            "start docker (it is not there)",
            "let pod traffic through FORWARD",
        ],
        ["packages", "write", "reload", "start docker", "step"],
    ),
    (
        kubernetes.master,
        "master",
        [
            "install /usr/local/bin/kube-apiserver",
            "install /usr/local/bin/kube-controller-manager",
            "install /usr/local/bin/kube-scheduler",
            "install /usr/local/bin/kubectl",
            "write /etc/kubernetes/config",
            "write /etc/kubernetes/kubeconfig",
            "write /etc/kubernetes/apiserver",
            "write /etc/systemd/system/kube-apiserver.service",
            "write /usr/local/libexec/container-cloud/loop",
            "write /etc/kubernetes/controller-manager",
            "write /etc/kubernetes/controller-manager.kubeconfig",
            "write /etc/systemd/system/kube-controller-manager.service",
            "write /etc/kubernetes/scheduler",
            "write /etc/kubernetes/scheduler.kubeconfig",
            "write /etc/systemd/system/kube-scheduler.service",
            "enable kube-apiserver",
            "enable kube-controller-manager",
            "enable kube-scheduler",
            "start kube-apiserver (it is not there)",
            "start kube-controller-manager (it is not there)",
            "start kube-scheduler (it is not there)",
            "let the API server call the kubelets",
        ],
        [
            "programs",
            "write",
            "reload",
            "start kube-apiserver",
            "start kube-controller-manager",
            "start kube-scheduler",
            "step",
        ],
    ),
    (
        kubernetes.node,
        "node1",
        [
            *(f"install {name}" for name in ("conntrack", "ebtables", "ethtool", "ipset", "socat", "util-linux")),
            "install /usr/local/bin/kubelet",
            "install /usr/local/bin/kube-proxy",
            "write /etc/kubernetes/config",
            "write /etc/kubernetes/kubeconfig",
            "write /etc/kubernetes/kubelet",
            "write /etc/systemd/system/kubelet.service",
            "write /etc/kubernetes/proxy",
            "write /etc/kubernetes/proxy.kubeconfig",
            "write /etc/systemd/system/kube-proxy.service",
            "enable kubelet",
            "enable kube-proxy",
            "start kubelet (it is not there)",
            "start kube-proxy (it is not there)",
        ],
        ["packages and programs", "write", "reload", "start kubelet", "start kube-proxy"],
    ),
]


@pytest.mark.parametrize(("operation", "name", "lines", "commands"), BARE_HOSTS)
def test_everything_on_a_bare_host(
    operation: Any, name: str, lines: list[str], commands: list[str], begin: Any, said: Any
) -> None:
    """Bare but for its certificates."""
    this = begin()
    this.answers[name, RoleState] = BARE | {"files": on_disk(*certificates(this, name))}
    assert kinds(this.perform(operation, name)) == commands
    assert this.lines(said.records, name) == lines


def test_certificates_on_a_bare_host(begin: Any, said: Any) -> None:
    this = begin()
    assert kinds(this.perform(pki._distribute, "node1")) == ["write", "step"]
    assert this.lines(said.records, "node1") == [
        *(
            f"write {path}.{kind}"
            for path in ("/etc/kubernetes/ca/client", "/etc/kubernetes/ca/kubelet", "/etc/kubernetes/ca/proxy")
            + ("/etc/flannel/pki/client",)
            for kind in ("crt", "key")
        ),
        "write /etc/kubernetes/ca/ca.crt",
        "write /etc/flannel/pki/ca.crt",
        "write /usr/local/share/ca-certificates/container-cloud.crt",
        "trust the cluster's authority",
    ]


def test_a_dry_run_announces_certificates_and_issues_none(begin: Any, said: Any) -> None:
    this = begin(own_store=True)
    dry = this.perform(pki._distribute, "master", executing=False)
    assert kinds(dry) == ["true"], "counts as a change, has no content to show"
    announced = this.lines(said.records, "master")
    assert not this.store.directory.exists()
    said.clear()
    this.perform(pki._distribute, "master")
    assert this.lines(said.records, "master") == announced


def test_only_what_differs_is_written_and_only_its_service_restarted(begin: Any, said: Any) -> None:
    this = begin()
    found = converged(all_roles(this, "node1")["node"])
    found["files"]["/etc/kubernetes/proxy"]["sha256"] = "00" * 32
    found["units"]["kube-proxy"]["started_with"]["/etc/kubernetes/proxy"] = "00" * 32
    this.answers["node1", RoleState] = found
    write, reload, restart = this.perform(kubernetes.node, "node1")
    assert kinds([write, reload, restart]) == ["write", "reload", "restart kube-proxy"]
    assert [path for path, *_ in written(write)] == ["/etc/kubernetes/proxy"]
    assert this.lines(said.records, "node1") == [
        "write /etc/kubernetes/proxy",
        "restart kube-proxy (/etc/kubernetes/proxy changed)",
    ]


def test_a_service_that_does_not_answer_is_waited_for(begin: Any, said: Any) -> None:
    """A dry run says nothing of it; if it does not answer in a minute, the command that waits on says why."""
    this = begin()
    found = converged(all_roles(this, "master")["etcd"])
    found["ready"]["etcd"] = False
    this.answers["master", RoleState] = found
    assert this.perform(etcd.member, "master", executing=False) == []
    assert kinds(this.perform(etcd.member, "master")) == ["reload", "wait"]
    assert [a.keys() for _, fact, a in this.asked if fact is RoleState][-1] == {"ready", "seconds"}
    assert this.lines(said.records, "master") == []


@pytest.mark.parametrize("operation, role, unit, file", [
    (etcd.member, "etcd", "etcd", "/etc/etcd/etcd.conf"),
    (kubernetes.master, "master", "kube-apiserver", "/etc/kubernetes/apiserver"),
])  # fmt: skip
@pytest.mark.parametrize(
    ("ready", "serves", "others", "restarted"),
    [
        (True, True, False, False),
        (False, True, False, False),  # its host's balancer is down, say
        (False, True, True, True),
        (False, False, False, True),  # nobody goes by it
    ],
)
def test_what_serves_is_not_restarted_unless_others_do(
    ready: bool,
    serves: bool,
    others: bool,
    restarted: bool,
    operation: Any,
    role: str,
    unit: str,
    file: str,
    begin: Any,
) -> None:
    this = begin(SEVERAL, own_store=True, api_server_address="api.example")
    found = converged(all_roles(this, "master")[role])
    found["units"][unit]["started_with"][file] = "00" * 32
    found["ready"] |= {unit: ready, "serves": serves, "others": others}
    this.answers["master", RoleState] = found
    this.answers["master", Preflight] |= {"units": DEPLOYED}
    commands = this.perform(operation, "master")
    assert (f"restart {unit}" in " ".join(kinds(commands))) is restarted
    if not restarted:
        assert "is to be restarted, and " in refusal(commands)


def test_a_dry_run_says_once_what_is_installed(begin: Any, said: Any) -> None:
    """Two operations would install it: the first of them does."""
    this = begin()
    this.perform(host.prepare, "node1", executing=False)
    assert "install docker.io" in this.lines(said.records, "node1")
    said.clear()
    this.perform(runtime.engine, "node1", executing=False)
    assert not [line for line in this.lines(said.records, "node1") if line.startswith("install ")]


# --- What is in the way ---------------------------------------------------------------------------------------------

IN_THE_WAY = {"docker-ce": "5:20.10.24~3-0~debian-bookworm", "containerd.io": "1.6.20-1"}


def test_no_package_goes_unless_the_settings_say_so(begin: Any, said: Any) -> None:
    this = begin()
    this.answers["node1", Removals] = IN_THE_WAY
    message = refusal(this.perform(host.prepare, "node1"))
    assert message.startswith("node1: installing ca-certificates, ") and " docker.io, conntrack, " in message
    assert "would remove docker-ce, containerd.io. " in message
    assert 'replace_packages = ["docker-ce", "containerd.io"]' in message and "package_names" in message
    assert this.lines(said.records, "node1") == [], "nothing is announced that is not done"


def test_a_run_that_would_remove_a_package_ends_while_it_is_planned(begin: Any, said: Any) -> None:
    this = begin(replace_packages=["docker-ce"])
    this.answers["node1", Removals] = IN_THE_WAY
    with pytest.raises(SystemExit) as ended:
        this.perform(host.prepare, "node1", executing=False)
    assert ended.value.code == 1
    errors = [record.getMessage() for record in said.records if record.levelno == logging.ERROR]
    assert errors[0].startswith("node1: installing ca-certificates, ") and "would remove containerd.io. " in errors[0]


def test_a_package_that_the_settings_let_go_is_announced(begin: Any, said: Any) -> None:
    this = begin(replace_packages=["docker-ce", "containerd.io", "podman"])
    this.answers["node1", Removals] = IN_THE_WAY
    install, *_ = this.perform(host.prepare, "node1")
    assert "REMOVES='docker-ce containerd.io'\n" in script_of(install)
    assert [line.partition(" (")[0] for line in this.lines(said.records, "node1")][:3] == [
        "remove docker-ce", "remove containerd.io", "install ca-certificates",
    ]  # fmt: skip
    said.clear()
    this.perform(host.prepare, "node1", executing=False)
    assert "remove docker-ce" in this.lines(said.records, "node1")[0]


def test_only_a_host_that_gets_packages_is_asked_which_would_go(begin: Any) -> None:
    this = begin()
    this.answers["node1", RoleState] = converged(all_roles(this, "node1")["prepared"])
    this.perform(host.prepare, "node1")
    assert Removals not in {fact for _, fact, _ in this.asked}


def test_what_keeps_the_clock_already_is_kept(begin: Any, said: Any) -> None:
    this = begin()
    this.answers["node1", Preflight] |= {"time_services": ["chrony"]}
    this.perform(host.prepare, "node1")
    assert not [line for line in this.lines(said.records, "node1") if "timesyncd" in line]


def test_somebody_elses_unit_is_kept_before_anything_else(begin: Any, said: Any) -> None:
    this = begin()
    path = "/etc/systemd/system/docker.service"
    found = converged(all_roles(this, "node1")["docker"])
    found["files"][path] = {"mode": "644", "owner": "root:root", "sha256": "00" * 32, "ours": False}
    this.answers["node1", RoleState] = found
    keep, remove, *_ = map(script_of, this.perform(runtime.engine, "node1"))
    assert keep.endswith(f"keep {path} || exit 1") and remove.endswith(f"rm -f {path}")
    kept = f"set aside {path} (-> /var/lib/container-cloud/set-aside{path})"
    assert this.lines(said.records, "node1") == [kept, "reload systemd"]


def test_only_downloads_may_go_through_a_proxy(begin: Any) -> None:
    """The cluster itself is asked past any, and everything in English."""
    archive = {"url": "http://mirror.example/pause.tar", "sha256": "ab" * 32}
    this = begin(pause_image_archive=archive)
    this.answers["node1", RoleState] = BARE | {"files": on_disk(*certificates(this, "node1"))}
    scripts = [script_of(c) for op in (host.prepare, runtime.engine, kubernetes.node)
               for c in this.perform(op, "node1") if script_of(c)]  # fmt: skip
    through = {script for script in scripts if "no_proxy" not in script.partition(";")[0]}
    assert through == {s for s in scripts if re.search(r"^(install_packages|fetch|download) ", s, re.M)}
    assert len(through) > 3 and len(through) < len(scripts)
    assert all(script.startswith("export LC_ALL=C") for script in scripts)


# --- Certificates that are not in place -----------------------------------------------------------------------------

NEEDING = [
    (etcd.member, "master"),
    (flannel._lease, "node1"),
    (kubernetes.master, "master"),
    (kubernetes.node, "node1"),
]


@pytest.mark.parametrize(("operation", "name"), NEEDING)
@pytest.mark.parametrize("issued", [True, False], ids=["issued", "not issued"])
def test_certificates_absent_from_the_host_are_refused(operation: Any, name: str, issued: bool, begin: Any) -> None:
    this = begin(own_store=not issued)
    files = certificates(this, name, write=issued)
    expects = roles(this.cluster, this.cluster.host(name), files)[CONVERGING[operation]].expects
    assert expects
    message = refusal(this.perform(operation, name))
    assert "run deploys/pki.py first" in message
    for file in expects:
        assert file.path in message


@pytest.mark.parametrize(("operation", "name"), NEEDING)
@pytest.mark.parametrize("change", [{"sha256": "00" * 32}, {"mode": "666"}, {"owner": "etcd:etcd"}])
def test_a_certificate_unlike_the_stores_is_refused(operation: Any, name: str, change: Any, begin: Any) -> None:
    this = begin()
    role = all_roles(this, name)[CONVERGING[operation]]
    odd, *others = role.expects
    this.answers[name, RoleState] = BARE | {"files": on_disk(*role.expects)}
    this.answers[name, RoleState]["files"][odd.path] |= change
    message = refusal(this.perform(operation, name))
    assert odd.path in message
    assert not [file.path for file in others if file.path in message]


@pytest.mark.parametrize(("operation", "name"), [(kubernetes.master, "master"), (kubernetes.node, "node3")])
def test_nobody_is_led_to_a_balancer_that_is_not_there(operation: Any, name: str, begin: Any) -> None:
    """Or answers at another port. With former masters in it, it is as it shall be while they are."""
    balanced = {"masters": ["master", "node1"], "nodes": ["node2", "node3"], "etcd": ["master"]}
    this = begin(balanced, own_store=True)
    this.answers["node2", Preflight] |= {"units": DEPLOYED}
    placed = on_disk(*certificates(this, name))
    serving = balancer_role(this.cluster, this.cluster.host(name), (), (this.cluster.host("node2"),))
    for written, served in (({}, False), (on_disk(*serving.files), True)):
        this.answers[name, RoleState] = BARE | {"files": placed | written}
        commands = this.perform(operation, name)
        assert ("refuse" in kinds(commands)) is not served
        if not served:
            assert "needs /etc/kubernetes/api-balancer.cfg as it shall be: run deploys/balancer.py" in refusal(commands)


@pytest.mark.parametrize(("operation", "name"), NEEDING)
def test_a_dry_run_waits_for_certificates_to_come(operation: Any, name: str, begin: Any) -> None:
    assert kinds(begin(own_store=True).perform(operation, name, executing=False)) == ["true"]


def test_a_damaged_store_ends_the_run(begin: Any, said: Any) -> None:
    this = begin(own_store=True)
    certificates(this, "master")
    damaged = this.store.directory / "authorities" / "cluster.pem"
    damaged.write_text("nonsense")
    for operation in (pki._distribute, etcd.member):
        said.clear()
        with pytest.raises(SystemExit) as ended:
            this.perform(operation, "master")
        assert ended.value.code == 1
        assert str(damaged) in said.text and "restore it from a backup" in said.text


# --- What commands contain ------------------------------------------------------------------------------------------


def written(command: StringCommand) -> list[tuple[str, str, str, str]]:
    """Path, content, mode and owner of each file a command writes, read from its standard input."""
    (script,) = command.connector_arguments["_stdin"]
    files = []
    for line in script.splitlines():
        if line.startswith("put "):
            path, owner, mode, _, encoded, *_ = shlex.split(line)[1:]
            files.append((path, base64.b64decode(encoded).decode(), mode, owner))
    return files


@pytest.mark.parametrize("name", ["master", "node1"])
def test_certificates_and_keys_arrive_as_issued(name: str, begin: Any) -> None:
    this = begin()
    write, _ = this.perform(pki._distribute, name)
    role = all_roles(this, name)["pki"]
    assert written(write) == [(f.path, f.content, f.mode, f.owner) for f in role.files]
    keys = [(mode, owner) for path, _, mode, owner in written(write) if path.endswith(".key")]
    assert keys and set(keys) == {("600", "root:root")}


@pytest.mark.parametrize("name", ["master", "node1", "node2"])
def test_no_key_shows_anywhere_but_on_standard_input(name: str, begin: Any, said: Any) -> None:
    this = begin(SEVERAL, api_server_address="api.example")
    keys = [f for f in certificates(this, name) if f.mode == "600"]
    secrets = {line for f in keys for line in (f.content or "").splitlines() if "---" not in line}
    secrets |= {base64.b64encode((f.content or "").encode()).decode()[:60] for f in keys}
    carried = 0
    for operation in CONVERGING:
        if CONVERGING[operation] not in all_roles(this, name):
            continue
        for command in this.perform(operation, name):
            shown = f"{command!s}{command!r}{command.get_raw_value()}"
            assert not [secret for secret in secrets if secret in shown]
            carried += any(secret in "".join(command.connector_arguments.get("_stdin", ())) for secret in secrets)
            assert set(command.connector_arguments) <= {"_stdin"}
    assert carried == 1, "only the certificates' own operation carries keys"
    assert not [secret for secret in secrets if secret in said.text]


def test_a_file_without_content_is_never_written() -> None:
    with pytest.raises(ValueError, match="/etc/x"):
        write_files((File("/etc/x", None),))


@pytest.mark.parametrize("name", ["master", "node1", "node2"])
def test_a_start_asks_the_service_itself_and_knows_the_likely_cause(name: str, begin: Any) -> None:
    this = begin(SEVERAL, api_server_address="api.example", start_timeout=77)
    listed = all_roles(this, name)
    seen = []
    for operation, role in CONVERGING.items():
        if role not in listed:
            continue
        this.answers[name, RoleState] = BARE | {"files": on_disk(*listed[role].expects)}
        scripts = [script_of(command) for command in this.perform(operation, name)]
        starting = "".join(script for script in scripts if "journalctl" in script)
        for unit in listed[role].units:
            seen.append(unit.name)
            assert unit.ready in starting and shlex.quote(unit.hint) in starting
            assert re.search(rf"systemctl start --no-block [\w -]*\b{unit.name}\b", starting)
            assert "PATIENCE=77\n" in starting
    assert seen


SYSTEMCTL = """\
#!/bin/sh
# A systemd that takes its time: after it is told to restart, the old process is there until asked once more often
# than `slow` says; until then its deaths are counted, from then on those of the new one.
cd "$(dirname "$0")"
now() { if [ -e acted ] && [ $(wc -l < asked) -gt $(cat slow) ]; then echo new; else echo old; fi; }
case "$*" in
    *InvocationID*) echo >> asked; cat $(now).id;;
    *NRestarts*) cat $(now).deaths;;
    *ActiveState*) cat active;;
    start*|restart*) touch acted; echo "$*" >> told;;
esac
"""
CURL = """\
#!/bin/sh
echo '{"health":"true"}'
exit $(cat "$(dirname "$0")/curl.rc")
"""


@pytest.fixture
def systemd(tmp_path: Path) -> Any:
    """Runs a start script against stubs in place of systemd, the journal and the services."""

    def run_script(
        script: str, *, answers: bool, slow: int = 0, before: int = 0, since: int = 0, active: str = ""
    ) -> Any:
        shutil.rmtree(stubs := tmp_path / "stubs", ignore_errors=True)
        stubs.mkdir()
        programs = {"systemctl": SYSTEMCTL, "curl": CURL, "journalctl": '#!/bin/sh\necho "log of $2"\n'}
        state = {"old.id": "old", "new.id": "new", "old.deaths": before, "new.deaths": since, "slow": slow}
        state["active"] = active or "inactive"
        for name, content in (programs | state | {"curl.rc": 0 if answers else 7, "asked": "", "told": ""}).items():
            (stubs / name).write_text(f"{content}\n" if content != "" else "")
            (stubs / name).chmod(0o755)
        done = subprocess.run(
            ["sh", "-c", script.replace("/run/container-cloud", str(tmp_path / "run"))],
            env={"PATH": f"{stubs}:/usr/bin:/bin"}, capture_output=True, text=True, check=False, timeout=40,
        )  # fmt: skip
        return done, (stubs / "told").read_text().splitlines()

    return run_script


def node_script(begin: Any, verb: str, seconds: int = 30) -> str:
    """The script that starts, restarts or waits for kubelet and kube-proxy."""
    this = begin(start_timeout=seconds)
    found = converged(all_roles(this, "node1")["node"])
    for unit in found["units"].values():
        unit |= {"start": {"active": "inactive"}, "restart": {"started_with": None}, "wait": {}}[verb]
    found["ready"] = {}
    this.answers["node1", RoleState] = found
    (script,) = [script_of(c) for c in this.perform(kubernetes.node, "node1") if "journalctl" in script_of(c)]
    return script


@pytest.mark.parametrize("verb", ["start", "restart", "wait"])
def test_a_service_that_answers(verb: str, begin: Any, systemd: Any) -> None:
    done, told = systemd(node_script(begin, verb), answers=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert told == ([] if verb == "wait" else [f"{verb} --no-block kubelet kube-proxy"])


def test_a_service_that_systemd_has_started_meanwhile_begins_anew(begin: Any, systemd: Any) -> None:
    """It died again and again; what it reads was written while it was started once more."""
    done, told = systemd(node_script(begin, "start"), answers=True, active="activating")
    assert (done.returncode, done.stderr) == (0, "")
    assert told[:2] == ["restart --no-block kubelet", "restart --no-block kube-proxy"]


@pytest.mark.parametrize("verb", ["start", "wait"])
def test_a_service_that_never_answers(verb: str, begin: Any, systemd: Any) -> None:
    done, _ = systemd(node_script(begin, verb, seconds=1), answers=False)
    assert done.returncode == 1
    first, log, asked, said, cause = done.stderr.splitlines()
    assert (asked, said) == ("Asked whether it is ready:", '{"health":"true"}')
    assert first == "kubelet is not ready after 1 s. Its last log lines:"
    assert log == "log of kubelet"
    assert cause.startswith("Likely cause: Docker does not run")


def test_a_service_that_keeps_dying_is_not_waited_for(begin: Any, systemd: Any) -> None:
    done, _ = systemd(node_script(begin, "start"), answers=False, since=5)
    assert done.returncode == 1
    assert done.stderr.startswith("kubelet died 5 times. Its last log lines:\nlog of kubelet\n")


@pytest.mark.parametrize("verb", ["restart", "wait"])
def test_deaths_of_before_do_not_count(verb: str, begin: Any, systemd: Any) -> None:
    """systemd keeps the count until the new process begins: one that struggled at boot may still be restarted."""
    done, _ = systemd(node_script(begin, verb), answers=True, slow=5, before=9)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["master", "node1", "node2"])
@pytest.mark.parametrize("state", ["bare", "changed"])
def test_every_script_is_one(name: str, state: str, begin: Any) -> None:
    """`sh` reads each without complaint: commands, what they are given, and what facts ask."""
    archive = {"url": "http://mirror.example/pause.tar", "sha256": "ab" * 32}
    this = begin(SEVERAL, api_server_address="api.example", pause_image_archive=archive)
    listed = all_roles(this, name)
    scripts = []
    for operation, role in CONVERGING.items():
        if role not in listed:
            continue
        found = BARE | {"files": on_disk(*listed[role].expects)}
        if state == "changed":
            found = converged(listed[role])
            found["steps"] = {}
            for unit in found["units"].values():
                unit["started_with"] = None
        this.answers[name, RoleState] = found
        for command in this.perform(operation, name):
            scripts += [command.get_raw_value(), script_of(command), *command.connector_arguments.get("_stdin", ())]
    scripts += [str(fact().command(**arguments)) for _, fact, arguments in this.asked]
    assert len(scripts) > 20
    for script in scripts:
        done = subprocess.run(["sh", "-n"], input=script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{done.stderr}\n{script}"


# --- The preflight --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("executing", [False, True], ids=["dry", "executing"])
def test_the_preflight_of_good_hosts_changes_nothing(executing: bool, begin: Any) -> None:
    this = begin()
    assert this.perform(preflight.check, "node1", executing=executing) == []
    assert this.noops["node1"] == ["the host can be used"]


@pytest.mark.parametrize("thinks_for_long", [False, True])
def test_every_host_is_asked_once_and_again_after_a_person_has_thought(
    thinks_for_long: bool, begin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    this = begin()
    if thinks_for_long:
        monkeypatch.setattr("operations.preflight._GOOD_FOR", 0)
    for executing in (False, True):
        this.asked.clear()
        for name in ("master", "node1"):
            this.perform(preflight.check, name, executing=executing)
        again = not executing or thinks_for_long
        asked = sorted(name for name, fact, _ in this.asked if fact is Preflight)
        assert asked == (["master", "node1", "node2", "node3"] if again else [])


def test_every_host_is_asked_with_the_operations_own_rights(begin: Any) -> None:
    """What a host's own data says stays that host's own."""
    this = begin()
    for name, own in (("master", {"_sudo": True, "_sudo_user": "root"}), ("node1", {"_su_user": "root"})):
        for argument, value in own.items():
            setattr(this.inventory.get_host(name).data, argument, value)
    given = {"_sudo": True, "_sudo_password": "secret", "_su_user": "admin"}
    for name, carried in (("master", ("_sudo_password", "_su_user")), ("node1", tuple(given))):
        this.asked.clear()
        host = this.inventory.get_host(name)
        host.current_op_global_arguments = pop_global_arguments(this.state, host, dict(given))[0]
        this.perform(preflight.check, name)
        asked = [(n, {k: v for k, v in how.items() if k.startswith("_")}) for n, _, how in this.asked]
        assert sorted(n for n, _ in asked) == ["master", "node1", "node2", "node3"]
        assert all(how == {argument: given[argument] for argument in carried} for _, how in asked)


@pytest.mark.parametrize("deploy", ["host", "pki", "audit"])
def test_nothing_is_done_on_a_host_in_no_group(deploy: str, begin: Any) -> None:
    """It is not asked either, and its name is not one of the cluster's."""
    this = begin({"nodes": ["node1", "node2"]}, audit_account="auditor")
    with ctx_state.use(this.state), ctx_inventory.use(this.inventory), ctx_host.use(this.inventory.get_host("node3")):
        runpy.run_path(f"deploys/{deploy}.py")
    assert this.state.get_op_order() == []
    this.perform(preflight.check, "node1")
    assert "node3" not in {name for name, _, _ in this.asked}
    assert "node3" not in all_roles(this, "node1")["host"].steps[0].repair


@pytest.mark.parametrize("executing", [False, True], ids=["dry", "executing"])
def test_the_preflight_ends_the_run_with_every_reason(executing: bool, begin: Any, said: Any) -> None:
    this = begin()
    this.answers["node1", Preflight] |= {"architecture": "riscv64"}
    this.answers["node3", Preflight] |= {"init": "bash"}
    with pytest.raises(SystemExit) as ended:
        this.perform(preflight.check, "master", executing=executing)
    assert ended.value.code == 1
    errors = [record.getMessage() for record in said.records if record.levelno == logging.ERROR]
    assert len(errors) == 3
    assert errors[0].startswith("node1: riscv64") and errors[1].startswith("node3: PID 1 is bash")
    assert errors[2] == "2 reasons not to go on: nothing was changed."


def test_the_family_of_a_host_comes_from_its_preflight(begin: Any) -> None:
    """A relative of Ubuntu gets deb packages."""
    this = begin()
    this.answers["node1", Preflight] |= {"distribution": "linuxmint", "like": "ubuntu debian"}
    assert kinds(this.perform(host.prepare, "node1"))[:2] == ["packages and programs", "write"]


def test_a_relative_is_accepted_with_a_notice(begin: Any, said: Any) -> None:
    this = begin()
    this.answers["node1", Preflight] |= {"distribution": "linuxmint", "like": "ubuntu debian", "name": "Linux Mint 21"}
    for name in ("master", "node1"):
        assert this.perform(preflight.check, name) == []
    told = [r.getMessage() for r in said.records if r.levelno == logging.WARNING and "Mint" in r.getMessage()]
    assert told == ["warning: node1: Linux Mint 21 is not known, and treated as Ubuntu"], "once a run"


# --- An account that may audit --------------------------------------------------------------------------------------


def test_an_account_that_may_audit_gets_its_file_and_its_rule(begin: Any, said: Any) -> None:
    this = begin(audit_account="auditor")
    certificates(this, "node1")
    (write,) = this.perform(audit.account, "node1")
    found = {path: (text, mode, owner) for path, text, mode, owner in written(write)}
    reader, rule = "/usr/local/libexec/container-cloud/audit", "/etc/sudoers.d/container-cloud-audit"
    assert set(found) == {reader, rule}
    assert found[reader][1:] == ("755", "root:root") and found[rule][1:] == ("440", "root:root")
    assert found[rule][0].splitlines()[-1] == f'auditor ALL=(root) NOSETENV: NOPASSWD: {reader} ""', "and no arguments"
    (script,) = write.connector_arguments["_stdin"]
    assert re.search(rf"^put {rule} .* '/usr/sbin/visudo -cf'$", script, re.M), (
        "a rule that cannot be read would lock everybody out"
    )
    assert subprocess.run(["sh", "-n"], input=found[reader][0], text=True, check=False).returncode == 0


def test_without_the_setting_both_are_taken_back(begin: Any, said: Any) -> None:
    this = begin()
    assert this.perform(audit.account, "node1") == []
    paths = ("/usr/local/libexec/container-cloud/audit", "/etc/sudoers.d/container-cloud-audit")
    there = on_disk(*(File(path, "former", mode="755") for path in paths))
    this.answers["node1", RoleState] = BARE | {"files": there}
    (remove,) = this.perform(audit.account, "node1")
    assert all(path in script_of(remove) for path in paths)
    assert this.lines(said.records, "node1") == [f"remove {path}" for path in paths]


# --- The closing check ----------------------------------------------------------------------------------------------


def ready(*names: str) -> dict[str, Any]:
    return {name: {"ready": True, "message": "kubelet is posting ready status"} for name in names}


CONTROL_PLANE = {"kube-apiserver": True, "kube-controller-manager": True, "kube-scheduler": True}


def test_a_control_plane_that_answers(begin: Any) -> None:
    this = begin(start_timeout=77)
    this.answers["master", RoleState] = BARE | {"ready": CONTROL_PLANE}
    assert this.perform(check.control_plane_answers, "master") == []
    assert this.noops["master"] == ["API server, controller manager and scheduler answer"]
    ((name, fact, arguments),) = this.asked
    assert (name, fact, arguments["seconds"]) == ("master", RoleState, 77)
    assert "https://10.1.10.101:6443/{readyz," in arguments["ready"]["kube-apiserver"]


def test_an_api_server_that_does_not_become_ready(begin: Any) -> None:
    this = begin()
    this.answers["master", RoleState] = BARE | {"ready": CONTROL_PLANE | {"kube-apiserver": False}}
    told = refusal(this.perform(check.control_plane_answers, "master"))
    assert told.startswith("the API server is not ready after 180 s: ") and "journalctl -u kube-apiserver" in told


def test_a_control_loop_that_does_not_come_back(begin: Any) -> None:
    """It ends where etcd is away for long, and waits for the API server then."""
    this = begin()
    this.answers["master", RoleState] = BARE | {"ready": CONTROL_PLANE | {"kube-scheduler": False}}
    assert refusal(this.perform(check.control_plane_answers, "master")) == (
        "no answer from kube-scheduler after 180 s (journalctl -u kube-scheduler)"
    )


def test_ready_nodes(begin: Any) -> None:
    this = begin(start_timeout=77)
    this.answers["master", Nodes] = ready("node1", "node2", "node3")
    assert this.perform(check.nodes_ready, "master") == []
    assert this.noops["master"] == ["3 nodes are Ready"]
    assert this.asked == [("master", Nodes, {})]


def test_nodes_that_are_not_ready_are_named(begin: Any) -> None:
    this = begin()
    late = {"ready": False, "message": "Kubelet stopped posting node status."}
    this.answers["master", Nodes] = ready("node1") | {"node2": late}
    message = refusal(this.perform(check.nodes_ready, "master"))
    assert message.startswith("not Ready after 180 s: ")
    assert "node2: Kubelet stopped posting node status.; node3: never registered" in message
    assert "node1" not in message and "journalctl -u kubelet" in message
    waited = {"wait_for": ["node1", "node2", "node3"], "seconds": 180}
    assert this.asked == [("master", Nodes, {}), ("master", Nodes, waited)]


FAULTS = {"master": "the API server", "node2": "not Ready", "node1": "no lease"}


@pytest.mark.parametrize(("fault", "told"), FAULTS.items())
def test_every_part_of_the_closing_check_can_fail_it(fault: str, told: str, begin: Any) -> None:
    this = begin()
    this.answers["master", RoleState] = BARE | {"ready": CONTROL_PLANE | {"kube-apiserver": fault != "master"}}
    this.answers["master", Nodes] = ready(*{"node1", "node2", "node3"} - {fault})
    places(this, node1=None, node2=None, node3=None)
    assert refusal(this.perform(check.works, "node1" if fault == "node1" else "master")[:1]).startswith(told)


def test_the_first_of_several_masters_asks_for_nodes(begin: Any) -> None:
    this = begin(SEVERAL, api_server_address="api.example")
    nodes = [n.name for n in this.cluster.nodes]
    answers = {"answers": {}, "causes": []}
    places(this, **{name: f"192.168.{number}" for number, name in enumerate(nodes)})
    for name in ("master", *nodes):
        this.answers[name, RoleState] = BARE | {"ready": CONTROL_PLANE}
        this.answers[name, Nodes] = ready(*nodes)
        this.answers[name, Reach] = answers | {"answers": {f"192.168.{n}.254": "yes" for n in range(len(nodes))}}
    for master in this.cluster.masters:
        assert this.perform(check.works, master.name) == []
    assert [name for name, fact, _ in this.asked if fact is Nodes] == [this.cluster.masters[0].name]


NETWORK = {"network": "192.168.0.0/16", "backend": "vxlan", "device": "flannel.1"}


def places(this: Run, *troubles: str, **subnets: str | None) -> None:
    """A place on each node, whose address ends in 254; troubles are node1's."""
    for pid, (name, subnet) in enumerate(subnets.items(), start=1):
        place = {"lease": f"{subnet}.1/24", "address": f"{subnet}.254", "pid": pid, "troubles": []}
        this.answers[name, Place] = place | ({"troubles": list(troubles)} if name == "node1" else {}) if subnet else {}


def reaches(this: Run, *causes: str, **answers: dict[str, str]) -> None:
    """What each node's place was answered; causes are node2's."""
    for name, told in answers.items():
        this.answers[name, Reach] = {"answers": told, "causes": list(causes) if name == "node2" else []}


def test_nodes_that_reach_each_other(begin: Any) -> None:
    """Two commands a node, and none on other hosts."""
    this = begin()
    places(this, node1="192.168.14", node2="192.168.2", node3="192.168.66")
    everybody = {f"192.168.{n}.254": "yes" for n in (14, 2, 66)}
    reaches(this, node1=everybody, node2=everybody, node3=everybody)
    assert this.perform(check.pods_reach_each_other, "node1") == []
    assert this.noops["node1"] == ["reaches 2 other nodes over the pod network"]
    asked = {"pid": 1, "places": ("192.168.2.254", "192.168.66.254"), "listeners": (), **NETWORK}
    assert ("node1", Reach, asked) in this.asked
    assert sorted(name for name, _, _ in this.asked) == ["node1"] * 2 + ["node2"] * 2 + ["node3"] * 2


def test_nodes_that_do_not_answer_are_named_with_what_the_hosts_found(begin: Any) -> None:
    this = begin()
    places(this, node1="192.168.14", node2="192.168.2", node3=None)
    reaches(this, "FORWARD does not accept the pod network", node1={"192.168.2.254": "no"}, node2={})
    assert refusal(this.perform(check.pods_reach_each_other, "node1")) == (
        "no container of node2 (192.168.2.254) answers one here, over the pod network (vxlan): "
        "on node2 FORWARD does not accept the pod network; no lease on node3"
    )


def test_names_are_asked_for_in_the_same_question(begin: Any) -> None:
    """Two commands a node still; where nobody answers, the run fails there and says who did not."""
    this = begin(cluster_dns=True)
    places(this, node1="192.168.14", node2="192.168.2", node3="192.168.66")
    everybody = {f"192.168.{n}.254": "yes" for n in (14, 2, 66)}
    reaches(this, node1=everybody, node2=everybody, node3=everybody)
    this.answers["node1", Reach]["names"] = {"inside": "yes", "outside": "failed 2", "resolvers": []}
    this.answers["node2", Reach]["names"] = {"inside": "unknown", "outside": "failed 2", "resolvers": ["10.1.10.1"]}
    this.answers["node3", Reach]["names"] = {"inside": "", "outside": "", "resolvers": ["10.1.10.1"]}
    assert this.perform(check.pods_reach_each_other, "node1") == [], "outside nobody answers the node itself either"
    (asked,) = (arguments for name, fact, arguments in this.asked if (name, fact) == ("node1", Reach))
    assert (asked["dns"], asked["service"]) == ("192.168.1.10", "kubernetes.default.svc.cluster.local")
    message = refusal(this.perform(check.pods_reach_each_other, "node2"))
    assert message.startswith(
        "cluster DNS (192.168.1.10) knows no kubernetes.default.svc.cluster.local; "
        "cluster DNS (192.168.1.10) answers for outside names with error 2 of RFC 1035, though 10.1.10.1 answers this "
        "host; do its pods run (kubectl"
    )
    message = refusal(this.perform(check.pods_reach_each_other, "node3"))
    assert message.startswith(
        "cluster DNS (192.168.1.10) does not answer, asked for kubernetes.default.svc.cluster.local; do its pods run"
    )
    assert len(this.asked) == 6


@pytest.mark.parametrize(
    ("answer", "backend", "advice"),
    [
        ("no", "vxlan", "does the network between the hosts let UDP port 8472 through"),
        ("no", "host-gw", "are the hosts in one layer-2 network"),
        ("small", "vxlan", "carries less than flannel reckons with"),
    ],
)
def test_what_the_hosts_cannot_tell_is_asked(answer: str, backend: str, advice: str, begin: Any) -> None:
    this = begin(flannel_backend=backend)
    places(this, node1="192.168.14", node2="192.168.2", node3="192.168.66")
    reaches(this, node1={"192.168.2.254": answer, "192.168.66.254": "yes"}, node2={}, node3={})
    message = refusal(this.perform(check.pods_reach_each_other, "node1"))
    assert "node2 (192.168.2.254)" in message and "node3" not in message and advice in message


def test_a_node_on_which_no_pod_starts_is_named(begin: Any) -> None:
    this = begin()
    everybody = {f"192.168.{n}.254": "yes" for n in (14, 2, 66)}
    places(this, "no pod starts: x", node1="192.168.14", node2="192.168.2", node3="192.168.66")
    reaches(this, node1=everybody, node2=everybody, node3=everybody)
    assert refusal(this.perform(check.pods_reach_each_other, "node1")) == "no pod starts: x"
    assert this.perform(check.pods_reach_each_other, "node2") == []


def test_a_node_without_a_lease_of_its_own_is_named(begin: Any) -> None:
    this = begin()
    places(this, node1=None, node2=None, node3=None)
    assert refusal(this.perform(check.pods_reach_each_other, "node1")) == "no lease on node1, node2, node3"


def test_a_master_reaches_pods_as_its_api_server_does(begin: Any) -> None:
    this = begin(masters_on_pod_network=True)
    places(this, node1="192.168.14", node2="192.168.2", node3=None)
    this.answers["master", Reached] = {"192.168.14.254:8080": True, "192.168.2.254:8080": True}
    assert this.perform(check.master_reaches_pods, "master") == []
    assert this.noops["master"] == ["reaches pods on 2 nodes"]
    this.answers["master", Reached] = {"192.168.14.254:8080": True, "192.168.2.254:8080": False}
    message = refusal(this.perform(check.master_reaches_pods, "master"))
    assert message.startswith("no container of node2 (192.168.2.254:8080) answers this master")


def test_a_master_off_the_pod_network_is_not_asked_for_pods(begin: Any) -> None:
    this = begin()
    assert this.perform(check.master_reaches_pods, "master") == []
    assert this.asked == []


def test_what_limit_leaves_out_is_asked_of_etcd_and_said(begin: Any) -> None:
    this = begin()
    for name in ("master", "node1", "node2"):
        this.state.active_hosts.remove(this.inventory.get_host(name))
    places(this, node3="192.168.66")
    lease = {"backend": "vxlan", "data": None}
    this.answers["master", Leases] = {
        "192.168.14.0/24": {"address": "10.1.10.102"} | lease, "192.168.2.0/24": {"address": "10.1.10.103"} | lease,
    }  # fmt: skip
    reaches(this, node3={"192.168.14.1": "yes", "192.168.2.1": "yes"})
    assert this.perform(check.pods_reach_each_other, "node3") == []
    assert this.noops["node3"] == [
        "reaches 2 other nodes over the pod network; of node1, node2, left out by --limit, only its own side"
    ]
    asked = {"pid": 1, "places": (), "listeners": ("192.168.14.1:10250", "192.168.2.1:10250"), **NETWORK}
    assert ("node3", Reach, asked) in this.asked


OF_NODE2 = {
    "subnets/192.168.14.0-24": {"PublicIP": "10.1.10.103", "BackendType": "vxlan", "BackendData": {"VtepMAC": "0b:00"}}
}
TO_NODE2 = {
    "routes": {"192.168.14.0/24": {"via": "192.168.14.0", "dev": "flannel.1"}},
    "neighbours": {"192.168.14.0": "0b:00"},
    "hosts": {"0b:00": "10.1.10.103"},
}
FORMER = TO_NODE2 | {"neighbours": {"192.168.14.0": "0a:00"}, "hosts": {"0a:00": "10.1.10.103"}}
HALF = TO_NODE2 | {"neighbours": {}}  # flanneld's own role sees that


@pytest.mark.parametrize(("ways", "restarts"), [(TO_NODE2, False), (FORMER, True), (HALF, False)])
def test_flanneld_that_goes_by_former_leases_is_restarted(begin: Any, ways: dict[str, Any], restarts: bool) -> None:
    this = begin(flannel_backend="vxlan")
    this.answers["master", FlannelKeys] = OF_NODE2
    this.answers["node1", Ways] = ways
    this.answers["node1", RoleState] = converged(all_roles(this, "node1")["flannel"])
    for executing in (False, True):
        (*commands,) = this.perform(flannel._ways, "node1", executing=executing)
        assert len(commands) == restarts
        assert all("systemctl restart --no-block flanneld" in c.get_raw_value() for c in commands)


@pytest.mark.parametrize("told", [True, False])
def test_flanneld_does_not_begin_on_another_network_than_the_settings(told: bool, begin: Any) -> None:
    """As after a run with --limit, which did not tell etcd what is new."""
    this = begin(flannel_backend="vxlan")
    wanted = json.loads(flannel_configuration(this.cluster))
    former = {**wanted, "Backend": {"Type": "vxlan", "MTU": 1400}}
    this.answers["master", FlannelKeys] = {"config": wanted if told else former}
    this.answers["node1", RoleState] = BARE | {"files": on_disk(*certificates(this, "node1"))}
    commands = this.perform(flannel._lease, "node1")
    assert ("start flanneld" in kinds(commands)) is told
    assert told or "Run deploys/etcd.py first" in refusal(commands)


@pytest.mark.parametrize(
    ("mebibytes", "alarms", "becomes"),
    [
        (2049, ["NOSPACE"], "accepts no writes"),
        (2000, ["NOSPACE"], "accepts no writes"),
        (100, ["NOSPACE"], ""),
        (100, ["CORRUPT"], "raised the alarm CORRUPT"),
    ],
)
def test_a_run_does_not_end_well_where_etcd_accepts_no_writes(
    mebibytes: int, alarms: list[str], becomes: str, begin: Any, said: Any
) -> None:
    this = begin()
    this.answers["master", Alarms] = {"alarms": alarms, "database": mebibytes * 2**20}
    commands = this.perform(etcd._together, "master")
    if becomes:
        assert becomes in refusal(commands)
    else:
        assert "alarm disarm" in str(commands[0])
        assert "disarm etcd's alarm NOSPACE (its database has 100 MiB, and may have 2048)" in said.text
    this.answers["master", Alarms] = {}
    assert this.perform(etcd._together, "master") == []


def test_flanneld_that_is_restarted_anyway_is_so_once(begin: Any) -> None:
    this = begin(flannel_backend="vxlan")
    this.answers["master", FlannelKeys], this.answers["node1", Ways] = OF_NODE2, FORMER
    assert this.perform(flannel._ways, "node1") == [], "its role starts it"


def test_before_the_first_lease_there_are_no_ways_to_look_at(begin: Any) -> None:
    this = begin(flannel_backend="vxlan")
    this.answers["master", FlannelKeys] = {}
    assert this.perform(flannel._ways, "node1") == []


URLS = [f"http://10.1.10.10{number}:80/" for number in (2, 3, 4)]


def test_nodes_that_answer_for_a_service(begin: Any) -> None:
    this = begin()
    this.answers["master", Answers] = dict.fromkeys(URLS, True)
    assert this.perform(check.nodes_answer, "master", 80) == []
    assert this.noops["master"] == ["3 nodes answer on port 80"]
    assert this.asked == [("master", Answers, {"urls": URLS, "seconds": 30})]


def test_nodes_that_do_not_answer_for_a_service_are_named(begin: Any) -> None:
    this = begin()
    this.answers["master", Answers] = {URLS[0]: True, URLS[1]: False}
    message = refusal(this.perform(check.nodes_answer, "master", 80))
    assert message.startswith(f"no answer from node2 ({URLS[1]}), node3 ({URLS[2]}): ")


@pytest.mark.parametrize(
    ("operation", "name", "arguments"),
    [
        (check.works, "master", ()),
        (check.works, "node1", ()),
        (check.nodes_answer, "master", (80,)),
    ],
)
def test_a_dry_run_does_not_check_what_is_not_there_yet(operation: Any, name: str, arguments: Any, begin: Any) -> None:
    this = begin()
    assert this.perform(operation, name, *arguments, executing=False) == []
    assert this.asked == []
    assert this.noops[name] == ["checked after a run"]


# --- The certificate store of a run ---------------------------------------------------------------------------------


def test_the_store_is_as_the_settings_say(begin: Any, tmp_path: Path) -> None:
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse\nanother line\n")
    secret.chmod(0o600)
    this = begin(own_store=True, pki_passphrase_file=str(secret), pki_certificate_days=100, pki_authority_days=200)
    client = next(f for f in certificates(this, "master") if f.path == "/etc/kubernetes/ca/client.crt")
    certificate = x509.load_pem_x509_certificate((client.content or "").encode())
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == 100
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
    assert "ENCRYPTED" in (tmp_path / "pki" / "authorities" / "cluster.pem").read_text()
    Store(tmp_path / "pki", passphrase="correct horse").signing_authority(
        signed_names(this.cluster.settings), write=False
    )


def test_an_empty_passphrase_ends_the_run(begin: Any, tmp_path: Path, said: Any) -> None:
    secret = tmp_path / "passphrase"
    secret.write_text("")
    secret.chmod(0o600)
    this = begin(own_store=True, pki_passphrase_file=str(secret))
    with pytest.raises(SystemExit):
        this.perform(pki._distribute, "master")
    assert str(secret) in said.text and "empty" in said.text
    assert not (tmp_path / "pki").exists()


def test_a_host_is_read_once_for_all_its_roles_until_something_changes(begin: Any) -> None:
    """On any host, by whomever; and in each phase of a run."""
    this = begin()
    held = [converged(all_roles(this, "node1")[name]) for name in ("flannel", "docker", "node")]
    this.answers["node1", RoleState] = {kind: {k: v for h in held for k, v in h[kind].items()} for kind in BARE}

    def readings(executing: bool) -> int:
        this.asked.clear()
        for operation in (flannel._lease, runtime.engine, kubernetes.node):
            assert this.perform(operation, "node1", executing=executing) == []
        return [fact for host, fact, _ in this.asked if host == "node1"].count(RoleState)

    assert [readings(executing=False), readings(executing=True)] == [1, 1]
    this.changed("master")
    assert readings(executing=True) == 3
