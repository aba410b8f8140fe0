"""Hosts that cannot be used are refused before anything is changed, and an ordinary account with sudo will do."""

from pathlib import Path

import pytest

from lab import state
from tests.lab.conftest import HOSTS, Lab

pytestmark = pytest.mark.usefixtures("cluster")

ACCOUNT = ("--data", "ssh_user=keeper")


def test_not_root(lab: Lab, keeper: None) -> None:
    done = lab.pyinfra("-y", *ACCOUNT, "lab/inventory.py", "deploys/host.py")
    assert done.code == 1 and "node1: not root; connect as root, or write _sudo = True" in done.err
    assert "nothing was changed" in done.err


def test_sudo_will_do(lab: Lab, keeper: None) -> None:
    for host in HOSTS:
        lab.ssh(host, "echo 'keeper ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/keeper")
    sudo = (*ACCOUNT, "--data", "_sudo=True")
    assert lab.deploy("cluster", "--json", *sudo).totals["success"] == 0
    lab.ssh("node1", "rm /etc/kubernetes/ca/client.key /etc/kubernetes/proxy")
    done = lab.deploy("cluster", *sudo)
    assert done.changes == {"node1": ["write /etc/kubernetes/ca/client.key", "write /etc/kubernetes/proxy"]}
    assert lab.ssh("node1", "stat -c '%a %U:%G' /etc/kubernetes/ca/client.key") == "600 root:root"
    assert lab.ssh("node1", "ls /tmp | grep -v ^systemd-private; true") == "", "nothing staged"
    assert lab.here(done.following).count(" Ready ") == 3, "what the summary says to type, with the account's sudo"


def test_sudo_of_one_operation_will_do(lab: Lab, keeper: None, tmp_path: Path) -> None:
    """Every host is asked with it, not only the one whose turn it is."""
    deploy = tmp_path / "deploy.py"
    deploy.write_text("from operations import preflight\npreflight.check(name='Preflight', _sudo=True)\n")
    done = lab.pyinfra("-y", *ACCOUNT, "lab/inventory.py", str(deploy))
    assert done.code == 0, done.err


def test_a_port_taken_by_another_program(lab: Lab) -> None:
    lab.ssh("node2", "systemctl stop kube-proxy; systemd-run -q --unit taken systemd-socket-activate -l 10256 /bin/cat")
    try:
        done = lab.pyinfra("-y", "lab/inventory.py", "deploys/node.py")
        assert done.code == 1 and "node2: port 10256 is taken by systemd-socket" in done.err
        assert "kube-proxy needs it" in done.err and done.changes == {}
        assert lab.attempt("node2", "systemctl is-active kube-proxy").returncode != 0
        dry = lab.pyinfra("--dry", "lab/inventory.py", "deploys/node.py")
        assert dry.code == 1 and "nothing was changed" in dry.err
    finally:
        lab.ssh("node2", "systemctl stop taken")
        lab.deploy()


def test_two_hosts_with_one_machine_id(lab: Lab) -> None:
    own = lab.ssh("node3", "cat /etc/machine-id")
    try:
        lab.ssh("node3", f"echo {lab.ssh('node1', 'cat /etc/machine-id')} > /etc/machine-id")
        done = lab.pyinfra("-y", "lab/inventory.py", "deploys/check.py")
        assert done.code == 1 and "node1 and node3 share the machine-id" in done.err
    finally:
        lab.ssh("node3", f"echo {own} > /etc/machine-id")


def test_a_store_that_others_may_read(lab: Lab) -> None:
    store = state.DIRECTORY / "pki"
    store.chmod(0o755)
    try:
        done = lab.pyinfra("-y", "lab/inventory.py", "deploys/pki.py")
        assert done.code == 1 and str(store) in done.err and "cannot be used" in done.err
        assert "Traceback" not in done.err
    finally:
        store.chmod(0o700)
