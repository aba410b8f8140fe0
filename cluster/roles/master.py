"""A master: API server, controller manager and scheduler."""

import re
from dataclasses import replace
from math import ceil

from cluster.api import KUBECONFIG, api
from cluster.certificates import KUBELET_CLIENT, KUBERNETES_PKI, SECRETS_KEY
from cluster.desired import File, Grants, Role, Turn, Unit
from cluster.distributions import Distribution
from cluster.formats import HEADER, arguments, environment_file
from cluster.installation import Installation, installation, service_group
from cluster.ports import ETCD_BALANCER, FIXED_PORTS
from cluster.releases import CURRENT, choose
from cluster.roles import LIBEXEC, hardening
from cluster.roles.balancer import BACK, NOTICED, way_to_api_servers, way_to_etcd
from cluster.roles.kubernetes import (
    DIRECTORY,
    KUBECTL_CACHE,
    common_file,
    component,
    flags,
    guide_kubeconfig,
    kubeconfig_file,
    pair,
    private,
)
from cluster.roles.secrets import WHOLE, AtRest, at_rest
from cluster.roles.services import foreign_path
from cluster.settings import Cluster, Host, Settings
from cluster.shell import program

API_SERVER, CONTROLLER_MANAGER, SCHEDULER = "kube-apiserver", "kube-controller-manager", "kube-scheduler"
MASTERS_OWN = (API_SERVER, CONTROLLER_MANAGER, SCHEDULER)
_LOOP_PORTS = {port.program: port.number for port in FIXED_PORTS if port.program in MASTERS_OWN}
KUBECTL = f"kubectl --cache-dir={KUBECTL_CACHE} --kubeconfig={KUBECONFIG} --request-timeout=10s"
# In every cluster: how many masters there are says nothing of whose control loops run, elsewhere or when power is back.
# Everywhere the same: in 1.20 who waits for another's lease goes by its own duration, not by the other's.
# Long enough for a control loop to outlive a restart of the API server, rather than end with it.
_ELECTION = {
    "leader-elect": "true",
    "leader-elect-lease-duration": "30s",
    "leader-elect-renew-deadline": "25s",
}
LOOP_SCRIPT = f"{LIBEXEC}/loop"
_ENDED_PODS = "1000"  # as many that have ended are kept, for whoever asks why
# What the cluster's own parts live on.
KINDS = (
    "api/v1/nodes",
    "api/v1/pods",
    "api/v1/services",
    "api/v1/endpoints",
    "apis/coordination.k8s.io/v1/leases",
    "apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
)
KUBELET_BINDING = "container-cloud:kube-apiserver-to-kubelets"


def master_role(
    cluster: Cluster,
    host: Host,
    distribution: Distribution,
    certificates: tuple[File, ...],
    former: tuple[Host, ...] = (),
) -> Role:
    """The Kubernetes master's services on one host.

    Args:
        certificates: the host's, which the services read.
        former: hosts to which its balancer leads, too, though they are masters no more.
    """
    first, then = joining_roles(cluster, host, distribution, certificates, former)
    return replace(
        first,
        name="master",
        files=first.files + then.files,
        gone=first.gone + then.gone,
        steps=first.steps + then.steps,
        grants=then.grants,
        units=first.units + then.units,
    )


def joining_roles(
    cluster: Cluster,
    host: Host,
    distribution: Distribution,
    certificates: tuple[File, ...],
    former: tuple[Host, ...] = (),
) -> tuple[Role, Role]:
    """The same in two: the API server, which serves before the others' are restarted, and then its control loops."""
    settings = cluster.settings
    how = installation(settings, distribution, "kubernetes-master")
    group = service_group(settings, distribution)
    stored = at_rest(settings, certificates)
    forget, rewrite = stored.steps(settings, KUBECTL) if stored else ((), ())
    own = (f for f in certificates if f.path.startswith(KUBERNETES_PKI))
    expects = (*own, *way_to_api_servers(cluster, former), *way_to_etcd(cluster))
    files, unit = _api_server(cluster, host, how, stored)
    server = Role(
        name="API server",
        packages=how.packages,
        programs=how.programs,
        packaged_units=how.acted_on,
        files=private(settings, [common_file(cluster, how), guide_kubeconfig(cluster, "client"), *files], group),
        gone=(foreign_path(unit.name, how),),
        expects=expects,
        steps=forget,
        units=(unit,),
    )
    listed = (_controller_manager(cluster, host, how), _scheduler(cluster, host, how))
    loops = Role(
        name="control loops",
        files=(
            File(LOOP_SCRIPT, _loop_script(cluster, host), mode="755"),
            *private(settings, [f for files, _ in listed for f in files], group),
        ),
        gone=tuple(foreign_path(unit.name, how) for _, unit in listed),
        expects=expects,
        # Where there are several, all of them must store Secrets so first: `rewriting`.
        steps=rewrite if len(cluster.masters) == 1 else (),
        grants=(_kubelet_access(),),
        units=tuple(unit for _, unit in listed),
    )
    return server, loops


