"""A node: kubelet and kube-proxy."""

import shlex

from cluster.certificates import KUBERNETES_PKI
from cluster.desired import File, Package, Role, Step, Unit
from cluster.formats import arguments, environment_file
from cluster.installation import Installation, installation
from cluster.machine import Machine
from cluster.releases import choose
from cluster.roles.kubernetes import (
    DIRECTORY,
    KUBECONFIG,
    common_file,
    component,
    flags,
    guide_kubeconfig,
    kubeconfig_file,
    pair,
)
from cluster.roles.services import foreign_path
from cluster.settings import Cluster, Host
from cluster.shell import program

KUBELET, PROXY = "kubelet", "kube-proxy"


def node_role(cluster: Cluster, host: Host, machine: Machine, certificates: tuple[File, ...]) -> Role:
    """The Kubernetes node's services on one host."""
    distribution = machine.distribution
    how = installation(cluster.settings, distribution, "kubernetes-node")
    client = "node" if host.is_master else "client"
    kubelet_files, kubelet = _kubelet(cluster, host, how, client, machine.resolv_conf)
    proxy_files, proxy = _proxy(cluster, host, how)
    shared = [common_file(cluster, how)]
    if not host.is_master:
        shared.append(guide_kubeconfig(cluster, client))
    else:
        shared.append(kubeconfig_file(cluster, _kubelet_kubeconfig(host), user="kubelet", certificate=client))
    return Role(
        name="node",
        packages=(*(Package(name) for name in distribution.node), *how.packages),
        programs=how.programs,
        packaged_units=how.acted_on,
        files=(*shared, *kubelet_files, *proxy_files),
        gone=(foreign_path(KUBELET, how), foreign_path(PROXY, how)),
        expects=tuple(f for f in certificates if f.path.startswith(KUBERNETES_PKI)),
        steps=_pause_image(cluster, distribution.architecture),
        units=(kubelet, proxy),
    )


def _kubelet_kubeconfig(host: Host) -> str:
    return f"{DIRECTORY}/kubelet.kubeconfig" if host.is_master else KUBECONFIG


def _kubelet(
    cluster: Cluster, host: Host, how: Installation, client: str, resolv_conf: str | None
) -> tuple[list[File], Unit]:
    settings = cluster.settings
    version = settings.kubernetes_version
    config = f"{DIRECTORY}/kubelet"

    def only(own: dict[str, str]) -> str:
        return arguments(choose(KUBELET, version, own))

    own = {
        "kubeconfig": _kubelet_kubeconfig(host),
        "cgroup-driver": settings.docker_cgroup_driver,
        "fail-swap-on": "true" if settings.disable_swap else "false",
        "runtime-cgroups": "/systemd/system.slice",
        "kubelet-cgroups": "/systemd/system.slice",
        "anonymous-auth": "false",
        "authorization-mode": "Webhook",
        "authentication-token-webhook": "true",
        "client-ca-file": f"{KUBERNETES_PKI}/ca.crt",
        "tls-cert-file": f"{KUBERNETES_PKI}/kubelet.crt",
        "tls-private-key-file": f"{KUBERNETES_PKI}/kubelet.key",
        "read-only-port": "0",
        "node-ip": str(host.address),
        "cluster-domain": settings.cluster_domain,
        **({"resolv-conf": resolv_conf} if resolv_conf else {}),
    }
    variables = {
        "KUBELET_ADDRESS": only({"address": "0.0.0.0"}),
        "KUBELET_HOSTNAME": only({"hostname-override": host.name}),
        "KUBELET_POD_INFRA_CONTAINER": only({"pod-infra-container-image": settings.pause_image}),
        "KUBELET_ARGS": flags(cluster, host, KUBELET, own),
    }
    service, unit = component(
        KUBELET,
        how,
        config=config,
        variables=" ".join(f"${name}" for name in ("KUBE_COMMON_ARGS", *variables)),
        read=(_kubelet_kubeconfig(host), "ca.crt", *pair(client), *pair("kubelet")),
        ready="curl -sf --max-time 5 http://127.0.0.1:10248/healthz",
        hint="Docker does not run, its cgroup driver is another, or an argument is not this release's",
        after="docker.service",
    )
    return [File(config, environment_file(variables)), service], unit


def _proxy(cluster: Cluster, host: Host, how: Installation) -> tuple[list[File], Unit]:
    settings = cluster.settings
    config, path = f"{DIRECTORY}/proxy", f"{DIRECTORY}/proxy.kubeconfig"
    own = {
        "kubeconfig": path,
        "hostname-override": host.name,
        "cluster-cidr": str(settings.pod_network),
        "proxy-mode": settings.kube_proxy_mode,
        "metrics-bind-address": "127.0.0.1:10249",
    }
    files = [
        File(config, environment_file({"KUBE_PROXY_ARGS": flags(cluster, host, PROXY, own)})),
        kubeconfig_file(cluster, path, user="system:kube-proxy", certificate="proxy"),
    ]
    service, unit = component(
        PROXY,
        how,
        config=config,
        variables="$KUBE_COMMON_ARGS $KUBE_MASTER $KUBE_PROXY_ARGS",
        read=(path, "ca.crt", *pair("proxy")),
        ready="curl -sf --max-time 5 http://127.0.0.1:10256/healthz",
        hint="the API server does not answer, or an argument is not this release's",
        after="flanneld.service",
    )
    return [*files, service], unit


def _pause_image(cluster: Cluster, architecture: str) -> tuple[Step, ...]:
    if cluster.settings.pause_image_archive is None:
        return ()
    archive = cluster.settings.image_archive(cluster.settings.pause_image_archive, architecture)
    directory, image = "/var/lib/container-cloud", cluster.settings.pause_image
    path, loaded = f"{directory}/pause.tar", f"{directory}/pause.sha256"
    fetched = f"{program('fetch')}download {shlex.quote(archive.url)} {archive.digest} {path}"
    load = (
        f"{fetched} && docker load -q -i {path} && docker image inspect {image} >/dev/null && "
        f"echo {archive.digest} > {loaded} && rm {path}"
    )
    check = f"grep -qx {archive.digest} {loaded} && docker image inspect {image}"
    return (Step(f"load the image {image}", check, load, downloads=True),)
