"""The way to the API servers: a haproxy on each host that calls them, which knows which of them answer."""

from cluster.certificates import BALANCER_PAIR, KUBERNETES_PKI
from cluster.desired import RECORD_DIRECTORY, SYSTEMD, File, Package, Role, Step, Unit, recorder
from cluster.formats import HEADER
from cluster.installation import Installation
from cluster.ports import BALANCER
from cluster.releases import CURRENT
from cluster.roles.kubernetes import DIRECTORY, private
from cluster.roles.services import service_file, unit_path
from cluster.settings import Cluster, Settings

CONFIG = f"{DIRECTORY}/{BALANCER}.cfg"
# The distribution's program in a unit of ours: the package's own unit stays as it is, and is somebody else's.
_HOW = Installation(
    packaged=False,
    packages=(Package("haproxy"),),
    programs=(),
    directory="/usr/sbin",
    acted_on=("haproxy.service",),
)
_UNIT = unit_path(BALANCER, _HOW)
_RUNTIME = f"/run/{BALANCER}"
_PAIR = f"{_RUNTIME}/pair.pem"  # haproxy reads certificate and key in one file
_AUTHORITY = f"{KUBERNETES_PKI}/ca.crt"
_INPUTS = (_UNIT, CONFIG, _AUTHORITY, f"{BALANCER_PAIR}.crt", f"{BALANCER_PAIR}.key")
_WANTED = f"{SYSTEMD}/multi-user.target.wants/{BALANCER}.service"

# Seconds after which every balancer has heard that an API server is about to stop: each asks once in a second, and
# waits as long for an answer.
NOTICED = 5
BACK = 3  # and that it is back

_GLOBAL = f"""\
global
    stats socket {_RUNTIME}/admin.sock mode 600 level admin expose-fd listeners
    chroot /var/lib/haproxy
    user haproxy
    group haproxy
    maxconn 8192
    # After a reload a former process goes on with the connections it has, and asks no API server any more how it is:
    # not for ever.
    hard-stop-after 10m

defaults
    mode tcp
    timeout connect 1s
    timeout check 1s
    # A watch may have nothing to tell for long, and whoever is in a container nothing to say.
    timeout client 24h
    timeout server 24h
    # At once at another one. By turns: whoever has the fewest connections would be asked first just when it is gone.
    balance roundrobin
    retries 3
    option redispatch 1

"""
_CHECK = """\
    option httpchk
    http-check connect default
    http-check send meth GET uri {} ver HTTP/1.1 hdr Host kubernetes
    # One that is not ready is about to stop, and says so before it does: it gets no new connection, and ends itself
    # those that it has. One that does not answer is out, and they are cut off.
    http-check expect status 200 error-status L7OKC
    # A second until the next question and one for its answer, then both again: one that hangs is out within 4. One that
    # listens no more may still finish what it was asked: it is not called down at the first time.
    default-server check inter 1s fall 2 rise 1 on-marked-down shutdown-sessions
"""


def balancer_role(cluster: Cluster, certificates: tuple[File, ...]) -> Role:
    """The balancer on a master or a node; what is left of one where the settings want none."""
    if not cluster.balanced:
        return _without()
    listening = f"[ -n \"$(ss -Hltn 'src 127.0.0.1:{cluster.settings.api_server_balancer_port}')\" ]"
    hint = f"{CONFIG} is not for this haproxy, which must be 2.2 or later (haproxy -c -f {CONFIG})"
    return Role(
        name="balancer",
        packages=_HOW.packages,
        packaged_units=_HOW.acted_on,
        files=private(cluster.settings, (File(CONFIG, _config(cluster)), _service())),
        expects=tuple(f for f in certificates if f.path in _INPUTS),
        units=(Unit(BALANCER, _INPUTS, listening, hint, _HOW.program("haproxy"), reloads=True),),
    )


def through_balancer(cluster: Cluster) -> str:
    """A shell condition on a master: whether its balancer leads to an API server that is ready."""
    pair = f"--cert {KUBERNETES_PKI}/client.crt --key {KUBERNETES_PKI}/client.key"
    return f"curl -sf -o /dev/null --max-time 5 --cacert {_AUTHORITY} {pair} {cluster.api_server_url}/readyz"


def _without() -> Role:
    """Stopped and taken away; the program stays, for it may be somebody else's."""
    record, pair = f"{RECORD_DIRECTORY}/{BALANCER}.inputs", f"{BALANCER_PAIR}.crt {BALANCER_PAIR}.key"
    return Role(
        name="unbalanced",
        owns=(_UNIT, CONFIG),
        steps=(
            Step(
                "stop the API servers' balancer",
                f"[ ! -e {record} ] && [ ! -L {_WANTED} ] && [ ! -e {BALANCER_PAIR}.key ]",
                f"{{ ! systemctl is-active -q {BALANCER} || systemctl stop {BALANCER}; }} && "
                f"rm -f {record} {_WANTED} {pair} && systemctl daemon-reload",
            ),
        ),
    )


def _config(cluster: Cluster) -> str:
    settings = cluster.settings
    trust = f"verify required ca-file {_AUTHORITY} crt {_PAIR}"
    servers = (
        f"    server {m.name} {m.address}:{settings.api_server_port} check-ssl {trust} verifyhost {m.name}\n"
        for m in cluster.masters
    )
    listen = f"listen api-servers\n    bind 127.0.0.1:{settings.api_server_balancer_port}\n"
    return f"{HEADER}{_GLOBAL}{listen}{_CHECK.format(_question(settings))}{''.join(servers)}"


def _question(settings: Settings) -> str:
    """What an API server is asked: not of etcd, for whose members' next leader all of them wait, and none is better."""
    left_out = ("etcd", "etcd-readiness") if settings.kubernetes_version in CURRENT else ("etcd",)
    return "/readyz?" + "&".join(f"exclude={check}" for check in left_out)


def _service() -> File:
    program = _HOW.program("haproxy")
    join = (
        f"/bin/sh -c 'umask 077; cat {BALANCER_PAIR}.crt {BALANCER_PAIR}.key > {_PAIR}.new && mv {_PAIR}.new {_PAIR}'"
    )
    return service_file(
        BALANCER,
        _HOW,
        own=["Type=notify", f"ExecStart={program} -Ws -f {CONFIG}", "LimitNOFILE=65536"],
        unit=["Wants=network-online.target", "After=network-online.target"],
        service=[
            f"RuntimeDirectory={BALANCER}",
            "RuntimeDirectoryMode=0700",
            f"ExecStartPre={join}",
            recorder(BALANCER, _INPUTS),
            # Connections go on in the former process; the next one is as recorded.
            f"ExecReload={join}",
            f"ExecReload={program} -c -q -f {CONFIG}",
            recorder(BALANCER, _INPUTS, at="ExecReload"),
            "ExecReload=/bin/kill -USR2 $MAINPID",
            "KillMode=mixed",
            "SuccessExitStatus=143",
        ],
    )