def rewriting(cluster: Cluster, certificates: tuple[File, ...]) -> Role:
    """What is left to do once all API servers store Secrets in the same way."""
    stored = at_rest(cluster.settings, certificates)
    return Role(name="secrets", steps=stored.steps(cluster.settings, KUBECTL)[1] if stored else ())


def masters_ready(cluster: Cluster, host: Host) -> dict[str, str]:
    """Shell conditions by unit: whether all that a master runs answers."""
    return {API_SERVER: _api_server_ready(cluster, host)} | {name: _loop_ready(name) for name in _LOOP_PORTS}


def _loop_ready(name: str) -> str:
    return f"curl -skf --max-time 5 https://127.0.0.1:{_LOOP_PORTS[name]}/healthz"


def _api_server_ready(cluster: Cluster, host: Host) -> str:
    """A shell condition: whether a master's API server calls itself ready, and objects can be read from it.

    The API server has a connection to etcd for each kind of object and one for its own check. After etcd was down, each
    is tried again in its own time: up to half a minute passes in which /readyz, or one kind, does not answer.
    What comes next asks through the balancer, which has to have noticed.
    """
    paths = ["readyz", *(f"{kind}?limit=1" for kind in KINDS)]
    own = f"https://{host.address}:{cluster.settings.api_server_port}"
    urls = [f"{own}/{{{','.join(paths)}}}", *([f"{cluster.api_server_url}/readyz"] if cluster.balanced else [])]
    every = " ".join(f"-o /dev/null '{url}'" for url in urls)
    ask = (  # over one connection each
        f"timeout 5 curl -s -w '%{{http_code}},' --cacert {_pki('ca.crt')} --cert {_pki('client.crt')} "
        f"--key {_pki('client.key')} {every}"
    )
    return f'[ "$({ask})" = {"200," * (len(paths) + len(urls) - 1)} ]'


def _turn(cluster: Cluster, host: Host) -> Turn:
    """One master after another, and only while another's API server answers, if there is another."""
    others = [m for m in cluster.masters if m != host]
    ask = (
        f"curl -sf --max-time 5 --cacert {_pki('ca.crt')} --cert {_pki('client.crt')} --key {_pki('client.key')} "
        "https://{}/readyz"
    )
    process = f'"/proc/$(systemctl show -p MainPID {API_SERVER} | cut -d= -f2)/cmdline"'
    return Turn(
        serves=f"port=$(tr '\\0' '\\n' <{process} | sed -n 's/^--secure-port=//p') && "
        + ask.format(f'{host.address}:"$port"'),
        others=" || ".join(ask.format(f"{m.address}:{cluster.settings.api_server_port}") for m in others),
        missing=f"the API server on {host.name} is to be restarted, and that of no other master answers: mend theirs "
        f"first ({', '.join(m.name for m in others)}; journalctl -u {API_SERVER} there), or take a master that is lost "
        "out of the group masters",
    )


def _pki(name: str) -> str:
    return f"{KUBERNETES_PKI}/{name}"


