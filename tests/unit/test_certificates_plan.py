"""Which certificates each host holds: names, users and groups, usages; and which never reach it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from cluster.certificates import Placed, certificate_files, certificates, server_names, signed_names
from cluster.desired import File
from cluster.settings import Cluster, load
from pki import Request, Store
from tests.unit.example import DEBIAN, cluster, expected, several
from tests.unit.test_settings import data, fqdn

SHIPPED, SEVERAL = cluster(), several(api_server_extra_names=["k8s.example", "192.0.2.7", "localhost"])
PKI, ETCD, FLANNEL = "/etc/kubernetes/ca", "/etc/etcd/pki", "/etc/flannel/pki"
CLIENT, SERVER = frozenset({"client"}), frozenset({"server"})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("pki"), key_type="ecdsa-p256")


def placed(found: Cluster, name: str) -> dict[str, Request]:
    listed: list[Placed] = certificates(found, found.host(name))
    assert len({p.path for p in listed}) == len(listed)
    return {p.path: p.request for p in listed}


def paths(found: Cluster, name: str) -> set[str]:
    return {f.path for f in expected(found, found.host(name))}


# --- Names ----------------------------------------------------------------------------------------------------------


def test_the_api_servers_certificate_has_the_guides_nine_names() -> None:
    request = placed(SHIPPED, "master")[f"{PKI}/server"]
    assert request.common_name == "master"
    assert set(request.dns_names) == {
        "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
        "localhost", "master",
    }  # fmt: skip
    assert set(request.addresses) == {"127.0.0.1", "192.168.1.1", "10.1.10.101"}
    assert request.usages == SERVER


def test_names_follow_the_settings() -> None:
    names, addresses = server_names(SEVERAL, SEVERAL.host("node1"))
    assert set(names) >= {"node1", "api.example", "k8s.example"} and "master" not in names
    assert set(addresses) == {"127.0.0.1", "192.168.1.1", "10.1.10.102", "192.0.2.7"}
    assert names.count("localhost") == 1, "named once though asked for twice"
    moved = cluster(cluster_domain="example.internal", service_network="10.96.0.0/16", api_server_address="192.0.2.1")
    names, addresses = server_names(moved, moved.host("master"))
    assert "kubernetes.default.svc.example.internal" in names
    assert {"10.96.0.1", "192.0.2.1"} <= set(addresses)


@pytest.mark.parametrize("name", ["node1.example.com", "n" * 52])
def test_names_of_any_kind_and_length_a_host_may_have_fit_a_certificate(name: str) -> None:
    found = fqdn(name, "node2", "node3")
    assert placed(found, name)[f"{PKI}/kubelet"].common_name == f"system:node:{name}"
    assert placed(found, name)[f"{PKI}/kubelet"].dns_names == (name,)
    assert len(set(expected(found, found.host(name)))) == len(expected(found, found.host(name)))


def test_certificates_of_a_master() -> None:
    found = {path: (r.authority, r.common_name, r.organizations) for path, r in placed(SHIPPED, "master").items()}
    assert found == {
        f"{ETCD}/server": ("etcd", "master", ()),
        f"{ETCD}/peer": ("etcd", "master", ()),
        f"{ETCD}/root": ("etcd", "root", ()),
        f"{PKI}/server": ("cluster", "master", ()),
        f"{PKI}/client": ("cluster", "client", ("system:masters",)),
        f"{PKI}/etcd-client": ("etcd", "kube-apiserver", ()),
        f"{PKI}/kubelet-client": ("cluster", "kube-apiserver-kubelet-client", ()),
        f"{PKI}/controller-manager": ("cluster", "system:kube-controller-manager", ()),
        f"{PKI}/scheduler": ("cluster", "system:kube-scheduler", ()),
        f"{PKI}/front-proxy-client": ("front-proxy", "front-proxy-client", ()),
    }


def test_certificates_of_a_node() -> None:
    found = {path: (r.authority, r.common_name, r.organizations) for path, r in placed(SHIPPED, "node2").items()}
    assert found == {
        f"{PKI}/client": ("cluster", "system:node:node2", ("system:nodes",)),
        f"{PKI}/kubelet": ("cluster", "system:node:node2", ("system:nodes",)),
        f"{PKI}/proxy": ("cluster", "system:kube-proxy", ()),
        f"{FLANNEL}/client": ("etcd", "flannel", ()),
    }
    serving = placed(SHIPPED, "node2")[f"{PKI}/kubelet"]
    assert (serving.dns_names, serving.addresses, serving.usages) == (("node2",), ("10.1.10.103",), SERVER)


def test_a_master_that_is_a_node_holds_both_clients_apart() -> None:
    found = placed(SEVERAL, "node1")
    assert found[f"{PKI}/client"].common_name == "client"
    assert found[f"{PKI}/node"].common_name == "system:node:node1"


def test_an_etcd_members_certificates_serve_and_call() -> None:
    for name, address in (("master", "10.1.10.101"), ("node2", "10.1.10.103")):
        for kind in ("server", "peer"):
            request = placed(SEVERAL, name)[f"{ETCD}/{kind}"]
            assert set(request.dns_names) == {name, "localhost"}
            assert set(request.addresses) == {address, "127.0.0.1"}
            assert request.usages == CLIENT | SERVER


def all_placed() -> Iterator[tuple[str, str, Request]]:
    for found in (SHIPPED, SEVERAL):
        for host in found.hosts:
            for path, request in placed(found, host.name).items():
                yield host.name, path, request


def test_only_servers_have_names_and_may_serve() -> None:
    for host, path, request in all_placed():
        serves = path.rpartition("/")[2] in ("server", "peer", "kubelet")
        assert bool(request.dns_names) == serves == ("server" in request.usages), (host, path)


def test_two_certificates_of_one_name_in_the_store_are_one() -> None:
    """Otherwise each host's run would issue the other's anew."""
    for found in (SHIPPED, SEVERAL):
        seen: dict[str, Request] = {}
        for host in found.hosts:
            for request in placed(found, host.name).values():
                assert seen.setdefault(request.name, request) == request


def test_system_masters_is_the_administrators_alone() -> None:
    """Whoever is in it is above authorization."""
    found = {(host, path) for host, path, request in all_placed() if "system:masters" in request.organizations}
    assert found == {("master", f"{PKI}/client"), ("node1", f"{PKI}/client")}
    assert "node1" in {h.name for h in SEVERAL.masters} and placed(SHIPPED, "node1")[f"{PKI}/client"].organizations == (
        "system:nodes",
    )


# --- What reaches which host ----------------------------------------------------------------------------------------


def test_a_node_never_gets_a_masters_files() -> None:
    node = paths(SHIPPED, "node1")
    assert node == {
        *(f"{path}.{kind}" for path in (f"{PKI}/client", f"{PKI}/kubelet", f"{PKI}/proxy") for kind in ("crt", "key")),
        f"{FLANNEL}/client.crt",
        f"{FLANNEL}/client.key",
        f"{FLANNEL}/ca.crt",
        f"{PKI}/ca.crt",
    }


def test_an_etcd_member_that_is_no_master_gets_none_of_kubernetes_keys() -> None:
    found = {p for p in paths(SEVERAL, "node2") if p.startswith(PKI)}
    assert found == {p for p in paths(SEVERAL, "node3") if p.startswith(PKI)}
    assert not any(path.startswith(ETCD) for path in paths(SEVERAL, "node3"))


def test_a_masters_authorities() -> None:
    assert {p for p in paths(SHIPPED, "master") if "ca" in p.rpartition("/")[2] or "/sa." in p} == {
        f"{ETCD}/ca.crt", f"{PKI}/ca.crt", f"{PKI}/etcd-ca.crt", f"{PKI}/front-proxy-ca.crt", f"{PKI}/clients-ca.crt",
        f"{PKI}/signing-ca.crt", f"{PKI}/signing-ca.key", f"{PKI}/sa.pub", f"{PKI}/sa.key",
    }  # fmt: skip


@pytest.mark.parametrize("found", [SHIPPED, SEVERAL], ids=["shipped", "several"])
def test_keys_are_roots_and_nobody_elses(found: Cluster) -> None:
    for host in found.hosts:
        for file in expected(found, host):
            wanted = "600" if file.path.endswith(".key") else "644"
            assert (file.mode, file.owner) == (wanted, "root:root"), file.path


def contents(found: Cluster, store: Store, name: str) -> tuple[File, ...]:
    return certificate_files(found, found.host(name), DEBIAN, store, write=True)


@pytest.mark.parametrize("name", ["master", "node1", "node2"])
def test_no_authoritys_key_leaves_the_store_but_the_signing_one(name: str, store: Store) -> None:
    files = contents(SEVERAL, store, name)
    on_host = {f.path: public(f.content or "") for f in files if f.path.endswith(".key")}
    assert on_host
    present = store.signing_authority(signed_names(SEVERAL.settings), write=True)
    assert present
    for authority in ("cluster", "etcd", "front-proxy", "cluster-signing"):
        signing = authority == "cluster-signing"
        pem = present.certificate if signing else store.authority_certificate(authority, write=True)
        assert pem
        key = public_of(x509.load_pem_x509_certificate(pem.encode()))
        holders = {path for path, own in on_host.items() if own == key}
        wanted = {f"{PKI}/signing-ca.key"} if signing and SEVERAL.host(name).is_master else set()
        assert holders == wanted, authority


@pytest.mark.parametrize("name", ["master", "node1", "node3"])
def test_files_hold_what_their_names_say(name: str, store: Store) -> None:
    files = {f.path: f.content or "" for f in contents(SEVERAL, store, name)}
    for path, request in placed(SEVERAL, name).items():
        certificate = x509.load_pem_x509_certificate(files[f"{path}.crt"].encode())
        assert public_of(certificate) == public(files[f"{path}.key"])
        (subject,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        assert subject.value == request.common_name
        authority = store.authority_certificate(request.authority, write=False)
        assert authority
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.encode()))


def test_the_api_server_trusts_clients_of_both_authorities(store: Store) -> None:
    files = {f.path: f.content or "" for f in contents(SHIPPED, store, "master")}
    assert files[f"{PKI}/clients-ca.crt"] == files[f"{PKI}/ca.crt"] + files[f"{PKI}/signing-ca.crt"]
    assert len(x509.load_pem_x509_certificates(files[f"{PKI}/clients-ca.crt"].encode())) == 2
    assert files[f"{PKI}/ca.crt"] != files[f"{PKI}/etcd-ca.crt"] != files[f"{PKI}/front-proxy-ca.crt"]
    assert files[f"{PKI}/etcd-ca.crt"] == files[f"{ETCD}/ca.crt"]
    node = {f.path: f.content for f in contents(SHIPPED, store, "node1")}
    assert node[f"{PKI}/ca.crt"] == files[f"{PKI}/ca.crt"] and node[f"{FLANNEL}/ca.crt"] == files[f"{ETCD}/ca.crt"]


def test_clients_of_a_former_signing_authority_are_clients_still(tmp_path: Path) -> None:
    store, moved = Store(tmp_path / "pki", key_type="ecdsa-p256"), cluster(cluster_domain="example.internal")
    before = {f.path: f.content or "" for f in contents(SHIPPED, store, "master")}
    files = {f.path: f.content or "" for f in contents(moved, store, "master")}
    own = [files[f"{PKI}/ca.crt"], files[f"{PKI}/signing-ca.crt"], before[f"{PKI}/signing-ca.crt"]]
    assert files[f"{PKI}/clients-ca.crt"] == "".join(own) and len(set(own)) == 3
    assert files[f"{PKI}/signing-ca.key"] != before[f"{PKI}/signing-ca.key"], "and its key leaves the masters"


def test_a_host_that_joins_changes_no_file_of_the_others(store: Store) -> None:
    """It is read when a service starts: a file that differs is a restart."""
    fewer = cluster({"nodes": ["node1", "node2"]})
    for name in ("master", "node1", "node2"):
        assert contents(fewer, store, name) == contents(SHIPPED, store, name)


COMPONENTS = ("client", "scheduler", "controller-manager", "etcd-client", "etcd-root", "node1.example.com")


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_node_may_be_called_as_anything_in_the_store(name: str, store: Store) -> None:
    hosts = {"master": data()["master"], name: data()["node1"]}
    found = load(hosts, {"masters": ["master"], "etcd": ["master"], "nodes": [name]})[0]
    first = [contents(found, store, host) for host in hosts]
    assert [contents(found, store, host) for host in hosts] == first, "nothing is issued by a second run"
    subjects = {
        str(x509.load_pem_x509_certificate((f.content or "").encode()).subject.rfc4514_string()): f.path
        for f in first[1]
        if f.path.endswith(".crt")
    }
    assert subjects[f"CN=system:node:{name},O=system:nodes"]


def test_a_store_of_before_gives_a_node_the_certificate_it_has(tmp_path: Path) -> None:
    """Where its name in the store was the node's alone."""
    store = Store(tmp_path / "pki", key_type="ecdsa-p256")
    request = placed(SHIPPED, "node1")[f"{PKI}/client"]
    had = store.ensure(replace(request, name="node1", formerly=None), write=True)
    files = {f.path: f.content for f in contents(SHIPPED, store, "node1")}
    assert had and (files[f"{PKI}/client.crt"], files[f"{PKI}/client.key"]) == (had.certificate, had.key)


