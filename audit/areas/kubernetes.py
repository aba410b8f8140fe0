"""Kubernetes: nodes as the API server knows them, and what each service was really started with."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from audit.answers import Reading
from audit.areas.view import DEPLOYS, View
from audit.model import Finding
from cluster.checks.arguments import SECRET
from cluster.desired import Role
from cluster.releases import KUBERNETES_DAEMONS
from cluster.roles.master import MASTERS_OWN
from cluster.settings import Host


def judge(view: View, reading: Reading) -> Iterator[Finding]:
    """A host's services' command lines, and what a former master still runs; on the first that is ready, the nodes."""
    yield from _command_lines(reading)
    yield from _former_master(reading)
    asked = view.etcd_answers and view.runs(reading, "kube-apiserver")
    if asked and (version := reading.fact("api").get("version")):
        yield _version(view, reading, "kube-apiserver", version)
    master = view.master
    if master is not None and reading is master:
        known = master.fact("nodes")
        for node in view.cluster.nodes if master.knows("nodes") else ():
            yield from _node(view, node, known.get(node.name))
        for name in sorted(set(known) - {n.name for n in view.cluster.nodes}):
            found, repair = "a node that the inventory does not have", f"kubectl delete node {name}"
            yield Finding(reading.host.name, "kubernetes", "drift", f"node {name}", "not there", found, repair)


def _former_master(reading: Reading) -> Iterator[Finding]:
    """A master's services, ours, on a host that shall be none: its control loops may lead, beside the cluster's own."""
    units = reading.fact("preflight").get("units", {})
    runs = [name for name in MASTERS_OWN if units.get(name, {}).get("ours") and units[name].get("pid")]
    if runs and not reading.host.is_master:
        found, name = f"{', '.join(runs)} still run", reading.host.name
        yield Finding(name, "kubernetes", "drift", "a former master", "nothing of one", found, "deploys/master.py")


def _node(view: View, node: Host, known: dict[str, Any] | None) -> Iterator[Finding]:
    reading = view.by_name.get(node.name)
    if reading is None or not (view.runs(reading, "kubelet") and view.runs_containers(reading)):
        return  # that is said already, and why
    repair = DEPLOYS["node"]
    if known is None:
        found, restart = "the API server does not know it", "systemctl restart kubelet there: it registers again"
        yield Finding(node.name, "kubernetes", "drift", "the node", "registered", found, restart)
        return
    told = "Ready" if known["ready"] else known["message"] or known["reason"] or "not Ready"
    yield Finding.judged(known["ready"], node.name, "kubernetes", "the node", "Ready", told, repair)
    if not known["schedulable"]:
        yield Finding(
            node.name, "kubernetes", "warn", "scheduling", "takes pods", "cordoned", f"kubectl uncordon {node.name}"
        )
    if known["address"] != str(node.address):
        yield Finding(node.name, "kubernetes", "drift", "its address", str(node.address), known["address"], repair)
    yield _version(view, reading, "kubelet", known["version"])


def _version(view: View, reading: Reading, what: str, found: str) -> Finding:
    wanted = f"v{view.settings.kubernetes_version}"
    name, what, told = reading.host.name, f"{what} as it runs", found or "no answer"
    return Finding.judged(found == wanted, name, "kubernetes", what, wanted, told, "deploys/cluster.py")


def _command_lines(reading: Reading) -> Iterator[Finding]:
    """Flags that the environment files ask for and a running service does not have, or has beside them."""
    commands = reading.fact("commands")
    held = reading.fact("roles")
    for role in reading.roles:
        for unit in role.units:
            running = commands.get(unit.name)
            started = held.get("units", {}).get(unit.name, {}).get("started_with") if held else None
            if unit.name not in KUBERNETES_DAEMONS or not running or not started:
                continue
            if any(started.get(f.path, "") != f.digest for f in role.files if f.path in unit.inputs):
                continue  # it runs with other files: that is said of the unit, or of the file
            runs, wanted = _last(running["words"]), wanted_flags(role, unit.name)
            other = [flag for flag, word in wanted.items() if runs.get(flag) != word] + _added(role, unit.name, runs)
            what, name = f"{unit.name}'s arguments", reading.host.name
            expected = ", ".join(_shown(wanted.get(flag, f"no {flag}")) for flag in other)
            found = ", ".join(_shown(runs.get(flag, f"no {flag}")) for flag in other)
            said = "those of its environment files"
            yield Finding.judged(
                not other, name, "kubernetes", what, expected or said, found or said, _reset(unit.name)
            )


def _reset(unit: str) -> str:
    return f"systemctl revert {unit} drops what was added to the unit; then deploys/cluster.py"


def _added(role: Role, unit: str, runs: Iterable[str]) -> list[str]:
    """The flags that no environment file passes. A package's own unit may have some."""
    ours = any(f.path.endswith(f"/{unit}.service") for f in role.files)
    passed = {*wanted_flags(role, unit), *_flags(role, "config")}
    return [flag for flag in runs if ours and flag not in passed]


def wanted_flags(role: Role, unit: str) -> dict[str, str]:
    """The flags that a component's own environment file passes, by name."""
    return _flags(role, {"kube-apiserver": "apiserver", "kubelet": "kubelet"}.get(unit, unit.removeprefix("kube-")))


def _flags(role: Role, name: str) -> dict[str, str]:
    text = next((f.content or "" for f in role.files if f.path == f"/etc/kubernetes/{name}"), "")
    return _last(w for value in re.findall(r'^\w+="(.*)"$', text, re.M) for w in value.replace('\\"', '"').split())


def _shown(word: str) -> str:
    """An argument, without a value that may be a secret."""
    name, equals, _ = word.partition("=")
    return f"{name}{equals}…" if equals and SECRET.search(name) else word


def _last(words: Iterable[str]) -> dict[str, str]:
    """Of flags given more than once the last counts, with their dashes and values, by name."""
    return {word.partition("=")[0]: word for word in words if word.startswith("-")}