def _api_server(cluster: Cluster, host: Host, how: Installation, stored: AtRest | None) -> tuple[list[File], Unit]:
    settings = cluster.settings
    version = settings.kubernetes_version
    config = f"{DIRECTORY}/apiserver"
    etcd = {
        "storage-backend": "etcd3",
        "etcd-servers": ",".join(cluster.master_etcd_urls),
        "etcd-cafile": _pki("etcd-ca.crt"),
        "etcd-certfile": _pki("etcd-client.crt"),
        "etcd-keyfile": _pki("etcd-client.key"),
    }
    encryption = {"encryption-provider-config": WHOLE} if stored else {}
    admission = {"enable-admission-plugins": ",".join(settings.admission_plugins)}
    variables = {
        "KUBE_ETCD_SERVERS": arguments(choose(API_SERVER, version, etcd)),
        "KUBE_ADMISSION_CONTROL": arguments(choose(API_SERVER, version, admission)),
        "KUBE_API_ARGS": flags(cluster, host, API_SERVER, _api_server_flags(cluster, host) | encryption),
    }
    read = [f for name in ("server", "etcd-client", "kubelet-client", "front-proxy-client") for f in pair(name)]
    read += ["ca.crt", "clients-ca.crt", "etcd-ca.crt", "front-proxy-ca.crt", "sa.key", "sa.pub"]
    configured = [*hardening.files(settings), *(stored.files() if stored else ())]
    read += [*(f.path for f in configured), *([SECRETS_KEY] if stored else [])]
    read += [f.path for f in way_to_etcd(cluster)]
    hint = (
        f"etcd does not answer at {', '.join(cluster.master_etcd_urls)} (deploys/etcd.py), "
        "or an argument is not this release's"
    )
    service, unit = component(
        API_SERVER,
        how,
        config=config,
        variables=" ".join(f"${name}" for name in ("KUBE_COMMON_ARGS", *variables)),
        read=read,
        ready=_api_server_ready(cluster, host),
        hint=hint,
        after=f"etcd.service {ETCD_BALANCER}.service" if cluster.etcd_balanced else "etcd.service",
        service=(
            "Type=notify",
            "TimeoutStartSec=0",
            f"TimeoutStopSec={_stops_within(cluster, host)}",
            *_logs(settings),
            *(stored.unit_lines() if stored else ()),
        ),
        turn=_turn(cluster, host),
        noticed=BACK if _takes_turns(cluster) else 0,
    )
    return [File(config, environment_file(variables)), *configured, service], unit


def _logs(settings: Settings) -> tuple[str, ...]:
    """Unit lines for a directory of the audit log that belongs to whom the API server runs as, and nobody else."""
    if settings.kubernetes_version not in CURRENT or not settings.audit_log:
        return ()
    return (f"LogsDirectory={hardening.LOGS.removeprefix('/var/log/')}", "LogsDirectoryMode=0700")


def _api_server_flags(cluster: Cluster, host: Host) -> dict[str, str]:
    settings = cluster.settings
    return {
        "service-node-port-range": settings.service_node_ports,
        "service-cluster-ip-range": str(settings.service_network),
        "bind-address": "0.0.0.0",
        "advertise-address": str(host.address),
        "insecure-port": "0",
        "secure-port": str(settings.api_server_port),
        "authorization-mode": "Node,RBAC",
        "anonymous-auth": "false",
        "client-ca-file": _pki("clients-ca.crt"),
        "tls-cert-file": _pki("server.crt"),
        "tls-private-key-file": _pki("server.key"),
        "kubelet-certificate-authority": _pki("ca.crt"),
        "kubelet-client-certificate": _pki("kubelet-client.crt"),
        "kubelet-client-key": _pki("kubelet-client.key"),
        "kubelet-preferred-address-types": "InternalIP,Hostname",
        "service-account-issuer": f"https://kubernetes.default.svc.{settings.cluster_domain}",
        "service-account-key-file": _pki("sa.pub"),
        "service-account-signing-key-file": _pki("sa.key"),
        "requestheader-client-ca-file": _pki("front-proxy-ca.crt"),
        "requestheader-allowed-names": "front-proxy-client",
        "requestheader-username-headers": "X-Remote-User",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "proxy-client-cert-file": _pki("front-proxy-client.crt"),
        "proxy-client-key-file": _pki("front-proxy-client.key"),
        # Without kube-proxy here no service has an address: the API server calls the pods behind it.
        **({"enable-aggregator-routing": "true"} if settings.masters_on_pod_network else {}),
        # Which pods may be is up to their namespace's pod security; what brings storage or networks often must.
        "allow-privileged": "true",
        **(_COMPACTED_BY_ETCD if settings.etcd_compacts else {}),
        **_ENDS_WATCHES,
        **(_TURNS if _takes_turns(cluster) else {}),
        **hardening.api_server_arguments(cluster),
    }


# Told to stop, it waits a minute for watchers that never leave; nothing is lost when it does not.
_STOPS = 3
# Told to stop, it goes on until balancers have heard of it from /readyz, and then ends watches itself.
# Connections last for as long as both ends live: now and then one is given up, and made anew where its turn is, or one
# API server would stand idle after its restart.
_TURNS = {
    "shutdown-delay-duration": f"{NOTICED}s",
    "goaway-chance": "0.001",
}
_ENDS_WATCHES = {"shutdown-watch-termination-grace-period": "2s"}
_UNITS = {"h": 3600, "m": 60, "s": 1, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}  # of Go's durations: 1m30s