def test_an_export_of_the_store_tells_every_files_digest(store: Store, tmp_path: Path) -> None:
    for name in ("master", "node1", "node2"):
        contents(SEVERAL, store, name)
    (tmp_path / "export").write_text(store.export())
    for name in ("master", "node1", "node2"):
        host = SEVERAL.host(name)
        files = {f.path: f for f in certificate_files(SEVERAL, host, DEBIAN, Store(tmp_path / "export"), write=False)}
        for wanted in contents(SEVERAL, store, name):
            found = files[wanted.path]
            assert (found.digest, found.mode, found.owner) == (wanted.digest, wanted.mode, wanted.owner)
            assert (found.content is None) == wanted.path.endswith(".key")


def test_masters_share_the_key_of_service_accounts(store: Store) -> None:
    """A token that one signs, the other must know."""
    pairs = []
    for name in ("master", "node1"):
        files = {f.path: f.content or "" for f in contents(SEVERAL, store, name)}
        pairs.append((files[f"{PKI}/sa.key"], files[f"{PKI}/sa.pub"], files[f"{PKI}/signing-ca.key"]))
    assert pairs[0] == pairs[1]


def test_what_is_issued_stays(store: Store) -> None:
    first = contents(SHIPPED, store, "master")
    assert contents(SHIPPED, store, "master") == first
    assert certificate_files(SHIPPED, SHIPPED.host("master"), DEBIAN, store, write=False) == first


def test_without_write_nothing_is_issued(tmp_path: Path) -> None:
    files = certificate_files(SHIPPED, SHIPPED.host("master"), DEBIAN, Store(tmp_path / "pki"), write=False)
    assert files and {f.content for f in files} == {None}
    assert not (tmp_path / "pki").exists()


@pytest.mark.parametrize(
    ("key_type", "kind"), [("rsa-2048", rsa.RSAPrivateKey), ("ecdsa-p256", ec.EllipticCurvePrivateKey)]
)
def test_keys_are_of_the_type_set(key_type: str, kind: type, tmp_path: Path) -> None:
    made = Store(tmp_path / "pki", key_type=key_type)
    pair = made.ensure(placed(SHIPPED, "node1")[f"{PKI}/client"], write=True)
    assert pair and isinstance(load_pem_private_key(pair.key.encode(), None), kind)


def public(key: str) -> bytes:
    return _bytes(load_pem_private_key(key.encode(), None).public_key())


def public_of(certificate: x509.Certificate) -> bytes:
    return _bytes(certificate.public_key())


def _bytes(key: object) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
