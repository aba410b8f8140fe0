"""An etcd member, and what the first one does for all: users by certificate, flannel's configuration."""

import shlex

from cluster.certificates import ETCD_ADMINISTRATOR, ETCD_API_SERVER, ETCD_FLANNEL, ETCD_PKI
from cluster.desired import File, Role, Step, Unit, recorder
from cluster.distributions import Distribution
from cluster.formats import compact_json, environment_file
from cluster.installation import Installation, installation
from cluster.roles.services import foreign_path, service_file, unit_path
from cluster.settings import Cluster, Host

CONFIG = "/etc/etcd/etcd.conf"
DATA = "/var/lib/etcd"
RUNTIME = "/run/etcd"  # etcd runs as its own user, which cannot read root's keys
_READ = (CONFIG, *(f"{ETCD_PKI}/{n}" for n in ("ca.crt", "server.crt", "server.key", "peer.crt", "peer.key")))

# What the API server keeps outside its own prefix: the revision it last compacted to.
COMPACTION_KEY = "compact_rev_key"


def etcd_role(cluster: Cluster, host: Host, distribution: Distribution, certificates: tuple[File, ...]) -> Role:
    """etcd on one of its members."""
    how = installation(cluster.settings, distribution, "etcd")
    inputs = (unit_path("etcd", how), *_READ)
    for_all = (_users(cluster, host), _flannel(cluster, host)) if host == cluster.etcd_members[0] else ()
    return Role(
        name="etcd",
        packages=how.packages,
        programs=how.programs,
        packaged_units=how.acted_on,
        files=(File(CONFIG, _config(cluster, host)), _service(how, inputs)),
        gone=(foreign_path("etcd", how),),
        expects=tuple(f for f in certificates if f.path.startswith(ETCD_PKI)),
        steps=(*(() if how.packaged else (_account(),)), *for_all),
        units=(Unit("etcd", inputs, _healthy(cluster, host), _hint(cluster), how.program("etcd")),),
    )


def flannel_configuration(cluster: Cluster) -> str:
    """flannel's network configuration, the JSON it reads from etcd."""
    settings = cluster.settings
    configuration: dict[str, object] = {
        "Network": str(settings.pod_network),
        "SubnetLen": settings.pod_subnet_length,
    }
    if settings.pod_subnet_min:
        configuration["SubnetMin"] = str(settings.pod_subnet_min)
    if settings.pod_subnet_max:
        configuration["SubnetMax"] = str(settings.pod_subnet_max)
    configuration["Backend"] = {"Type": settings.flannel_backend, **settings.flannel_backend_options}
    return compact_json(configuration)


def etcdctl(cluster: Cluster, host: Host, api: str = "v3") -> str:
    """The shell command that calls etcdctl on a member as the administrator; by itself it may wait for ever."""
    url = f"https://{host.address}:{cluster.settings.etcd_client_port}"
    paths = {name: f"{ETCD_PKI}/{file}" for name, file in (("ca", "ca.crt"), ("cert", "root.crt"), ("key", "root.key"))}
    if api == "v2":
        return (
            f"ETCDCTL_API=2 timeout 10 etcdctl --endpoints {url} --ca-file {paths['ca']} "
            f"--cert-file {paths['cert']} --key-file {paths['key']}"
        )
    return (
        f"ETCDCTL_API=3 ETCDCTL_ENDPOINTS={url} ETCDCTL_CACERT={paths['ca']} "
        f"ETCDCTL_CERT={paths['cert']} ETCDCTL_KEY={paths['key']} timeout 10 etcdctl"
    )


def _config(cluster: Cluster, host: Host) -> str:
    settings = cluster.settings
    client = f"https://{host.address}:{settings.etcd_client_port}"
    peer = f"https://{host.address}:{settings.etcd_peer_port}"
    variables = {
        "ETCD_NAME": host.name,
        "ETCD_DATA_DIR": f"{DATA}/default.etcd",
        "ETCD_LISTEN_CLIENT_URLS": client,
        "ETCD_ADVERTISE_CLIENT_URLS": client,
        "ETCD_LISTEN_PEER_URLS": peer,
        "ETCD_INITIAL_ADVERTISE_PEER_URLS": peer,
        "ETCD_INITIAL_CLUSTER": cluster.etcd_initial_cluster,
        "ETCD_INITIAL_CLUSTER_TOKEN": settings.cluster_name,
        "ETCD_INITIAL_CLUSTER_STATE": "new",
        "ETCD_CERT_FILE": f"{ETCD_PKI}/server.crt",
        "ETCD_KEY_FILE": f"{RUNTIME}/server.key",
        "ETCD_TRUSTED_CA_FILE": f"{ETCD_PKI}/ca.crt",
        "ETCD_CLIENT_CERT_AUTH": "true",
        "ETCD_PEER_CERT_FILE": f"{ETCD_PKI}/peer.crt",
        "ETCD_PEER_KEY_FILE": f"{RUNTIME}/peer.key",
        "ETCD_PEER_TRUSTED_CA_FILE": f"{ETCD_PKI}/ca.crt",
        "ETCD_PEER_CLIENT_CERT_AUTH": "true",
        "ETCD_QUOTA_BACKEND_BYTES": str(settings.etcd_quota_mib * 1024 * 1024),
    }
    if settings.flannel_etcd_api == "v2":
        variables["ETCD_ENABLE_V2"] = "true"
    for flag, value in cluster.arguments("etcd", host).items():
        variables[f"ETCD_{flag.upper().replace('-', '_')}"] = value
    return environment_file(variables)


