"""An etcd member, and what the first one does for all: users by certificate, flannel's configuration."""

import shlex

from cluster.certificates import ETCD_ADMINISTRATOR, ETCD_API_SERVER, ETCD_FLANNEL, ETCD_PKI
from cluster.desired import File, Grants, Role, Step, Turn, Unit, recorder
from cluster.distributions import Distribution
from cluster.etcdctl import etcdctl
from cluster.formats import compact_json, environment_file
from cluster.installation import Installation, installation
from cluster.membership import DATA, DIRECTORY, LIVED, peer_urls
from cluster.releases import CURRENT
from cluster.roles.services import foreign_path, service_file, unit_path
from cluster.settings import Cluster, Host
from cluster.shell import program

CONFIG = "/etc/etcd/etcd.conf"
RUNTIME = "/run/etcd"  # etcd runs as its own user, which cannot read root's keys
_GRANTED = "/var/lib/container-cloud/etcd.grants"  # what its users may do, as of etcd's own count of such changes
_READ = (CONFIG, *(f"{ETCD_PKI}/{n}" for n in ("ca.crt", "server.crt", "server.key", "peer.crt", "peer.key")))
HISTORY = "5m"  # as long as the API server itself would keep it: watches that break off go on within it

# What the API server keeps outside its own prefix: the revision it last compacted to.
COMPACTION_KEY = "compact_rev_key"


