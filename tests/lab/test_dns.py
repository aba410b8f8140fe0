"""Cluster DNS and metrics-server: names from every node, rolled without a moment without an answer, taken away."""

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab import lifecycle, resolve, settings
from tests.lab.conftest import NODES, Lab

pytestmark = [pytest.mark.runtimes("containerd"), pytest.mark.usefixtures("dns")]  # the guide has none

SERVICE = "kubernetes.default.svc.cluster.local"
OURS = [
    "service/kube-dns",
    "poddisruptionbudget/coredns",
    "deployment/coredns",
    "configmap/coredns",
    "clusterrolebinding/system:coredns",
    "clusterrole/system:coredns",
    "serviceaccount/coredns",
]


@pytest.fixture(scope="module")
def dns(cluster: Lab) -> Iterator[Lab]:
    """The cluster, with DNS as shipped before and after."""
    yield cluster
    cluster.deploy("dns")
    cluster.deploy("metrics")


def pods(lab: Lab) -> dict[str, str]:
    """The node of each pod of CoreDNS that is not being ended."""
    columns = "NAME:.metadata.name,NODE:.spec.nodeName,GOES:.metadata.deletionTimestamp"
    told = lab.kubectl(f"-n kube-system get pods -l k8s-app=kube-dns --no-headers -o custom-columns={columns}")
    return {name: node for name, node, goes in map(str.split, told.splitlines()) if goes == "<none>"}


def test_pods_of_every_node_find_names_inside_and_outside(dns: Lab) -> None:
    with dns.containers():
        for node in NODES:
            for name in (SERVICE, resolve.NAME):
                said = dns.kubectl(f"exec plain-{node} -- nslookup {name}")
                assert "Address" in said.partition(name)[2], f"{node}: {said}"
    assert len(set(pods(dns).values())) == 2, "its pods are on different nodes"


def test_a_run_with_nothing_to_do_asks_once(dns: Lab) -> None:
    before = pods(dns)
    done = dns.pyinfra("-y", "-vvv", "--json", "lab/inventory.py", "deploys/dns.py")
    assert (done.code, done.commands, done.totals["success"]) == (0, {"master": 1}, 0), done.err
    assert pods(dns) == before


@contextmanager
def asking(lab: Lab) -> Iterator[list[str]]:
    """A pod on node1 asks for a name all the time while in the block; what came of it is there afterwards."""
    asked: list[str] = []
    with lab.containers():
        ask = f"nslookup -timeout=2 -retry=1 {SERVICE} >/dev/null 2>&1 && echo found || echo lost; sleep 0.05"
        loop = f"(while [ ! -e /tmp/enough ]; do {ask}; done; echo end) >/tmp/asked 2>&1 </dev/null &"
        lab.kubectl(f"exec plain-node1 -- sh -c {shlex.quote(loop)}")
        yield asked
        wait = "touch /tmp/enough; until grep -q end /tmp/asked; do sleep 0.1; done; cat /tmp/asked"
        asked += lab.kubectl(f"exec plain-node1 -- sh -c {shlex.quote(wait)}").split()[:-1]


def test_it_is_rolled_without_a_moment_without_an_answer(dns: Lab) -> None:
    other = settings.registry_image("coredns", secure=True)
    before = pods(dns)
    changed = ("--data", f"cluster_dns_image={other}")
    planned = dns.pyinfra("--dry", *changed, "lab/inventory.py", "deploys/dns.py").changes
    with asking(dns) as asked:
        done = dns.deploy("dns", *changed)
    assert planned == done.changes and len(done.changes["master"]) == 1, done.err
    assert done.changes["master"][0].startswith("change Deployment coredns in kube-system (spec.template")
    assert len(asked) > 50 and set(asked) == {"found"}
    after = pods(dns)
    assert not set(before) & set(after) and len(set(after.values())) == 2


def test_no_answer_is_said_by_the_check_and_by_the_audit(dns: Lab) -> None:
    dns.kubectl("-n kube-system scale deployment/coredns --replicas=0")
    dns.kubectl("-n kube-system wait --for=delete pod -l k8s-app=kube-dns --timeout=60s")
    failed = dns.pyinfra("-y", "--data", "start_timeout=15", "lab/inventory.py", "deploys/check.py")
    assert failed.code == 1
    for node in NODES:
        assert f"[{node}]  cluster DNS (192.168.1.10) does not answer, asked for {SERVICE}" in failed.err, failed.err
    said = json.loads(dns.here(f"{sys.executable} -m audit --inventory lab/inventory.py --json || true"))
    found = [(f["host"], f["area"], f["what"]) for f in said["findings"] if f["status"] != "ok"]
    assert found == [("master", "dns", "pods")]
    (change,) = dns.deploy("dns").changes["master"]
    assert change.startswith("change Deployment coredns in kube-system (spec.replicas 0 -> 2")


def test_turned_off_it_goes_and_what_others_made_stays(dns: Lab) -> None:
    dns.kubectl("-n kube-system delete poddisruptionbudget coredns")
    dns.kubectl("-n kube-system create poddisruptionbudget coredns --selector=app=other --min-available=1")
    off = ("--data", "cluster_dns=False")
    planned = dns.pyinfra("--dry", *off, "lab/inventory.py", "deploys/dns.py").changes
    done = dns.deploy("dns", *off)
    assert planned == done.changes == {"master": [f"delete {name}" for name in OURS if "budget" not in name]}
    assert dns.deploy("dns", *off).changes == {}
    dns.kubectl("-n kube-system delete poddisruptionbudget coredns")
    dns.deploy("dns")
    assert len(set(pods(dns).values())) == 2


def test_metrics_server_tells_what_nodes_and_pods_use(dns: Lab) -> None:
    lifecycle.bring("metrics-server")
    on = ("--data", "metrics_server=True")
    dns.deploy("metrics", *on)
    assert {line.split()[0] for line in dns.kubectl("top nodes --no-headers").splitlines()} == set(NODES)
    assert "coredns" in dns.kubectl("top pods -n kube-system --no-headers")
    again = dns.pyinfra("-y", "--json", *on, "lab/inventory.py", "deploys/metrics.py")
    assert again.totals["success"] == 0, again.err
    assert "delete apiservice/v1beta1.metrics.k8s.io" in dns.deploy("metrics").changes["master"]
    dns.kubectl("-n kube-system wait --for=delete --timeout=90s pod -l k8s-app=metrics-server")