def _service(how: Installation, inputs: tuple[str, ...]) -> File:
    keys = f"{ETCD_PKI}/server.key {ETCD_PKI}/peer.key"
    return service_file(
        "etcd",
        how,
        own=["Type=notify", "User=etcd", f"WorkingDirectory={DATA}", f"ExecStart={how.program('etcd')}",
             "LimitNOFILE=65536"],
        unit=["Wants=network-online.target", "After=network-online.target"],
        service=[
            f"EnvironmentFile={CONFIG}",
            f"RuntimeDirectory={RUNTIME.removeprefix('/run/')}",
            "RuntimeDirectoryMode=0700",
            "PermissionsStartOnly=true",
            recorder("etcd", inputs),
            f"ExecStartPre=/usr/bin/install -o etcd -g etcd -m 0400 {keys} {RUNTIME}/",
        ],
    )  # fmt: skip


def _account() -> Step:
    """What the packages bring beside the program."""
    return Step(
        "make the account etcd",
        f'id -u etcd && [ "$(stat -c %U {DATA})" = etcd ]',
        f"{{ id -u etcd || useradd --system --user-group --home-dir {DATA} --shell /sbin/nologin etcd; }} >/dev/null "
        f"2>&1; install -d -o etcd -g etcd -m 0700 {DATA}",
    )


def _curl(host: Host, cluster: Cluster, path: str) -> str:
    return (
        f"curl -s --max-time 5 --cacert {ETCD_PKI}/ca.crt --cert {ETCD_PKI}/root.crt --key {ETCD_PKI}/root.key "
        f"https://{host.address}:{cluster.settings.etcd_client_port}{path}"
    )


def _healthy(cluster: Cluster, host: Host) -> str:
    return f"""{_curl(host, cluster, "/health")} | grep -q '"health":"true"'"""


def _hint(cluster: Cluster) -> str:
    others = ", ".join(m.name for m in cluster.etcd_members)
    return (
        f"fewer than half of the members ({others}) can reach each other on port {cluster.settings.etcd_peer_port}, "
        "or the certificates are not of one authority (deploys/pki.py)"
    )


def _users(cluster: Cluster, host: Host) -> Step:
    """Without users of its own, etcd lets every client certificate read every secret."""
    ctl = etcdctl(cluster, host)
    prefix = f"{cluster.settings.flannel_etcd_prefix}/"
    # The HTTP gateway carries no client identity: it may read only while authentication is off.
    anonymous = f"""{_curl(host, cluster, "/v3/kv/range")} -d '{{"key":"AA=="}}' | grep -q '"header"'"""
    check = (
        f'e() {{ {ctl} "$@"; }}; ! {anonymous} && '
        f"e user get {ETCD_API_SERVER} | grep -qw 'Roles: {ETCD_API_SERVER}' && "
        f"e user get {ETCD_FLANNEL} | grep -qw 'Roles: {ETCD_FLANNEL}' && "
        f"[ $(e role get {ETCD_API_SERVER} | grep -Ec 'prefix /registry/|{COMPACTION_KEY}') = 4 ] && "
        f"[ $(e role get {ETCD_FLANNEL} | grep -c 'prefix {prefix}') = 2 ]"
    )
    repair = f"""
exec >/dev/null
e() {{ {ctl} "$@"; }}
role() {{ e role get $1 || e role add $1; }}
user() {{ e user get $1 || e user add $1 --no-password; e user grant-role $1 $2; }}
role root && user {ETCD_ADMINISTRATOR} root &&
role {ETCD_API_SERVER} && user {ETCD_API_SERVER} {ETCD_API_SERVER} &&
e role grant-permission {ETCD_API_SERVER} readwrite /registry/ --prefix=true &&
e role grant-permission {ETCD_API_SERVER} readwrite {COMPACTION_KEY} &&
role {ETCD_FLANNEL} && user {ETCD_FLANNEL} {ETCD_FLANNEL} &&
e role grant-permission {ETCD_FLANNEL} readwrite {prefix} --prefix=true &&
e auth enable
"""
    return Step("give etcd's clients their own users", check, repair, when="after")


def _flannel(cluster: Cluster, host: Host) -> Step:
    settings = cluster.settings
    key = f"{settings.flannel_etcd_prefix}/config"
    value = shlex.quote(flannel_configuration(cluster))
    ctl = etcdctl(cluster, host, settings.flannel_etcd_api)
    get, put = ("get", "set") if settings.flannel_etcd_api == "v2" else ("get --print-value-only", "put")
    return Step(
        f"set flannel's network configuration in etcd ({key})",
        f'[ "$({ctl} {get} {key})" = {value} ]',
        f"{ctl} {put} {key} {value} >/dev/null",
        when="after",
    )
