"""The settings as a model: the fields of group_data/all.py, with their kinds, defaults, units and meanings."""

import os
from functools import partial
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cluster import addresses, digests, fields, lock, releases
from cluster.distributions import AMD64
from cluster.downloads import Archive, Download, NoDigest, ReleaseFile, public
from cluster.families import FamilyName
from cluster.release_sets import FILLED, LATEST, Runtime, release_set
from cluster.releases import Component

Arguments = dict[str, dict[str, str]]  # component -> argument without dashes -> value

_STRICT = ConfigDict(frozen=True, extra="forbid", strict=True)
_KUBERNETES = "https://dl.k8s.io/release/v{version}/bin/linux/{arch}/"
_GITHUB = "https://github.com/{}/releases/download/v{{version}}/{}"
_URLS = {
    "flanneld": _GITHUB.format("flannel-io/flannel", "flanneld-{arch}"),
    "etcd": _GITHUB.format("etcd-io/etcd", "etcd-v{version}-linux-{arch}.tar.gz"),
    "docker": "https://download.docker.com/linux/static/stable/{machine}/docker-{version}.tgz",
    "containerd": _GITHUB.format("containerd/containerd", "containerd-{version}-linux-{arch}.tar.gz"),
    "runc": _GITHUB.format("opencontainers/runc", "runc.{arch}"),
    "cni-plugins": _GITHUB.format("containernetworking/plugins", "cni-plugins-linux-{arch}-v{version}.tgz"),
    "crictl": _GITHUB.format("kubernetes-sigs/cri-tools", "crictl-v{version}-linux-{arch}.tar.gz"),
}

Method = Literal["packages", "release files"]
INSTALL_METHODS: dict[Component, Method] = {
    "etcd": "release files",
    "flannel": "release files",
    "docker": "release files",
    "containerd": "release files",
    "kubernetes": "release files",
}


class AptRepository(BaseModel):
    """A package repository of a deb host."""

    model_config = _STRICT

    name: str = Field(description="names the file in /etc/apt/sources.list.d")
    uri: str = Field(description="where the repository is")
    suite: str = Field(description='the distribution\'s name in it; one that ends in "/" is a flat repository')
    components: list[str] = Field(default_factory=list, description="its parts; a flat repository has none")
    key: str | None = Field(default=None, description="path, on this machine, of its public key, text or binary")
    trusted: bool = Field(default=False, description="True: accept it without a key")


class YumRepository(BaseModel):
    """A package repository of an rpm host: a section of a file in /etc/yum.repos.d."""

    model_config = _STRICT

    file: str = Field(description="names the file, without .repo; one that is there is replaced")
    id: str = Field(description="names the section")
    name: str = Field(description="what people call it")
    baseurl: str = Field(description="where the repository is")
    gpgcheck: bool = Field(default=True, description="False: accept packages that nobody signed, as the guide does")
    key: str | None = Field(
        default=None,
        description="path, on this machine, of its public key, text or binary; None: the host has it already",
    )
    enabled: bool = Field(default=True, description="False: it is there, and not used")
    distributions: list[str] | None = Field(
        default=None, description="only for hosts whose /etc/os-release has one of these IDs; None: for every rpm host"
    )


def _setting(section: str, default: object, meaning: str, *, unit: str = "", **bounds: Any) -> Any:
    return Field(default=default, description=meaning, json_schema_extra={"section": section, "unit": unit}, **bounds)


_names = partial(_setting, "Names")
_networks = partial(_setting, "Networks")
_versions = partial(_setting, "Versions")
_sources = partial(_setting, "Where software comes from")
_etcd = partial(_setting, "etcd")
_flannel = partial(_setting, "flannel")
_runtime = partial(_setting, "The container runtime")
_docker = partial(_setting, "Docker")
_kubernetes = partial(_setting, "Kubernetes")
_hardening = partial(_setting, "Hardening")
_dns = partial(_setting, "Cluster DNS and metrics")
_nginx = partial(_setting, "The first workload")
_certificates = partial(_setting, "Certificates")
_hosts = partial(_setting, "Hosts")
_changes = partial(_setting, "Changes to a cluster that serves")
_port = partial(_etcd, unit="TCP port", ge=1, le=65535)


def _part(name: str, where: str = "") -> Any:
    return _versions(None, f"the release of {name} to deploy{where}; None: the release set's")


