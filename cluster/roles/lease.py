"""What flannel hands Docker on a node: its lease, as dockerd's options; and whether Docker runs on it."""

from cluster import shell
from cluster.desired import Cause, Unit
from cluster.settings import Settings

DOCKER_ENV = "/run/flannel/docker.env"
SUBNET_ENV = "/run/flannel/subnet.env"
MOVED = f"{DOCKER_ENV} changed"
ENDS = "every pod of the node"


def handed(settings: Settings) -> str:
    """Backend and MTU, as far as settings decide them, in one word: Docker gets other options when it changes."""
    mtu = next((v for name, v in settings.flannel_backend_options.items() if name.lower() == "mtu"), None)
    return f"{settings.flannel_backend}:{mtu}" if mtu else settings.flannel_backend


def device(settings: Settings) -> str:
    """flannel's network device; host-gw has none, and gets vxlan's name."""
    if settings.flannel_backend == "udp":
        return "flannel0"
    vni = next((v for name, v in settings.flannel_backend_options.items() if name.lower() == "vni"), 1)
    return f"flannel.{vni}"


def follower(settings: Settings) -> Unit:
    """Docker, as far as it follows flannel's lease: it restarts when that is moved, and on nothing else."""
    return Unit(
        name="docker",
        inputs=(DOCKER_ENV,),
        ready=on_lease(),
        hint=f"dockerd does not take the options in {DOCKER_ENV}",
        causes=(Cause(MOVED, _moves(settings)),),
        ends=ENDS,
    )


def on_lease() -> str:
    """A shell condition: Docker runs on flannel's lease."""
    return shell.program("on_lease").strip()


def _moves(settings: Settings) -> str:
    """A shell condition: flanneld, started with these settings, hands Docker another lease or MTU than now."""
    leased = settings.leases.span
    return shell.program(
        "moves",
        HANDED=handed(settings),
        LENGTH=settings.pod_subnet_length,
        FIRST=int(leased.first),
        LAST=int(leased.last),
    )
