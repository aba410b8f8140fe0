"""Which certificates the cluster has: whose names they carry, and where each host keeps them."""

from dataclasses import dataclass, replace
from pathlib import Path

from cluster.desired import File
from cluster.distributions import TABLE, Distribution
from cluster.installation import service_group
from cluster.releases import CURRENT
from cluster.settings import Cluster, Host, Settings
from cluster.topology import NODE_USER
from pki import KeyPair, Permitted, Request, Store, is_address

KUBERNETES_PKI = "/etc/kubernetes/ca"
ETCD_PKI = "/etc/etcd/pki"
FLANNEL_PKI = "/etc/flannel/pki"

# Names etcd and Kubernetes know their clients by.
ETCD_ADMINISTRATOR = "root"
ETCD_API_SERVER = "kube-apiserver"
ETCD_FLANNEL = "flannel"
KUBELET_CLIENT = "kube-apiserver-kubelet-client"
BALANCER_CLIENT = "container-cloud:balancer"  # may ask what every known client may: whether an API server is well

# The person at the controlling machine: on no host, and by another name than a master's own administrator.
ADMINISTRATOR = Request("administrator", "cluster", "administrator", ("system:masters",))

# Keys that a master's services read; the administrator's own is not among them.
_OF_SERVICES = (
    "server",
    "etcd-client",
    "kubelet-client",
    "front-proxy-client",
    "controller-manager",
    "scheduler",
    "signing-ca",
    "sa",
    "secrets",
)
BALANCER_PAIR = f"{KUBERNETES_PKI}/balancer"
ETCD_CLIENT_PAIR = f"{KUBERNETES_PKI}/etcd-client"
SECRETS_KEY = f"{KUBERNETES_PKI}/secrets.key"  # encrypts Secrets in etcd

_BOTH = frozenset({"client", "server"})


@dataclass(frozen=True)
class Placed:
    """A certificate and its key on a host: `PATH.crt` and `PATH.key`."""

    path: str
    request: Request


def open_store(settings: Settings) -> Store:
    """The certificate store on this machine, as the settings describe it. Raises ValueError for an empty passphrase."""
    passphrase = None
    if settings.pki_passphrase_file:
        passphrase = (Path(settings.pki_passphrase_file).expanduser().read_text().splitlines() or [""])[0]
        if not passphrase:
            raise ValueError(f"the first line of {settings.pki_passphrase_file} is empty: write the passphrase there")
    return Store(
        settings.pki_path,
        key_type=settings.pki_key_type,
        authority_days=settings.pki_authority_days,
        certificate_days=settings.pki_certificate_days,
        renew_days=settings.pki_renew_days,
        passphrase=passphrase,
    )


def signed_names(settings: Settings) -> Permitted:
    """What the authority whose key is on masters may sign for: the cluster's services and pods.

    Hosts are not among them: nobody asks the controller manager for a host's certificate, and what it may sign would
    then change, and with it the files of every master, whenever a host is added.
    """
    networks = (str(settings.service_network), str(settings.pod_network))
    return Permitted(dns_names=(settings.cluster_domain, "svc"), networks=networks)


def server_names(cluster: Cluster, master: Host) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """DNS names and addresses of an API server's certificate: the guide's nine, and the settings' extras."""
    settings = cluster.settings
    domain = settings.cluster_domain
    names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{domain}"]
    names += ["localhost", master.name]
    addresses = ["127.0.0.1", str(settings.api_server_service_address), str(master.address)]
    for extra in (settings.api_server_address, *settings.api_server_extra_names):
        if extra is not None:
            (addresses if is_address(str(extra)) else names).append(str(extra))
    return tuple(dict.fromkeys(names)), tuple(dict.fromkeys(addresses))


def certificates(cluster: Cluster, host: Host) -> list[Placed]:
    """Every certificate a host holds for its roles."""
    placed: list[Placed] = []
    if host.is_etcd:
        placed += _etcd(host)
    if host.is_master:
        placed += _master(cluster, host)
    if host.is_node:
        placed += _node(host, also_master=host.is_master)
    if cluster.balanced and (host.is_master or host.is_node):
        placed.append(Placed(BALANCER_PAIR, Request(f"{host.name}/balancer", "cluster", BALANCER_CLIENT)))
    if host in cluster.leased:
        placed.append(Placed(f"{FLANNEL_PKI}/client", Request(f"{host.name}/flannel", "etcd", ETCD_FLANNEL)))
    return placed


def certificate_files(
    cluster: Cluster, host: Host, distribution: Distribution, store: Store, *, write: bool
) -> tuple[File, ...]:
    """The files that hold a host's certificates, authorities and keys.

    Args:
        distribution: the host's; its packages may run a master's services in a group, which shall read their keys.
        store: the controller's store. With `write` what is missing or due is issued; without it nothing is written,
            and the content of a file that would be issued is None.
    """
    files = [f for placed in certificates(cluster, host) for f in _pair(placed, store, write)]
    files.append(_public(f"{KUBERNETES_PKI}/ca.crt", store.authority_certificate("cluster", write=write)))
    if host.is_etcd:
        files.append(_public(f"{ETCD_PKI}/ca.crt", store.authority_certificate("etcd", write=write)))
    if host in cluster.leased:
        files.append(_public(f"{FLANNEL_PKI}/ca.crt", store.authority_certificate("etcd", write=write)))
    if host.is_master:
        files += _master_authorities(cluster, store, write)
        files += _secrets_key(cluster.settings, store, write)
    group = service_group(cluster.settings, distribution)
    shared = {f"{KUBERNETES_PKI}/{name}.key" for name in _OF_SERVICES} if group and host.is_master else set()
    return tuple(replace(f, mode="640", owner=f"root:{group}") if f.path in shared else f for f in files)


