"""flanneld: leases the host a piece of the pod network and hands it to the container runtime."""

from cluster import shell
from cluster.certificates import FLANNEL_PKI
from cluster.desired import Cause, File, Role, Turn, Unit, recorder
from cluster.distributions import Distribution
from cluster.formats import HEADER, arguments, environment_file
from cluster.installation import Installation, installation
from cluster.roles import LIBEXEC
from cluster.roles.etcd import flannel_configuration
from cluster.roles.lease import CONFLIST, DOCKER_ENV, bridge, device, follower, handed, record
from cluster.roles.services import foreign_path, service_file, unit_path
from cluster.settings import Cluster, Host, Settings

CONFIG = "/etc/sysconfig/flanneld"
BROKEN_WAY = "a way to another node is broken"
LEASE_SCRIPT = f"{LIBEXEC}/lease"
_READ = (CONFIG, LEASE_SCRIPT, *(f"{FLANNEL_PKI}/{n}" for n in ("ca.crt", "client.crt", "client.key")))


def flannel_role(cluster: Cluster, host: Host, distribution: Distribution, certificates: tuple[File, ...]) -> Role:
    """flanneld on a node, or on a master that is on the pod network."""
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
            File(LEASE_SCRIPT, _lease_script(cluster, host), mode="755"),
            _service(settings, how, inputs),
        ),
        gone=(foreign_path("flanneld", how),),
        expects=tuple(f for f in certificates if f.path.startswith(FLANNEL_PKI)),
        units=(
            Unit(
                name="flanneld",
                inputs=inputs,
                ready=f"grep -qx FLANNEL_BACKEND={handed(settings)} {record(cluster, host)}",
                hint=f"etcd does not answer at {', '.join(cluster.etcd_client_urls)}, "
                f"or holds no network configuration below {settings.flannel_etcd_prefix} (deploys/etcd.py)",
                program=how.program("flanneld"),
                causes=(Cause(BROKEN_WAY, _missing(settings, record(cluster, host))),),
                turn=Turn(settings.max_unavailable),
            ),
        ),
        followers=(follower(settings),) if host.is_node else (),
    )


def _ways(settings: Settings) -> str:
    return shell.program(
        "ways", BACKEND=settings.flannel_backend, DEVICE=device(settings), NETWORK=str(settings.pod_network)
    )


def _missing(settings: Settings, written: str) -> str:
    ways = f"{_ways(settings)}missing"
    # The releases that go with Docker make no device anew.
    return (
        ways if written == DOCKER_ENV else f"{shell.program('device', DEVICE=device(settings))}anew || {{\n{ways}\n}}"
    )


def _lease_script(cluster: Cluster, host: Host) -> str:
    settings = cluster.settings
    keep = shell.program("kept-device", OPTIONS=flannel_configuration(cluster), HANDED=handed(settings))
    written = record(cluster, host)
    clear = shell.program("former-ways", RECORD=written, BRIDGE=bridge(settings.container_runtime))
    if written == DOCKER_ENV:
        publish = shell.program("lease")
    else:
        publish = shell.program("lease-cni", CONFLIST=CONFLIST if host.is_node else "")
    return f"#!/bin/sh\n{HEADER}{_ways(settings)}{keep}{clear}{publish}"


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


def _service(settings: Settings, how: Installation, inputs: tuple[str, ...]) -> File:
    start = f"{how.program('flanneld')} -etcd-endpoints=${{FLANNEL_ETCD_ENDPOINTS}} $FLANNEL_OPTIONS"
    return service_file(
        "flanneld",
        how,
        own=["Type=notify", f"ExecStart={start}"],
        unit=[
            "Wants=network-online.target",
            "After=network-online.target etcd.service",
            f"Before={settings.container_runtime}.service",
        ],
        service=[
            f"EnvironmentFile={CONFIG}",
            recorder("flanneld", inputs),
            f"ExecStartPre={LEASE_SCRIPT} clear",
            "ExecStartPost=",  # a package's own would write Docker's options too
            f"ExecStartPost={LEASE_SCRIPT} publish",
            "TimeoutStartSec=0",
        ],
    )
