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
service_node_ports = (
    "80-65535"  # ports a NodePort service may take on every node; no manifest may ask for the cluster's own
)

# --- Versions ---------------------------------------------------------------------------------------------------

kubernetes_version = "1.20.2"
flannel_version = "0.26.7"  # 0.18 to 0.25 are deaf to new leases once etcd has been restarted
container_runtime = "docker"  # what runs the containers: docker (Kubernetes up to 1.23)

etcd_version = "3.4.23"  # where etcd is a release file
docker_version = "20.10.24"  # where Docker is

# Exact versions of packages, as the distribution writes them: {"etcd": "3.4.23-1"}, by family of distributions:
# {"etcd": {"deb": "3.4.23+dfsg-4", "rpm": "3.4.23-1"}}, or of one package: {"docker-ce-cli": "1:24.0.7-1.el9"}. Without
# one, Kubernetes and flannel are installed in the versions above, etcd and Docker as the repository offers them; what
# is installed is never upgraded by a run.
package_versions = {}

# --- Where software comes from ----------------------------------------------------------------------------------

# How each component is installed: "packages" (the distribution's: their units, accounts and paths stay as they are) or
# "release files" (below, with units of this project); by family if they differ: {"deb": "...", "rpm": "..."}. The
# guide's distribution has packages of all four. docs/distributions.md lists who has which.
install_methods = {
    "etcd": "packages",
    "flannel": "release files",
    "docker": "packages",
    "kubernetes": "release files",
}

# Packages by component (etcd, flannel, docker, kubernetes-master, kubernetes-node) and family, where they are called
# otherwise than docs/distributions.md says: {"docker": {"rpm": ["docker-ce", "docker-ce-cli", "containerd.io"]}}
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

# Package repositories of rpm hosts: sections of /etc/yum.repos.d/FILE.repo, which is replaced as a whole. These two are
# the guide's. Its gpgcheck is 0, which installs whatever answers at that address: False, if you must. `key` is the
# path, on this machine, of the repository's public key; None: the host has it already. `distributions`: only on hosts
# whose /etc/os-release has one of these IDs; None: on every rpm host.
yum_repositories = [
    {
        "file": "deepin",
        "id": "base",
        "name": "Deepin Server 16 Base",
        "baseurl": "https://packages.deepin.com/server/amd64/os/",
        "gpgcheck": True,
        "key": None,
        "distributions": ["deepin"],
    },
    {
        "file": "deepin",
        "id": "extras",
        "name": "Deepin Server 16 Extras",
        "baseurl": "https://packages.deepin.com/server/amd64/extras/x86_64/",
        "gpgcheck": True,
        "key": None,
        "distributions": ["deepin"],
    },
]

# Release files: where each host fetches them, and their SHA-256. {version} is filled in. Only those of components whose
# method is "release files" need a checksum. For Kubernetes' programs add ".sha256" to the address to read it.
release_files = {
    "kube-apiserver": {
        "url": "https://dl.k8s.io/release/v{version}/bin/linux/amd64/kube-apiserver",
        "sha256": None,
    },
    "kube-controller-manager": {
        "url": "https://dl.k8s.io/release/v{version}/bin/linux/amd64/kube-controller-manager",
        "sha256": None,
    },
    "kube-scheduler": {
        "url": "https://dl.k8s.io/release/v{version}/bin/linux/amd64/kube-scheduler",
        "sha256": None,
    },
    "kubectl": {
        "url": "https://dl.k8s.io/release/v{version}/bin/linux/amd64/kubectl",
        "sha256": None,
    },
    "kubelet": {
        "url": "https://dl.k8s.io/release/v{version}/bin/linux/amd64/kubelet",
        "sha256": None,
    },
    "kube-proxy": {
        "url": "https://dl.k8s.io/release/v{version}/bin/linux/amd64/kube-proxy",
        "sha256": None,
    },
    "flanneld": {
        "url": "https://github.com/flannel-io/flannel/releases/download/v{version}/flanneld-amd64",
        "sha256": None,
    },
    "etcd": {
        "url": "https://github.com/etcd-io/etcd/releases/download/v{version}/etcd-v{version}-linux-amd64.tar.gz",
        "sha256": None,
    },
    "docker": {
        "url": "https://download.docker.com/linux/static/stable/x86_64/docker-{version}.tgz",
        "sha256": None,
    },
}

# The image every pod's network namespace is held by: a name the nodes can pull, or, with an archive (as made by
# `docker save`), the name that archive carries: {"url": "http://mirror.example/pause.tar", "sha256": "..."}
pause_image = "docker.io/tianyebj/pod-infrastructure"
pause_image_archive = None

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

# --- Docker -----------------------------------------------------------------------------------------------------

docker_cgroup_driver = "systemd"  # systemd or cgroupfs; the kubelet gets the same
insecure_registries = []  # registries reached without a trusted certificate, host[:port] or CIDR
registry_mirrors = []  # URLs asked before docker.io
docker_options = []  # further dockerd options, as typed: ["--log-opt", "max-size=50m"]

# --- Kubernetes -------------------------------------------------------------------------------------------------

api_server_port = 6443
api_server_address = None  # what nodes call; None: the first master's address (several masters: a balancer's)
api_server_extra_names = []  # further names and addresses in the API server's certificate
admission_plugins = [
    "NamespaceLifecycle",
    "NamespaceExists",
    "LimitRanger",
    "SecurityContextDeny",
    "ServiceAccount",
    "ResourceQuota",
    "NodeRestriction",
]
kube_proxy_mode = "iptables"  # iptables or ipvs
log_level = 1  # --v of every Kubernetes component: 0 (least) to 10

# Further arguments by component (etcd, flanneld, dockerd, kube-apiserver, kube-controller-manager, kube-scheduler,
# kubelet, kube-proxy), without dashes; they win over the project's own. For one host: host_extra_args.
#   {"kube-apiserver": {"audit-log-path": "/var/log/kube-audit.log"}}
extra_args = {}

# --- The first workload -----------------------------------------------------------------------------------------

# What deploys/workload.py brings about. Change version or replicas and run it again: pods are rolled, or scaled.
nginx_image = "nginx"  # without its tag; an image of yours: docker.io's nginx has no tag v1
nginx_version = "v1"  # its tag
nginx_replicas = 3
nginx_node_port = None  # where every node answers; None: the first of service_node_ports, here 80
nginx_update_period = 10  # seconds between one old pod's going and the next new one's coming

# --- Certificates -----------------------------------------------------------------------------------------------

pki_directory = "~/.container-cloud/pki"  # on this machine: authorities, their keys, every certificate. Back it up
pki_passphrase_file = None  # a file, on this machine, mode 0600, whose first line encrypts every key in pki_directory
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
