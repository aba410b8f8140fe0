"""Who is let in, and what never leaks."""

import base64
import json
import re
import threading
from pathlib import Path

import pytest
import yaml

from lab import state
from tests.lab.conftest import HOSTS, NODES, Lab

pytestmark = pytest.mark.usefixtures("cluster")

CA = "/etc/kubernetes/ca"
API = "https://10.1.10.101:6443"
NODE = f"curl -sS --max-time 10 --cacert {CA}/ca.crt --cert {CA}/client.crt --key {CA}/client.key"
CLIENT = {"cacert": "ca.crt", "cert": "root.crt", "key": "root.key"}
CODE = "-o /dev/null -w '%{http_code}'"


def test_etcd_refuses_without_a_certificate(lab: Lab) -> None:
    ask = "curl -sS --max-time 5 --cacert /etc/flannel/pki/ca.crt {} https://10.1.10.101:2379/version"
    assert "etcdserver" in lab.ssh(
        "node1", ask.format("--cert /etc/flannel/pki/client.crt --key /etc/flannel/pki/client.key")
    )
    done = lab.attempt("node1", ask.format(""))
    assert done.returncode != 0 and done.stdout == "", "nothing is answered"


def test_etcd_refuses_plain_http(lab: Lab) -> None:
    assert lab.attempt("node1", "curl -sS --max-time 5 -f http://10.1.10.101:2379/version").returncode != 0


def test_etcd_peers_refuse_without_a_certificate(lab: Lab) -> None:
    done = lab.attempt("node1", "curl -sSk --max-time 5 https://10.1.10.101:2380/members")
    assert done.returncode != 0


def test_etcd_refuses_another_authoritys_certificate(lab: Lab) -> None:
    cluster_identity = f"--cert {CA}/client.crt --key {CA}/client.key"
    assert (
        lab.attempt("node1", f"curl -sSk --max-time 5 {cluster_identity} https://10.1.10.101:2379/version").returncode
        != 0
    )


def test_the_api_server_refuses_without_a_certificate(lab: Lab) -> None:
    """A current one tells anybody whether it lives and is ready, for balancers, and nothing else."""
    health = "401" if lab.runtime == "docker" else "200"
    for path, code in {"/version": "401", "/api/v1/secrets": "401", "/readyz": health, "/livez": health}.items():
        assert lab.ssh("node1", f"curl -s {CODE} --cacert {CA}/ca.crt {API}{path}") == code, path


def test_the_api_server_has_no_unprotected_port(lab: Lab) -> None:
    assert lab.attempt("master", "curl -s --max-time 3 http://127.0.0.1:8080/version").returncode != 0


@pytest.mark.parametrize("node", NODES)
def test_the_kubelet_refuses_without_a_certificate(lab: Lab, node: str) -> None:
    assert (
        lab.ssh("master", f"curl -s {CODE} --cacert {CA}/ca.crt https://{state.host(node).address}:10250/pods") == "401"
    )
    assert lab.attempt("master", f"curl -s --max-time 3 http://{state.host(node).address}:10255/pods").returncode != 0


def test_a_node_may_not_call_another_nodes_kubelet(lab: Lab) -> None:
    assert lab.ssh("node1", f"{NODE} {CODE} https://10.1.10.103:10250/pods") == "403"


def test_a_node_is_itself_only(lab: Lab) -> None:
    assert lab.ssh("node1", f"{NODE} {CODE} {API}/api/v1/nodes/node1") == "200"
    for path in (
        "/api/v1/secrets",
        "/api/v1/namespaces/kube-system/secrets",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    ):
        assert lab.ssh("node1", f"{NODE} {CODE} {API}{path}") == "403", path


def test_a_node_may_not_change_another_node(lab: Lab) -> None:
    patch = '{"metadata":{"labels":{"taken":"over"}}}'
    sent = f"{NODE} {CODE} -X PATCH -H 'Content-Type: application/merge-patch+json' -d '{patch}' {API}/api/v1/nodes/"
    assert lab.ssh("node1", f"{sent}node2") == "403"
    assert lab.ssh("node1", f"{sent}node1") == "200", "its own labels it may"
    lab.kubectl("label node node1 taken-")


def test_a_node_cannot_make_itself_administrator(lab: Lab) -> None:
    binding = (
        '{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":"mine"},'
        '"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"cluster-admin"},'
        '"subjects":[{"kind":"Group","name":"system:nodes","apiGroup":"rbac.authorization.k8s.io"}]}'
    )
    path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    assert lab.ssh("node1", f"{NODE} {CODE} -H 'Content-Type: application/json' -d '{binding}' {API}{path}") == "403"
    impersonated = (
        f"{NODE} {CODE} -H 'Impersonate-User: client' -H 'Impersonate-Group: system:masters' {API}/api/v1/secrets"
    )
    assert lab.ssh("node1", impersonated) == "403"


