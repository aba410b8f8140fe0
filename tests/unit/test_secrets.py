"""Secrets at rest: who decides how they are stored, what a master is told, and when a run is refused."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.certificates import SECRETS_KEY
from cluster.desired import File, Role
from cluster.preflight.secrets import key_spreads, problems
from cluster.roles.secrets import CONFIG, WHOLE, encrypting, known_first
from cluster.settings import Cluster
from cluster.shell import program
from tests.unit.example import SEVERAL, cluster, current, expected, roles

KEY = File(SECRETS_KEY, "c2VjcmV0\n", mode="600")


def master(found: Cluster, *keys: File) -> Role:
    host = found.masters[0]
    return roles(found, host, (*(f for f in expected(found, host) if f.path != SECRETS_KEY), *keys))["master"]


def order(role: Role) -> list[str]:
    """The providers, the one that writes first."""
    text = next(f.content or "" for f in role.files if f.path == CONFIG)
    (resource,) = yaml.safe_load(text)["resources"]
    assert resource["resources"] == ["secrets"]
    return [name for provider in resource["providers"] for name in provider]


def test_secrets_are_encrypted_by_a_key_that_no_other_file_holds() -> None:
    role = master(current(), KEY)
    assert order(role) == ["secretbox", "identity"], "what was stored before can still be read"
    assert not any("c2VjcmV0" in (f.content or "") for f in role.files)
    (unit,) = [u for u in role.units if u.name == "kube-apiserver"]
    assert {CONFIG, SECRETS_KEY} <= set(unit.inputs)
    assert f"--encryption-provider-config={WHOLE}" in str([f.content for f in role.files])


def test_what_was_encrypted_can_be_read_when_nothing_is_any_more() -> None:
    assert order(master(current(encrypt_secrets=False), KEY)) == ["identity", "secretbox"]


@pytest.mark.parametrize("found", [cluster(), current(encrypt_secrets=False)], ids=["guide", "never encrypted"])
def test_nothing_is_said_where_nothing_ever_was_encrypted(found: Cluster) -> None:
    role = master(found)
    assert not role.steps
    assert not any(f.path == CONFIG or "encryption" in (f.content or "") for f in role.files)


def test_secrets_are_rewritten_when_they_are_stored_otherwise() -> None:
    names = set()
    for found, key in (
        (current(), KEY),
        (current(), File(SECRETS_KEY, "other")),
        (current(encrypt_secrets=False), KEY),
    ):
        before, after = master(found, key).steps
        assert (before.when, after.when) == ("before", "after")
        names.add(next(line for line in after.check.splitlines() if line.startswith("RECORD=")))
    assert len(names) == 3, "one record stands for one way to store them"
    assert "RECORD=''" in master(current(), File(SECRETS_KEY, None)).steps[1].check, "of no key nothing is recorded"


def test_of_several_masters_none_has_them_rewritten_before_all_store_them_so() -> None:
    found = current(SEVERAL, api_server_address="api.example")
    assert [step.when for step in master(found, KEY).steps] == ["before"]


def test_the_key_is_known_before_anything_is_encrypted_and_each_takes_one_restart() -> None:
    role = master(current(SEVERAL, api_server_address="api.example"), KEY)
    first = known_first(role)
    assert order(first) == ["identity", "secretbox"]
    assert [(f.path, f.mode, f.owner) for f in first.files] == [(f.path, f.mode, f.owner) for f in role.files]
    assert [f for f in first.files if f.path != CONFIG] == [f for f in role.files if f.path != CONFIG]
    left = encrypting(role)
    assert ([f.path for f in left.files], [u.name for u in left.units]) == ([CONFIG], ["kube-apiserver"])
    assert order(left) == ["secretbox", "identity"]
    assert left.units[0].turn, "it goes host by host"
    assert not left.steps, "what comes after has its own turn"


def test_an_api_server_whose_unit_is_there_has_its_configuration() -> None:
    """Files are written in this order: one that a killed run has left stopped knows the key when it starts."""
    paths = [f.path for f in master(current(), KEY).files]
    assert paths.index(CONFIG) < paths.index("/etc/systemd/system/kube-apiserver.service")


@pytest.mark.parametrize("runs", [True, False])
@pytest.mark.parametrize("encrypts", [True, False])
def test_what_an_api_server_does_with_secrets_is_read_off_its_process_and_files(
    encrypts: bool, runs: bool, tmp_path: Path
) -> None:
    config, whole = tmp_path / "config", tmp_path / "whole"
    text = next(f.content or "" for f in master(current(encrypt_secrets=encrypts), KEY).files if f.path == CONFIG)

    def stored(*arguments: str) -> str:
        functions = program("stored", CONFIG=str(config), WHOLE=str(whole))
        with subprocess.Popen(
            ["sh", "-c", "read line", "kube-apiserver", *arguments], stdin=subprocess.PIPE
        ) as process:
            pid = process.pid if runs else 0
            done = subprocess.run(
                ["sh", "-c", f"{functions}\nstored {pid}"], capture_output=True, text=True, check=True
            )
            process.communicate(b"\n")
        return done.stdout.strip()

    knows = f"--encryption-provider-config={whole}"
    assert stored(knows) == ""
    (whole if runs else config).write_text(text.replace("SECRETS_KEY", "c2VjcmV0"))
    assert stored(knows) == ("encrypted" if encrypts else "read")
    if runs:
        config.write_text(text)
        assert stored("--secure-port=6443") == "", "it was started before there was a configuration"


# --- What the preflight refuses, and in how many rounds a run encrypts ------------------------------------------------

STORE = Path("/store")


def held(*keys: str, installed: bool = True, secrets: str = "encrypted") -> dict[str, dict[str, object]]:
    facts = {"installed": installed, "secrets": secrets}
    return {n: facts | {"secrets_key": k} for n, k in zip(("master", "node1"), keys, strict=False)}


@pytest.mark.parametrize("known", [None, "other"])
def test_a_store_without_the_key_that_a_master_has_is_refused(known: str | None) -> None:
    (said,) = problems(current(), held("key"), known, STORE)
    assert said.startswith("master: ") and "secrets.pem" in said and "/store" in said
    assert problems(current(encrypt_secrets=False), held("key"), known, STORE), "nor could they be read then"
    assert problems(current(), held("key"), "key", STORE) == []


def test_encrypting_begins_on_all_masters_of_a_cluster_that_lives() -> None:
    found = current(SEVERAL, api_server_address="api.example")
    (said,) = problems(found, held(""), None, STORE)
    assert "node1 may not know the key" in said and "--limit" in said
    assert problems(found, held("", ""), None, STORE) == []
    assert problems(found, held("", installed=False), None, STORE) == []
    assert problems(found, held("key"), "key", STORE) == []
    for begun in ("", "read"):  # a run was killed: once the key had come, or once this one's API server knew it
        assert problems(found, held("key", secrets=begun), "key", STORE) == [said]
    off = current(SEVERAL, api_server_address="api.example", encrypt_secrets=False)
    assert problems(off, held("key", secrets="read"), "key", STORE) == []


def serving(**secrets: str | None) -> dict[str, dict[str, Any]]:
    """Hosts by what their API server does with Secrets; None: they have none."""
    there = {"kube-apiserver": {"pid": 1, "ours": True}}
    return {n: {"secrets": s or "", "units": {} if s is None else there} for n, s in secrets.items()}


@pytest.mark.parametrize(
    ("found", "spreads"),
    [
        (serving(master=None, node1=None), False),
        (serving(master="", node1=""), True),
        (serving(master="read", node1=""), True),
        (serving(master="encrypted", node1=""), True),
        (serving(master="read", node1="read"), False),
        (serving(master="encrypted", node1="read"), False),
        (serving(master="encrypted", node1="encrypted"), False),
        (serving(master="", node1=None), True),
        (serving(master="encrypted", node1=None), False),
        (serving(master="read", node1="read", node2=""), True),
        ({**serving(master="read"), "node1": {}}, False),
    ],
    ids=[
        "a new cluster", "encryption begins", "killed in the first round", "killed while it was one round",
        "killed between the rounds", "killed in the second", "nothing to do", "another joins, too", "another joins",
        "a former master serves", "a host could not be read",
    ],
)  # fmt: skip
def test_all_know_the_key_before_one_encrypts(found: dict[str, dict[str, Any]], spreads: bool) -> None:
    several = {"api_server_address": "api.example"}
    assert key_spreads(current(SEVERAL, **several), found) is spreads
    assert not key_spreads(current(SEVERAL, **several, encrypt_secrets=False), found), "what is written can be read"
    assert not key_spreads(cluster(SEVERAL, **several), found), "of releases that have no key"


def test_a_master_alone_takes_one_round_unless_a_former_one_serves() -> None:
    assert not key_spreads(current(), serving(master="", node1=None))
    assert key_spreads(current(), serving(master="", node1=""))


def test_a_former_master_that_has_been_stopped_knows_nothing_any_more() -> None:
    """A run was killed while it was taken away."""
    found = serving(master="encrypted", node1="")
    assert key_spreads(current(), found)
    found["node1"]["units"]["kube-apiserver"] = {"pid": 0, "ours": True}
    assert not key_spreads(current(), found)
    assert key_spreads(current(SEVERAL, api_server_address="api.example"), found), "it is a master, and is to be one"