def certificate_paths(cluster: Cluster, host: Host) -> set[str]:
    """Where a host keeps certificates, keys and authorities for its roles, whatever they hold."""
    nowhere = Store(Path("/nonexistent"))
    return {f.path for f in certificate_files(cluster, host, TABLE[0], nowhere, write=False)} | {SECRETS_KEY}


def _etcd(host: Host) -> list[Placed]:
    names, addresses = (host.name, "localhost"), (str(host.address), "127.0.0.1")

    def request(kind: str) -> Request:
        return Request(f"{host.name}/etcd-{kind}", "etcd", host.name, (), names, addresses, _BOTH)

    return [
        Placed(f"{ETCD_PKI}/server", request("server")),
        Placed(f"{ETCD_PKI}/peer", request("peer")),
        Placed(f"{ETCD_PKI}/root", Request("etcd-root", "etcd", ETCD_ADMINISTRATOR)),
    ]


def _master(cluster: Cluster, host: Host) -> list[Placed]:
    names, addresses = server_names(cluster, host)
    server = Request(f"{host.name}/server", "cluster", host.name, (), names, addresses, frozenset({"server"}))
    listed = {
        "server": server,
        "client": Request("client", "cluster", "client", ("system:masters",)),
        "etcd-client": Request("etcd-client", "etcd", ETCD_API_SERVER),
        "kubelet-client": Request("kubelet-client", "cluster", KUBELET_CLIENT),
        "controller-manager": Request("controller-manager", "cluster", "system:kube-controller-manager"),
        "scheduler": Request("scheduler", "cluster", "system:kube-scheduler"),
        "front-proxy-client": Request("front-proxy-client", "front-proxy", "front-proxy-client"),
    }
    return [Placed(f"{KUBERNETES_PKI}/{name}", request) for name, request in listed.items()]


def _node(host: Host, *, also_master: bool) -> list[Placed]:
    identity = f"{NODE_USER}{host.name}"
    serving = Request(
        f"{host.name}/kubelet", "cluster", identity, ("system:nodes",), (host.name,), (str(host.address),),
        frozenset({"server"}),
    )  # fmt: skip
    own = Request(f"{host.name}/node", "cluster", identity, ("system:nodes",), formerly=host.name)
    # The guide's nodeN.crt is a node's client.crt; on a master that name is the administrator's.
    client = "node" if also_master else "client"
    return [
        Placed(f"{KUBERNETES_PKI}/{client}", own),
        Placed(f"{KUBERNETES_PKI}/kubelet", serving),
        Placed(f"{KUBERNETES_PKI}/proxy", Request(f"{host.name}/proxy", "cluster", "system:kube-proxy")),
    ]


def _master_authorities(cluster: Cluster, store: Store, write: bool) -> list[File]:
    root = store.authority_certificate("cluster", write=write)
    signing = store.signing_authority(signed_names(cluster.settings), write=write)
    # Clients that an authority signed before another took its place are clients as long as it and they are valid.
    clients = (
        None if root is None or signing is None else [root, signing.certificate, *store.former_signing_authorities()]
    )
    return [
        _public(f"{KUBERNETES_PKI}/etcd-ca.crt", store.authority_certificate("etcd", write=write)),
        _public(f"{KUBERNETES_PKI}/front-proxy-ca.crt", store.authority_certificate("front-proxy", write=write)),
        _public(f"{KUBERNETES_PKI}/clients-ca.crt", None if clients is None else "".join(clients)),
        *_files(f"{KUBERNETES_PKI}/signing-ca.crt", f"{KUBERNETES_PKI}/signing-ca.key", signing),
        *_files(f"{KUBERNETES_PKI}/sa.pub", f"{KUBERNETES_PKI}/sa.key", store.service_account(write=write)),
    ]


def _secrets_key(settings: Settings, store: Store, write: bool) -> list[File]:
    """The key of Secrets; one that there is stays, though nothing is encrypted any more: what is could not be read."""
    if settings.kubernetes_version not in CURRENT:
        return []
    key = store.secrets_key(write=write and settings.encrypt_secrets)
    if key is None and not settings.encrypt_secrets:
        return []
    known = (key.key or None, key.known_digest or None) if key else (None, None)
    return [File(SECRETS_KEY, known[0], mode="600", sha256=known[1])]


def _pair(placed: Placed, store: Store, write: bool) -> list[File]:
    return _files(f"{placed.path}.crt", f"{placed.path}.key", store.ensure(placed.request, write=write))


def _files(public: str, key: str, pair: KeyPair | None) -> list[File]:
    """A pair's two files; of one that is still to be issued only the paths are known."""
    if pair is None:
        return [_public(public, None), File(key, None, mode="600")]
    return [
        _public(public, pair.certificate),
        File(key, pair.key or None, mode="600", sha256=pair.known_digest or None),
    ]


def _public(path: str, content: str | None) -> File:
    return File(path, content)
