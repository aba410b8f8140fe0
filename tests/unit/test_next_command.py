"""What the summary says to type: a command that works where the run was started."""

import sys
from collections.abc import Iterator
from typing import Any

import click
import pytest
from pyinfra.context import ctx_inventory, ctx_state

from operations.command_line import typed as typed_command
from operations.elsewhere import first_to_call
from operations.inventory import the_cluster
from operations.next_command import next_command
from tests.unit.example import SEVERAL, Run, cluster

KUBECTL = "/usr/local/bin/kubectl --kubeconfig=/etc/kubernetes/kubeconfig"


@pytest.fixture
def after(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The command said after a run that was typed so, on hosts that have this data."""

    def said(*typed: str, failed: bool = False, settings: dict[str, Any] | None = None, **own: Any) -> str:
        the_cluster.cache_clear()
        monkeypatch.setattr(sys, "argv", ["bin/pyinfra", *typed])
        this = Run(**(settings or {}))
        for name, value in own.items():
            setattr(this.inventory.get_host("master").data, name, value)
        paths = [word for word in typed if word.endswith(".py")]
        context = click.Context(click.Command("pyinfra"))
        context.params = {"inventory": paths[0], "operations": tuple(paths[1:])}
        with context:
            command_line = typed_command()
        with ctx_state.use(this.state), ctx_inventory.use(this.inventory):
            return next_command(command_line, failed)

    yield said
    the_cluster.cache_clear()


@pytest.mark.parametrize(
    ("own", "begins"),
    [
        ({}, f"ssh 10.1.10.101 {KUBECTL}"),
        ({"ssh_user": "root", "ssh_port": 2222}, f"ssh -p 2222 root@10.1.10.101 {KUBECTL}"),
        ({"ssh_hostname": "bastion.example"}, f"ssh bastion.example {KUBECTL}"),
        ({"ssh_key": "my keys/lab"}, f"ssh -i 'my keys/lab' 10.1.10.101 {KUBECTL}"),
        ({"ssh_known_hosts_file": "/k", "ssh_config_file": "/c"}, "ssh -F /c -o UserKnownHostsFile=/k 10.1.10.101 "),
        ({"ssh_user": "admin", "_sudo": True}, f"ssh admin@10.1.10.101 sudo {KUBECTL}"),
        ({"_sudo": True, "_sudo_user": "kube"}, f"ssh 10.1.10.101 sudo -u kube {KUBECTL}"),
        ({"_sudo": True, "_sudo_password": "secret"}, f"ssh -t 10.1.10.101 sudo {KUBECTL}"),
        ({"_doas": True}, f"ssh -t 10.1.10.101 doas {KUBECTL}"),
        (
            {"_su_user": "root", "_su_password": "secret"},
            f"""ssh -t 10.1.10.101 'su root -c '"'"'{KUBECTL} get nodes'"'"''""",
        ),
    ],
)
def test_a_host_is_reached_as_the_inventory_says(own: dict[str, Any], begins: str, after: Any) -> None:
    said = after("inventory.py", "deploys/cluster.py", **own)
    assert said.startswith(begins) and "secret" not in said
    assert said.rstrip("'\"").endswith(" get nodes")


@pytest.mark.parametrize(
    ("methods", "kubectl"),
    [
        ("packages", "/usr/bin/kubectl"),
        ("release files", "/usr/local/bin/kubectl"),
        ({"deb": "release files", "rpm": "packages"}, "env PATH=/usr/bin:/usr/local/bin kubectl"),
    ],
)
def test_kubectl_is_where_it_was_installed(methods: Any, kubectl: str, after: Any) -> None:
    said = after("inventory.py", "deploys/check.py", settings={"install_methods": {"kubernetes": methods}})
    assert said == f"ssh 10.1.10.101 {kubectl} --kubeconfig=/etc/kubernetes/kubeconfig get nodes"


@pytest.mark.parametrize(
    ("typed", "follows"),
    [
        ("-y inventory.py deploys/etcd.py", "bin/pyinfra -y inventory.py deploys/cluster.py"),
        ("-y inventory.py deploys/host.py deploys/pki.py", "bin/pyinfra -y inventory.py deploys/cluster.py"),
        ("inventory.py deploys/balancer.py", "bin/pyinfra inventory.py deploys/cluster.py"),
        ("inventory.py deploys/unbalanced.py", "bin/pyinfra inventory.py deploys/cluster.py"),
        ("--limit etcd -y my.py deploys/etcd.py --exclude=a", "bin/pyinfra -y my.py deploys/cluster.py"),
        ("my.py deploys/kubeconfig.py", "kubectl --kubeconfig '/my keys/config' get nodes"),
        ("my.py deploys/audit.py", "python -m audit --inventory my.py"),
        ("inventory.py deploys/workload.py", f"ssh 10.1.10.101 {KUBECTL} get pods -o wide"),
        ("inventory.py shop.py", f"ssh 10.1.10.101 {KUBECTL} get pods -o wide"),
        ("inventory.py /elsewhere/etcd.py", f"ssh 10.1.10.101 {KUBECTL} get pods -o wide"),
    ],
)
def test_what_follows_fits_the_deploy(typed: str, follows: str, after: Any) -> None:
    assert after(*typed.split(), settings={"kubeconfig": "/my keys/config"}) == follows


def test_a_master_that_was_tried_in_vain_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = cluster(SEVERAL, api_server_address="api.example").masters
    this = Run(SEVERAL, api_server_address="api.example")
    with ctx_state.use(this.state), ctx_inventory.use(this.inventory):
        assert first_to_call((first, second)) == first
        this.state.active_hosts = {this.inventory.get_host("node3")}
        assert first_to_call((first, second)) == first
        monkeypatch.setattr("operations.elsewhere._unreachable", {first.name})
        assert first_to_call((first, second)) == second
        monkeypatch.setattr("operations.elsewhere._unreachable", {first.name, second.name})
        assert first_to_call((first, second)) == first


def test_a_failed_run_is_to_be_repeated_as_it_was(after: Any) -> None:
    typed = ("-y", "--data", "nginx_replicas=[4]", "inventory.py", "deploys/etcd.py", "--limit", "etcd")
    assert after(*typed, failed=True) == (
        "mend what is said above, then go on from there: "
        "bin/pyinfra -y --data 'nginx_replicas=[4]' inventory.py deploys/etcd.py --limit etcd"
    )


@pytest.mark.parametrize(
    "typed",
    [
        ("--ssh-password", "hunter2"),
        ("--password=hunter2",),
        ("--key-password", "hunter2"),
        ("--data", "_sudo_password=hunter2"),
        ("--data", "registry_mirrors=['https://me:hunter2@mirror.example']"),
    ],
)
def test_no_password_is_said_again(typed: tuple[str, ...], after: Any) -> None:
    for failed, deploy in ((True, "cluster"), (False, "etcd")):
        said = after(*typed, "inventory.py", f"deploys/{deploy}.py", failed=failed)
        assert "hunter2" not in said and "…" in said
