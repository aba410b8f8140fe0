"""Secrets at rest: who decides how they are stored, what a master is told, and when a run is refused."""

from pathlib import Path

import pytest
import yaml

from cluster.certificates import SECRETS_KEY
from cluster.desired import File, Role
from cluster.preflight.secrets import problems
from cluster.roles.secrets import CONFIG, WHOLE
from cluster.settings import Cluster
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


# --- What the preflight refuses -------------------------------------------------------------------------------------

STORE = Path("/store")


def held(*keys: str, installed: bool = True) -> dict[str, dict[str, object]]:
    return {n: {"secrets_key": k, "installed": installed} for n, k in zip(("master", "node1"), keys, strict=False)}


@pytest.mark.parametrize("known", [None, "other"])
def test_a_store_without_the_key_that_a_master_has_is_refused(known: str | None) -> None:
    (said,) = problems(current(), held("key"), known, STORE)
    assert said.startswith("master: ") and "secrets.pem" in said and "/store" in said
    assert problems(current(encrypt_secrets=False), held("key"), known, STORE), "nor could they be read then"
    assert problems(current(), held("key"), "key", STORE) == []


def test_encrypting_begins_on_all_masters_of_a_cluster_that_lives() -> None:
    found = current(SEVERAL, api_server_address="api.example")
    (said,) = problems(found, held(""), None, STORE)
    assert "node1 could not read them" in said and "--limit" in said
    assert problems(found, held("", ""), None, STORE) == []
    assert problems(found, held("", installed=False), None, STORE) == []
    assert problems(found, held("key"), "key", STORE) == []
