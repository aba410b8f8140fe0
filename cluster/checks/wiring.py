"""Arguments that would break the cluster, or undo what secures it: what a user's own may not be, and why.

Each entry stands for something elsewhere: a setting it is derived from, a readiness question, a fact, a unit, a
certificate. Whoever moves that moves the entry.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address

from cluster.releases import CURRENT

_PKI = "the certificates of pki_directory"
_PROJECT = "the project: "
_ETCD = "the etcd group and etcd_client_port"
_ADDRESS = "the host's address in inventory.py"
_NAME = "the host's name in inventory.py"
_API_SERVER = "api_server_address and api_server_port"
_ENDS = _PROJECT + "the program does that and ends"
_PLAIN = _PROJECT + "the API server answers over TLS alone"
_CLIENTS = _PROJECT + "the cluster's clients and members have other names in their certificates"
_DATA = _PROJECT + "etcd's data are looked for in /var/lib/etcd before anything is changed"
_SIGNING = [
    f"cluster-signing-{what}-{part}-file"
    for what in ("kube-apiserver-client", "kubelet-client", "kubelet-serving", "legacy-unknown")
    for part in ("cert", "key")
]

# Arguments the project derives from elsewhere: where each is set, or what it is for.
OWNED: dict[str, dict[str, str]] = {
    "etcd": {
        "name": _NAME,
        "config-file": _PROJECT + "etcd ignores every other argument beside a file",
        "listen-client-urls": "the host's address and etcd_client_port",
        "advertise-client-urls": "the host's address and etcd_client_port",
        "listen-peer-urls": "the host's address and etcd_peer_port",
        "initial-advertise-peer-urls": "the host's address and etcd_peer_port",
        "initial-cluster": "the etcd group of inventory.py",
        "initial-cluster-state": "the etcd group of inventory.py",
        "initial-cluster-token": "cluster_name",
        "enable-v2": "flannel_etcd_api",
        "quota-backend-bytes": "etcd_quota_mib",
        "data-dir": _DATA,
        "wal-dir": _DATA,
        "force-new-cluster": _PROJECT + "at every start the member would forget the others",
        **dict.fromkeys(("discovery", "discovery-fallback", "discovery-proxy"), "the etcd group of inventory.py"),
        **dict.fromkeys(("discovery-srv", "discovery-srv-name"), "the etcd group of inventory.py"),
        **dict.fromkeys(("client-cert-allowed-hostname", "peer-cert-allowed-cn"), _CLIENTS),
        "peer-cert-allowed-hostname": _CLIENTS,
        **dict.fromkeys(("cert-file", "key-file", "trusted-ca-file", "client-cert-auth"), _PKI),
        **dict.fromkeys(("peer-cert-file", "peer-key-file", "peer-trusted-ca-file", "peer-client-cert-auth"), _PKI),
    },
    "flanneld": {
        "etcd-endpoints": _ETCD,
        "etcd-prefix": "flannel_etcd_prefix",
        "iface": "flannel_interface",
        "iface-regex": "flannel_interface",
        "iface-can-reach": "flannel_interface",
        "public-ip": _ADDRESS,
        "subnet-file": _PROJECT + "Docker reads flannel's lease there",
        "kube-subnet-mgr": _PROJECT + "leases live in etcd",
        **dict.fromkeys(("etcd-username", "etcd-password"), _PROJECT + "its certificate says who flannel is to etcd"),
        **dict.fromkeys(("etcd-cafile", "etcd-certfile", "etcd-keyfile"), _PKI),
    },
    "dockerd": {
        **dict.fromkeys(("bip", "mtu", "fixed-cidr", "default-gateway"), "flannel's lease"),
        "ip-masq": _PROJECT + "flannel masquerades what leaves the pod network",
        "bridge": _PROJECT + "pods use docker0",
        "host": _PROJECT + "whoever reaches Docker's API is root",
        "config-file": _PROJECT + "a run looks at /etc/docker/daemon.json",
        "userland-proxy": _PROJECT + "with it a pod may wait for an answer of its own that never comes",
        "exec-opt": "docker_cgroup_driver",
        "insecure-registry": "insecure_registries",
        "registry-mirror": "registry_mirrors",
    },
    "kube-apiserver": {
        "etcd-servers": _ETCD,
        "etcd-servers-overrides": _ETCD,
        "etcd-prefix": _PROJECT + "etcd lets the API server reach nothing but /registry",
        "service-cluster-ip-range": "service_network",
        "service-node-port-range": "service_node_ports",
        "secure-port": "api_server_port",
        "advertise-address": _ADDRESS,
        **dict.fromkeys(("address", "insecure-bind-address"), _PLAIN),
        "enable-admission-plugins": "admission_plugins",
        "admission-control": "admission_plugins",
        **dict.fromkeys(("etcd-cafile", "etcd-certfile", "etcd-keyfile", "client-ca-file"), _PKI),
        **dict.fromkeys(("tls-cert-file", "tls-private-key-file", "kubelet-certificate-authority"), _PKI),
        **dict.fromkeys(("kubelet-client-certificate", "kubelet-client-key", "requestheader-client-ca-file"), _PKI),
        **dict.fromkeys(("service-account-key-file", "service-account-signing-key-file"), _PKI),
        **dict.fromkeys(("proxy-client-cert-file", "proxy-client-key-file"), _PKI),
    },
    "kube-controller-manager": {
        "cluster-cidr": "pod_network",
        "cluster-name": "cluster_name",
        "service-cluster-ip-range": "service_network",
        "master": _API_SERVER,
        **dict.fromkeys(("kubeconfig", "root-ca-file", "service-account-private-key-file"), _PKI),
        **dict.fromkeys(("cluster-signing-cert-file", "cluster-signing-key-file", *_SIGNING), _PKI),
    },
    "kube-scheduler": {
        "kubeconfig": _PKI,
        "master": _API_SERVER,
        "config": _PROJECT + "the scheduler ignores its kubeconfig and more beside a file",
        "write-config-to": _ENDS,
    },
    "kubelet": {
        "hostname-override": _NAME,
        "node-ip": _ADDRESS,
        "cgroup-driver": "docker_cgroup_driver",
        "container-runtime": "container_runtime",
        "docker-endpoint": _PROJECT + "Docker answers at /var/run/docker.sock",
        "network-plugin": _PROJECT + "pods use docker0, on flannel's lease",
        "pod-infra-container-image": "pause_image",
        "cluster-domain": "cluster_domain",
        **dict.fromkeys(("kubeconfig", "client-ca-file", "tls-cert-file", "tls-private-key-file"), _PKI),
    },
    "kube-proxy": {
        "hostname-override": _NAME,
        "cluster-cidr": "pod_network",
        "proxy-mode": "kube_proxy_mode",
        "config": _PROJECT + "kube-proxy ignores every other argument beside a file",
        "write-config-to": _ENDS,
        "kubeconfig": _PKI,
        "master": _API_SERVER,
    },
}
# Of a current release further ones, and others than before: they name files of the project's, or contradict them.
_FILE = _PROJECT + "it reads a file of the project's; every other argument can be given"
CURRENT_OWNED: dict[str, dict[str, str]] = {
    "kube-apiserver": {
        "anonymous-auth": _PROJECT + "it does not start with that beside its file, by which anybody learns its health",
        "authentication-config": _PROJECT + "it lets anybody ask whether it is well, and nobody else in unasked",
        "encryption-provider-config": "encrypt_secrets",
    },
    "kubelet": {
        "config": _FILE,
        "cgroup-driver": _PROJECT + "containerd makes cgroups with systemd",
        "container-runtime-endpoint": _PROJECT + "containerd answers at /run/containerd/containerd.sock",
    },
}
_EVERYWHERE = dict.fromkeys(("help", "version"), _ENDS)


@dataclass(frozen=True)
class Only:
    """What an argument may be, as a regular expression ("{address}": the host's), and what any other value does."""

    values: str
    otherwise: str

    def allows(self, value: str, address: IPv4Address | None) -> bool:
        """Whether the value is one of these. Without a value an argument is true."""
        own = re.escape(str(address)) if address else "(?!)"
        return re.fullmatch(self.values.replace("{address}", own), value or "true") is not None


_TRUE, _FALSE = "1|[tT]|TRUE|true|True", "0|[fF]|FALSE|false|False"
_NONE = "(?!)"
_NEAR = r"127\.0\.0\.1|0\.0\.0\.0"
_HERE = r"0\.0\.0\.0|{address}"
_ELECTED = Only(_TRUE, "two would act at once, wherever another master's run, too")
_OFF = re.escape("=false")
_KINDS = r"api/(all|ga|legacy|v1)|(apps|coordination\.k8s\.io|rbac\.authorization\.k8s\.io)/v1"
_HEALTH = Only(r"(.*,)?(/healthz|/\*)(,.*)?", "whether it is ready is asked at /healthz, which must be among them")
_ASKED = "a run asks at 127.0.0.1 whether it is ready"


def _asked_at(port: int) -> Only:
    return Only(str(port), f"a run asks at port {port} whether it is ready")


def _elects(loop: str) -> dict[str, Only]:
    """How a control loop's leader is elected: by the same lease everywhere, at every time."""
    lease = {"lock": "leases", "namespace": "kube-system", "name": loop}
    two = "two would act at once while masters are given another"
    return {"leader-elect": _ELECTED, **{f"leader-elect-resource-{k}": Only(v, two) for k, v in lease.items()}}


# Arguments that a readiness question, or another part of the cluster, relies on.
NEEDED: dict[str, dict[str, Only]] = {
    "etcd": {
        "proxy": Only("off", "a proxy keeps no data"),
        "unsafe-no-fsync": Only(_FALSE, "what it has acknowledged would be lost with the power"),
        "strict-reconfig-check": Only(_TRUE, "a change of members could cost the quorum"),
    },
    "flanneld": {},
    "dockerd": {"icc": Only(_TRUE, "pods of one node could not reach each other")},
    "kube-apiserver": {
        "bind-address": Only(_HERE, "nodes, and the question whether it is ready, call the host's address"),
        "insecure-port": Only("0", "whoever reached that port would be administrator, and this release refuses it"),
        "port": Only("0", "whoever reached that port would be administrator, and this release refuses it"),
        "authorization-mode": Only(".*(RBAC|ABAC|Webhook|AlwaysAllow).*", "nothing gives the cluster's parts a right"),
        "kubelet-https": Only(_TRUE, "kubelets answer over TLS alone"),
        "kubelet-port": Only("10250", "kubelets answer at port 10250"),
        "endpoint-reconciler-type": Only("lease|master-count", "nobody keeps the addresses of the service kubernetes"),
        "shutdown-delay-duration": Only(r"(\d+(\.\d+)?(h|m|s|ms|us|µs|ns))+|0", "it is a duration: 10s, 1m30s"),
        "runtime-config": Only(f"(?!.*({_KINDS}){_OFF}).*", "the cluster's own parts use what it turns off"),
    },
    "kube-controller-manager": {
        **_elects("kube-controller-manager"),
        "bind-address": Only(_NEAR, _ASKED),
        "secure-port": _asked_at(10257),
        "authorization-always-allow-paths": _HEALTH,
        "use-service-account-credentials": Only(_TRUE, "its own user has not the rights of all controllers"),
    },
    "kube-scheduler": {
        **_elects("kube-scheduler"),
        "bind-address": Only(_NEAR, _ASKED),
        "secure-port": _asked_at(10259),
        "authorization-always-allow-paths": _HEALTH,
    },
    "kubelet": {
        "healthz-bind-address": Only(_NEAR, _ASKED),
        "healthz-port": _asked_at(10248),
        "address": Only(_HERE, "the API server calls the host's address"),
        "port": Only("10250", "the API server calls port 10250"),
        "enable-server": Only(_TRUE, "the API server could not call it"),
        "register-node": Only(_TRUE, "a run waits until the node is registered"),
        "runonce": Only(_FALSE, "it would end after its first pods"),
    },
    "kube-proxy": {
        "healthz-bind-address": Only(rf"({_NEAR})(:10256)?", "a run asks at 127.0.0.1:10256 whether it is ready"),
        "healthz-port": _asked_at(10256),
        "detect-local-mode": Only("ClusterCIDR", "nodes have no pod CIDR of Kubernetes': flannel leases them"),
        "cleanup": Only(_FALSE, "it would clean up and end"),
        "init-only": Only(_FALSE, "it would set up and end"),
    },
}

_ANYBODY = Only("0", "whoever reaches that port is answered, without TLS and unasked who it is")
_ALL_PATHS = Only(r"(?!.*/\*).*", '"/*" answers everybody everything, unasked who it is')
_SAID = "whoever reaches its port may ask, as system:anonymous"

_PROFILED = Only(_FALSE, "whoever may ask it anything can make it work for as long as he likes")
_TLS = Only("VersionTLS1[23]", "versions before TLS 1.2 can be broken")
_CIPHERS = Only(
    r"(TLS_(ECDHE_\w+|AES_\d+|CHACHA20)_\w*(GCM|POLY1305)\w*(,|$))+",
    "one without forward secrecy or AEAD is among them",
)
_HARD = {"profiling": _PROFILED, "tls-min-version": _TLS, "tls-cipher-suites": _CIPHERS}

# Arguments that undo what secures the cluster: what is harmless, and what any other value means.
SECURING: dict[str, dict[str, Only]] = {
    "etcd": {
        "experimental-peer-skip-client-san-verification": Only(
            _FALSE, "a member's certificate is then believed wherever it comes from"
        )
    },
    "kube-apiserver": {
        **_HARD,
        "service-account-extend-token-expiration": Only(_FALSE, "a pod's token is accepted for a year"),
        "audit-log-path": Only(r"(?!/dev/).+", "nobody learns afterwards who changed what"),
        "anonymous-auth": Only(_FALSE, _SAID),
        "authorization-mode": Only(
            r"(?=.*\bNode\b)(?=.*\bRBAC\b)(?!.*AlwaysAllow).*",
            "without Node and RBAC, or with AlwaysAllow, nodes and users may do more than is theirs",
        ),
        "token-auth-file": Only(_NONE, "its tokens lie in the clear on masters and never expire"),
        "service-account-lookup": Only(_TRUE, "tokens of deleted service accounts stay valid"),
        "admission-control-config-file": Only(_NONE, "pod_security says nothing any more, unless that file does"),
    },
    "kube-controller-manager": {**_HARD, "port": _ANYBODY, "authorization-always-allow-paths": _ALL_PATHS},
    "kube-scheduler": {**_HARD, "port": _ANYBODY, "authorization-always-allow-paths": _ALL_PATHS},
    "kubelet": {
        **{flag: only for flag, only in _HARD.items() if flag != "profiling"},
        "seccomp-default": Only(_TRUE, "pods that name no seccomp profile may make any system call"),
        "protect-kernel-defaults": Only(_TRUE, "protect_kernel_defaults says nothing any more"),
        "anonymous-auth": Only(_FALSE, _SAID),
        "authorization-mode": Only("Webhook", "whoever has a certificate of the cluster is root on the node"),
        "read-only-port": Only("0", "whoever reaches that port reads the node's pods, unasked who it is"),
    },
}


def refused(daemon: str, flag: str, value: str, address: IPv4Address | None, version: str | None = None) -> str | None:
    """Why a daemon cannot have this argument and value, and what to do instead; None when it can.

    Args:
        address: the host's; None for an argument of every host.
        version: of Kubernetes, where that matters.
    """
    current = CURRENT_OWNED.get(daemon, {}) if version is not None and version in CURRENT else {}
    source = current.get(flag) or OWNED[daemon].get(flag) or _EVERYWHERE.get(flag)
    if source:
        reason = source.removeprefix(_PROJECT)
        if reason != source:
            return f"is the project's own: {reason}; take it out"
        return f"is set by the project, from {source}; change that instead"
    needed = NEEDED[daemon].get(flag)
    if needed and not needed.allows(value, address):
        return f"would break the cluster: {needed.otherwise}; take it out"
    return None


def weakens(daemon: str, flag: str, value: str) -> str | None:
    """What this argument undoes of what secures the cluster; None when it is harmless."""
    securing = SECURING.get(daemon, {}).get(flag)
    return None if securing is None or securing.allows(value, None) else f"undoes security: {securing.otherwise}"


# --- The kubelet's labels -------------------------------------------------------------------------------------------

# Of Kubernetes' own names the kubelet may give its node these, and those of two namespaces; as the kubelet checks them.
_LABELS = frozenset({
    "kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch", "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch", "beta.kubernetes.io/instance-type", "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
})  # fmt: skip
_NAMESPACES = ("kubelet.kubernetes.io", "node.kubernetes.io")


def refused_label(label: str) -> str | None:
    """Why the kubelet would not start with this node label, and what to write instead; None when it would."""
    key, _, value = label.partition("=")
    namespace, slash, name = key.rpartition("/")
    theirs = _within(namespace, ("kubernetes.io", "k8s.io"))
    if not slash or not theirs or key in _LABELS or _within(namespace, _NAMESPACES):
        return None
    instead = (
        f"node.kubernetes.io/role={name}"
        if namespace == "node-role.kubernetes.io"
        else f"{_NAMESPACES[1]}/{name}={value}"
    )
    return f"no kubelet may give itself {key}; write {instead}, or `kubectl label node NAME {label}` after the run"


def _within(namespace: str, parents: tuple[str, ...]) -> bool:
    return any(namespace == parent or namespace.endswith(f".{parent}") for parent in parents)
