"""The store: when it issues anew, what it leaves alone, and what it does when others write too or have crashed."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from pki import KeyPair, Permitted, Request, Store, StoreError, certificates, files
from pki.requests import ISSUERS

ROOT = Path(__file__).parents[2]
CLIENT = Request("client", "cluster", "client", organizations=("system:masters",))
SERVER = Request(
    "node1/kubelet", "cluster", "node1", (), ("node1",), ("10.1.10.102", "10.1.10.9"), frozenset({"client", "server"})
)


SERVICES = Permitted(("cluster.local", "svc"), ("192.168.1.0/24", "192.168.0.0/16"))


def at(directory: Path, **settings: object) -> Store:
    return Store(directory / "store", **{"key_type": "ecdsa-p256", **settings})  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return at(tmp_path)


def issue(store: Store, request: Request = CLIENT) -> KeyPair:
    pair = store.ensure(request, write=True)
    assert pair is not None
    return pair


def parsed(pair: KeyPair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.certificate.encode())


def snapshot(directory: Path) -> dict[str, tuple[int, int, bytes]]:
    return {
        str(path): (path.stat().st_mode, path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in [directory, *directory.rglob("*")]
    }


@contextmanager
def days_from_now(monkeypatch: pytest.MonkeyPatch, days: int) -> Iterator[None]:
    later = certificates.now() + timedelta(days=days)
    with monkeypatch.context() as patch:
        patch.setattr(certificates, "now", lambda: later)
        yield


# --- What is issued, and when ---------------------------------------------------------------------------------------


def test_a_fitting_pair_is_kept(store: Store, tmp_path: Path) -> None:
    first = issue(store, SERVER)
    before = snapshot(store.directory)
    shuffled = replace(SERVER, addresses=tuple(reversed(SERVER.addresses)), dns_names=SERVER.dns_names * 2)
    for other in (store, at(tmp_path), at(tmp_path, key_type="rsa-2048")):
        for request in (SERVER, shuffled):
            assert other.reasons(request) == []
            assert other.ensure(request, write=True) == other.ensure(request, write=False) == first
    assert snapshot(store.directory) == before


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"addresses": ("10.1.10.102", "10.0.0.1")}, "names differ: + 10.0.0.1, - 10.1.10.9"),
        ({"dns_names": ("node1", "node1.example")}, "names differ: + node1.example"),
        ({"dns_names": (), "addresses": SERVER.addresses[:1]}, "names differ: - 10.1.10.9, - node1"),
        ({"common_name": "system:node:node1"}, "subject differs: + CN=system:node:node1, - CN=node1"),
        ({"organizations": ("system:nodes",)}, "subject differs: + O=system:nodes"),
        ({"usages": frozenset({"server"})}, "usages differ: - client"),
        ({"authority": "etcd"}, "issuer is not authority 'etcd'"),
    ],
)
def test_a_changed_request_is_issued_anew(store: Store, changed: dict[str, object], reason: str) -> None:
    first = issue(store, SERVER)
    store.authority_certificate("etcd", write=True)
    request = replace(SERVER, **changed)  # type: ignore[arg-type]
    assert store.reasons(request) == [reason]
    assert store.ensure(request, write=False) is None
    second = issue(store, request)
    assert second.key != first.key
    assert store.reasons(request) == []


def test_every_reason_is_given(store: Store) -> None:
    issue(store, SERVER)
    changed = replace(SERVER, common_name="node2", dns_names=("node2",), usages=frozenset({"server"}))
    assert [reason.split(":")[0] for reason in store.reasons(changed)] == [
        "subject differs",
        "names differ",
        "usages differ",
    ]


def test_nothing_stored_is_a_reason(store: Store) -> None:
    assert store.reasons(CLIENT) == ["no certificate"]
    issue(store)
    assert store.reasons(SERVER) == ["no certificate"]


def test_few_days_left(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = issue(store)
    with days_from_now(monkeypatch, 335 - 1):
        assert store.reasons(CLIENT) == []
    with days_from_now(monkeypatch, 335 + 1):
        assert store.reasons(CLIENT) == ["29 days left"]
        assert issue(store) != first
        assert store.reasons(CLIENT) == []


def test_expired(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    end = parsed(issue(store)).not_valid_after_utc
    with days_from_now(monkeypatch, 400):
        assert store.reasons(CLIENT) == [f"expired on {end:%Y-%m-%d}"]
        assert parsed(issue(store)).not_valid_after_utc > certificates.now()


def test_a_new_authority_under_the_old_name(store: Store, tmp_path: Path) -> None:
    issue(store)
    (store.directory / "authorities/cluster.pem").unlink()
    assert store.reasons(CLIENT) == ["authority 'cluster' does not exist yet"]
    assert store.ensure(CLIENT, write=False) is None
    old_signing = store.signing_authority(SERVICES, write=True)
    assert store.reasons(CLIENT) == ["issuer is not authority 'cluster'"]
    issue(store)
    (store.directory / "authorities/cluster.pem").unlink()
    issue(store)
    assert store.signing_authority(SERVICES, write=False) is None
    assert store.signing_authority(SERVICES, write=True) not in (None, old_signing)
    assert store.former_signing_authorities() == [], "the new authority vouches for none of before"


def test_key_of_another_certificate(store: Store) -> None:
    pair, other = issue(store), issue(store, SERVER)
    path = store.directory / "certificates/client.pem"
    path.write_text(other.key + pair.certificate)
    assert store.reasons(CLIENT) == ["key does not match"]
    assert issue(store).key not in (pair.key, other.key)


@pytest.mark.parametrize("content", ["", "half a key", "\xff", "-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_a_damaged_certificate_is_issued_anew(store: Store, content: str) -> None:
    issue(store)
    path = store.directory / "certificates/client.pem"
    path.write_bytes(content.encode("latin-1"))
    assert store.reasons(CLIENT) == [f"{path} is damaged"]
    issue(store)
    assert store.reasons(CLIENT) == []


# --- Lives ----------------------------------------------------------------------------------------------------------


def test_no_leaf_outlives_its_authority_and_that_is_no_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = at(tmp_path, authority_days=20)
    first = issue(store)
    authority = store.authority_certificate("cluster", write=False)
    assert authority is not None
    assert parsed(first).not_valid_after_utc == parsed(KeyPair(authority, "")).not_valid_after_utc
    with days_from_now(monkeypatch, 5):
        assert store.reasons(CLIENT) == []
        assert store.ensure(CLIENT, write=True) == first


def test_a_leaf_that_would_live_longer_is_renewed_once(tmp_path: Path) -> None:
    first = issue(at(tmp_path, authority_days=25, certificate_days=10, renew_days=1))
    store = at(tmp_path)
    assert store.reasons(CLIENT) in (["9 days left"], ["10 days left"])
    second = issue(store)
    authority = store.authority_certificate("cluster", write=False)
    assert authority and parsed(second).not_valid_after_utc == parsed(KeyPair(authority, "")).not_valid_after_utc
    assert parsed(second).not_valid_after_utc > parsed(first).not_valid_after_utc
    assert issue(store) == second


def test_the_signing_authority_ends_with_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = at(tmp_path, authority_days=400)
    issue(store)
    with days_from_now(monkeypatch, 390):
        signing = store.signing_authority(SERVICES, write=True)
        cluster = store.authority_certificate("cluster", write=True)
        assert signing is not None and cluster is not None
        assert parsed(signing).not_valid_after_utc == parsed(KeyPair(cluster, "")).not_valid_after_utc
        assert store.signing_authority(SERVICES, write=True) == signing


def test_an_expired_authority_issues_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = at(tmp_path, authority_days=20)
    issue(store)
    with days_from_now(monkeypatch, 21):
        assert store.ensure(CLIENT, write=False) is None
        with pytest.raises(StoreError, match=r"authority 'cluster' expired on .*: move .*cluster\.pem away"):
            store.ensure(CLIENT, write=True)


# --- Reading only ---------------------------------------------------------------------------------------------------


def test_without_write_nothing_is_written(store: Store, tmp_path: Path) -> None:
    assert store.ensure(CLIENT, write=False) is None
    assert [store.authority_certificate(name, write=False) for name in ISSUERS] == [None] * 3
    assert store.signing_authority(SERVICES, write=False) is None
    assert store.service_account(write=False) is None
    assert store.reasons(CLIENT) and store.survey() == []
    assert list(tmp_path.iterdir()) == []


def test_without_write_a_filled_store_stays_as_it_is(store: Store, tmp_path: Path) -> None:
    issue(store)
    signing = store.signing_authority(SERVICES, write=True)
    account = store.service_account(write=True)
    before = snapshot(tmp_path)
    reader = at(tmp_path, passphrase="new", certificate_days=10, renew_days=5)
    assert reader.ensure(SERVER, write=False) is None
    assert reader.signing_authority(SERVICES, write=False) == signing
    assert reader.authority_certificate("etcd", write=False) is None
    assert reader.service_account(write=False) == account
    assert len(reader.survey()) == 3
    assert snapshot(tmp_path) == before


def test_survey_lists_every_certificate(store: Store) -> None:
    pair = issue(store, SERVER)
    issue(store)
    store.signing_authority(SERVICES, write=True)
    store.service_account(write=True)
    found = {entry.name: entry for entry in store.survey()}
    assert list(found) == ["cluster-signing", "cluster", "client", "node1/kubelet"]
    entry = found["node1/kubelet"]
    assert (entry.subject, entry.issuer) == ("CN=node1", "CN=container-cloud cluster CA")
    assert entry.not_after == parsed(pair).not_valid_after_utc
    assert pair.certificate in entry.path.read_text()


# --- Privacy --------------------------------------------------------------------------------------------------------


def test_directories_and_files_are_private(store: Store, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        issue(store, SERVER)
        store.signing_authority(SERVICES, write=True)
        store.service_account(write=True)
    finally:
        os.umask(before)
    modes = {path: path.stat().st_mode & 0o7777 for path in [store.directory, *store.directory.rglob("*")]}
    assert len(modes) == 9
    assert modes == {path: 0o700 if path.is_dir() else 0o600 for path in modes}


@pytest.mark.parametrize("mode", [0o750, 0o704, 0o711])
def test_an_open_directory_is_refused(store: Store, mode: int) -> None:
    issue(store)
    store.directory.chmod(mode)
    message = rf"has mode {mode:04o}.*chmod 700 {store.directory}"
    for use in (
        lambda: store.ensure(CLIENT, write=False),
        lambda: store.ensure(CLIENT, write=True),
        lambda: store.reasons(CLIENT),
        lambda: store.authority_certificate("etcd", write=True),
        lambda: store.service_account(write=False),
        lambda: store.survey(),
    ):
        with pytest.raises(StoreError, match=message):
            use()


def test_another_users_directory_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    issue(store)
    somebody = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: somebody)
    with pytest.raises(StoreError, match=rf"belongs to user {somebody - 1}, this is user {somebody}"):
        store.ensure(CLIENT, write=False)


@pytest.mark.parametrize("text", ["", "{}", "[]", "a key"])
def test_a_file_in_the_directorys_place_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "store").write_text(text)
    with pytest.raises(StoreError, match="is neither a directory nor the public parts of one"):
        at(tmp_path)
    with pytest.raises(StoreError, match="cannot be read: Not a directory"):
        Store(tmp_path / "store/deeper").service_account(write=True)


def test_repr_shows_no_key(store: Store) -> None:
    pair = issue(store)
    authority = store._kept.open_authority("cluster")
    for shown in (repr(pair), str(pair), repr(authority)):
        assert "PRIVATE" not in shown and pair.key not in shown and "PrivateKey" not in shown
    assert "secret" not in repr(Store(Path("/nowhere"), passphrase="secret"))


# --- Passphrase -----------------------------------------------------------------------------------------------------


ENCRYPTED = "-----BEGIN ENCRYPTED PRIVATE KEY-----"


def keys_in(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text().splitlines()[0] for path in directory.rglob("*.pem")}


def test_passphrase_encrypts_every_key(tmp_path: Path) -> None:
    store = at(tmp_path, passphrase="right")
    pair = issue(store)
    signing, account = store.signing_authority(SERVICES, write=True), store.service_account(write=True)
    assert set(keys_in(store.directory)) == {"cluster.pem", "cluster-signing.pem", "client.pem", "service-account.pem"}
    assert set(keys_in(store.directory).values()) == {ENCRYPTED}
    for given in (pair, signing, account):
        assert given is not None and given.key.startswith("-----BEGIN PRIVATE KEY-----\n"), "hosts have no passphrase"
    again = at(tmp_path, passphrase="right")
    assert again.signing_authority(SERVICES, write=False) == signing
    assert (again.ensure(CLIENT, write=False), again.service_account(write=False)) == (pair, account)


@pytest.mark.parametrize(("passphrase", "message"), [(None, "is encrypted"), ("wrong", "cannot be decrypted")])
def test_without_the_passphrase_nothing_is_signed(tmp_path: Path, passphrase: str | None, message: str) -> None:
    issue(at(tmp_path, passphrase="right"))
    before = snapshot(tmp_path / "store/certificates"), snapshot(tmp_path / "store/authorities")
    store = at(tmp_path, passphrase=passphrase)
    for key, sign in (
        ("cluster", lambda: store.ensure(SERVER, write=True)),
        ("cluster", lambda: store.authority_certificate("etcd", write=True)),
        ("cluster", lambda: store.signing_authority(SERVICES, write=True)),
        ("cluster", lambda: store.service_account(write=True)),
        ("client", lambda: store.ensure(CLIENT, write=True)),
        ("client", lambda: store.ensure(CLIENT, write=False)),
    ):
        with pytest.raises(StoreError, match=rf"{key}\.pem {message}"):
            sign()
    assert (snapshot(tmp_path / "store/certificates"), snapshot(tmp_path / "store/authorities")) == before


def test_a_passphrase_set_later_encrypts_what_is_there_and_issues_nothing(tmp_path: Path) -> None:
    first, account = issue(at(tmp_path)), at(tmp_path).service_account(write=True)
    signing = at(tmp_path).signing_authority(SERVICES, write=True)
    store = at(tmp_path, passphrase="later")
    assert store.ensure(CLIENT, write=False) == first and ENCRYPTED not in keys_in(store.directory).values()
    assert store.ensure(CLIENT, write=True) == first
    assert set(keys_in(store.directory).values()) == {ENCRYPTED}
    assert (store.service_account(write=True), store.signing_authority(SERVICES, write=True)) == (account, signing)
    with pytest.raises(StoreError, match="cannot be decrypted"):
        at(tmp_path, passphrase="mistyped").ensure(SERVER, write=True)


def test_a_store_is_checked_before_it_is_needed(tmp_path: Path) -> None:
    at(tmp_path).check()
    assert list(tmp_path.iterdir()) == [], "there may be none yet"
    at(tmp_path, passphrase="right").service_account(write=True)
    at(tmp_path, passphrase="right").check()
    for passphrase, message in ((None, "is encrypted: its passphrase is needed"), ("wrong", "cannot be decrypted")):
        with pytest.raises(StoreError, match=message):
            at(tmp_path, passphrase=passphrase).check()
    (tmp_path / "store").chmod(0o755)
    with pytest.raises(StoreError, match="chmod 700"):
        at(tmp_path, passphrase="right").check()


def test_a_second_passphrase_encrypts_nothing(tmp_path: Path) -> None:
    """A key in the clear beside others under another passphrase: nobody could tell later which opens which."""
    issue(at(tmp_path))
    clear = tmp_path / "store/certificates/client.pem"
    text = clear.read_text()
    at(tmp_path, passphrase="right").authority_certificate("cluster", write=True)
    clear.write_text(text)
    with pytest.raises(StoreError, match=r"cluster\.pem cannot be decrypted"):
        at(tmp_path, passphrase="mistyped").ensure(CLIENT, write=True)
    assert clear.read_text() == text


# --- The authority whose key is on hosts ----------------------------------------------------------------------------


def unconstrained(store: Store) -> KeyPair:
    """A signing authority as stores had it before there were constraints, put in the store's place of one."""
    store.authority_certificate("cluster", write=True)
    made = certificates.issue_authority(
        "container-cloud cluster-signing CA",
        key=certificates.generate_key("ecdsa-p256"),
        days=3650,
        path_length=0,
        issuer=store._kept.open_authority("cluster"),
    )
    pair = KeyPair(certificates.certificate_pem(made.certificate), certificates.key_pem(made.key))
    files.write(store.directory / "authorities/cluster-signing.pem", pair.key + pair.certificate)
    return pair


