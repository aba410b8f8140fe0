"""Secrets of a cluster with three masters are encrypted from now on, while somebody reads and writes them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.roles.secrets import CONFIG
from lab import lifecycle
from tests.lab.conftest import Lab
from tests.lab.killing import killed
from tests.lab.several import HANDED_OVER, MASTERS, used
from tests.lab.test_audit import audit

pytestmark = [pytest.mark.several, pytest.mark.named]

RUN = ("-y", "lab/inventory.py", "deploys/cluster.py")
KNOWS = f"grep -q secretbox {CONFIG} && systemctl is-active -q kube-apiserver"


@pytest.fixture(scope="module")
def clear(lab: Lab) -> Iterator[Lab]:
    """A cluster whose API servers know no key, with nginx on it."""
    lifecycle.up(fresh=True, nodes=2, masters=3, spares=0)
    for deploy in ("cluster", "workload"):
        lab.deploy(deploy, "--data", "encrypt_secrets=False")
    yield lab
    lifecycle.up(fresh=True, nodes=2, masters=3, spares=0)


def test_every_api_server_reads_them_all_the_while(clear: Lab, tmp_path: Path) -> None:
    """By a run that is killed when the first knows the key and the last does not, and another."""
    dry = clear.pyinfra("--dry", *RUN[1:])
    twice = [f"{host}: {line}" for host in MASTERS for line in dry.changes[host] if "restart kube-apiserver" in line]
    assert len(twice) == 6, dry.err[-4000:]
    with used(tmp_path, kind="secrets") as verdict:
        killed(clear, RUN, on="master", until=KNOWS, said=tmp_path / "killed.log")
        assert "identity" in clear.ssh("master3", f"cat {CONFIG} || echo identity")
        done = clear.pyinfra(*RUN)
    assert done.code == 0, done.err[-6000:]
    print(verdict.requests, verdict.failures, verdict.gaps)
    assert verdict.faults == []
    assert sum(f.total() for f in verdict.failures.values()) <= HANDED_OVER, verdict.failures
    for host in MASTERS:
        assert clear.ssh(host, f"grep -m1 -E 'identity|secretbox' {CONFIG}").strip("- :\n{}") == "secretbox"
    again = clear.pyinfra("--json", *RUN)
    assert again.code == 0 and again.totals["success"] == 0, again.err[-4000:]
    assert audit("--json").findings == []
