"""The cluster's settings. Each says what it means, its unit and its default; docs/settings.md lists them all.

They are checked, all at once, before any host is touched. Those that name one host (address, ssh_*,
host_extra_args) belong in inventory.py.
"""

# --- Names ------------------------------------------------------------------------------------------------------

cluster_name = "k8s-cluster"  # the cluster's name in every kubeconfig
cluster_domain = "cluster.local"  # the DNS domain of services; part of the API server's certificate

# --- Networks ---------------------------------------------------------------------------------------------------

pod_network = "192.168.0.0/16"  # flannel leases every node a piece of this network for its containers
pod_subnet_length = 24  # prefix length of one node's lease, in bits: /24 is 253 containers a node
pod_subnet_min = "192.168.2.0"  # first lease: leaves 192.168.1.0/24 to the services; None: flannel's choice, the second
pod_subnet_max = None  # last lease; None: the network's last
service_network = "192.168.1.0/24"  # cluster addresses of services; its first address is the API server's
service_node_ports = "30000-32767"  # ports a NodePort service may take on every node
# Masters lease a piece of the pod network too, and run no pods on it: without it the API server reaches no admission
# webhook and no aggregated API.
masters_on_pod_network = True

# --- Versions ---------------------------------------------------------------------------------------------------

kubernetes_version = "1.37.2"  # 1.37 and 1.36 on containerd; 1.20 on Docker, as in guide/

# None: the version that was tried with that Kubernetes (cluster/release_sets.py). Another is yours to try.
container_runtime = None  # containerd, or docker (Kubernetes up to 1.23)
etcd_version = None
flannel_version = None
docker_version = None
containerd_version = None
runc_version = None
cni_plugins_version = None
crictl_version = None
coredns_version = None
metrics_server_version = None

# Exact versions of packages, as the distribution writes them: {"etcd": "3.4.23-1"}, by family of distributions:
# {"etcd": {"deb": "3.4.23+dfsg-4", "rpm": "3.4.23-1"}}, or of one package: {"docker-ce-cli": "1:24.0.7-1.el9"}. Without
# one, Kubernetes and flannel are installed in the versions above, etcd and Docker as the repository offers them; what
# is installed is never upgraded by a run.
package_versions = {}

# --- Where software comes from ----------------------------------------------------------------------------------

# How each component is installed: "packages" (the distribution's: their units, accounts and paths stay as they are) or
# "release files" (below, with units of this project); by family if they differ: {"deb": "...", "rpm": "..."}.
# docs/distributions.md lists who has which packages.
install_methods = {
    "etcd": "release files",
    "flannel": "release files",
    "docker": "release files",
    "containerd": "release files",
    "kubernetes": "release files",
}

# Packages by component (etcd, flannel, docker, containerd, kubernetes-master, kubernetes-node) and family, where they
# are called otherwise than docs/distributions.md says: {"containerd": {"rpm": ["containerd.io"]}}
package_names = {}

# Packages that a run may remove from a host where they are in the way of what it installs; no other ever goes:
# ["docker-ce", "containerd.io"].
replace_packages = []

# Package repositories to add on deb hosts, beside those the host already has. One entry:
#   {"name": "example", "uri": "http://mirror.example/debian", "suite": "bookworm", "components": ["main"],
#    "key": None, "trusted": False}
# A suite that ends in "/" is a flat repository and has no components. `key` is the path, on this machine, of the
# repository's public key, text or binary; without a key apt refuses it, unless `trusted` is True.
apt_repositories = []

# Package repositories of rpm hosts: sections of /etc/yum.repos.d/FILE.repo, which is replaced as a whole. One entry:
#   {"file": "example", "id": "base", "name": "Example", "baseurl": "https://mirror.example/os/", "gpgcheck": True,
#    "key": None, "distributions": None}
# `key` is the path, on this machine, of the repository's public key; None: the host has it already. `distributions`:
# only on hosts whose /etc/os-release has one of these IDs; None: on every rpm host.
yum_repositories = []

