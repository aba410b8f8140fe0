"""Certificates as others read them: the openssl program, and both sides of a TLS connection."""

import re
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from typing import TypeVar

import pytest
from cryptography import x509

from pki import KeyPair, Permitted, Request, Store

T = TypeVar("T")
SERVER = Request(
    "server",
    "cluster",
    "master",
    dns_names=("master", "kubernetes.default.svc.cluster.local"),
    addresses=("127.0.0.1", "192.168.1.1", "fd00::1"),
    usages=frozenset({"client", "server"}),
)
SERVICES = Permitted(("cluster.local", "svc"), ("192.168.1.0/24", "192.168.0.0/16"))
CLIENT = Request("client", "cluster", "client", organizations=("system:masters",))


def openssl(*arguments: str, stdin: str | None = None) -> str:
    return subprocess.run(["openssl", *arguments], input=stdin, check=True, capture_output=True, text=True).stdout


def text_of(pem: str) -> str:
    return openssl("x509", "-noout", "-text", stdin=pem)


def verify(directory: Path, *, authority: str, leaf: str, options: tuple[str, ...] = ()) -> str:
    """What `openssl verify` says of `leaf` against `authority`, both PEM."""
    (directory / "ca.crt").write_text(authority)
    (directory / "leaf.crt").write_text(leaf)
    command = ["openssl", "verify", "-x509_strict", "-CAfile", str(directory / "ca.crt"), *options]
    done = subprocess.run([*command, str(directory / "leaf.crt")], capture_output=True, text=True)
    return done.stdout + done.stderr


def present(value: T | None) -> T:
    assert value is not None
    return value


def issue(store: Store, request: Request) -> KeyPair:
    return present(store.ensure(request, write=True))


def authority(store: Store, name: str = "cluster") -> str:
    return present(store.authority_certificate(name, write=True))