def _stops_within(cluster: Cluster, host: Host) -> int:
    """Seconds that it may take to end in order: what it goes on for first, and what ending takes.

    What ends may have been started as one of several, whatever it is now, and goes on for as long as these do.
    """
    given = cluster.arguments(API_SERVER, host).get("shutdown-delay-duration", "")
    parts = re.findall(r"(\d+\.?\d*)(h|ms|m|us|µs|ns|s)", given)
    return _STOPS + max(NOTICED, ceil(sum(float(number) * _UNITS[unit] for number, unit in parts)))


def _takes_turns(cluster: Cluster) -> bool:
    """Whether another API server does what one that stops would have done."""
    return cluster.balanced and len(cluster.masters) > 1


# Where etcd's members compact, the API server hears nothing of it, and would answer the rest of a list from what it
# remembers when etcd has forgotten it, without saying so: it asks etcd instead.
_COMPACTED_BY_ETCD = {"etcd-compaction-interval": "0", "feature-gates": "ListFromCacheSnapshot=false"}


def _controller_manager(cluster: Cluster, host: Host, how: Installation) -> tuple[list[File], Unit]:
    settings = cluster.settings
    own = {
        "cluster-signing-cert-file": _pki("signing-ca.crt"),
        "cluster-signing-key-file": _pki("signing-ca.key"),
        "root-ca-file": _pki("ca.crt"),
        "service-account-private-key-file": _pki("sa.key"),
        "use-service-account-credentials": "true",
        "cluster-name": settings.cluster_name,
        "cluster-cidr": str(settings.pod_network),
        "allocate-node-cidrs": "false",
        "terminated-pod-gc-threshold": _ENDED_PODS,
        "bind-address": "127.0.0.1",
        "port": "0",
    }
    read = (*pair("controller-manager"), *pair("signing-ca"), "ca.crt", "sa.key")
    return _loop(cluster, host, how, CONTROLLER_MANAGER, "KUBE_CONTROLLER_MANAGER_ARGS", own, read)


def _scheduler(cluster: Cluster, host: Host, how: Installation) -> tuple[list[File], Unit]:
    own = {"bind-address": "127.0.0.1", "port": "0"}
    read = (*pair("scheduler"), "ca.crt")
    return _loop(cluster, host, how, SCHEDULER, "KUBE_SCHEDULER_ARGS", own, read)


def _loop(
    cluster: Cluster,
    host: Host,
    how: Installation,
    name: str,
    variable: str,
    own: dict[str, str],
    read: tuple[str, ...],
) -> tuple[list[File], Unit]:
    """A control loop beside the API server: its environment file, kubeconfig and unit."""
    short = name.removeprefix("kube-")
    config = f"{DIRECTORY}/{short}"
    path = f"{DIRECTORY}/{short}.kubeconfig"
    asks = {f"{what}-kubeconfig": path for what in ("authentication", "authorization")}
    line = flags(cluster, host, name, {"kubeconfig": path, **_ELECTION, **own, **asks, **hardening.tls()})
    files = [
        File(config, environment_file({variable: line})),
        kubeconfig_file(cluster, path, user=f"system:{name}", certificate=short, master=host),
    ]
    service, unit = component(
        name,
        how,
        config=config,
        variables=f"$KUBE_COMMON_ARGS $KUBE_MASTER ${variable}",
        read=(path, LOOP_SCRIPT, *read),
        ready=_loop_ready(name),
        hint="the API server does not answer, or not to this certificate, or an argument is not this release's",
        after=f"{API_SERVER}.service",
        before=(f"ExecStartPre={LOOP_SCRIPT} {name}",),
        turn=Turn(),
    )
    return [*files, service], unit


def _loop_script(cluster: Cluster, host: Host) -> str:
    url = f"https://{host.address}:{cluster.settings.api_server_port}"
    return f"#!/bin/sh\n{HEADER}{program('loop', URL=url, PKI=KUBERNETES_PKI)}"


def _kubelet_access() -> Grants:
    """The API server's certificate is nobody until it is bound to what it needs of kubelets."""
    role = "system:kubelet-api-admin"
    return Grants(
        "let the API server call the kubelets",
        api(program("binding", BINDING=KUBELET_BINDING)),
        wanted=(f"ClusterRole {role}", f"User {KUBELET_CLIENT}"),
        # Whatever differs: a binding to another role is made anew, and who is too many leaves.
        change=f"{KUBECTL} create clusterrolebinding {KUBELET_BINDING} --clusterrole={role} --user={KUBELET_CLIENT} "
        f"--dry-run=client -o yaml | {KUBECTL} auth reconcile --remove-extra-subjects -f - >/dev/null",
    )