def test_a_node_cannot_read_a_secret_of_another_nodes_pod(lab: Lab) -> None:
    pod = (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: holder}\nspec:\n  nodeName: node2\n  containers:\n"
        "  - {name: box, image: none/none, imagePullPolicy: Never, envFrom: [{secretRef: {name: theirs}}]}\n"
    )
    apply = "kubectl --kubeconfig=/etc/kubernetes/kubeconfig apply -f -"
    lab.kubectl("create secret generic theirs --from-literal=word=hidden")
    try:
        lab.ssh("master", f"cat <<'EOF' | {apply}\n{pod}EOF")
        path = f"{API}/api/v1/namespaces/default/secrets/theirs"
        assert lab.ssh("node1", f"{NODE} {CODE} {path}") == "403"
        assert (
            lab.ssh(
                "node2",
                f"for i in 1 2 3 4 5; do c=$({NODE} {CODE} {path}); [ $c = 200 ] && break; sleep 1; done; echo $c",
            )
            == "200"
        )
    finally:
        lab.kubectl("delete secret/theirs pod/holder --grace-period=0 --force")


def test_a_nodes_etcd_certificate_opens_flannels_keys_only(lab: Lab) -> None:
    """etcd holds every secret of Kubernetes: the certificate that flanneld has must not read them."""
    flannel = "/etc/flannel/pki"
    pki = {
        name: base64.b64encode(lab.ssh("node1", f"cat {flannel}/{name}").encode()).decode()
        for name in ("client.crt", "client.key")
    }
    directory = "/root/as-flannel"
    files = f"--cacert /etc/etcd/pki/ca.crt --cert {directory}/client.crt --key {directory}/client.key"
    ctl = f"ETCDCTL_API=3 timeout 20 etcdctl --endpoints https://10.1.10.101:2379 {files}"
    try:
        lab.ssh("master", f"umask 077; mkdir -p {directory}; " + "; ".join(
            f"echo {text} | base64 -d > {directory}/{name}" for name, text in pki.items()))  # fmt: skip
        assert '"Network"' in lab.ssh("master", f"{ctl} get /flannel/network/config")
        for attempt in ("get --prefix /registry/secrets", "get --prefix ''", "put /registry/x y", "user list"):
            done = lab.attempt("master", f"{ctl} {attempt}")
            assert done.returncode != 0 and "permission denied" in done.stderr, attempt
    finally:
        lab.ssh("master", f"rm -rf {directory}")


def test_keys_are_roots_alone(lab: Lab) -> None:
    """But for those that a packaged master's services read as their own account."""
    services = ("server", "etcd-client", "kubelet-client", "front-proxy-client", "controller-manager", "scheduler")
    of_services = {f"{CA}/{name}.key" for name in (*services, "signing-ca", "sa")}
    for host, found in lab.fact("facts.certificates.Certificates").items():
        assert found["keys"], host
        for path, key in found["keys"].items():
            shared = lab.is_rpm(host) and host == "master" and path in of_services
            assert key == ({"mode": "640", "owner": "root:kube"} if shared else {"mode": "600", "owner": "root:root"})


@pytest.mark.flavours("rpm")
def test_a_packaged_masters_services_cannot_read_the_administrators_key(lab: Lab) -> None:
    as_kube = "setpriv --reuid kube --regid kube --init-groups"
    lab.ssh("master", f"{as_kube} cat {CA}/server.key >/dev/null")
    for path in (f"{CA}/client.key", "/etc/etcd/pki/root.key", "/etc/etcd/pki/server.key"):
        assert lab.attempt("master", f"{as_kube} cat {path}").returncode != 0, path


def test_no_authority_key_leaves_the_controller_but_the_signing_one(lab: Lab) -> None:
    store = Path(state.DIRECTORY / "pki")
    secrets = {path.stem: _key_lines(path.read_text()) for path in (store / "authorities").glob("*.pem")}
    assert {"cluster", "etcd", "front-proxy", "cluster-signing"} <= set(secrets)
    for host in HOSTS:
        held = lab.ssh(
            host, "cat /etc/kubernetes/ca/*.key /etc/etcd/pki/*.key /etc/flannel/pki/*.key 2>/dev/null; true"
        )
        for name, lines in secrets.items():
            if (host, name) != ("master", "cluster-signing"):
                assert lines[1] not in held, (host, name)