class Settings(BaseModel):
    """The cluster's settings; every default is the shipped value."""

    model_config = _STRICT

    cluster_name: fields.Identifier = _names("k8s-cluster", "the cluster's name in every kubeconfig")
    cluster_domain: fields.Domain = _names(
        "cluster.local", "the DNS domain of services; part of the API server's certificate"
    )

    pod_network: fields.Network = _networks(
        IPv4Network("192.168.0.0/16"), "flannel leases every node a piece of this network for its containers"
    )
    pod_subnet_length: int = _networks(
        24, "prefix length of one node's lease: /24 is 254 addresses", unit="bits", ge=1, le=addresses.LONGEST_LEASE
    )
    pod_subnet_min: fields.Address | None = _networks(
        IPv4Address("192.168.2.0"), "first lease; None: flannel's choice, the network's second piece"
    )
    pod_subnet_max: fields.Address | None = _networks(None, "last lease; None: the network's last piece")
    service_network: fields.Network = _networks(
        IPv4Network("192.168.1.0/24"), "cluster addresses of services; its first address is the API server's"
    )
    service_node_ports: fields.PortRangeText = _networks(
        "30000-32767",
        "ports a NodePort service may take on every node; of the cluster's own among them no manifest may ask",
        unit="ports",
    )
    masters_on_pod_network: bool = _networks(
        True,
        "masters lease a piece of the pod network too, and run no pods on it: without it the API server reaches no "
        "admission webhook and no aggregated API; turned off, flanneld stays on those that had one",
    )

    kubernetes_version: fields.Version = _versions(
        LATEST, "the Kubernetes release to deploy; of a version that is None, its release set has the one tried with it"
    )
    container_runtime: Runtime = _versions(
        None, "what runs the containers: containerd, or Docker up to Kubernetes 1.23; None: the release set's"
    )
    etcd_version: fields.Version = _part("etcd", ", where it is a release file")
    flannel_version: fields.Version = _part("flannel")
    docker_version: fields.Version = _part("Docker", ", where it is a release file")
    containerd_version: fields.Version = _part("containerd", ", where it is a release file")
    runc_version: fields.Version = _part("runc", ", where containerd is a release file")
    cni_plugins_version: fields.Version = _part("the CNI plugins", ", where containerd is a release file")
    crictl_version: fields.Version = _part("crictl", ", where containerd is a release file")
    coredns_version: fields.Version = _part("CoreDNS")
    metrics_server_version: fields.Version = _part("metrics-server")
    package_versions: dict[str, fields.ByFamily] = _versions(
        {},
        "exact versions of packages, by component or by package, and by family if they differ; without one Kubernetes "
        "and flannel as set above, etcd and Docker as the repository has them at installation. What is installed stays",
    )

    install_methods: dict[str, fields.ByFamily] = _sources(
        INSTALL_METHODS,
        "how each component is installed, or how on each family: the distribution's packages, or `release_files`",
        validate_default=True,
    )
    package_names: dict[str, dict[str, list[fields.PackageName]]] = _sources(
        {}, "packages of a component by family, where they are called otherwise than the distribution calls them"
    )
    replace_packages: list[fields.PackageName] = _sources(
        [], "packages that a run may remove from a host where they are in the way of what it installs; no other goes"
    )
    apt_repositories: list[AptRepository] = _sources([], "package repositories to add on deb hosts")
    yum_repositories: list[YumRepository] = _sources(
        [], "package repositories of rpm hosts; a file is written whole, with all its sections"
    )
    release_files: dict[str, ReleaseFile] = _sources(
        {name: ReleaseFile(url=_URLS.get(name, _KUBERNETES + name)) for name in releases.RELEASE_FILES},
        "programs, or archives of them, by name: where each host fetches them, and, if they are yours alone, their "
        "digests",
    )
    release_lock: str = _sources(
        "release.lock",
        "the file, on this machine, in which `python -m release lock` writes down digests that nobody else has; a "
        "relative path begins where pyinfra is run",
    )
    pause_image: fields.Image = _sources(
        None, "the image that holds every pod's network namespace; None: the release set's"
    )
    pause_image_archive: Archive | None = _sources(
        None, "an image archive, as made by `docker save`, that carries pause_image; None: the nodes pull it"
    )

    image_archives: list[Archive] = _sources(
        [], "image archives, as made by `docker save`, that every node loads: what it need not pull"
    )

    etcd_client_port: int = _port(2379, "where etcd answers clients")
    etcd_peer_port: int = _port(2380, "where etcd members answer each other")
    etcd_quota_mib: int = _etcd(2048, "largest database before etcd refuses to write", unit="MiB", ge=1)

    flannel_backend: Literal["vxlan", "host-gw", "udp"] = _flannel(
        "vxlan", "how packets travel between nodes; host-gw needs one layer-2 network, udp is for debugging"
    )
    flannel_backend_options: dict[str, object] = _flannel(
        {}, 'the backend\'s own options, for example {"VNI": 1, "Port": 8472}'
    )
    flannel_etcd_api: Literal["v2", "v3"] = _flannel(
        "v3", "the etcd API this flannel release reads: v2 up to 0.17, v3 from 0.18"
    )
    flannel_etcd_prefix: fields.EtcdKey = _flannel(
        "/flannel/network", "where flannel's configuration and leases live in etcd"
    )
    flannel_interface: fields.Interface | None = _flannel(
        None, "the interface nodes reach each other through; None: the one that carries the host's address"
    )

    insecure_registries: list[str] = _runtime(
        [], "registries reached without a trusted certificate: host[:port], with Docker also CIDR"
    )
    registry_mirrors: list[str] = _runtime([], "URLs asked before docker.io")
    pull_proxy: str | None = _runtime(None, "a proxy's URL, through which containerd pulls images; None: none")
    pull_no_proxy: list[str] = _runtime([], "names, addresses and networks that images are pulled from without it")
    accept_cgroup_v1: bool = _runtime(
        False, "deploy Kubernetes from 1.35 also on hosts that have cgroup v1 only, which it no longer supports"
    )

    docker_cgroup_driver: Literal["systemd", "cgroupfs"] = _docker(
        "systemd", "what Docker and the kubelet make cgroups with"
    )
    docker_options: list[str] = _docker([], 'further dockerd options, as typed: ["--log-opt", "max-size=50m"]')

    api_server_port: int = _kubernetes(6443, "where the API server answers", unit="TCP port", ge=1, le=65535)
    api_server_address: fields.HostOrAddress | None = _kubernetes(
        None, "what people and, without the balancer, nodes call; None: the first master's address"
    )
    api_server_balancer: bool | None = _kubernetes(
        None, "hosts reach the API servers through a haproxy of their own; None: where there are several masters"
    )
    api_server_balancer_port: int = _kubernetes(
        7443, "where that haproxy answers, on 127.0.0.1", unit="TCP port", ge=1, le=65535
    )
    etcd_balancer_port: int = _kubernetes(
        7379,
        "where each master's haproxy to etcd's members answers, on 127.0.0.1: a port a member, from this one on",
        unit="TCP port",
        ge=1,
        le=65535,
    )
    api_server_extra_names: list[str] = _kubernetes([], "further names and addresses in the API server's certificate")
    admission_plugins: list[str] = _kubernetes(
        None, "admission plugins to enable beside the release's own; None: the release set's"
    )
    kube_proxy_mode: Literal["iptables", "nftables", "ipvs"] = _kubernetes(
        "iptables", "how nodes route services; nftables from Kubernetes 1.33 on a kernel from 5.13, ipvs is leaving"
    )
    log_level: int = _kubernetes(1, "--v of every Kubernetes component, from 0 (least)", ge=0, le=10)
    extra_args: Arguments = _kubernetes(
        {},
        "further arguments by component, without dashes; they win over the project's own, except where the cluster "
        "relies on those: "
        '{"kube-apiserver": {"audit-log-path": "/var/log/kube-audit.log"}}',
    )

    encrypt_secrets: bool = _hardening(
        True, "etcd holds Secrets encrypted, by a key of the store on this machine; Kubernetes from 1.36"
    )
    audit_log: bool = _hardening(
        True, "API servers write down who asked for what, in /var/log/kubernetes/audit.log; Kubernetes from 1.36"
    )
    audit_policy: fields.ControllerPath | None = _hardening(
        None,
        "a file, on this machine, with an audit policy of your own; None: what changes is written down, no content",
    )
    audit_log_days: int = _hardening(30, "how long an audit log is kept", unit="days", ge=1)
    audit_log_files: int = _hardening(10, "audit logs kept beside the present one", unit="files", ge=1)
    audit_log_size_mib: int = _hardening(100, "the size at which the next audit log begins", unit="MiB", ge=1)
    pod_security: Literal["privileged", "baseline", "restricted"] = _hardening(
        "baseline", "what pods may do in namespaces whose labels say nothing of it; Kubernetes from 1.36"
    )
    protect_kernel_defaults: bool = _hardening(
        True, "the kubelet refuses to run where kernel parameters are not what it wants; Kubernetes from 1.36"
    )

    cluster_dns: bool = _dns(True, "deploy CoreDNS: pods find services, and the world, by name")
    cluster_dns_address: fields.Address | None = _dns(
        None, "the cluster address at which it answers; None: the tenth of service_network"
    )
    cluster_dns_image: fields.Repository = _dns(
        "registry.k8s.io/coredns/coredns", "CoreDNS' image, without its tag, which is v and its release"
    )
    cluster_dns_replicas: int = _dns(2, "pods of it, on different nodes", unit="pods", ge=1)
    metrics_server: bool = _dns(False, "deploy metrics-server: `kubectl top`, and autoscaling by use")
    metrics_server_image: fields.Repository = _dns(
        "registry.k8s.io/metrics-server/metrics-server", "its image, without its tag, which is v and its release"
    )

    nginx_image: fields.Repository = _nginx("nginx", "the image that deploys/workload.py runs, without its tag")
    nginx_version: fields.Tag = _nginx("1.28", "its tag; with another one the next run rolls from one to the other")
    nginx_replicas: int = _nginx(3, "pods of it", unit="pods", ge=0)
    nginx_node_port: int | None = _nginx(
        30080, "where every node answers; None: the first of `service_node_ports`", unit="TCP port", ge=1, le=65535
    )
    nginx_update_period: int = _nginx(
        10, "between one old pod's going and the next new one's coming", unit="seconds", ge=0
    )

    pki_directory: fields.ControllerPath = _certificates(
        "~/.container-cloud/pki", "on this machine: authorities, their keys, every certificate. Back it up"
    )
    pki_passphrase_file: fields.ControllerPath | None = _certificates(
        None,
        "a file, on this machine, that only its owner can read; its first line encrypts every key in pki_directory",
    )
    kubeconfig: fields.ControllerPath | None = _certificates(
        None,
        "on this machine: what deploys/kubeconfig.py writes for you, with a key in the clear; None: kubeconfig in "
        "pki_directory",
    )
    pki_key_type: Literal["rsa-2048", "ecdsa-p256"] = _certificates("rsa-2048", "the kind of keys made from now on")
    pki_authority_days: int = _certificates(3650, "life of an authority", unit="days", ge=1, le=36500)
    pki_certificate_days: int = _certificates(365, "life of a certificate", unit="days", ge=1, le=36500)
    pki_renew_days: int = _certificates(
        30, "a certificate with fewer days left is issued again", unit="days", ge=0, le=36500
    )

    disable_firewall: bool = _hosts(True, "stop and disable firewalld and ufw where present")
    selinux: Literal["permissive", "enforcing"] = _hosts(
        "permissive", "enforcing: the policy is yours; no effect where there is no SELinux"
    )
    disable_swap: bool = _hosts(True, "turn swap off now and in /etc/fstab")
    time_service: Literal["distribution", "systemd-timesyncd", "chrony"] | None = _hosts(
        "distribution",
        "what keeps the clock; distribution: what keeps it already, else systemd-timesyncd on deb hosts, chrony on rpm "
        "hosts; None: something else",
    )
    minimum_free_disk_gib: int = _hosts(
        5, "preflight: free space that /var must have before the first installation", unit="GiB", ge=0
    )
    audit_account: fields.Account | None = _hosts(
        None, "an account on every host that deploys/audit.py lets read what an audit reads; None: only root audits"
    )
    start_timeout: int = _hosts(
        180, "how long a service may take to become ready before the run stops", unit="seconds", ge=1
    )

    max_unavailable: int = _changes(
        1, "on so many nodes at a time a run restarts what pods or their network go by", unit="nodes", ge=1
    )
    drain_timeout: int = _changes(
        300,
        "how long draining a node may make no progress, before what interrupts its pods, until the run stops; 0: nodes "
        "are not drained",
        unit="seconds",
        ge=0,
    )

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, values: Any) -> Any:
        """What is None and belongs to a release set is that set's."""
        if not isinstance(values, dict):
            return values
        known = release_set(values.get("kubernetes_version", LATEST))
        return {**values, **{n: known.value(n) for n in FILLED if values.get(n) is None}}

    @property
    def kubernetes_release(self) -> str:
        """The release line: "1.20" for version 1.20.2."""
        return "{}.{}".format(*releases.release(self.kubernetes_version))

    @property
    def api_server_service_address(self) -> IPv4Address:
        """The address at which pods find the API server."""
        return addresses.first_address(self.service_network)

    @property
    def dns_address(self) -> IPv4Address:
        """The cluster address at which pods ask for names."""
        return self.cluster_dns_address or self.service_network.network_address + 10

    @property
    def components(self) -> tuple[Component, ...]:
        """What is installed: not the runtime that is not chosen."""
        return ("etcd", "flannel", self.container_runtime, "kubernetes")

    @property
    def node_ports(self) -> fields.PortRange:
        """First and last port of `service_node_ports`."""
        return fields.port_range(self.service_node_ports)

    @property
    def nginx_port(self) -> int:
        """The port at which every node answers for nginx."""
        return self.node_ports.first if self.nginx_node_port is None else self.nginx_node_port

    @property
    def leases(self) -> addresses.Leases:
        """What flannel may lease to nodes. Raises ValueError when the four settings do not fit each other."""
        return addresses.leases(self.pod_network, self.pod_subnet_length, self.pod_subnet_min, self.pod_subnet_max)

    @property
    def pki_path(self) -> Path:
        """`pki_directory` with the home directory filled in."""
        return Path(os.path.expanduser(self.pki_directory))

    @property
    def kubeconfig_path(self) -> Path:
        """`kubeconfig` with the home directory, or its default, filled in."""
        return Path(os.path.expanduser(self.kubeconfig)) if self.kubeconfig else self.pki_path / "kubeconfig"

    @property
    def etcd_compacts(self) -> bool:
        """Whether etcd's members forget old revisions by themselves: of some etcd releases the API server may not.

        With a current Kubernetes they do, whichever etcd a distribution packages.
        """
        asks = (releases.compaction_is_roots(v) for v in self.installed_versions("etcd") if v is not None)
        return self.kubernetes_version in releases.CURRENT or any(asks)

    def install_method(self, component: Component, family: FamilyName) -> Method:
        """How a component gets onto the hosts of a family."""
        written = self.install_methods.get(component, {}).get(family, INSTALL_METHODS[component])
        return "packages" if written == "packages" else "release files"

    def released(self, component: Component) -> bool:
        """Whether a component comes as release files on some family."""
        return component in self.components and any(
            self.install_method(component, family) == "release files" for family in get_args(FamilyName)
        )

    def package_version(self, component: Component, family: FamilyName, package: str | None = None) -> str | None:
        """The version that a component's packages shall have; None: any that is installed or offered.

        With `package` the version of that one: what is written of it goes before what is written of the component.
        """
        implied = {"flannel": self.flannel_version, "kubernetes": self.kubernetes_version}
        of_all = self.package_versions.get(component, {}).get(family, implied.get(component))
        return self.package_versions.get(package or component, {}).get(family, of_all)

    def installed_versions(self, component: Component) -> list[str | None]:
        """The versions of a component that is installed, family by family; None where the repository decides."""
        found = [
            self._released_version(component)
            if self.install_method(component, family) == "release files"
            else self.package_version(component, family)
            for family in get_args(FamilyName)
        ]
        return [v if v is not None and releases.is_version(v) else None for v in found]

    def _released_version(self, component: Component) -> str:
        version: str = getattr(self, f"{component}_version")
        return version

    def release_file(self, name: str, architecture: str = AMD64) -> Download:
        """A release file of the versions set, for an architecture. Raises NoDigest when nobody has its digest."""
        return self._download(self.release_files[name], architecture, self.release_version(name))

    def image_archive(self, archive: Archive, architecture: str = AMD64) -> Download:
        """An image archive of the settings, for an architecture. Raises NoDigest when nobody has its digest."""
        return self._download(archive, architecture)

    def release_url(self, name: str, architecture: str = AMD64) -> str:
        """Where hosts of an architecture fetch a release file."""
        return self.release_files[name].address(architecture, self.release_version(name))

    def release_version(self, name: str) -> str:
        """The version of a release file."""
        versions = {
            "flanneld": self.flannel_version,
            "etcd": self.etcd_version,
            "docker": self.docker_version,
            "containerd": self.containerd_version,
            "runc": self.runc_version,
            "cni-plugins": self.cni_plugins_version,
            "crictl": self.crictl_version,
        }
        return versions.get(name, self.kubernetes_version)

    def known(self, file: Archive, architecture: str, version: str = "") -> tuple[str, str | None]:
        """Where hosts of an architecture fetch a file, and its digest: the settings', else the lock's, else as shipped.

        Raises ValueError when the lock file cannot be read.
        """
        url = file.address(architecture, version)
        if digest := file.own_digest(architecture):
            return url, digest
        if entry := self.lock.get(public(url)):
            return url, entry.digest
        return url, digests.shipped().get(digests.File(url.rpartition("/")[2], version, architecture))

    def _download(self, file: Archive, architecture: str, version: str = "") -> Download:
        url, digest = self.known(file, architecture, version)
        if digest is None:
            raise NoDigest(url, architecture)
        return Download(url, digest)

    @property
    def lock_path(self) -> Path:
        """`release_lock` with the home directory filled in."""
        return Path(os.path.expanduser(self.release_lock))

    @property
    def lock(self) -> dict[str, lock.Entry]:
        """What the lock file has, by address. Raises ValueError when it cannot be read."""
        return lock.read(self.lock_path)
