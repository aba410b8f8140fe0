"""What masters and nodes share: the common environment file, kubeconfigs, programs."""

from collections.abc import Mapping

from cluster.certificates import KUBERNETES_PKI
from cluster.desired import File, Program, Unit, recorder
from cluster.formats import arguments, environment_file, kubeconfig, unit_file
from cluster.releases import choose
from cluster.roles import ENABLE_AT_BOOT, PROGRAMS, SYSTEMD
from cluster.settings import Cluster, Host

DIRECTORY = "/etc/kubernetes"
COMMON = f"{DIRECTORY}/config"
KUBECONFIG = f"{DIRECTORY}/kubeconfig"


def flags(cluster: Cluster, host: Host, component: str, own: Mapping[str, str]) -> str:
    """A component's flags that its release knows, the user's extra arguments last, as a command line."""
    chosen = choose(component, cluster.settings.kubernetes_version, own)
    return arguments({**chosen, **cluster.arguments(component, host)})


def program(cluster: Cluster, name: str) -> Program:
    """A Kubernetes program as a release file."""
    release = cluster.settings.release_file(name)
    return Program(f"{PROGRAMS}/{name}", release.url, release.sha256)


def common_file(cluster: Cluster) -> File:
    """/etc/kubernetes/config, which every component's unit reads."""
    settings = cluster.settings
    common = choose(
        "kube-apiserver", settings.kubernetes_version, {"logtostderr": "true", "v": str(settings.log_level)}
    )
    master = choose("kube-proxy", settings.kubernetes_version, {"master": cluster.api_server_url})
    return File(
        COMMON,
        environment_file(
            {
                "KUBE_MASTER": arguments(master),
                "KUBE_CONFIG": f"--kubeconfig={KUBECONFIG}",
                "KUBE_COMMON_ARGS": arguments(common),
            }
        ),
    )


def guide_kubeconfig(cluster: Cluster, certificate: str) -> File:
    """/etc/kubernetes/kubeconfig as in the guide: the administrator's on masters, the node's own on nodes."""
    return kubeconfig_file(cluster, KUBECONFIG, user="default-admin", certificate=certificate, context="default-system")


def kubeconfig_file(cluster: Cluster, path: str, *, user: str, certificate: str, context: str = "default") -> File:
    """A kubeconfig for the certificate `NAME.crt`, `NAME.key` below /etc/kubernetes/ca."""
    text = kubeconfig(
        cluster=cluster.settings.cluster_name,
        server=cluster.api_server_url,
        authority=f"{KUBERNETES_PKI}/ca.crt",
        user=user,
        certificate=f"{KUBERNETES_PKI}/{certificate}.crt",
        key=f"{KUBERNETES_PKI}/{certificate}.key",
        context=context,
    )
    return File(path, text)


def service_file(
    name: str, *, config: str, variables: str, inputs: tuple[str, ...], after: str = "", service: tuple[str, ...] = ()
) -> File:
    """The unit of a Kubernetes component: reads the common and its own environment file, passes on their variables."""
    return File(
        f"{SYSTEMD}/{name}.service",
        unit_file(
            {
                "Unit": [
                    f"Description=Kubernetes {name.removeprefix('kube-')}",
                    f"Wants=network-online.target {after}".rstrip(),
                    f"After=network-online.target {after}".rstrip(),
                    "StartLimitIntervalSec=0",
                ],
                "Service": [
                    f"EnvironmentFile={COMMON}",
                    f"EnvironmentFile={config}",
                    recorder(name, inputs),
                    *service,
                    f"ExecStart={PROGRAMS}/{name} {variables}",
                    "Restart=always",
                    "RestartSec=2",
                    "LimitNOFILE=65536",
                ],
                **ENABLE_AT_BOOT,
            }
        ),
    )


def unit_inputs(name: str, config: str, *files: str) -> tuple[str, ...]:
    """What a Kubernetes component reads when it starts; `files` without a directory are below /etc/kubernetes/ca."""
    paths = (f if f.startswith("/") else f"{KUBERNETES_PKI}/{f}" for f in files)
    return (COMMON, config, f"{SYSTEMD}/{name}.service", *paths)


def pair(name: str) -> tuple[str, str]:
    """The certificate and key file of one identity."""
    return f"{name}.crt", f"{name}.key"


def unit(name: str, inputs: tuple[str, ...], ready: str, hint: str) -> Unit:
    """A Kubernetes component's service."""
    return Unit(name=name, inputs=inputs, ready=ready, hint=hint, program=f"{PROGRAMS}/{name}")
