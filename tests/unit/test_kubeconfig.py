"""The kubeconfig of the person at the controlling machine: whom it calls, and when it is written."""

import base64
import logging
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID
from pyinfra.api import FunctionCommand, StringCommand
from pyinfra.context import ctx_host, ctx_inventory, ctx_state

from cluster.kubeconfig import servers
from operations import certificates, kubeconfig
from operations.inventory import store, the_cluster
from operations.report import Report
from pki import certificates as issuing
from tests.unit.example import SEVERAL, Run, cluster


@pytest.fixture
def begin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """Begins a run whose store has the cluster's authority already."""

    def forget() -> None:
        the_cluster.cache_clear()
        store.cache_clear()

    def begun(in_groups: dict[str, list[str]] | None = None, *, authority: bool = True, **settings: Any) -> Run:
        forget()
        made = Run(in_groups, pki_directory=str(tmp_path / "pki"), pki_key_type="ecdsa-p256", **settings)
        if authority:
            made.store.authority_certificate("cluster", write=True)
        return made

    monkeypatch.setattr("operations.report.report", Report())
    monkeypatch.setattr("operations.certificates.wanted", False)
    yield begun
    forget()


@pytest.fixture(autouse=True)
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "pyinfra")
    return caplog


def written(this: Run) -> list[Any]:
    """What the operation yields in the phase that changes things, carried out."""
    commands = this.perform(kubeconfig.administrators, "master")
    for command in commands:
        if isinstance(command, FunctionCommand):
            with ctx_state.use(this.state), ctx_inventory.use(this.inventory), ctx_host.use(this.state.inventory):
                command.function(*command.args, **command.kwargs)
    return commands


def pem(data: str) -> bytes:
    return base64.b64decode(data)


def refusal(commands: list[Any]) -> str:
    (command,) = commands
    assert isinstance(command, StringCommand)
    done = subprocess.run(["sh", "-c", command.get_raw_value()], capture_output=True, text=True)
    assert done.returncode == 1
    return done.stderr


def test_one_master_is_called_by_its_own_address() -> None:
    assert servers(cluster(cluster_name="shop")) == {"shop": "https://10.1.10.101:6443"}


def test_of_several_masters_the_first_is_in_use_and_every_other_a_context() -> None:
    several = cluster(SEVERAL, api_server_address="api.example", cluster_name="shop")
    assert servers(several) == {"shop": "https://api.example:6443"}
    own = several.settings.model_copy(update={"api_server_address": None})
    each = several.model_copy(update={"settings": own})
    assert servers(each) == {"shop": "https://10.1.10.101:6443", "shop@node1": "https://10.1.10.102:6443"}


def test_it_holds_all_that_kubectl_needs(begin: Any, tmp_path: Path) -> None:
    this = begin(cluster_name="shop")
    (command,) = written(this)
    assert not command.args and not command.kwargs  # pyinfra shows them
    path = tmp_path / "pki/kubeconfig"
    assert path.stat().st_mode & 0o777 == 0o600
    content = yaml.safe_load(path.read_text())
    (context,), (called,), (user,) = content["contexts"], content["clusters"], content["users"]
    assert content["current-context"] == context["name"] == called["name"] == "shop"
    assert context["context"] == {"cluster": "shop", "user": user["name"]}
    assert called["cluster"]["server"] == "https://10.1.10.101:6443"
    authority = x509.load_pem_x509_certificate(pem(called["cluster"]["certificate-authority-data"]))
    certificate = x509.load_pem_x509_certificate(pem(user["user"]["client-certificate-data"]))
    certificate.verify_directly_issued_by(authority)
    names = {a.oid: a.value for a in certificate.subject}
    assert names == {NameOID.COMMON_NAME: "administrator", NameOID.ORGANIZATION_NAME: "system:masters"}
    assert pem(user["user"]["client-key-data"]).startswith(b"-----BEGIN PRIVATE KEY-----")