# Release files: where each host fetches them. {version}, {arch} (amd64, arm64) and {machine} (x86_64, aarch64) are
# filled in. Digests need not be written here: the project ships some (cluster/digests.txt), `python -m release lock`
# finds the others. To have your own: "sha256" or "sha512", one, or by architecture {"amd64": "...", "arm64": "..."}.
release_files = {
    "kube-apiserver": {"url": "https://dl.k8s.io/release/v{version}/bin/linux/{arch}/kube-apiserver"},
    "kube-controller-manager": {"url": "https://dl.k8s.io/release/v{version}/bin/linux/{arch}/kube-controller-manager"},
    "kube-scheduler": {"url": "https://dl.k8s.io/release/v{version}/bin/linux/{arch}/kube-scheduler"},
    "kubectl": {"url": "https://dl.k8s.io/release/v{version}/bin/linux/{arch}/kubectl"},
    "kubelet": {"url": "https://dl.k8s.io/release/v{version}/bin/linux/{arch}/kubelet"},
    "kube-proxy": {"url": "https://dl.k8s.io/release/v{version}/bin/linux/{arch}/kube-proxy"},
    "flanneld": {"url": "https://github.com/flannel-io/flannel/releases/download/v{version}/flanneld-{arch}"},
    "etcd": {"url": "https://github.com/etcd-io/etcd/releases/download/v{version}/etcd-v{version}-linux-{arch}.tar.gz"},
    "docker": {"url": "https://download.docker.com/linux/static/stable/{machine}/docker-{version}.tgz"},
    "containerd": {
        "url": "https://github.com/containerd/containerd/releases/download/v{version}/containerd-{version}-linux-{arch}.tar.gz"
    },
    "runc": {"url": "https://github.com/opencontainers/runc/releases/download/v{version}/runc.{arch}"},
    "cni-plugins": {
        "url": "https://github.com/containernetworking/plugins/releases/download/v{version}/cni-plugins-linux-{arch}-v{version}.tgz"
    },
    "crictl": {
        "url": "https://github.com/kubernetes-sigs/cri-tools/releases/download/v{version}/crictl-v{version}-linux-{arch}.tar.gz"
    },
}
release_lock = "release.lock"  # here, on this machine, `python -m release lock` writes digests that nobody else has

# The image every pod's network namespace is held by, None: the one tried with this Kubernetes. With an archive (as made
# by `docker save`) it is the name that archive carries: {"url": "http://mirror.example/pause.tar", "sha256": "..."}
pause_image = None
pause_image_archive = None
image_archives = []  # further image archives that every node loads: what it need not pull

# --- etcd -------------------------------------------------------------------------------------------------------

etcd_client_port = 2379
etcd_peer_port = 2380
etcd_quota_mib = 2048  # largest database, in MiB, before etcd refuses to write

# --- flannel ----------------------------------------------------------------------------------------------------

flannel_backend = "vxlan"  # how packets travel between nodes: vxlan, host-gw (one layer-2 network) or udp (debugging)
flannel_backend_options = {}  # the backend's own options, for example {"VNI": 1, "Port": 8472}
flannel_etcd_api = "v3"  # the etcd API this flannel release reads: v2 (up to 0.17) or v3 (from 0.18)
flannel_etcd_prefix = "/flannel/network"  # where flannel's configuration and leases live in etcd
flannel_interface = None  # the interface nodes reach each other through; None: the one that carries the host's address

# --- The container runtime --------------------------------------------------------------------------------------

insecure_registries = []  # registries reached without a trusted certificate: host[:port], with Docker also CIDR
registry_mirrors = []  # URLs asked before docker.io
pull_proxy = None  # a proxy's URL, through which containerd pulls images
pull_no_proxy = []  # names, addresses and networks that images are pulled from without it
accept_cgroup_v1 = False  # True: Kubernetes from 1.35 also on hosts with cgroup v1 only, which it no longer supports

# --- Docker -----------------------------------------------------------------------------------------------------

docker_cgroup_driver = "systemd"  # systemd or cgroupfs; the kubelet gets the same
docker_options = []  # further dockerd options, as typed: ["--log-opt", "max-size=50m"]

# --- Kubernetes -------------------------------------------------------------------------------------------------

api_server_port = 6443
api_server_address = None  # what people and, without the balancer, nodes call; None: the first master's address
api_server_balancer = None  # True: hosts reach the API servers through a haproxy of their own; None: several masters
api_server_balancer_port = 7443  # where that haproxy answers, on 127.0.0.1
etcd_balancer_port = 7379  # and each master's to etcd's members: a port a member, from this one on
api_server_extra_names = []  # further names and addresses in the API server's certificate
admission_plugins = None  # to enable beside the release's own; None: NodeRestriction
kube_proxy_mode = "iptables"  # iptables, nftables (Kubernetes from 1.33, kernel from 5.13), or ipvs, which is leaving
log_level = 1  # --v of every Kubernetes component: 0 (least) to 10