def etcd_role(
    cluster: Cluster, host: Host, distribution: Distribution, certificates: tuple[File, ...], cluster_id: str = ""
) -> Role:
    """etcd on one of its members.

    Args:
        cluster_id: of etcd's cluster that has lived, in hex, as far as it is known.
    """
    how = installation(cluster.settings, distribution, "etcd")
    inputs = (unit_path("etcd", how), *_READ)
    first = host == cluster.etcd_members[0]
    return Role(
        name="etcd",
        packages=how.packages,
        programs=how.programs,
        packaged_units=how.acted_on,
        files=(
            File(
                CONFIG, _config(cluster, host), mode="600" if cluster.settings.kubernetes_version in CURRENT else "644"
            ),
            _service(how, inputs),
        ),
        gone=(foreign_path("etcd", how),),
        expects=tuple(f for f in certificates if f.path.startswith(ETCD_PKI)),
        steps=(*(() if how.packaged else (_account(),)), *((_flannel(cluster),) if first else ())),
        grants=(_grants(cluster),) if first else (),
        units=(
            Unit(
                "etcd",
                inputs,
                _ready(cluster, host, cluster_id),
                _hint(cluster),
                how.program("etcd"),
                turn=_turn(cluster, host),
            ),
        ),
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
    if settings.kube_proxy_mode == "nftables":
        configuration["EnableNFTables"] = True
    configuration["Backend"] = {"Type": settings.flannel_backend, **settings.flannel_backend_options}
    return compact_json(configuration)


def _config(cluster: Cluster, host: Host) -> str:
    settings = cluster.settings
    client = f"https://{host.address}:{settings.etcd_client_port}"
    peer = f"https://{host.address}:{settings.etcd_peer_port}"
    variables = {
        "ETCD_NAME": host.name,
        "ETCD_DATA_DIR": DATA,
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
    if settings.etcd_compacts:
        variables |= {"ETCD_AUTO_COMPACTION_MODE": "periodic", "ETCD_AUTO_COMPACTION_RETENTION": HISTORY}
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
        own=["Type=notify", "User=etcd", f"WorkingDirectory={DIRECTORY}", f"ExecStart={how.program('etcd')}",
             "LimitNOFILE=65536"],
        unit=["Wants=network-online.target", "After=network-online.target"],
        service=[
            f"EnvironmentFile={CONFIG}",
            f"RuntimeDirectory={RUNTIME.removeprefix('/run/')}",
            "RuntimeDirectoryMode=0700",
            "PermissionsStartOnly=true",
            recorder("etcd", inputs),
            f"ExecStartPre=/usr/bin/install -o etcd -g etcd -m 0400 {keys} {RUNTIME}/",
            # A disk that is not mounted, or data that are lost, is no reason to begin an empty cluster.
            f"ExecStartPre=/bin/sh -c 'test -d {DATA}/member || test ! -e {LIVED} || "
            f'{{ echo "{DATA} is empty or gone, but {LIVED} says that it has lived: not started" >&2; exit 1; }}\'',
            # With Type=notify, when the member has joined its cluster.
            f"ExecStartPost=/bin/sh -c 'mkdir -p {LIVED.rpartition('/')[0]} && touch {LIVED}'",
        ],
    )  # fmt: skip


def _account() -> Step:
    """What the packages bring beside the program."""
    return Step(
        "make the account etcd",
        f'id -u etcd && [ "$(stat -c %U {DIRECTORY})" = etcd ]',
        f"{{ id -u etcd || useradd --system --user-group --home-dir {DIRECTORY} --shell /sbin/nologin etcd; }} "
        f">/dev/null 2>&1; install -d -o etcd -g etcd -m 0700 {DIRECTORY}",
    )


def _ready(cluster: Cluster, host: Host, cluster_id: str) -> str:
    members = sorted(f"{name} {url}" for name, url in peer_urls(cluster).items())
    url = f"https://{host.address}:{cluster.settings.etcd_client_port}"
    return etcdctl(program("etcd-ready", URL=url, MEMBERS="\n".join(members), CLUSTER=cluster_id))


def _turn(cluster: Cluster, host: Host) -> Turn:
    """One member after another, and only while the others are a quorum: of two, neither ever is."""
    others = [m for m in cluster.etcd_members if m != host]
    if not others:
        return Turn()
    urls = " ".join(f"https://{m.address}:{cluster.settings.etcd_client_port}" for m in others)
    need = min(len(others), len(cluster.etcd_members) // 2 + 1)
    return Turn(
        others=program("etcd-others", PKI=ETCD_PKI, URLS=urls, NEED=need),
        missing=f"etcd on {host.name} is to be restarted, and fewer than {need} of the other members "
        f"({', '.join(m.name for m in others)}) are healthy: etcd would stand still. Mend them first "
        "(journalctl -u etcd there), or take one that is lost out of the group etcd",
    )


def _hint(cluster: Cluster) -> str:
    others = ", ".join(m.name for m in cluster.etcd_members)
    return (
        f"fewer than half of the members ({others}) can reach each other on port {cluster.settings.etcd_peer_port}, "
        "or the certificates are not of one authority (deploys/pki.py)"
    )


def _grants(cluster: Cluster) -> Grants:
    """Without users of its own, etcd lets every client certificate read every secret."""
    users = {ETCD_ADMINISTRATOR: "root", ETCD_API_SERVER: ETCD_API_SERVER, ETCD_FLANNEL: ETCD_FLANNEL}
    ranges = {
        ETCD_API_SERVER: (_below("/registry/"), COMPACTION_KEY),
        ETCD_FLANNEL: (_below(f"{cluster.settings.flannel_etcd_prefix}/"),),
    }
    urls = cluster.etcd_client_urls
    who = {"USERS": " ".join(users), "ROLES": " ".join(users.values()), "URLS": " ".join(urls)}
    functions = program("etcd-grants", **who, DATA=DATA, RECORD=_GRANTED)
    return Grants(
        "give etcd's clients their own users",
        etcdctl(f"{functions}read_grants"),
        wanted=(
            *(f"user {user} role {role}" for user, role in users.items()),
            *(f"role {role} readwrite {keys}" for role, granted in ranges.items() for keys in granted),
            *(f"authentication at {url}" for url in urls),
        ),
        change=etcdctl(functions + program("etcd-grant")),
    )


def _below(prefix: str) -> str:
    """All keys that begin so, as etcdctl writes a range."""
    return f"[{prefix}, {prefix[:-1]}{chr(ord(prefix[-1]) + 1)})"


def _flannel(cluster: Cluster) -> Step:
    settings = cluster.settings
    key = f"{settings.flannel_etcd_prefix}/config"
    value = shlex.quote(flannel_configuration(cluster))
    get, put = ("e2 get", "e2 set") if settings.flannel_etcd_api == "v2" else ("e get --print-value-only", "e put")
    return Step(
        f"set flannel's network configuration in etcd ({key})",
        etcdctl(f'[ "$({get} {key})" = {value} ]'),
        etcdctl(f"{put} {key} {value} >/dev/null"),
        when="after",
    )