@pytest.fixture(params=["rsa-2048", "ecdsa-p256"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(tmp_path / "store", key_type=request.param)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", key_type="ecdsa-p256")


def test_openssl_verifies_each_usage_and_name(any_store: Store, tmp_path: Path) -> None:
    ca, server, client = authority(any_store), issue(any_store, SERVER), issue(any_store, CLIENT)
    for options in (
        ("-purpose", "sslserver", "-verify_ip", "192.168.1.1"),
        ("-purpose", "sslserver", "-verify_ip", "fd00::1"),
        ("-purpose", "sslclient", "-verify_hostname", "kubernetes.default.svc.cluster.local"),
    ):
        assert verify(tmp_path, authority=ca, leaf=server.certificate, options=options).endswith("leaf.crt: OK\n")
    assert "OK" in verify(tmp_path, authority=ca, leaf=client.certificate, options=("-purpose", "sslclient"))


def test_openssl_refuses_another_usage_name_and_authority(store: Store, tmp_path: Path) -> None:
    ca, server, client = authority(store), issue(store, SERVER), issue(store, CLIENT)
    as_server = verify(tmp_path, authority=ca, leaf=client.certificate, options=("-purpose", "sslserver"))
    assert re.search("(unsupported|unsuitable) certificate purpose", as_server)
    other_name = verify(tmp_path, authority=ca, leaf=server.certificate, options=("-verify_hostname", "node1"))
    assert "hostname mismatch" in other_name
    other_authority = verify(tmp_path, authority=authority(store, "etcd"), leaf=server.certificate)
    assert "unable to get local issuer certificate" in other_authority


def test_a_leaf_holds_what_was_asked_for(any_store: Store) -> None:
    text = text_of(issue(any_store, SERVER).certificate)
    assert re.search(
        r"X509v3 Subject Alternative Name: \n\s+DNS:master, DNS:kubernetes.default.svc.cluster.local, "
        r"IP Address:127.0.0.1, IP Address:192.168.1.1, IP Address:FD00:0:0:0:0:0:0:1\n",
        text,
    )
    assert re.search(r"Extended Key Usage: \n\s+TLS Web Client Authentication, TLS Web Server Authentication\n", text)
    assert re.search(r"Basic Constraints: critical\n\s+CA:FALSE\n", text)
    usage = "Digital Signature, Key Encipherment" if "rsaEncryption" in text else "Digital Signature"
    assert re.search(rf"X509v3 Key Usage: critical\n\s+{usage}\n", text)
    assert "Version: 3" in text


def test_subject_is_user_and_groups(store: Store) -> None:
    client = issue(store, Request("both", "cluster", "system:node:node1", organizations=("system:nodes", "other")))
    subject = openssl("x509", "-noout", "-subject", "-nameopt", "RFC2253", stdin=client.certificate)
    assert subject == "subject=CN=system:node:node1,O=system:nodes,O=other\n"
    assert "Subject Alternative Name" not in text_of(client.certificate)


def test_key_type_is_the_setting(any_store: Store, request: pytest.FixtureRequest) -> None:
    pair = issue(any_store, CLIENT)
    key = openssl("pkey", "-noout", "-text", stdin=pair.key)
    assert ("2048 bit" if request.node.callspec.params["any_store"] == "rsa-2048" else "NIST CURVE: P-256") in key
    assert pair.key.startswith("-----BEGIN PRIVATE KEY-----\n")
    assert pair.key.endswith("-----END PRIVATE KEY-----\n")
    assert openssl("pkey", "-pubout", stdin=pair.key) == openssl("x509", "-noout", "-pubkey", stdin=pair.certificate)


def test_identifiers_and_serials(store: Store) -> None:
    ca, first, second = text_of(authority(store)), issue(store, SERVER).certificate, issue(store, CLIENT).certificate
    own = re.search(r"Subject Key Identifier: \n\s+(\S+)", ca)
    issuers = re.search(r"Authority Key Identifier: \n\s+(?:keyid:)?(\S+)", text_of(first))
    assert own and issuers and own[1] == issuers[1]
    serials = [openssl("x509", "-noout", "-serial", stdin=pem) for pem in (first, second)]
    assert serials[0] != serials[1]


def test_begins_before_a_slow_clock_and_ends_after_its_days(store: Store) -> None:
    pem = issue(store, CLIENT).certificate
    dates = dict(
        line.split("=", 1) for line in openssl("x509", "-noout", "-dates", stdin=pem).splitlines() if "=" in line
    )
    life = ssl.cert_time_to_seconds(dates["notAfter"]) - ssl.cert_time_to_seconds(dates["notBefore"])
    assert life == 365 * 24 * 3600 + 5 * 60
    subprocess.run(["openssl", "x509", "-noout", "-checkend", str(364 * 24 * 3600)], input=pem.encode(), check=True)


def test_authorities_say_how_deep_they_sign(store: Store) -> None:
    pems = {name: authority(store, name) for name in ("cluster", "etcd", "front-proxy")}
    pems["cluster-signing"] = present(store.signing_authority(SERVICES, write=True)).certificate
    for name, pem in pems.items():
        text, length = text_of(pem), int(name == "cluster")
        assert re.search(rf"Basic Constraints: critical\n\s+CA:TRUE, pathlen:{length}\n", text), name
        assert re.search(r"Key Usage: critical\n\s+Digital Signature, Certificate Sign, CRL Sign\n", text), name
        assert (
            f"Subject: CN = container-cloud {name} CA\n" in text or f"Subject: CN=container-cloud {name} CA\n" in text
        )


def signed(
    directory: Path, signing: KeyPair, names: str, *, subject: str = "/CN=a", usage: str = "serverAuth"
) -> KeyPair:
    """A certificate made with the signing authority's key and openssl, as anybody on a master could make it."""
    for name, content in {"signing.crt": signing.certificate, "signing.key": signing.key}.items():
        (directory / name).write_text(content)
    openssl(
        *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", subject),
        *("-keyout", str(directory / "made.key"), "-out", str(directory / "made.csr")),
    )
    lines = ["basicConstraints=critical,CA:FALSE", "subjectKeyIdentifier=hash", "authorityKeyIdentifier=keyid"]
    lines += ["keyUsage=critical,digitalSignature", f"extendedKeyUsage={usage}"]
    lines += [f"subjectAltName={names}"] if names else []
    (directory / "made.ext").write_text("\n".join(lines) + "\n")
    leaf = openssl(
        *("x509", "-req", "-in", str(directory / "made.csr"), "-days", "1", "-extfile", str(directory / "made.ext")),
        *("-CA", str(directory / "signing.crt"), "-CAkey", str(directory / "signing.key"), "-CAcreateserial"),
    )
    return KeyPair(leaf + signing.certificate, (directory / "made.key").read_text())


def test_chain_through_the_signing_authority(any_store: Store, tmp_path: Path) -> None:
    """A user's certificate, as the controller manager signs it: users and groups are not names of hosts."""
    signing = present(any_store.signing_authority(SERVICES, write=True))
    leaf = signed(tmp_path, signing, "", subject="/O=system:nodes/CN=system:node:n", usage="clientAuth").certificate
    ca = authority(any_store)
    through = ("-untrusted", str(tmp_path / "signing.crt"), "-purpose", "sslclient")
    assert "OK" in verify(tmp_path, authority=ca, leaf=leaf, options=through)
    assert "unable to get local issuer" in verify(tmp_path, authority=ca, leaf=leaf)
    assert verify(tmp_path, authority=ca, leaf=signing.certificate).endswith("OK\n")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("DNS:web.default.svc.cluster.local", "OK"),
        ("DNS:web.default.svc,IP:192.168.1.7", "OK"),
        ("IP:192.168.77.3", "OK"),
        ("URI:spiffe://cluster.local/ns/default/sa/web", "OK"),
        ("DNS:github.com", "permitted subtree violation"),
        ("DNS:web.default.svc,DNS:github.com", "permitted subtree violation"),
        ("DNS:cluster.local.example.com", "permitted subtree violation"),
        ("DNS:*.com", "permitted subtree violation"),
        ("DNS:master", "permitted subtree violation"),
        ("IP:10.1.10.101", "permitted subtree violation"),
        ("IP:140.82.121.3", "permitted subtree violation"),
        ("IP:fd00::1", "permitted subtree violation"),
        ("URI:https://github.com/", "permitted subtree violation"),
        ("email:somebody@github.com", "permitted subtree violation"),
    ],
)
def test_the_signing_authority_speaks_for_the_cluster_only(store: Store, tmp_path: Path, names: str, said: str) -> None:
    leaf = signed(tmp_path, present(store.signing_authority(SERVICES, write=True)), names).certificate
    through = ("-untrusted", str(tmp_path / "signing.crt"), "-purpose", "sslserver")
    assert said in verify(tmp_path, authority=authority(store), leaf=leaf, options=through)


