"""An etcd member, and what the first one does for all: users by certificate, flannel's configuration."""

import shlex
from dataclasses import replace

from cluster.certificates import ETCD_ADMINISTRATOR, ETCD_API_SERVER, ETCD_FLANNEL, ETCD_PKI
from cluster.desired import ASIDE, SYSTEMD, File, Grants, Role, Step, Turn, Unit, recorder
from cluster.distributions import Distribution
from cluster.etcdctl import etcdctl
from cluster.formats import HEADER, compact_json, environment_file
from cluster.installation import Installation, installation
from cluster.members import Joining, Leaving, Standing
from cluster.membership import DATA, DIRECTORY, LIVED, USUAL, Part, peer_urls
from cluster.releases import CURRENT
from cluster.roles.services import foreign_path, service_file, unit_path
from cluster.settings import Cluster, Host
from cluster.shell import program

CONFIG = "/etc/etcd/etcd.conf"
BOOTSTRAP = "/etc/etcd/bootstrap.conf"  # with whom it begins: read once there are no data, and no reason to restart it
# etcd runs as its own user, which cannot read root's keys; and it reads certificates anew at each connection: of those
# that a run places, it has none before it is restarted, or they would not be its key's.
RUNTIME = "/run/etcd"
_GRANTED = "/var/lib/container-cloud/etcd.grants"  # what its users may do, as of etcd's own count of such changes
_PAIRS = tuple(f"{ETCD_PKI}/{n}" for n in ("ca.crt", "server.crt", "server.key", "peer.crt", "peer.key"))
_READ = (CONFIG, *_PAIRS)
HISTORY = "5m"  # as long as the API server itself would keep it: watches that break off go on within it

# What the API server keeps outside its own prefix: the revision it last compacted to.
COMPACTION_KEY = "compact_rev_key"


def etcd_role(
    cluster: Cluster, host: Host, distribution: Distribution, certificates: tuple[File, ...], part: Part = USUAL
) -> Role:
    """etcd on one of its members.

    Args:
        part: the member's part in its cluster.
    """
    how = installation(cluster.settings, distribution, "etcd")
    inputs = (unit_path("etcd", how), *_READ)
    first = host.name == (part.first or cluster.etcd_members[0].name)
    mode = "600" if cluster.settings.kubernetes_version in CURRENT else "644"
    return Role(
        name="etcd",
        packages=how.packages,
        programs=how.programs,
        packaged_units=how.acted_on,
        files=(
            File(CONFIG, _config(cluster, host), mode=mode),
            _service(how, inputs),
        ),
        gone=(foreign_path("etcd", how),),
        expects=tuple(f for f in certificates if f.path.startswith(ETCD_PKI)),
        steps=(*(() if how.packaged else (_account(),)), _begin(cluster), *((_flannel(cluster),) if first else ())),
        grants=(_grants(cluster),) if first else (),
        units=(
            Unit(
                "etcd",
                inputs,
                _ready(cluster, host, part.cluster_id),
                _hint(cluster),
                how.program("etcd"),
                turn=_turn(cluster, host),
            ),
        ),
    )


def prepared(cluster: Cluster, role: Role) -> Role:
    """What of a member's role is there before it joins: software and files; no service, and no cluster of its own."""
    before = tuple(s for s in role.steps if s.when == "before" and s != _begin(cluster))
    return replace(role, units=(), grants=(), steps=before)


def joining_role(cluster: Cluster, host: Host, role: Role, joining: Joining, standing: Standing) -> Role:
    """A member's role, by which it joins the cluster that there is.

    Args:
        role: as `etcd_role` returns it, of a host that does nothing for all.
        joining: what has to happen.
        standing: the members there are.
    """
    url, peer = (f"https://{host.address}:{port}" for port in _ports(cluster))
    lines, steps = joining.lines(host.name), [_remove(cluster, standing, m.id) for m in joining.lost]
    if joining.add:
        steps.append(_add(cluster, host, standing))
    before = [Step(line, "false", repair) for line, repair in zip(lines, steps, strict=True)]
    if joining.listed:
        before.append(Step(f"join as etcd member {host.name}, which is listed", "false", _add(cluster, host, standing)))
    promote = etcdctl(program("etcd-promote", URLS=",".join(standing.asked), PEER=peer))
    hint = (
        f"it has not caught up with the others yet (raise start_timeout), or they and it do not reach each other on "
        f"port {cluster.settings.etcd_peer_port}"
    )
    wait = f"ready() {{ {promote}\n}}\nawait etcd {shlex.quote(hint)} 0 ''"
    await_ = program("start", PATIENCE=cluster.settings.start_timeout, NOISE="^$")
    vote = Step(f"promote etcd member {host.name} (when it has caught up)", "false", f"{await_}\n{wait}", when="after")
    (unit,) = role.units
    answers = etcdctl(f"endpoint={url}; e endpoint status >/dev/null")
    ahead = prepared(cluster, role)
    return replace(ahead, steps=(*ahead.steps, *before, vote), units=(replace(unit, ready=answers, hint=hint),))


def taking_out(cluster: Cluster, standing: Standing, leaving: Leaving) -> str:
    """Shell that takes a member out."""
    assert leaving.member
    leader = leaving.member.client if leaving.heir else ""
    return _remove(cluster, standing, leaving.member.id, leader, leaving.heir.id if leaving.heir else "")