# Further arguments by component (etcd, flanneld, dockerd, kube-apiserver, kube-controller-manager, kube-scheduler,
# kubelet, kube-proxy), without dashes; they win over the project's own. For one host: host_extra_args.
#   {"kube-apiserver": {"audit-log-path": "/var/log/kube-audit.log"}}
extra_args = {}

# --- Hardening --------------------------------------------------------------------------------------------------

# Of Kubernetes from 1.36 on. docs/security.md says what else is set, and why.
encrypt_secrets = True  # etcd holds Secrets encrypted, by a key of the store on this machine
audit_log = True  # API servers write down who asked for what, in /var/log/kubernetes/audit.log
audit_policy = None  # a file, on this machine, with a policy of your own; None: what changes, without content
audit_log_days = 30  # how long an audit log is kept, in days
audit_log_files = 10  # audit logs kept beside the present one
audit_log_size_mib = 100  # the size in MiB at which the next begins
pod_security = "baseline"  # what pods may do where a namespace's labels say nothing: privileged, baseline, restricted
protect_kernel_defaults = True  # the kubelet refuses to run where kernel parameters are not what it wants

# --- Cluster DNS and metrics ------------------------------------------------------------------------------------

cluster_dns = True  # CoreDNS: pods find services, and the world, by name
cluster_dns_address = None  # where it answers; None: the tenth address of service_network
cluster_dns_image = "registry.k8s.io/coredns/coredns"  # without its tag, which is v and its release
cluster_dns_replicas = 2  # pods of it, on different nodes
metrics_server = False  # `kubectl top`, and autoscaling by use
metrics_server_image = "registry.k8s.io/metrics-server/metrics-server"  # without its tag, which is v and its release

# --- The first workload -----------------------------------------------------------------------------------------

# What deploys/workload.py brings about. Change version or replicas and run it again: pods are rolled, or scaled.
nginx_image = "nginx"  # without its tag
nginx_version = "1.28"  # its tag
nginx_replicas = 3
nginx_node_port = 30080  # where every node answers; None: the first of service_node_ports
nginx_update_period = 10  # seconds between one old pod's going and the next new one's coming

# --- Certificates -----------------------------------------------------------------------------------------------

pki_directory = "~/.container-cloud/pki"  # on this machine: authorities, their keys, every certificate. Back it up
pki_passphrase_file = None  # a file, on this machine, mode 0600, whose first line encrypts every key in pki_directory
kubeconfig = None  # on this machine: what deploys/kubeconfig.py writes for you; None: kubeconfig in pki_directory
pki_key_type = "rsa-2048"  # rsa-2048 or ecdsa-p256, for keys made from now on
pki_authority_days = 3650  # life of an authority, in days
pki_certificate_days = 365  # life of a certificate, in days
pki_renew_days = 30  # a certificate with fewer days left is issued again

# --- Hosts ------------------------------------------------------------------------------------------------------

disable_firewall = True  # stop and disable firewalld and ufw where present
selinux = "permissive"  # permissive or enforcing (then the policy is yours); no effect where there is no SELinux
disable_swap = True  # now and in /etc/fstab
# What keeps the clock. "distribution": what keeps it already, else systemd-timesyncd on deb and chrony on rpm hosts; or
# one of these two; None: something else does.
time_service = "distribution"
minimum_free_disk_gib = 5  # preflight: free space in GiB that /var must have before the first installation
audit_account = None  # an account on every host that deploys/audit.py lets audit it without being root; None: none
start_timeout = 180  # seconds a service may take to become ready before the run stops

# --- Changes to a cluster that serves ---------------------------------------------------------------------------

# What others go by is restarted host by host, and the run stops at the first host that does not come back.
max_unavailable = 1  # nodes at a time; etcd members and masters are always taken one by one
# Before what interrupts a node's pods they go elsewhere, as their disruption budgets allow: seconds for which that may
# make no progress before the run stops; 0: nodes are not drained.
drain_timeout = 300
