"""Each role's deploy by itself, in order, on fresh hosts: the same end."""

import json

from tests.lab.conftest import HOSTS, NODES, Lab

TOUCHES = {
    "host": HOSTS,
    "pki": HOSTS,
    "etcd": ("master",),
    "flannel": NODES,
    "docker": NODES,
    "master": ("master",),
    "node": NODES,
    "check": (),
}


def test_in_order_on_fresh_hosts(fresh: Lab) -> None:
    for name, hosts in TOUCHES.items():
        done = fresh.deploy(name)
        assert set(done.changes) == set(hosts), name
    nodes = fresh.fact("facts.kubernetes.Nodes", limit="master")["master"]
    assert {name: n["ready"] for name, n in nodes.items()} == dict.fromkeys(NODES, True)


def test_then_the_whole_has_nothing_to_do(lab: Lab) -> None:
    done = lab.deploy("cluster", "--json")
    assert done.totals["success"] == 0, json.loads(done.out)
