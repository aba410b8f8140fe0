"""Before a control loop starts: its API server is ready, and its host's own former lease is given up."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cluster.shell import program

CURL = """\
for last; do :; done
case "$*" in
*" -X PUT "*) cat > "$STATE/put"; echo "$last" > "$STATE/where" ;;
*/readyz) [ -e "$STATE/ready" ] || { touch "$STATE/ready"; exit 22; } ;;
*) cat "$STATE/lease" ;;
esac
"""


def begin(
    directory: Path, lease: dict[str, Any] | None, name: str = "kube-scheduler"
) -> subprocess.CompletedProcess[str]:
    stubs = {"curl": CURL, "uname": "echo master2", "sleep": "exit 0"}
    for called, body in stubs.items():
        (directory / called).write_text(f"#!/bin/sh\n{body}\n")
        (directory / called).chmod(0o755)
    if lease is not None:
        (directory / "lease").write_text(json.dumps(lease, separators=(",", ":")))
    env = {"PATH": f"{directory}:/usr/bin:/bin", "STATE": str(directory)}
    script = program("loop", URL="https://10.1.10.191:6443", PKI="/pki")
    return subprocess.run(["sh", "-c", script, "loop", name], env=env, capture_output=True, text=True, check=False)


def held_by(holder: str) -> dict[str, Any]:
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 30, "leaseTransitions": 4}
    owner = {"f:spec": {"f:holderIdentity": {}}}
    return {"kind": "Lease", "metadata": {"resourceVersion": "17", "managedFields": [owner]}, "spec": spec}


def test_its_hosts_own_lease_is_given_up(tmp_path: Path) -> None:
    assert begin(tmp_path, held_by("master2_5f1c")).returncode == 0
    then = held_by("")
    del then["spec"]["holderIdentity"]
    assert json.loads((tmp_path / "put").read_text()) == then, "of that very version, so that no other's is taken"
    where = "https://10.1.10.191:6443/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler\n"
    assert (tmp_path / "where").read_text() == where


@pytest.mark.parametrize("holder", ["master_5f1c", "master22_5f1c", "", None])
def test_anybody_elses_is_left(holder: str | None, tmp_path: Path) -> None:
    assert begin(tmp_path, None if holder is None else held_by(holder)).returncode == 0
    assert not (tmp_path / "put").exists()
