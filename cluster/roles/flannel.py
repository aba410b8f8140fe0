"""flanneld: leases the host a piece of the pod network and hands it to Docker."""

from cluster.certificates import FLANNEL_PKI
from cluster.desired import File, Role, Unit, recorder
from cluster.distributions import Distribution
from cluster.formats import arguments, environment_file
from cluster.installation import Installation, installation
from cluster.roles import LIBEXEC
from cluster.roles.etcd import flannel_configuration
from cluster.roles.services import foreign_path, service_file, unit_path
from cluster.settings import Cluster, Host

CONFIG = "/etc/sysconfig/flanneld"
DOCKER_ENV = "/run/flannel/docker.env"
SUBNET_ENV = "/run/flannel/subnet.env"
LEASE_SCRIPT = f"{LIBEXEC}/lease"
_READ = (CONFIG, LEASE_SCRIPT, *(f"{FLANNEL_PKI}/{n}" for n in ("ca.crt", "client.crt", "client.key")))

_LEASE_SCRIPT = """\
#!/bin/sh
# Written by container-cloud; a change made here is undone by its next run.
# lease clear BACKEND: before flanneld starts, removes what another backend left behind.
# lease publish BACKEND: after flanneld has its lease, turns it into dockerd's options.
set -eu
env=/run/flannel/docker.env

clear() {
    [ -e $env ] && ! grep -qx "FLANNEL_BACKEND=$1" $env || return 0
    for link in flannel.1 flannel0; do ip link delete $link 2>/dev/null || true; done
    . /run/flannel/subnet.env
    ip -4 route show root "$FLANNEL_NETWORK" | grep -v ' dev docker0 ' | while read -r route; do
        ip route delete ${route%% *} || true
    done
}

publish() {
    . /run/flannel/subnet.env
    new=$(printf '%s\\n' "FLANNEL_BACKEND=$1" \\
        "DOCKER_NETWORK_OPTIONS=\\"--bip=$FLANNEL_SUBNET --ip-masq=false --mtu=$FLANNEL_MTU\\"")
    old=$(cat $env 2>/dev/null || true)
    [ "$new" != "$old" ] || return 0
    printf '%s\\n' "$new" > $env.new
    mv -f $env.new $env
    # A lease that moved: a running Docker follows it, unless a deploy is at work, which restarts it itself.
    [ -z "$old" ] || [ -n "$(find /run/container-cloud/deploying -mmin -10 2>/dev/null)" ] ||
        systemctl --no-block try-restart docker.service
}

"$1" "$2"
"""


def flannel_role(cluster: Cluster, host: Host, distribution: Distribution, certificates: tuple[File, ...]) -> Role:
    """flanneld on a node."""
    settings = cluster.settings
    how = installation(settings, distribution, "flannel")
    inputs = (unit_path("flanneld", how), *_READ)
    return Role(
        name="flannel",
        packages=how.packages,
        programs=how.programs,
        packaged_units=how.acted_on,
        files=(
            File(CONFIG, _config(cluster, host, how)),
            File(LEASE_SCRIPT, _LEASE_SCRIPT, mode="755"),
            _service(how, settings.flannel_backend, inputs),
        ),
        gone=(foreign_path("flanneld", how),),
        expects=tuple(f for f in certificates if f.path.startswith(FLANNEL_PKI)),
        units=(
            Unit(
                name="flanneld",
                inputs=inputs,
                ready=f"grep -qx FLANNEL_BACKEND={settings.flannel_backend} {DOCKER_ENV}",
                hint=f"etcd does not answer at {', '.join(cluster.etcd_client_urls)}, "
                f"or holds no network configuration below {settings.flannel_etcd_prefix} (deploys/etcd.py)",
                program=how.program("flanneld"),
            ),
        ),
    )


def _config(cluster: Cluster, host: Host, how: Installation) -> str:
    settings = cluster.settings
    flags = {
        "etcd-prefix": settings.flannel_etcd_prefix,
        "etcd-cafile": f"{FLANNEL_PKI}/ca.crt",
        "etcd-certfile": f"{FLANNEL_PKI}/client.crt",
        "etcd-keyfile": f"{FLANNEL_PKI}/client.key",
        "iface": settings.flannel_interface or str(host.address),
        "ip-masq": "",
        **cluster.arguments("flanneld", host),
    }
    # The packaged unit passes this one on too; what stands in the options comes later and wins.
    packaged = {"FLANNEL_ETCD_PREFIX": settings.flannel_etcd_prefix} if how.packaged else {}
    return environment_file(
        {
            "FLANNEL_ETCD_ENDPOINTS": ",".join(cluster.etcd_client_urls),
            **packaged,
            "FLANNEL_OPTIONS": arguments(flags, dashes="-"),
        },
        # flanneld reads this once, at its start: with it here, a change is seen to need a restart.
        notes=[f"the network configuration in etcd: {flannel_configuration(cluster)}"],
    )


def _service(how: Installation, backend: str, inputs: tuple[str, ...]) -> File:
    start = f"{how.program('flanneld')} -etcd-endpoints=${{FLANNEL_ETCD_ENDPOINTS}} $FLANNEL_OPTIONS"
    return service_file(
        "flanneld",
        how,
        own=["Type=notify", f"ExecStart={start}"],
        unit=[
            "Wants=network-online.target",
            "After=network-online.target etcd.service",
            "Before=docker.service",
        ],
        service=[
            f"EnvironmentFile={CONFIG}",
            recorder("flanneld", inputs),
            f"ExecStartPre={LEASE_SCRIPT} clear {backend}",
            "ExecStartPost=",  # a package's own would write Docker's options too
            f"ExecStartPost={LEASE_SCRIPT} publish {backend}",
            "TimeoutStartSec=0",
        ],
    )
