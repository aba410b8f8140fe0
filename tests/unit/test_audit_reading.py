"""How hosts are read for an audit: in two commands; as root, or by the file that an account may run."""

from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from pyinfra.context import ctx_config, ctx_state

from audit.answers import Reading
from cluster.certificates import open_store
from facts.audit import questions, reader
from pki import Store
from tests.unit.example import PACKAGES, cluster, roles
from tests.unit.test_settings import data

with patch("gevent.monkey.patch_all"):  # pyinfra's command line would replace the threads that pytest-xdist waits in
    from audit import reading

CLUSTER = cluster()
HOST = CLUSTER.host("node1")
MARK = "@@ container-cloud"
PREFLIGHT = [
    f"{MARK} preflight", "distribution=debian", "version=12", "name=Debian GNU/Linux 12", "manager=apt-get", "uid={}",
    "architecture=x86_64",
    "init=systemd", "disk=100", "free_disk=60", "clock=0.0", f"{MARK} 0",
]  # fmt: skip


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Answers the first command as a Debian host of a user id does, and the second with the lines given."""

    def make(uid: int, *lines: str) -> list[str]:
        sent: list[str] = []

        def run(_: Any, script: str) -> list[str]:
            sent.append(script)
            return [line.format(uid) for line in PREFLIGHT] if len(sent) == 1 else list(lines)

        monkeypatch.setattr(reading, "_run", run)
        return sent

    return make


def ask(tmp_path: Path) -> Reading:
    made = Reading(HOST)
    reading._ask_all(None, made, CLUSTER, Store(tmp_path / "none"))
    return made


def test_two_commands_are_all(there: Any, tmp_path: Path) -> None:
    sent = there(0, f"{MARK} lease", "FLANNEL_MTU=1450", f"{MARK} 0")
    made = ask(tmp_path)
    assert len(sent) == 2
    assert made.trouble == "" and made.fact("lease") == {"FLANNEL_MTU": "1450"}
    assert not (tmp_path / "none").exists(), "nothing is written to the store"


def test_a_distribution_nobody_knows_costs_one(there: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "PREFLIGHT", [PREFLIGHT[0], "distribution=x", PREFLIGHT[-1]])
    sent = there(0)
    assert ask(tmp_path).trouble == "its distribution or its architecture is not known" and len(sent) == 1


def test_packages_that_a_distribution_does_not_have(there: Any, tmp_path: Path) -> None:
    sent = there(0)
    made = Reading(HOST)
    reading._ask_all(None, made, cluster(install_methods=PACKAGES), Store(tmp_path / "none"))
    assert "install_methods" in made.trouble and len(sent) == 1


def test_an_architecture_without_digests(there: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "PREFLIGHT", [line.replace("x86_64", "aarch64") for line in PREFLIGHT])
    there(0)
    trouble = ask(tmp_path).trouble
    assert trouble.startswith("nobody has a digest of https://") and "release lock --arch arm64" in trouble


def test_an_account_runs_the_file_and_nothing_else(there: Any, tmp_path: Path) -> None:
    asked = questions(CLUSTER, HOST, "deb", roles(CLUSTER, HOST).values())
    digest = sha256(reader(asked).encode()).hexdigest()
    sent = there(1000, f"{MARK} lease", "FLANNEL_MTU=1450", f"{MARK} 0")
    made = ask(tmp_path)
    assert made.trouble == "" and made.fact("lease") == {"FLANNEL_MTU": "1450"}
    assert (
        sent[1].count("sudo") == 1 and f"= {digest} ] && sudo -n /usr/local/libexec/container-cloud/audit;" in sent[1]
    )


def test_an_account_that_may_not_is_told_what_to_do(there: Any, tmp_path: Path) -> None:
    there(1000)
    made = ask(tmp_path)
    assert "run deploys/audit.py as root" in made.trouble and list(made.facts) == ["preflight"]


@pytest.mark.parametrize("name", ["inventory.py", "nodes.py", "all.py"])
def test_groups_are_those_somebody_has_written(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that is called like the file, after which pyinfra names a group of its own."""
    path = tmp_path / name
    path.write_text(
        "masters = ['master']\nnodes = [('node1', {}), ('node2', {}), ('node1', {})], {'region': 'eu'}\n"
        "etcd = masters\n_hidden = ['x']\nothers = ['other']\n"
    )
    monkeypatch.setattr(reading, "load", lambda hosts, groups: ((set(hosts), groups), []))
    try:
        _, (hosts, groups), _ = reading.open_inventory(path)
    finally:
        ctx_state.reset()
        ctx_config.reset()
    assert hosts == {"master", "node1", "node2", "other"}
    assert groups == {
        "masters": ["master"],
        "nodes": ["node1", "node2", "node1"],
        "etcd": ["master"],
        "others": ["other"],
    }


def test_an_export_needs_neither_a_passphrase_nor_a_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written where the store is; read where neither it nor its passphrase is."""
    from audit import __main__ as command

    settings = data(pki_directory=str(tmp_path / "pki"), pki_passphrase_file=str(tmp_path / "secret"))
    path, public = tmp_path / "inventory.py", tmp_path / "public.json"
    path.write_text(f"masters = {[('master', settings['master'])]}\netcd = masters\n")
    (tmp_path / "secret").write_text("correct horse\n")
    (tmp_path / "secret").chmod(0o600)
    Store(tmp_path / "pki", key_type="ecdsa-p256", passphrase="correct horse").service_account(write=True)
    try:
        assert command.main(["--inventory", str(path), "--export", str(public)]) == 1, "no authority yet"
        store = Store(tmp_path / "pki", key_type="ecdsa-p256", passphrase="correct horse")
        authority = store.authority_certificate("cluster", write=True)
        assert command.main(["--inventory", str(path), "--export", str(public)]) == 0
        for secret in ("secret", "pki"):
            (tmp_path / secret).rename(tmp_path / f"not-{secret}")
        _, found, _ = reading.open_inventory(path, public)
        assert open_store(found.settings).authority_certificate("cluster", write=False) == authority
    finally:
        ctx_state.reset()
        ctx_config.reset()