# A certificate for the name $1, made with a key that the master has, served there and asked for by curl and by kubectl.
SPEAK_FOR = f"""
cd $(mktemp -d) && trap 'kill $server; rm -rf $PWD' EXIT
printf 'basicConstraints=critical,CA:FALSE\\nsubjectAltName=DNS:%s\\nextendedKeyUsage=serverAuth\\n' $1 > extensions
openssl req -newkey rsa:2048 -nodes -subj /CN=a -keyout key -out request 2>/dev/null
openssl x509 -req -in request -days 1 -extfile extensions -CAcreateserial -CAserial serial -out certificate \\
    -CA {CA}/signing-ca.crt -CAkey {CA}/signing-ca.key 2>/dev/null
openssl s_server -accept 127.0.0.1:4433 -cert certificate -key key \\
    -cert_chain {CA}/signing-ca.crt -www >/dev/null 2>&1 &
server=$!
for i in 1 2 3 4 5 6 7 8 9 10; do curl -sk -o /dev/null https://127.0.0.1:4433/ && break; sleep 0.2; done
openssl verify -untrusted {CA}/signing-ca.crt certificate 2>&1
curl -sS --max-time 5 {CODE} --resolve $1:4433:127.0.0.1 https://$1:4433/ 2>&1
kubectl --kubeconfig=/etc/kubernetes/kubeconfig --server=https://127.0.0.1:4433 --tls-server-name=$1 get --raw / 2>&1
true
"""


@pytest.mark.flavours("deb")
def test_no_key_of_a_master_speaks_for_a_name_outside_the_cluster(lab: Lab) -> None:
    """Though every host trusts the cluster's authority: to openssl, to curl and to Go."""

    def speak_for(name: str) -> str:
        return lab.ssh("master", f"set -- {name}\n{SPEAK_FOR}")

    inside, outside = speak_for("web.default.svc.cluster.local"), speak_for("github.com")
    assert "certificate: OK" in inside and "\n200" in inside and "not permitted" not in inside, inside
    assert outside.count("permitted subtree violation") == 2 and "000" in outside, outside
    assert 'DNS name "github.com" is not permitted by any constraint' in outside, outside


@pytest.mark.flavours("deb")
def test_a_user_whom_the_controller_manager_signed_is_let_in(lab: Lab) -> None:
    """The authority that signs may not sign for just any name; a user's is none."""
    directory = "/root/as-jane"
    request = (
        "apiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\nmetadata: {name: jane}\nspec:\n"
        "  request: $(base64 -w0 < request)\n  signerName: kubernetes.io/kube-apiserver-client\n"
        "  usages: [client auth]\n"
    )
    kubectl = "kubectl --kubeconfig=/etc/kubernetes/kubeconfig"
    try:
        told = lab.ssh("master", f"""
mkdir -m 700 {directory} && cd {directory} || exit 1
openssl req -newkey rsa:2048 -nodes -subj /O=people/CN=jane -keyout key -out request 2>/dev/null
cat <<EOF | {kubectl} apply -f - && {kubectl} certificate approve jane
{request}EOF
for i in $(seq 60); do
    {kubectl} get csr jane -o 'jsonpath={{.status.certificate}}' | base64 -d > certificate
    [ -s certificate ] && break; sleep 0.5
done
curl -sS --cacert {CA}/ca.crt --cert certificate --key key {API}/api/v1/nodes
""")  # fmt: skip
        assert r"User \"jane\" cannot list" in told, told
    finally:
        lab.ssh("master", f"rm -rf {directory}")
        lab.kubectl("delete csr jane --ignore-not-found")


def test_the_store_is_the_owners_alone() -> None:
    store = Path(state.DIRECTORY / "pki")
    assert store.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in store.rglob("*.pem"))


def test_a_person_at_this_machine_gets_a_kubeconfig_that_works_from_there(lab: Lab, tmp_path: Path) -> None:
    path = state.PKI / "kubeconfig"
    path.unlink(missing_ok=True)
    done = lab.deploy("kubeconfig")
    assert done.changes == {"master": [f"write {path} on this machine (for kubectl on this machine)"]}
    assert done.following == f"kubectl --kubeconfig {path} get nodes"
    assert path.stat().st_mode & 0o777 == 0o600
    content = yaml.safe_load(path.read_text())
    (server,), (user,) = content["clusters"], content["users"]
    held = server["cluster"] | user["user"]
    _absent(done.out + done.err)
    for name, data in (("ca", "certificate-authority"), ("crt", "client-certificate"), ("key", "client-key")):
        (tmp_path / name).write_bytes(base64.b64decode(held[f"{data}-data"]))
    ask = f"curl -sS --max-time 10 --cacert {tmp_path}/ca --cert {tmp_path}/crt --key {tmp_path}/key"
    listed = json.loads(lab.here(f"{ask} {held['server']}/api/v1/nodes"))
    assert [node["metadata"]["name"] for node in listed["items"]] == list(NODES)
    before = path.stat()
    again = lab.pyinfra("-y", "--json", "lab/inventory.py", "deploys/kubeconfig.py")
    assert again.code == 0 and again.changes == {} and path.stat() == before