def signing_of(store: Store, permitted: Permitted = SERVICES) -> KeyPair:
    pair = store.signing_authority(permitted, write=True)
    assert pair is not None
    return pair


def test_a_signing_authority_of_before_moves_to_a_new_key_and_is_remembered(store: Store) -> None:
    old = unconstrained(store)
    before = snapshot(store.directory)
    assert store.signing_authority(SERVICES, write=False) is None and store.former_signing_authorities() == []
    assert snapshot(store.directory) == before
    new = signing_of(store)
    assert parsed(new).public_key() != parsed(old).public_key() and new.key != old.key
    assert store.former_signing_authorities() == [old.certificate], "its clients are clients still"
    kept = "".join(path.read_text() for path in store.directory.rglob("*") if path.is_file())
    assert old.key not in kept, "nobody signs with it any more"
    after = snapshot(store.directory)
    assert signing_of(store) == new == store.signing_authority(SERVICES, write=False)
    assert snapshot(store.directory) == after, "once"


def test_other_names_make_another_signing_authority(store: Store) -> None:
    first = signing_of(store)
    shuffled = Permitted(tuple(reversed(SERVICES.dns_names)), tuple(reversed(SERVICES.networks)))
    assert store.signing_authority(shuffled, write=False) == first
    second = signing_of(store, Permitted(("example.internal", "svc"), SERVICES.networks))
    third = signing_of(store, Permitted(SERVICES.dns_names, ("10.96.0.0/12",)))
    assert len({pair.key for pair in (first, second, third)}) == 3
    assert set(store.former_signing_authorities()) == {first.certificate, second.certificate}