def test_a_second_run_does_nothing(begin: Any, tmp_path: Path) -> None:
    written(begin())
    before = (tmp_path / "pki/kubeconfig").stat()
    this = begin()
    assert written(this) == [] and this.noops["master"] == [f"{tmp_path}/pki/kubeconfig is as it shall be"]
    after = (tmp_path / "pki/kubeconfig").stat()
    assert (after.st_ino, after.st_ctime_ns) == (before.st_ino, before.st_ctime_ns)


def test_a_dry_run_announces_and_issues_nothing(begin: Any, tmp_path: Path, said: Any) -> None:
    this = begin(kubeconfig=f"{tmp_path}/mine/config")
    assert len(this.perform(kubeconfig.administrators, "master", executing=False)) == 1
    assert this.lines(said.records, "master") == [
        f"write {tmp_path}/mine/config on this machine (for kubectl on this machine)"
    ]
    assert not (tmp_path / "mine").exists() and not (tmp_path / "pki/certificates").exists()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("edited", "changed"),
        ("open to others", "others may use it: mode 644"),
        ("certificate near its end", "another certificate: 20 days left"),
        ("another address", "changed"),
    ],
)
def test_it_is_written_again_where_it_is_not_as_it_shall_be(
    change: str, reason: str, begin: Any, tmp_path: Path, said: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(begin())
    path, settings = tmp_path / "pki/kubeconfig", {}
    before = path.read_text()
    if change == "edited":
        path.write_text(f"{before}# mine\n")
    elif change == "open to others":
        path.chmod(0o644)
    elif change == "another address":
        settings = {"api_server_address": "api.example"}
    else:
        later = issuing.now() + timedelta(days=344, hours=12)
        monkeypatch.setattr(issuing, "now", lambda: later)
    said.clear()
    this = begin(**settings)
    written(this)
    assert this.lines(said.records, "master") == [f"write {path} on this machine ({reason})"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert (path.read_text() == before) == (change in ("edited", "open to others"))
    assert written(begin(**settings)) == []


def test_what_a_killed_run_left_beside_it_is_no_hindrance(begin: Any, tmp_path: Path) -> None:
    left = tmp_path / "mine/.config.tmp"
    left.parent.mkdir()
    left.write_text("half a key")
    written(begin(kubeconfig=f"{tmp_path}/mine/config"))
    assert [p.name for p in left.parent.iterdir()] == ["config"]


@pytest.mark.parametrize("executing", [True, False])
def test_a_file_of_somebody_elses_is_left(executing: bool, begin: Any, tmp_path: Path, said: Any) -> None:
    theirs = tmp_path / "config"
    theirs.write_text("apiVersion: v1\n")
    this = begin(kubeconfig=str(theirs))
    if executing:
        told = refusal(written(this))
    else:
        with pytest.raises(SystemExit):
            this.perform(kubeconfig.administrators, "master", executing=False)
        told = said.text
    assert f"{theirs} is not this project's" in told and "move it away" in told
    assert theirs.read_text() == "apiVersion: v1\n"


def test_without_the_clusters_store_there_is_none(begin: Any, tmp_path: Path, said: Any) -> None:
    this = begin(authority=False)
    with pytest.raises(SystemExit):
        this.perform(kubeconfig.administrators, "master", executing=False)
    assert "no authority yet" in said.text and "deploys/cluster.py first" in said.text
    assert "no authority yet" in refusal(written(this))
    assert not (tmp_path / "pki").exists()


def test_in_a_run_that_makes_the_store_it_is_announced(begin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    this = begin(authority=False)
    monkeypatch.setattr(certificates, "wanted", True)
    assert len(this.perform(kubeconfig.administrators, "master", executing=False)) == 1


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl here")
def test_kubectl_reads_it(begin: Any, tmp_path: Path) -> None:
    written(begin(cluster_name="shop"))
    path = tmp_path / "pki/kubeconfig"
    shown = subprocess.run(
        ["kubectl", "--kubeconfig", path, "config", "current-context"], capture_output=True, text=True
    )
    assert shown.stdout.strip() == "shop"
