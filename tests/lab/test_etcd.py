"""etcd's data before everything: no member starts empty, and who may do what in it is compared whole."""

import pytest

from cluster.etcdctl import etcdctl
from cluster.membership import DATA, LIVED, RECORD
from lab import state
from tests.lab.conftest import KUBECTL, Lab

pytestmark = pytest.mark.usefixtures("cluster")

USERS = "give etcd's clients their own users"
ACCESS = "let the API server call the kubelets"
BINDING = "container-cloud:kube-apiserver-to-kubelets"
HELD = (
    f"ls -i {DATA}/member/snap/db; find /etc /var/lib/etcd -maxdepth 2 -newer /etc/hostname -type f | sort; "
    "systemctl show -p MainPID etcd kube-apiserver kubelet"
)


def held(lab: Lab) -> dict[str, str]:
    """What would differ on a host had a run done anything there to etcd or to what needs it."""
    return {name: lab.ssh(name, f"{HELD} 2>/dev/null; true") for name in ("master", "node1")}


def test_a_member_whose_data_are_gone_is_not_started(lab: Lab) -> None:
    """By no run, and not by systemd either: kubelets would end every pod."""
    lab.ssh("master", f"systemctl stop etcd && mv {DATA} /root/kept")
    try:
        before = held(lab)
        done = lab.pyinfra("-y", "lab/inventory.py", "deploys/cluster.py")
        assert done.code == 1 and f"master: etcd has no data in {DATA}" in done.err and done.changes == {}
        for witness in (LIVED, str(state.PKI / RECORD), "restore a snapshot"):
            assert witness in done.err
        assert lab.attempt("master", "systemctl start etcd").returncode != 0
        assert held(lab) == before
    finally:
        lab.ssh("master", f"systemctl stop etcd; mv /root/kept {DATA} && systemctl reset-failed etcd")
    assert "start etcd (it is inactive)" in lab.deploy().changes["master"]
    assert lab.deploy("cluster", "--json").totals["success"] == 0


def test_who_may_do_what_in_etcd_is_compared_whole(lab: Lab) -> None:
    """And what the operator gave users of his own stays."""
    lab.ssh("master", etcdctl(
        "set -e; e role add theirs; e role grant-permission theirs read /theirs; "
        "e user add own --no-password; e user grant-role own theirs; "
        "e user grant-role flannel root; e user add other --no-password; e user grant-role other root; "
        "e role grant-permission flannel readwrite /registry/ --prefix=true; "
        "e role grant-permission flannel read /former --from-key=true; "
        "e role revoke-permission kube-apiserver compact_rev_key; e auth disable"
    ))  # fmt: skip
    try:
        lines = [
            "grant role kube-apiserver readwrite compact_rev_key",
            "grant authentication at https://10.1.10.101:2379",
            "take away role flannel read [/former, <open ended>",
            "take away role flannel readwrite [/registry/, /registry0)",
            "take away user flannel role root",
            "take away user other role root",
        ]
        announced = {"master": [f"{USERS}: {line}" for line in lines]}
        assert lab.pyinfra("--dry", "lab/inventory.py", "deploys/etcd.py").changes == announced
        assert lab.deploy("etcd").changes == announced
        assert lab.deploy("etcd", "--json").totals["success"] == 0
        assert "theirs" in lab.ssh("master", etcdctl("e user get own"))
    finally:
        lab.ssh("master", etcdctl("for u in own other; do e user delete $u; done; e role delete theirs"))


def test_the_kubelets_access_is_compared_whole(lab: Lab) -> None:
    lab.ssh("master", f"{KUBECTL} delete clusterrolebinding {BINDING} && "
            f"{KUBECTL} create clusterrolebinding {BINDING} --clusterrole=view --user=other")  # fmt: skip
    lines = [
        "grant ClusterRole system:kubelet-api-admin", "grant User kube-apiserver-kubelet-client",
        "take away ClusterRole view", "take away User other",
    ]  # fmt: skip
    assert lab.deploy("master").changes == {"master": [f"{ACCESS}: {line}" for line in lines]}
    assert lab.deploy("master", "--json").totals["success"] == 0