def test_a_former_signing_authority_is_forgotten_at_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = signing_of(at(tmp_path, authority_days=40))
    (tmp_path / "store/authorities/cluster.pem").unlink()
    store = at(tmp_path)
    root = store.authority_certificate("cluster", write=True)
    short = at(tmp_path, authority_days=40)
    former = signing_of(short)
    with days_from_now(monkeypatch, 15):
        present = signing_of(store)
        assert present != former and store.former_signing_authorities() == [former.certificate]
        assert old.certificate not in store.former_signing_authorities() and root
    with days_from_now(monkeypatch, 41):
        assert store.former_signing_authorities() == [] and signing_of(store) == present


def test_a_killed_replacement_is_not_yet_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between remembering the former one and writing the new one."""
    old, calls = unconstrained(store), []
    write = files.write

    def killed(path: Path, text: str) -> None:
        calls.append(path)
        if len(calls) == 2:
            raise KeyboardInterrupt
        write(path, text)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(files, "write", killed)
        signing_of(store)
    assert store.former_signing_authorities() == [] and store.signing_authority(SERVICES, write=False) is None
    assert signing_of(store) != old and store.former_signing_authorities() == [old.certificate]


@pytest.mark.parametrize(
    ("names", "networks"),
    [((), ("10.0.0.0/8",)), (("svc",), ()), (("10.0.0.1",), ("10.0.0.0/8",)), (("*.svc",), ("10.0.0.0/8",)),
     (("svc",), ("10.0.0.1/8",))],
)  # fmt: skip
def test_what_would_permit_everything_is_refused(names: tuple[str, ...], networks: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"needs a domain and a network|is no domain|has host bits set"):
        Permitted(names, networks)


# --- Names of before ------------------------------------------------------------------------------------------------

NODE = Request("node1/node", "cluster", "system:node:node1", ("system:nodes",), formerly="node1")


def test_a_pair_under_its_name_of_before_is_moved_and_not_issued_anew(store: Store) -> None:
    first = issue(store, replace(NODE, name="node1", formerly=None))
    before = snapshot(store.directory)
    assert store.reasons(NODE) == [] and store.ensure(NODE, write=False) == first
    assert snapshot(store.directory) == before
    assert issue(store, NODE) == first == store.ensure(NODE, write=False)
    listed = {path.relative_to(store.directory / "certificates").as_posix() for path in store.directory.rglob("*.pem")
              if "certificates" in path.parts}  # fmt: skip
    assert listed == {"node1/node.pem"}
    assert (store.directory / "certificates/node1").stat().st_mode & 0o777 == 0o700


def test_what_is_due_under_its_name_of_before_leaves_nothing_there(store: Store) -> None:
    first = issue(store, replace(NODE, name="node1", formerly=None, organizations=("system:nodes",), authority="etcd"))
    store.authority_certificate("cluster", write=True)
    assert store.reasons(NODE) == ["issuer is not authority 'cluster'"]
    assert issue(store, NODE) != first
    assert not (store.directory / "certificates/node1.pem").exists()


def test_a_name_of_several_labels_is_one_directory(store: Store) -> None:
    node = replace(NODE, name="node1.example.com/node", formerly="node1.example.com")
    first = issue(store, replace(node, name="node1.example.com", formerly=None))
    assert issue(store, node) == first
    assert [p.name for p in (store.directory / "certificates").iterdir()] == ["node1.example.com"]


def test_another_owners_pair_under_that_name_stays_his(store: Store) -> None:
    """A node may be called as a component is."""
    scheduler = Request("scheduler", "cluster", "system:kube-scheduler")
    node = replace(NODE, name="scheduler/node", common_name="system:node:scheduler", formerly="scheduler")
    pairs = issue(store, scheduler), issue(store, node)
    assert pairs[0] != pairs[1]
    for _ in range(2):
        assert (issue(store, scheduler), issue(store, node)) == pairs


# --- What is public ------------------------------------------------------------------------------------------------


def exported(store: Store, tmp_path: Path) -> Store:
    path = tmp_path / "export.json"
    path.write_text(store.export())
    return Store(path)


def test_an_export_has_what_comparing_needs_and_no_key(tmp_path: Path) -> None:
    store = at(tmp_path, passphrase="right")
    unconstrained(store)
    pairs = {request: issue(store, request) for request in (CLIENT, SERVER)}
    signing, account = signing_of(store), store.service_account(write=True)
    public = exported(store, tmp_path)
    text = (tmp_path / "export.json").read_text()
    assert "PRIVATE" not in text and account is not None
    for pair in (*pairs.values(), signing, account):
        body = pair.key.split("-----")[2].split()
        assert not any(line in text for line in body)
    for request, pair in pairs.items():
        assert public.reasons(request) == []
        found = public.ensure(request, write=False)
        assert found and (found.certificate, found.key, found.digest) == (pair.certificate, "", pair.digest)
    assert pairs[CLIENT].digest == hashlib.sha256(pairs[CLIENT].key.encode()).hexdigest()
    for name in ISSUERS:
        assert public.authority_certificate(name, write=False) == store.authority_certificate(name, write=False)
    shown, token = public.signing_authority(SERVICES, write=False), public.service_account(write=False)
    assert shown and (shown.certificate, shown.digest) == (signing.certificate, signing.digest)
    assert token and (token.certificate, token.digest) == (account.certificate, account.digest)
    assert public.former_signing_authorities() == store.former_signing_authorities() != []
    assert public.export() == text, "it can be handed on"


def test_an_export_judges_as_the_store_does(store: Store, tmp_path: Path) -> None:
    issue(store, SERVER)
    issue(store, replace(NODE, name="node1", formerly=None))
    public = exported(store, tmp_path)
    changed = replace(SERVER, dns_names=("node2",))
    for request in (CLIENT, SERVER, changed, NODE):
        assert public.reasons(request) == store.reasons(request)
    assert public.signing_authority(SERVICES, write=False) is None


def test_an_export_signs_nothing(store: Store, tmp_path: Path) -> None:
    issue(store)
    public = exported(store, tmp_path)
    for write in (
        lambda: public.ensure(CLIENT, write=True),
        lambda: public.authority_certificate("etcd", write=True),
        lambda: public.signing_authority(SERVICES, write=True),
        lambda: public.service_account(write=True),
    ):
        with pytest.raises(StoreError, match=r"export\.json holds the public parts of a certificate store"):
            write()


def test_nothing_is_exported_of_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no certificate store in"):
        at(tmp_path).export()
    assert list(tmp_path.iterdir()) == []


# --- Damage ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["authorities/cluster.pem", "service-account.pem"])
def test_damaged_roots_are_never_replaced(store: Store, name: str) -> None:
    issue(store)
    store.service_account(write=True)
    path = store.directory / name
    path.write_text(path.read_text()[:100])
    kept = path.read_bytes()
    for write in (False, True):
        with pytest.raises(StoreError, match=f"{name} is damaged: restore it from a backup"):
            store.ensure(CLIENT, write=write) if "cluster" in name else store.service_account(write=write)
    assert path.read_bytes() == kept


def test_an_authority_with_a_foreign_key_signs_nothing(store: Store) -> None:
    issue(store)
    store.authority_certificate("etcd", write=True)
    cluster, etcd = (store.directory / f"authorities/{name}.pem" for name in ("cluster", "etcd"))
    begin = "-----BEGIN CERTIFICATE-----"
    cluster.write_text(etcd.read_text().partition(begin)[0] + begin + cluster.read_text().partition(begin)[2])
    with pytest.raises(StoreError, match=r"key and certificate in .*cluster\.pem do not match"):
        store.ensure(SERVER, write=True)


CRASHING = """
import os, sys
from pathlib import Path
from pki import Request, Store
count = 0
fsync = os.fsync
def crash(descriptor):
    global count
    count += 1
    if count > int(sys.argv[2]):
        os.kill(os.getpid(), 9)
    fsync(descriptor)
