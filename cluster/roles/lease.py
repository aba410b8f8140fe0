"""What flannel hands the container runtime on a node: its lease; and whether pods are on it."""

from cluster import shell
from cluster.desired import Cause, Turn, Unit
from cluster.release_sets import Runtime
from cluster.settings import Cluster, Host, Settings

DOCKER_ENV = "/run/flannel/docker.env"  # for Docker: its options
LEASE_ENV = "/run/flannel/lease.env"  # for containerd, and where there are no pods
SUBNET_ENV = "/run/flannel/subnet.env"
NETWORKS = "/run/flannel/cni"  # where containerd looks for pods' network: of nobody else's, and gone after a boot
CONFLIST = f"{NETWORKS}/10-flannel.conflist"
ADDRESSES = "/run/flannel/addresses/flannel"  # those of pods, a file each, as the CNI plugin host-local notes them
MOVED = f"{DOCKER_ENV} changed"
MOVES = "flannel's lease or its MTU changes"
ENDS = "every pod of the node"


def record(cluster: Cluster, host: Host) -> str:
    """Where a host's lease is written down, as it was handed on."""
    return DOCKER_ENV if host.is_node and cluster.settings.container_runtime == "docker" else LEASE_ENV


def bridge(runtime: Runtime) -> str:
    """The network device that pods of a node are plugged into."""
    return "docker0" if runtime == "docker" else "cni0"


def handed(settings: Settings) -> str:
    """Backend and MTU, as far as settings decide them, in one word: pods get another network when it changes."""
    mtu = next((v for name, v in settings.flannel_backend_options.items() if name.lower() == "mtu"), None)
    return f"{settings.flannel_backend}:{mtu}" if mtu else settings.flannel_backend


def device(settings: Settings) -> str:
    """flannel's network device; host-gw has none, and gets vxlan's name."""
    if settings.flannel_backend == "udp":
        return "flannel0"
    vni = next((v for name, v in settings.flannel_backend_options.items() if name.lower() == "vni"), 1)
    return f"flannel.{vni}"


def follower(settings: Settings) -> Unit:
    """The runtime, as far as it follows flannel's lease: it restarts when that is moved, and on nothing else."""
    if settings.container_runtime == "docker":
        return Unit(
            name="docker",
            inputs=(DOCKER_ENV,),
            ready=on_lease(settings),
            hint=f"dockerd does not take the options in {DOCKER_ENV}",
            causes=(Cause(MOVED, _moves(settings, DOCKER_ENV)),),
            ends=ENDS,
            turn=drained(settings),
        )
    return Unit(
        name="containerd",
        inputs=(),
        ready=on_lease(settings),
        hint="cni0 could not be made anew on flannel's lease (journalctl -u containerd)",
        causes=(Cause(MOVES, _moves(settings, LEASE_ENV), ends=ENDS),),
        turn=drained(settings),
    )


def drained(settings: Settings) -> Turn:
    """How nodes take turns to restart their runtime."""
    return Turn(settings.max_unavailable, drains=settings.drain_timeout > 0)


def on_lease(settings: Settings) -> str:
    """A shell condition: pods of a node are on flannel's lease."""
    if settings.container_runtime == "docker":
        return shell.program("on_lease").strip()
    return f"{shell.program('bridge')}on_lease"


def off_lease(settings: Settings) -> str:
    """A shell condition: there is a lease on a node, and pods are not on it."""
    record = DOCKER_ENV if settings.container_runtime == "docker" else LEASE_ENV
    return f"[ -e {record} ] && ! {{ {on_lease(settings)}; }}"


def _moves(settings: Settings, record: str) -> str:
    """A shell condition: flanneld, started with these settings, hands pods another lease or MTU than now."""
    leased = settings.leases.span
    return shell.program(
        "moves",
        RECORD=record,
        HANDED=handed(settings),
        LENGTH=settings.pod_subnet_length,
        FIRST=int(leased.first),
        LAST=int(leased.last),
    )
