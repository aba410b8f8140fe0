"""Hosts as people have them: a shell that greets, another language, a proxy for the way out. Nothing is read amiss."""

from collections.abc import Iterator

import pytest

from tests.lab.conftest import Lab
from tests.lab.test_audit import audit

PECULIAR = ("master", "node1")
NOBODY = "http://10.1.10.1:9"  # whoever asks this proxy learns that it is not there
GREETING = r"echo Welcome; echo; printf 'ready=1 step 0 no\n\nmail: none'"


@pytest.fixture(scope="module", autouse=True)
def peculiar(cluster: Lab) -> Iterator[None]:
    """Two of the hosts are such ones meanwhile."""
    for host in PECULIAR:
        cluster.ssh(
            host,
            "cd /root && cp -p .bashrc .bashrc.kept && cp -p /etc/environment /etc/environment.kept && "
            f'echo "{GREETING}" | cat - .bashrc.kept > .bashrc && '
            f"printf '%s\\n' http_proxy={NOBODY} https_proxy={NOBODY} LC_ALL=zh_CN.UTF-8 >> /etc/environment",
        )
    yield
    for host in PECULIAR:
        cluster.ssh(host, "mv /root/.bashrc.kept /root/.bashrc; mv /etc/environment.kept /etc/environment")


def test_the_hosts_are_as_this_is_about(cluster: Lab) -> None:
    shown = cluster.ssh("master", 'echo; echo "$http_proxy $LC_ALL"')
    assert shown.startswith("Welcome\n") and shown.endswith(f"\n{NOBODY} zh_CN.UTF-8")


def test_there_is_nothing_to_do(cluster: Lab) -> None:
    assert cluster.pyinfra("--dry", "--json", "lab/inventory.py", "deploys/cluster.py").planned == {}
    assert cluster.deploy("cluster", "--json").totals["success"] == 0


def test_a_service_is_started_and_asked_without_the_proxy(cluster: Lab) -> None:
    cluster.ssh("master", "systemctl stop kube-scheduler etcd")
    cluster.ssh("node1", "systemctl stop kube-proxy")
    done = cluster.deploy()
    started = {(h, line.split(" (")[0]) for h, lines in done.changes.items() for line in lines if "start" in line}
    by_itself = {("master", "start kube-controller-manager")}  # it ends where it cannot renew its lease for 25 seconds
    assert started - by_itself == {
        ("master", "start etcd"), ("master", "start kube-scheduler"), ("node1", "start kube-proxy"),
    }  # fmt: skip


def test_facts_and_an_audit_read_what_is_there(cluster: Lab) -> None:
    assert audit("--json").findings == []
    assert cluster.fact("facts.flannel.SubnetEnv", limit="node1")["node1"].keys() >= {"FLANNEL_SUBNET", "FLANNEL_MTU"}