os.fsync = crash
Store(Path(sys.argv[1]), key_type="ecdsa-p256").ensure(Request("client", "cluster", "client"), write=True)
"""


@pytest.mark.parametrize("calls", range(4))
def test_a_killed_writer_leaves_nothing_that_the_next_run_does_not_heal(tmp_path: Path, calls: int) -> None:
    """Killed at each moment that matters: before and after the rename of the authority, then of the certificate."""
    store = at(tmp_path)
    killed = subprocess.run([sys.executable, "-c", CRASHING, str(store.directory), str(calls)], cwd=ROOT)
    assert killed.returncode == -9
    leftovers = list(store.directory.rglob(".*.tmp"))
    assert len(leftovers) == (calls + 1) % 2
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in leftovers)
    kept = store.authority_certificate("cluster", write=False)
    assert (kept is not None) == (calls >= 1)
    request = Request("client", "cluster", "client")
    assert store.reasons(request) == ([] if calls == 3 else ["no certificate"])
    issue(store, request)
    issue(store, SERVER)
    assert store.reasons(request) == []
    assert kept in (None, store.authority_certificate("cluster", write=False))
    assert list(store.directory.rglob(".*.tmp")) == []


def test_a_failed_write_keeps_the_old_pair(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = issue(store)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match=r"client\.pem cannot be written: No space left on device"):
            store.ensure(replace(CLIENT, common_name="other"), write=True)
    assert store.ensure(CLIENT, write=False) == first
    assert list(store.directory.rglob(".*.tmp")) == []


# --- Several at once ------------------------------------------------------------------------------------------------

WRITER = """
import hashlib, sys
from pathlib import Path
from pki import Permitted, Request, Store
store = Store(Path(sys.argv[1]), key_type="ecdsa-p256")
services = Permitted(("cluster.local",), ("192.168.0.0/16",))
print("ready", flush=True)
sys.stdin.read()
digest = hashlib.sha256()
for number in range(12):
    digest.update(repr(store.ensure(Request(f"node{number}", "cluster", f"node{number}"), write=True)).encode())