def test_a_common_name_is_no_way_around(store: Store, tmp_path: Path) -> None:
    """Old programs take it for a host's name where there is no other."""
    signing = present(store.signing_authority(SERVICES, write=True))
    leaf = signed(tmp_path, signing, "", subject="/CN=github.com").certificate
    through = ("-untrusted", str(tmp_path / "signing.crt"), "-purpose", "sslserver", "-verify_hostname", "github.com")
    assert "permitted subtree violation" in verify(tmp_path, authority=authority(store), leaf=leaf, options=through)


def test_no_other_key_that_a_host_has_signs_at_all(store: Store, tmp_path: Path) -> None:
    """A leaf's key with its certificate in an authority's place."""
    leaf = signed(tmp_path, issue(store, SERVER), "DNS:web.default.svc").certificate
    through = ("-untrusted", str(tmp_path / "signing.crt"))
    assert "invalid CA certificate" in verify(tmp_path, authority=authority(store), leaf=leaf, options=through)


def test_service_account_key_signs_what_its_public_key_verifies(any_store: Store, tmp_path: Path) -> None:
    pair = present(any_store.service_account(write=True))
    for name, content in {"sa.key": pair.key, "sa.pub": pair.certificate, "token": "claims"}.items():
        (tmp_path / name).write_text(content)
    signature, token = str(tmp_path / "signature"), str(tmp_path / "token")
    openssl("dgst", "-sha256", "-sign", str(tmp_path / "sa.key"), "-out", signature, token)
    verified = openssl("dgst", "-sha256", "-verify", str(tmp_path / "sa.pub"), "-signature", signature, token)
    assert verified == "Verified OK\n"


# --- Real connections -----------------------------------------------------------------------------------------------


