"""Each role's deploy by itself, in order, on fresh hosts: the same end."""

import json

from lab import lifecycle, state
from tests.lab.conftest import HOSTS, NODES, UNITS, Lab

TOUCHES = {
    "host": HOSTS,
    "pki": HOSTS,
    "etcd": ("master",),
    "flannel": HOSTS,
    "runtime": NODES,
    "master": ("master",),
    "node": NODES,
    "dns": ("master",),
    "check": (),
}
GUIDES = TOUCHES | {"flannel": NODES, "dns": ()}


def test_in_order_on_fresh_hosts(fresh: Lab) -> None:
    for name, hosts in (GUIDES if fresh.runtime == "docker" else TOUCHES).items():
        done = fresh.deploy(name)
        assert set(done.changes) == set(hosts), name
        if name == "host":
            nothing_runs_after_a_boot(fresh)
    nodes = fresh.fact("facts.kubernetes.Nodes", limit="master")["master"]
    assert {name: n["ready"] for name, n in nodes.items()} == dict.fromkeys(NODES, True)


def nothing_runs_after_a_boot(lab: Lab) -> None:
    """Packages are installed, and nothing of them is started as the distribution has it: that would be in the way."""
    lifecycle.reboot([state.host("master"), state.host("node1")])
    for host in ("master", "node1"):
        assert lab.ssh(host, f"systemctl is-active {' '.join(UNITS[host])} | grep -x active", check=False) == ""


def test_then_the_whole_has_nothing_to_do(lab: Lab) -> None:
    done = lab.deploy("cluster", "--json")
    assert done.totals["success"] == 0, json.loads(done.out)
