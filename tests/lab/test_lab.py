"""The lab itself: real hosts, from which no packet gets out."""

import subprocess

import pytest

from lab import network, state
from tests.lab.conftest import HOSTS, Lab


@pytest.mark.parametrize("host", HOSTS)
def test_systemd_is_pid_1(lab: Lab, host: str) -> None:
    assert lab.ssh(host, "cat /proc/1/comm") == "systemd"


def test_hosts_have_their_own_identity(lab: Lab) -> None:
    for what in ("cat /etc/machine-id", "hostname", "cat /etc/ssh/ssh_host_ed25519_key.pub"):
        assert len({lab.ssh(host, what) for host in HOSTS}) == len(HOSTS), what


@pytest.mark.parametrize("host", HOSTS)
def test_nothing_outside_is_reached(lab: Lab, host: str) -> None:
    """No route out of the lab's namespace, and no interface but the bridge and the hosts' ports in it."""
    done = lab.attempt(host, "ping -c1 -W1 192.0.2.1")
    assert done.returncode != 0
    assert lab.attempt(host, "curl -sS --max-time 2 http://192.0.2.1/").returncode != 0


def test_no_way_leads_out_of_the_labs_network() -> None:
    ports = {network.port(host) for host in state.hosts()}
    assert set(network.links()) - {"lo", network.BRIDGE} == ports
    routes = subprocess.run(
        ["ip", "-n", network.NAMESPACE, "route", "get", "192.0.2.1"], capture_output=True, check=False
    )
    assert routes.returncode != 0, "unreachable from the lab's namespace itself"