def context(side: int, directory: Path, ca: str, pair: KeyPair | None) -> ssl.SSLContext:
    made = ssl.SSLContext(side)
    made.verify_mode = ssl.CERT_REQUIRED
    made.verify_flags |= ssl.VERIFY_X509_STRICT
    made.load_verify_locations(cadata=ca)
    if pair:
        (directory / "pair.pem").write_text(pair.key + pair.certificate)
        made.load_cert_chain(directory / "pair.pem")
    return made


def handshake(directory: Path, *, ca: str, server: KeyPair, client: KeyPair | None, host: str = "127.0.0.1") -> str:
    """Connect over loopback, each side verifying the other: what the client then reads, or why a side refused."""
    serving = context(ssl.PROTOCOL_TLS_SERVER, directory, ca, server)
    calling = context(ssl.PROTOCOL_TLS_CLIENT, directory, ca, client)
    refusal: list[str] = []

    def serve() -> None:
        connection, _ = listener.accept()
        try:
            with serving.wrap_socket(connection, server_side=True) as secure:
                peer = x509.load_der_x509_certificate(present(secure.getpeercert(binary_form=True)))
                secure.sendall(f"hello {peer.subject.rfc4514_string()}".encode())
        except ssl.SSLError as error:
            refusal.append(f"server: {error.verify_message if hasattr(error, 'verify_message') else error.reason}")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        answer = ""
        try:
            with (
                socket.create_connection(listener.getsockname(), timeout=10) as plain,
                calling.wrap_socket(plain, server_hostname=host) as secure,
            ):
                answer = secure.recv(100).decode()
        except ssl.SSLCertVerificationError as error:
            answer = f"client: {error.verify_message}"
        except (ssl.SSLError, ConnectionError):
            answer = "closed"  # the server's reason says more
        thread.join(10)
    return refusal[0] if refusal and not answer.startswith("client") else answer


def test_both_sides_accept_each_other(any_store: Store, tmp_path: Path) -> None:
    ca, server, client = authority(any_store), issue(any_store, SERVER), issue(any_store, CLIENT)
    assert handshake(tmp_path, ca=ca, server=server, client=client) == "hello CN=client,O=system:masters"
    assert handshake(tmp_path, ca=ca, server=server, client=server, host="master") == "hello CN=master"


def test_server_refuses_a_stranger(store: Store, tmp_path: Path) -> None:
    ca, server = authority(store), issue(store, SERVER)
    assert handshake(tmp_path, ca=ca, server=server, client=None) == "server: PEER_DID_NOT_RETURN_A_CERTIFICATE"
    stranger = issue(store, Request("stranger", "etcd", "client"))
    refused = handshake(tmp_path, ca=ca, server=server, client=stranger)
    assert refused == "server: unable to get local issuer certificate"


def test_server_refuses_a_certificate_for_servers_only(store: Store, tmp_path: Path) -> None:
    only = Request("only", "cluster", "only", addresses=("127.0.0.1",), usages=frozenset({"server"}))
    ca, server = authority(store), issue(store, SERVER)
    refused = handshake(tmp_path, ca=ca, server=server, client=issue(store, only))
    assert re.fullmatch("server: (unsupported|unsuitable) certificate purpose", refused)


def test_client_refuses_another_name_and_a_client_as_server(store: Store, tmp_path: Path) -> None:
    ca, server, client = authority(store), issue(store, SERVER), issue(store, CLIENT)
    assert "not valid for 'node1'" in handshake(tmp_path, ca=ca, server=server, client=client, host="node1")
    refused = handshake(tmp_path, ca=ca, server=client, client=client)
    assert re.fullmatch("client: (unsupported|unsuitable) certificate purpose", refused)


@pytest.mark.parametrize(
    ("host", "answer"),
    [("web.default.svc", "hello CN=client,O=system:masters"), ("github.com", "client: permitted subtree violation")],
)
def test_a_client_believes_a_masters_key_for_services_only(
    store: Store, tmp_path: Path, host: str, answer: str
) -> None:
    signing = present(store.signing_authority(SERVICES, write=True))
    server = signed(tmp_path, signing, f"DNS:{host}")
    shown = handshake(tmp_path, ca=authority(store), server=server, client=issue(store, CLIENT), host=host)
    assert shown == answer
