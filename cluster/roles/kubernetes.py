"""What masters and nodes share: the common environment file, kubeconfigs, units."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from cluster.api import KUBECONFIG
from cluster.certificates import KUBERNETES_PKI
from cluster.desired import RECORD_DIRECTORY, File, Turn, Unit, recorder
from cluster.formats import arguments, environment_file, kubeconfig
from cluster.installation import Installation
from cluster.releases import CURRENT, choose
from cluster.roles.services import service_file, unit_path
from cluster.settings import Cluster, Host, Settings

DIRECTORY = "/etc/kubernetes"
COMMON = f"{DIRECTORY}/config"
KUBECTL_CACHE = (
    f"{RECORD_DIRECTORY}/kubectl"  # what kinds there are, so that looking leaves nothing in a home directory
)
GATES = "feature-gates"


def flags(cluster: Cluster, host: Host, component: str, own: Mapping[str, str]) -> str:
    """A component's flags that its release knows, the user's extra arguments last, as a command line."""
    chosen = choose(component, cluster.settings.kubernetes_version, own)
    given = cluster.arguments(component, host)
    gates = ",".join(both[GATES] for both in (chosen, given) if GATES in both)  # of one named twice the last counts
    return arguments({**chosen, **given, **({GATES: gates} if gates else {})})


def common_file(cluster: Cluster, how: Installation) -> File:
    """/etc/kubernetes/config, which every component's unit reads."""
    settings = cluster.settings
    common = choose(
        "kube-apiserver", settings.kubernetes_version, {"logtostderr": "true", "v": str(settings.log_level)}
    )
    # It would have a master's control loops call what nodes call: where that is another, kubeconfigs alone say it.
    one_way = not cluster.balanced and len(cluster.masters) == 1
    master = choose("kube-proxy", settings.kubernetes_version, {"master": cluster.api_server_url})
    variables = {
        "KUBE_MASTER": arguments(master) if one_way else "",
        "KUBE_CONFIG": f"--kubeconfig={KUBECONFIG}",
        "KUBE_COMMON_ARGS": arguments(common),
    }
    if how.packaged:  # units of CentOS' packages call the same so
        names = {"logtostderr": "KUBE_LOGTOSTDERR", "v": "KUBE_LOG_LEVEL"}
        variables |= {names[flag]: arguments({flag: value}) for flag, value in common.items()}
    return File(COMMON, environment_file(variables))


def private(settings: Settings, files: Iterable[File], group: str | None = None) -> tuple[File, ...]:
    """Files of a role as they are kept: with a current release nobody but root reads what is in /etc/kubernetes.

    Args:
        group: whom packages run the services as, so that they can read their own.
    """
    if settings.kubernetes_version not in CURRENT:
        return tuple(files)
    return tuple(_private(f, group) if f.path.startswith(f"{DIRECTORY}/") else f for f in files)


def _private(file: File, group: str | None) -> File:
    if group is None or file.path in (COMMON, KUBECONFIG):
        return replace(file, mode="600")
    return replace(file, mode="640", owner=f"root:{group}")


def guide_kubeconfig(cluster: Cluster, certificate: str) -> File:
    """/etc/kubernetes/kubeconfig as in the guide: the administrator's on masters, the node's own on nodes."""
    return kubeconfig_file(cluster, KUBECONFIG, user="default-admin", certificate=certificate, context="default-system")


def kubeconfig_file(
    cluster: Cluster, path: str, *, user: str, certificate: str, context: str = "default", master: Host | None = None
) -> File:
    """A kubeconfig for the certificate `NAME.crt`, `NAME.key` below /etc/kubernetes/ca.

    Args:
        master: whose API server it is for; None: whichever answers.
    """
    text = kubeconfig(
        cluster=cluster.settings.cluster_name,
        server=cluster.own_api_server_url(master) if master else cluster.api_server_url,
        authority=f"{KUBERNETES_PKI}/ca.crt",
        user=user,
        certificate=f"{KUBERNETES_PKI}/{certificate}.crt",
        key=f"{KUBERNETES_PKI}/{certificate}.key",
        context=context,
    )
    return File(path, text)


def component(
    name: str,
    how: Installation,
    *,
    config: str,
    variables: str,
    read: Iterable[str],
    ready: str,
    hint: str,
    after: str,
    turn: Turn,
    noticed: int = 0,
    before: tuple[str, ...] = (),
    service: tuple[str, ...] = (),
) -> tuple[File, Unit]:
    """A Kubernetes component's unit, as a file and as what runs.

    Args:
        name: the component.
        how: how it is installed.
        config: its environment file.
        variables: those of it and of the common one that make its command line.
        read: the other files it reads when it starts; without a directory they are below /etc/kubernetes/ca.
        ready, hint: as in `Unit`.
        after: the service it starts after.
        turn, noticed: as in `Unit`.
        before: lines of its unit's [Service] that let it start: what it reads is recorded once they have.
        service: further lines of its unit's [Service].
    """
    paths = (f if f.startswith("/") else f"{KUBERNETES_PKI}/{f}" for f in read)
    inputs = (COMMON, config, unit_path(name, how), *paths)
    file = service_file(
        name,
        how,
        own=[f"ExecStart={how.program(name)} {variables}", "LimitNOFILE=65536"],
        unit=[f"Wants=network-online.target {after}", f"After=network-online.target {after}"],
        service=[
            f"EnvironmentFile={COMMON}",
            f"EnvironmentFile={config}",
            "PermissionsStartOnly=true",  # packages run a master's services as an account of their own
            *before,
            recorder(name, inputs),
            *service,
        ],
    )
    unit = Unit(name, inputs, ready, hint, how.program(name), turn=turn, noticed=noticed)
    return file, unit


def pair(name: str) -> tuple[str, str]:
    """The certificate and key file of one identity."""
    return f"{name}.crt", f"{name}.key"
