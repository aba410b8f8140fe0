"""Hosts that cannot be used are refused before anything is changed, and an ordinary account with sudo will do."""

from pathlib import Path

import pytest

from lab import state
from tests.lab.conftest import HOSTS, NODES, Lab

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
    """Every host is asked with it, also one that the operation is not for."""
    deploy = tmp_path / "deploy.py"
    deploy.write_text(
        "from pyinfra import host\nfrom operations import preflight\n"
        "if 'masters' in host.groups:\n    preflight.check(name='Preflight', _sudo=True)\n"
    )
    done = lab.pyinfra("-y", *ACCOUNT, "lab/inventory.py", str(deploy))
    assert done.code == 0, done.err


def test_a_port_taken_by_somebody_elses_program_of_the_same_name(lab: Lab) -> None:
    lab.ssh(
        "node2",
        "systemctl stop kube-proxy; cp /usr/bin/systemd-socket-activate /run/kube-proxy; "
        "systemd-run -q --unit taken /run/kube-proxy -l 10256 /bin/cat",
    )
    try:
        done = lab.pyinfra("-y", "lab/inventory.py", "deploys/node.py")
        taken = (
            "node2: port 10256 is taken by kube-proxy (/run/kube-proxy, taken.service); kube-proxy needs it: stop it"
        )
        assert done.code == 1 and taken in done.err and done.changes == {}
        assert lab.attempt("node2", "systemctl is-active kube-proxy").returncode != 0
        dry = lab.pyinfra("--dry", "lab/inventory.py", "deploys/node.py")
        assert dry.code == 1 and "nothing was changed" in dry.err
    finally:
        lab.ssh("node2", "systemctl stop taken; rm /run/kube-proxy")
        lab.deploy()


CLASHING = """
set -e
ip link add virbr0 type bridge
ip addr add 192.168.122.1/24 dev virbr0
mkdir -p /etc/systemd/system/kubelet.service.d
printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/kubelet $KUBELET_KUBEADM_ARGS\\n' \\
    > /etc/systemd/system/kubelet.service.d/10-kubeadm.conf
iptables -w -I INPUT -p udp --dport 8472 -j DROP
mv /etc/resolv.conf /etc/resolv.conf.away
"""
UNDO = """
ip link delete virbr0
rm /etc/systemd/system/kubelet.service.d/10-kubeadm.conf
rm -f /etc/docker/daemon.json
iptables -w -D INPUT -p udp --dport 8472 -j DROP
mv /etc/resolv.conf.away /etc/resolv.conf
"""


OF_DOCKERS = """
mkdir -p /etc/docker
echo '{"exec-opts": ["native.cgroupdriver=systemd"], "log-level": "info"}' > /etc/docker/daemon.json
"""


def test_what_is_on_a_host_and_cannot_stay(lab: Lab) -> None:
    """All of it is said at once."""
    docker = lab.runtime == "docker"
    leased = NODES if docker else HOSTS  # masters are on today's pod network
    try:
        lab.ssh("node1", CLASHING + (OF_DOCKERS if docker else ""))
        done = lab.pyinfra("-y", "--data", "flannel_interface=lo", "lab/inventory.py", "deploys/check.py")
    finally:
        lab.ssh("node1", UNDO)
    assert done.code == 1 and "8 reasons not to go on: nothing was changed" in done.err
    for line in (
        "node1: 192.168.122.1/24 of its interface virbr0 lies in what flannel may lease",
        "node1: /etc/systemd/system/kubelet.service.d/10-kubeadm.conf changes ExecStart of kubelet",
        *(
            ['node1: /etc/docker/daemon.json has "exec-opts"; write docker_cgroup_driver in group_data/all.py']
            if docker
            else []
        ),
        "node1: its firewall drops what other hosts of the cluster send to 8472/udp (flannel's packets): iptables",
        "node1: there is no /etc/resolv.conf",
        *(f'{node}: flannel_interface = "lo": it leads to no other host; write one of eth0' for node in leased),
    ):
        assert line in done.err


STAYING = """
set -e
mkdir -p /etc/systemd/system/%(unit)s.service.d /etc/docker /run/systemd/resolve
printf '[Service]\\nEnvironment="HTTP_PROXY=http://keeper:secret@10.1.10.9:3128"\\n' \\
    > /etc/systemd/system/%(unit)s.service.d/proxy.conf
echo '{"log-level": "info"}' > /etc/docker/daemon.json
cp -a /etc/resolv.conf /etc/resolv.conf.away
echo nameserver 127.0.0.53 > /etc/resolv.conf
echo nameserver 10.1.10.1 > /run/systemd/resolve/resolv.conf
"""
TAKEN_BACK = """
rm /etc/systemd/system/%(unit)s.service.d/proxy.conf /etc/docker/daemon.json /run/systemd/resolve/resolv.conf
mv /etc/resolv.conf.away /etc/resolv.conf
"""


def test_what_is_on_a_host_and_may_stay(lab: Lab) -> None:
    try:
        lab.ssh("node1", STAYING % {"unit": lab.runtime})
        dry = lab.pyinfra("--dry", "lab/inventory.py", "deploys/cluster.py")
    finally:
        lab.ssh("node1", TAKEN_BACK % {"unit": lab.runtime})
    assert dry.code == 0 and "secret" not in dry.err + dry.out
    note = "note: node1: /etc/docker/daemon.json is not the project's, and stays: it sets log-level"
    assert (note in dry.err) == (lab.runtime == "docker")
    proxy = f"/etc/systemd/system/{lab.runtime}.service.d/proxy.conf"
    assert f"note: node1: {proxy} is not the project's, and stays: it sets Environment" in dry.err
    assert list(dry.changes) == ["node1"]
    follow = {
        "docker": {"restart docker", "write /etc/kubernetes/kubelet", "restart kubelet"},
        "containerd": {"write /etc/kubernetes/kubelet.yaml", "restart kubelet"},
    }
    assert {line.partition(" (")[0] for line in dry.changes["node1"]} >= follow[lab.runtime]


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