def setting_aside() -> str:
    """Shell that sets aside what is left of a member on a host that is none any more."""
    files = " ".join((CONFIG, BOOTSTRAP, f"{SYSTEMD}/etcd.service", f"{SYSTEMD}/etcd.service.d/container-cloud.conf"))
    values = {"DATA": DATA, "LIVED": LIVED, "ASIDE": ASIDE, "PKI": ETCD_PKI, "GRANTED": _GRANTED}
    return program("etcd-leave", FILES=files, HEADER=HEADER.strip(), **values)


def _ports(cluster: Cluster) -> tuple[int, int]:
    return cluster.settings.etcd_client_port, cluster.settings.etcd_peer_port


def _change(cluster: Cluster, standing: Standing, without: str, then: str) -> str:
    """Shell that changes members, asked of those that are healthy, but for one, by its id."""
    urls = ",".join(m.client for m in standing.members if m.client in standing.asked and m.id != without)
    change = program("etcd-change", PATIENCE=cluster.settings.start_timeout)
    return etcdctl(f"endpoint={urls}\n{change}{then}")


def _remove(cluster: Cluster, standing: Standing, member: str, leader: str = "", heir: str = "") -> str:
    return _change(cluster, standing, member, program("etcd-remove", ID=member, LEADER=leader, HEIR=heir))


def _add(cluster: Cluster, host: Host, standing: Standing) -> str:
    peer = f"https://{host.address}:{cluster.settings.etcd_peer_port}"
    return _change(cluster, standing, "", program(
        "etcd-add", NAME=host.name, PEER=peer, TOKEN=cluster.settings.cluster_name, FILE=BOOTSTRAP, HEADER=HEADER,
        DATA=DATA, LIVED=LIVED,
    ))  # fmt: skip


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
        "ETCD_CERT_FILE": f"{RUNTIME}/server.crt",
        "ETCD_KEY_FILE": f"{RUNTIME}/server.key",
        "ETCD_TRUSTED_CA_FILE": f"{RUNTIME}/ca.crt",
        "ETCD_CLIENT_CERT_AUTH": "true",
        "ETCD_PEER_CERT_FILE": f"{RUNTIME}/peer.crt",
        "ETCD_PEER_KEY_FILE": f"{RUNTIME}/peer.key",
        "ETCD_PEER_TRUSTED_CA_FILE": f"{RUNTIME}/ca.crt",
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


def _begin(cluster: Cluster) -> Step:
    """With whom a member of a new cluster begins; those that join one get it written as they do."""
    content = environment_file(
        {
            "ETCD_INITIAL_CLUSTER": cluster.etcd_initial_cluster,
            "ETCD_INITIAL_CLUSTER_TOKEN": cluster.settings.cluster_name,
            "ETCD_INITIAL_CLUSTER_STATE": "new",
        }
    )
    written = File(BOOTSTRAP, content)
    return Step(
        f"write {BOOTSTRAP}",
        f'[ -d {DATA}/member ] || [ "$(sha256sum <{BOOTSTRAP} | cut -c1-64)" = {written.digest} ]',
        f"umask 077; printf %s {shlex.quote(content)} >{BOOTSTRAP}.new && mv -f {BOOTSTRAP}.new {BOOTSTRAP}",
    )


def _service(how: Installation, inputs: tuple[str, ...]) -> File:
    return service_file(
        "etcd",
        how,
        own=["Type=notify", "User=etcd", f"WorkingDirectory={DIRECTORY}", f"ExecStart={how.program('etcd')}",
             "LimitNOFILE=65536"],
        unit=["Wants=network-online.target", "After=network-online.target"],
        service=[
            f"EnvironmentFile=-{BOOTSTRAP}",
            f"EnvironmentFile={CONFIG}",
            f"RuntimeDirectory={RUNTIME.removeprefix('/run/')}",
            "RuntimeDirectoryMode=0700",
            "PermissionsStartOnly=true",
            recorder("etcd", inputs),
            f"ExecStartPre=/usr/bin/install -o etcd -g etcd -m 0400 {' '.join(_PAIRS)} {RUNTIME}/",
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
        f'[ "$(stat -c %U {DIRECTORY})" = etcd ]',
        f"{{ id -u etcd || useradd --system --user-group --home-dir {DIRECTORY} --shell /sbin/nologin etcd; }} "
        f">/dev/null 2>&1; install -d -o etcd -g etcd -m 0700 {DIRECTORY}",
    )


def _ready(cluster: Cluster, host: Host, cluster_id: str) -> str:
    url = f"https://{host.address}:{cluster.settings.etcd_client_port}"
    return etcdctl(program("etcd-ready", URL=url, PEER=peer_urls(cluster)[host.name], CLUSTER=cluster_id))


def _turn(cluster: Cluster, host: Host) -> Turn:
    """One member after another, and only while the others are a quorum: of two, neither ever is."""
    others = [m for m in cluster.etcd_members if m != host]
    own, urls = (
        " ".join(f"https://{m.address}:{cluster.settings.etcd_client_port}" for m in listed)
        for listed in ([host], others)
    )
    names = ", ".join(m.name for m in others) or "which have left the group, and are members still"
    return Turn(
        serves=program("etcd-serves", PKI=ETCD_PKI),
        others=etcdctl(program("etcd-others", OWN=own, URLS=urls)),
        missing=f"etcd on {host.name} is to be restarted, and too few of the other members ({names}) are healthy: etcd "
        "would stand still. Mend them first (journalctl -u etcd there), or take one that is lost out of the group etcd",
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