digest.update(repr(store.signing_authority(services, write=True)).encode())
digest.update(repr(store.service_account(write=True)).encode())
print(digest.hexdigest())
"""

GREENLETS = """
from gevent import monkey
monkey.patch_all()
import sys, gevent
from pathlib import Path
from pki import Request, Store
stores = [Store(Path(sys.argv[1]), key_type="ecdsa-p256") for _ in range(2)]
def use(number):
    return stores[number % 2].ensure(Request(f"node{number // 4}", "cluster", "node"), write=True)
jobs = [gevent.spawn(use, number) for number in range(16)]
gevent.joinall(jobs, timeout=20, raise_error=True)
pairs = {job.value for job in jobs}
assert None not in pairs and len(pairs) == 4, len(pairs)
"""


def test_processes_at_once_end_with_the_same_certificates(store: Store) -> None:
    command = [sys.executable, "-c", WRITER, str(store.directory)]
    pipe = subprocess.PIPE
    writers = [subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) for _ in range(3)]
    assert [writer.stdout.readline() for writer in writers if writer.stdout] == ["ready\n"] * 3
    for writer in writers:
        if writer.stdin:
            writer.stdin.close()
            writer.stdin = None
    answers = {writer.communicate(timeout=30)[0] for writer in writers}
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert len(answers) == 1
    assert len(store.survey()) == 14
    assert all(store.reasons(Request(f"node{n}", "cluster", f"node{n}")) == [] for n in range(12))


def test_greenlets_at_once_wait_for_each_other_and_for_other_processes(store: Store) -> None:
    pytest.importorskip("gevent")
    command = [sys.executable, "-c", GREENLETS, str(store.directory)]
    runs = [subprocess.Popen(command, cwd=ROOT) for _ in range(2)]
    assert [run.wait(30) for run in runs] == [0, 0]
    assert len(store.survey()) == 5


def test_a_held_lock_names_its_holder(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    issue(store)
    monkeypatch.setattr(files, "LOCK_DEADLINE", 0.1)
    with files.locked(store.directory):
        assert store.ensure(CLIENT, write=True) is not None, "a pair that fits needs no lock"
        with pytest.raises(StoreError, match=rf"still being written by process {os.getpid()} on "):
            store.ensure(SERVER, write=True)
    assert store.ensure(SERVER, write=True) is not None


def test_what_another_process_issued_meanwhile_is_taken(store: Store, tmp_path: Path) -> None:
    other = at(tmp_path)
    examine = store._examine
    theirs: list[KeyPair] = []

    def examine_then_lose_the_race(request: Request) -> tuple[KeyPair | None, list[str]]:
        answer = examine(request)
        if not theirs:
            theirs.append(issue(other, request))
        return answer

    store._examine = examine_then_lose_the_race  # type: ignore[method-assign]
    assert store.ensure(CLIENT, write=True) == theirs[0]


# --- Settings and requests ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"key_type": "dsa"}, "key type 'dsa' is none of rsa-2048, ecdsa-p256"),
        ({"authority_days": 0}, "live 1 day or longer"),
        ({"certificate_days": 30}, "would be issued anew by every run"),
        ({"renew_days": -1}, "is not negative"),
        ({"passphrase": ""}, "passphrase is empty"),
    ],
)
def test_impossible_settings(tmp_path: Path, settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        at(tmp_path, **settings)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "../x"}, "a name is a relative path"),
        ({"name": "/etc/x"}, "a name is a relative path"),
        ({"name": ""}, "a name is a relative path"),
        ({"name": "node1/"}, "a name is a relative path"),
        ({"name": ".lock"}, "a name is a relative path"),
        ({"name": "node1\n"}, "a name is a relative path"),
        ({"name": "node1.pem/x"}, "a name is a relative path"),
        ({"authority": "cluster-signing"}, "authority 'cluster-signing' is none of cluster, etcd, front-proxy"),
        ({"common_name": ""}, "common name '' is not 1 to 64 printable characters"),
        ({"common_name": "x" * 65}, "is not 1 to 64 printable characters"),
        ({"organizations": ("a", "")}, "organization '' is not 1 to 64"),
        ({"usages": frozenset()}, r"usages \[\] are not one or both of client, server"),
        ({"usages": frozenset({"client", "peer"})}, r"usages \['client', 'peer'\] are not"),
        ({"addresses": ("master",)}, "'master' is not an IP address"),
        ({"addresses": ("10.0.0.0/8",)}, "'10.0.0.0/8' is not an IP address"),
        ({"addresses": ("fe80::1%eth0",)}, "'fe80::1%eth0' is not an IP address"),
        ({"dns_names": ("10.0.0.1",)}, "'10.0.0.1' is an IP address, not a DNS name"),
        ({"dns_names": ("a_b",)}, "'a_b' is not a DNS name"),
        ({"dns_names": ("ä.example",)}, "'ä.example' is not a DNS name"),
        ({"usages": frozenset({"server"})}, "a server needs at least one DNS name or address"),
    ],
)
def test_a_request_no_certificate_can_hold(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(CLIENT, **values)  # type: ignore[arg-type]


def test_the_longest_names_are_issued(store: Store) -> None:
    longest = Request("a", "cluster", "c" * 64, ("o" * 64,), (".".join(["d" * 63] * 3), "*.example"), ("::1",))
    assert issue(store, longest) == store.ensure(longest, write=False)


def test_an_unknown_authority(store: Store) -> None:
    with pytest.raises(ValueError, match=r"authority 'nothing' is none of cluster, etcd, front-proxy$"):
        store.authority_certificate("nothing", write=True)


def test_home_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Store(Path("~/pki")).directory == tmp_path / "pki"
