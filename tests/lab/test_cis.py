"""The CIS Kubernetes Benchmark's checks, on the cluster as it stands."""

import pytest

from lab.cis import report, run
from tests.lab.conftest import Lab

pytestmark = [pytest.mark.named, pytest.mark.runtimes("containerd")]


def test_kube_bench_finds_no_fault_and_leaves_nothing(cluster: Lab) -> None:
    reasons = report.judged(report.JUDGED.read_text())
    before = {host: cluster.ssh(host, "ls -A /root /tmp /var/tmp") for host in run.TARGETS}
    checks = run.cis()
    assert report.faults(checks, reasons) == []
    assert {check.number for check in checks if check.state != "passed"} == set(reasons), "no reason without need"
    assert {host: cluster.ssh(host, "ls -A /root /tmp /var/tmp") for host in run.TARGETS} == before