def test_no_key_material_in_output(lab: Lab, tmp_path: Path) -> None:
    """Keys written anew under every switch that prints more, and their lines looked for in all that was printed."""
    lab.ssh("node1", f"rm {CA}/client.key {CA}/proxy.key")
    lab.ssh("master", f"rm {CA}/server.key {CA}/sa.key")
    done = lab.pyinfra("-y", "-vvv", "--debug", "--diff", "lab/inventory.py", "deploys/pki.py", timeout=300)
    assert done.code == 0, done.err[-3000:]
    operations = lab.pyinfra("--dry", "--debug-operations", "--diff", "lab/inventory.py", "deploys/cluster.py")
    printed = done.out + done.err + operations.out + operations.err
    assert f"write {CA}/client.key" in printed, "the run did write keys"
    _absent(printed)


def test_no_key_material_in_the_process_list_or_tmp(lab: Lab) -> None:
    """Every argument list and environment that a host runs while keys are written, as often as it can be read."""
    watch = (
        "end=$(($(date +%s)+12)); while [ $(date +%s) -lt $end ]; do "
        "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'; done | "
        "grep -a -c -F -f /root/lines; true"
    )
    # A line of each key, and a piece of each key's file in base64, as which it travels.
    lab.ssh("node1", f"for k in {CA}/*.key; do sed -n 5p $k; base64 -w0 $k | cut -c160-200; done > /root/lines")
    seen: list[str] = []
    thread = threading.Thread(target=lambda: seen.append(lab.ssh("node1", watch)))
    thread.start()
    lab.ssh("node1", f"cp -a {CA} /root/kept && rm {CA}/client.key {CA}/proxy.key {CA}/kubelet.key")
    lab.deploy("pki", "--limit", "node1")
    thread.join()
    assert seen == ["0"]
    assert lab.ssh("node1", "diff -r /root/kept /etc/kubernetes/ca && rm -rf /root/kept") == "", "the same keys again"
    for host in HOSTS:
        assert lab.ssh(host, "grep -rlE 'PRIVATE KEY' /tmp /var/tmp /var/log 2>/dev/null; true") == ""
        assert lab.ssh(host, "journalctl --no-pager -o cat | grep -c 'PRIVATE KEY'; true") == "0"
    lab.ssh("node1", "rm -f /root/lines")


@pytest.mark.runtimes("containerd")
def test_secrets_are_in_etcd_as_the_settings_say_and_can_always_be_read(lab: Lab) -> None:
    asks = " ".join(f"--{name} /etc/etcd/pki/{file}" for name, file in CLIENT.items())
    get = f"etcdctl --endpoints https://10.1.10.101:2379 {asks} get --print-value-only /registry/secrets/default/kept"
    key = lab.ssh("master", f"cat {CA}/secrets.key")
    lab.kubectl("create secret generic kept --from-literal=word=hidden")
    try:
        assert lab.ssh("master", f"{get} | head -c 27") == "k8s:enc:secretbox:v1:store:"
        for encrypted, begins in (("False", "k8s"), ("True", "k8s:enc:secretbox:v1:store:")):
            done = lab.deploy("master", "--data", f"encrypt_secrets={encrypted}")
            assert lab.ssh("master", f"{get} | head -c {len(begins)}") == begins
            assert ("hidden" in lab.ssh("master", f"{get} | tr -cd '[:print:]'")) == (encrypted == "False")
            assert lab.kubectl("get secret kept -o jsonpath={.data.word}") == base64.b64encode(b"hidden").decode()
            assert key not in done.out + done.err
        assert lab.ssh("master", f"journalctl --no-pager -o cat | grep -cF '{key}'; true") == "0"
    finally:
        lab.kubectl("delete secret kept")


def _key_lines(text: str) -> list[str]:
    block = re.search(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\n(.*?)-----END", text, re.DOTALL)
    assert block
    return block.group(1).split()


def _absent(printed: str) -> None:
    store = Path(state.DIRECTORY / "pki")
    looked = 0
    for path in store.rglob("*.pem"):
        text = path.read_text()
        key = re.search(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----\n", text, re.DOTALL)
        assert key, path
        for line in _key_lines(text)[1:-1]:
            assert line not in printed, path
            looked += 1
        assert base64.b64encode(key.group(0).encode()).decode()[100:160] not in printed, path
    assert looked > 50 and "PRIVATE KEY" not in printed
