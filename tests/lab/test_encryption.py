"""Secrets of a cluster with three masters are encrypted from now on, while somebody reads and writes them."""

from pathlib import Path

import pytest

from cluster.certificates import SECRETS_KEY
from cluster.roles.secrets import CONFIG
from lab import state
from tests.lab.conftest import Lab
from tests.lab.killing import killed
from tests.lab.several import CLOSED, MASTERS, changed, used
from tests.lab.test_audit import audit
from tests.lab.test_masters import workload  # noqa: F401 fixture

pytestmark = [pytest.mark.several, pytest.mark.named, pytest.mark.usefixtures("workload")]

RUN = ("-y", "lab/inventory.py", "deploys/cluster.py")
KNOWS = f"grep -q secretbox {CONFIG} && systemctl is-active -q kube-apiserver"
READY = "until kubectl --kubeconfig=/etc/kubernetes/kubeconfig get --raw /readyz; do sleep 1; done"


@pytest.fixture
def clear(cluster: Lab) -> Lab:
    """The cluster as one that never had a key: neither its API servers nor the store know of any."""
    changed(cluster, encrypt_secrets=False)
    for host in MASTERS:
        cluster.ssh(
            host,
            "sed -i 's| --encryption-provider-config=[^ \"]*||' /etc/kubernetes/apiserver && "
            "sed -i /secrets.key/d /etc/systemd/system/kube-apiserver.service && "
            f"rm {SECRETS_KEY} {CONFIG} && systemctl daemon-reload && systemctl restart kube-apiserver && {READY}",
        )
    (state.PKI / "secrets.pem").unlink()
    return cluster


def test_every_api_server_reads_them_all_the_while(clear: Lab, tmp_path: Path) -> None:
    """By a run that is killed when the first knows the key and the last does not, and another."""
    dry = clear.pyinfra("--dry", *RUN[1:])
    twice = [f"{host}: {line}" for host in MASTERS for line in dry.changes[host] if "restart kube-apiserver" in line]
    assert len(twice) == 6, dry.err[-4000:]
    with used(tmp_path, kind="secrets") as verdict:
        killed(clear, RUN, on="master", until=KNOWS, said=tmp_path / "killed.log")
        assert clear.attempt("master3", f"test -e {CONFIG}").returncode != 0
        done = clear.pyinfra(*RUN)
    assert done.code == 0, done.err[-6000:]
    assert verdict.faults == []
    assert sum(f.total() for f in verdict.failures.values()) <= CLOSED * len(twice), verdict.failures
    for host in MASTERS:
        assert clear.ssh(host, f"grep -m1 -E 'identity|secretbox' {CONFIG}").strip("- :\n{}") == "secretbox"
    again = clear.pyinfra("--json", *RUN)
    assert again.code == 0 and again.totals["success"] == 0, again.err[-4000:]
    assert audit("--json").findings == []
