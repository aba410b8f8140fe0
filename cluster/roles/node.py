"""A node: kubelet and kube-proxy."""

from cluster.api import KUBECONFIG
from cluster.certificates import KUBERNETES_PKI
from cluster.desired import File, Package, Role, Turn, Unit
from cluster.formats import arguments, environment_file
from cluster.installation import Installation, installation
from cluster.machine import Machine
from cluster.program_fields import proxy_field
from cluster.releases import CURRENT, choose
from cluster.roles import kubelet
from cluster.roles.balancer import way_to_api_servers
from cluster.roles.configuration import document
from cluster.roles.kubernetes import (
    DIRECTORY,
    common_file,
    component,
    flags,
    guide_kubeconfig,
    kubeconfig_file,
    pair,
    private,
)
from cluster.roles.services import foreign_path
from cluster.settings import Cluster, Host

KUBELET, PROXY = "kubelet", "kube-proxy"
PROXY_CONFIG = f"{DIRECTORY}/kube-proxy.yaml"


def node_role(
    cluster: Cluster, host: Host, machine: Machine, certificates: tuple[File, ...], former: tuple[Host, ...] = ()
) -> Role:
    """The Kubernetes node's services on one host; arguments as for a master's."""
    distribution = machine.distribution
    how = installation(cluster.settings, distribution, "kubernetes-node")
    client = "node" if host.is_master else "client"
    kubelet_files, kubelet_unit = _kubelet(cluster, host, how, client, machine.resolv_conf)
    proxy_files, proxy = _proxy(cluster, host, how)
    kernel_files, kernel_steps = kubelet.kernel(cluster.settings)
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
        files=private(cluster.settings, (*shared, *kernel_files, *kubelet_files, *proxy_files)),
        gone=(foreign_path(KUBELET, how), foreign_path(PROXY, how)),
        expects=(
            *(f for f in certificates if f.path.startswith(KUBERNETES_PKI)),
            *way_to_api_servers(cluster, former),
        ),
        steps=tuple(kernel_steps),
        units=(kubelet_unit, proxy),
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

    by_file = version in CURRENT
    own = {"kubeconfig": _kubelet_kubeconfig(host)}
    if by_file:
        own |= {"config": kubelet.CONFIG, "node-ip": str(host.address)}
    else:
        own |= kubelet.old_arguments(cluster, host, resolv_conf)
    variables = {
        "KUBELET_ADDRESS": "" if by_file else only({"address": "0.0.0.0"}),
        "KUBELET_HOSTNAME": only({"hostname-override": host.name}),
        "KUBELET_POD_INFRA_CONTAINER": only({"pod-infra-container-image": settings.pause_image}),
        "KUBELET_ARGS": flags(cluster, host, KUBELET, own),
    }
    files = [File(config, environment_file(variables))]
    if by_file:
        files.append(File(kubelet.CONFIG, kubelet.configuration(cluster, host, resolv_conf)))
    runtime = "Docker" if settings.container_runtime == "docker" else settings.container_runtime
    service, unit = component(
        KUBELET,
        how,
        config=config,
        variables=" ".join(f"${name}" for name in ("KUBE_COMMON_ARGS", *variables)),
        read=(
            *((kubelet.CONFIG,) if by_file else ()),
            _kubelet_kubeconfig(host),
            "ca.crt",
            *pair(client),
            *pair("kubelet"),
        ),
        ready="curl -sf --max-time 5 http://127.0.0.1:10248/healthz",
        hint=f"{runtime} does not run, its cgroup driver is another, or an argument is not this release's",
        after=f"{settings.container_runtime}.service",
        turn=Turn(settings.max_unavailable),
    )
    return [*files, service], unit


def _proxy(cluster: Cluster, host: Host, how: Installation) -> tuple[list[File], Unit]:
    settings = cluster.settings
    config, path = f"{DIRECTORY}/proxy", f"{DIRECTORY}/proxy.kubeconfig"
    files = [kubeconfig_file(cluster, path, user="system:kube-proxy", certificate="proxy")]
    if settings.kubernetes_version in CURRENT:
        fields, others = _proxy_fields(cluster, host, path)
        files.append(File(PROXY_CONFIG, document("kubeproxy.config.k8s.io/v1alpha1", "KubeProxyConfiguration", fields)))
        line = arguments({"config": PROXY_CONFIG, "hostname-override": host.name, **others})
    else:
        own = {
            "kubeconfig": path,
            "hostname-override": host.name,
            "cluster-cidr": str(settings.pod_network),
            "proxy-mode": settings.kube_proxy_mode,
            "metrics-bind-address": "127.0.0.1:10249",
        }
        line = flags(cluster, host, PROXY, own)
    service, unit = component(
        PROXY,
        how,
        config=config,
        variables="$KUBE_COMMON_ARGS $KUBE_MASTER $KUBE_PROXY_ARGS",
        read=(*(f.path for f in files if f.path == PROXY_CONFIG), path, "ca.crt", *pair("proxy")),
        ready="curl -sf --max-time 5 http://127.0.0.1:10256/healthz",
        hint="the API server does not answer, or an argument is not this release's",
        after="flanneld.service",
        turn=Turn(settings.max_unavailable),
    )
    return [File(config, environment_file({"KUBE_PROXY_ARGS": line})), *files, service], unit


def _proxy_fields(cluster: Cluster, host: Host, kubeconfig: str) -> tuple[dict[str, object], dict[str, str]]:
    """kube-proxy's fields by their paths, the user's further arguments among them; and those that have no field."""
    settings = cluster.settings
    fields: dict[str, object] = {
        "clientConnection.kubeconfig": kubeconfig,
        "clusterCIDR": str(settings.pod_network),
        "mode": settings.kube_proxy_mode,
        "metricsBindAddress": "127.0.0.1:10249",
    }
    others = {}
    for argument, value in cluster.arguments(PROXY, host).items():
        if field := proxy_field(argument, value, settings.kube_proxy_mode):
            fields[field.path] = field.value
        else:
            others[argument] = value
    return fields, others
