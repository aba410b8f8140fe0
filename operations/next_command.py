"""What to type after a run."""

import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pyinfra import inventory, state
from pyinfra.api.arguments import pop_global_arguments
from pyinfra.api.host import HostData
from pyinfra.connectors.local import LocalConnector

from cluster.api import KUBECONFIG
from cluster.families import FamilyName
from cluster.installation import PROGRAMS
from cluster.settings import Settings
from operations.command_line import CommandLine
from operations.elsewhere import first_to_call
from operations.inventory import the_cluster

_DEPLOYS = Path(__file__).resolve().parents[1] / "deploys"
_PARTS = (
    "host",
    "pki",
    "etcd",
    "balancer",
    "etcd_leave",
    "flannel",
    "runtime",
    "master",
    "node",
    "unbalanced",
    "dns",
    "metrics",
)  # of deploys/cluster.py


def next_command(this: CommandLine, failed: bool) -> str:
    """The command that follows this run, as it is typed where this one was.

    Args:
        this: the run's own.
        failed: whether it ended before everything was done.
    """
    if failed:
        return f"mend what is said above, then go on from there: {this.again()}"
    deploy = Path(this.called[-1]) if this.called else Path()
    shipped = deploy.stem if deploy.resolve().parent == _DEPLOYS else ""
    if shipped in _PARTS:
        return this.on_all_hosts(str(deploy.with_name("cluster.py")))
    if shipped == "kubeconfig":
        return shlex.join(["kubectl", "--kubeconfig", str(the_cluster().settings.kubeconfig_path), "get", "nodes"])
    if shipped == "audit":
        return shlex.join(["python", "-m", "audit", "--inventory", str(this.inventory)])
    shows = "get nodes" if shipped in ("cluster", "check") else "get pods -o wide"
    master = first_to_call(the_cluster().masters)
    return _on_host(master.name, f"{_kubectl(the_cluster().settings)} {shows}")


def _kubectl(settings: Settings) -> str:
    """kubectl with its path, which neither sudo nor a login may look at by itself."""
    methods = {settings.install_method("kubernetes", family) for family in get_args(FamilyName)}
    paths = ["/usr/bin" if method == "packages" else PROGRAMS for method in sorted(methods)]
    found = f"{paths[0]}/kubectl" if len(paths) == 1 else f"env PATH={':'.join(paths)} kubectl"
    return f"{found} --kubeconfig={KUBECONFIG}"


def _on_host(name: str, command: str) -> str:
    """A command on a host of the inventory, reached as the inventory says, with its rights."""
    host = inventory.get_host(name)
    asked, _ = pop_global_arguments(state, host, {})
    there = _as_root(dict(asked), command)
    if issubclass(host.connector_cls, LocalConnector):
        return there
    # Who types a password needs a terminal there.
    asks = any(asked.get(name) for name in ("_sudo_password", "_su_password", "_doas", "_dzdo"))
    terminal = ["-t"] if asks or host.connector_data.get("prompted_sudo_password") else []
    return " ".join(["ssh", *terminal, *_reached(host.name, host.data), shlex.quote(there) if "'" in there else there])


def _as_root(asked: Mapping[str, Any], command: str) -> str:
    """A command with the rights that pyinfra's arguments ask for, in pyinfra's order."""
    if asked.get("_su_user"):
        command = f"su {shlex.quote(asked['_su_user'])} -c {shlex.quote(command)}"
    for program in ("sudo", "dzdo", "doas"):
        if asked.get(f"_{program}"):
            user = asked.get(f"_{program}_user")
            command = " ".join([program, *(["-u", shlex.quote(user)] if user else []), command])
    return command


def _reached(name: str, data: HostData) -> Iterator[str]:
    """ssh's arguments: how pyinfra has reached the host."""
    options = {
        "-F ": data.get("ssh_config_file"),
        "-p ": data.get("ssh_port"),
        "-i ": data.get("ssh_key"),
        "-o UserKnownHostsFile=": data.get("ssh_known_hosts_file"),
    }
    for option, value in options.items():
        if value:
            yield f"{option}{shlex.quote(os.path.expanduser(str(value)))}"
    account = f"{data.get('ssh_user')}@" if data.get("ssh_user") else ""
    yield shlex.quote(f"{account}{data.get('ssh_hostname') or name}")
