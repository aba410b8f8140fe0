"""The lab's network: a bridge in a namespace of its own, a namespace a host. Nothing here leads off the machine.

namespace LAB       bridge lab0 10.1.10.1/24, mirror, registry, and whatever `lab run` starts
namespace LAB-NAME  eth0, the host's; its other end, vNAME, is a port of the bridge

LAB is the lab's name: lab, unless CONTAINER_CLOUD_LAB says otherwise.
"""

import re
from pathlib import Path

from lab.process import LabError, run
from lab.state import GATEWAY, NAME, PREFIX_LENGTH, Host

NAMESPACE = NAME
BRIDGE = "lab0"
NAMED = Path("/run/netns")
_OURS = re.compile(rf"{NAMESPACE}(-(master|node|spare)\d*)?")


def enter() -> list[str]:
    """The command prefix that runs a program in the lab's network.

    nsenter, not `ip netns exec`: that one also makes a mount namespace, in which a lab command could not mount a
    host's disk or see the control groups.
    """
    return ["nsenter", f"--net={NAMED / NAMESPACE}", "--"]


def port(host: Host) -> str:
    """The host's port on the bridge."""
    return f"v{host.name}"


def hardware_address(address: str) -> str:
    """The Ethernet address that goes with an IPv4 address: a host keeps it when it reboots, as a real one does."""
    return ":".join(["02", "00", *(f"{int(part):02x}" for part in address.split("."))])


def exists() -> bool:
    """Whether the lab's own namespace stands with its bridge."""
    try:
        return GATEWAY in run("ip", "-n", NAMESPACE, "-4", "addr", "show", "dev", BRIDGE)
    except LabError:
        return False


def create() -> None:
    """Make the lab's namespace and bridge, unless they stand."""
    if exists():
        return
    delete_namespace(NAMESPACE)
    run("ip", "netns", "add", NAMESPACE)
    _ip(NAMESPACE, "link set lo up")
    _ip(NAMESPACE, f"link add {BRIDGE} address {hardware_address(GATEWAY)} type bridge")
    _ip(NAMESPACE, f"addr add {GATEWAY}/{PREFIX_LENGTH} dev {BRIDGE}")
    _ip(NAMESPACE, f"link set {BRIDGE} up")
    # The hosts' default route ends here; say so at once rather than let them wait.
    _ip(NAMESPACE, "route add unreachable default")
    run(*enter(), "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")


def connect(host: Host) -> None:
    """Give a host a new network, with nothing in it from before, as a real reboot does."""
    disconnect(host)
    mac = hardware_address(host.address)
    run("ip", "netns", "add", host.namespace)
    _ip(NAMESPACE, f"link add {port(host)} type veth peer name eth0 address {mac} netns {host.namespace}")
    _ip(NAMESPACE, f"link set {port(host)} master {BRIDGE} up")
    _ip(host.namespace, "link set lo up")
    _ip(host.namespace, f"addr add {host.address}/{PREFIX_LENGTH} brd + dev eth0")
    _ip(host.namespace, "link set eth0 up")
    _ip(host.namespace, f"route add default via {GATEWAY}")


def disconnect(host: Host) -> None:
    """Take a host's network away: the bridge's end first, for the namespace's may outlive it with its last process."""
    if is_connected(host):
        _ip(NAMESPACE, f"link del {port(host)}")
    delete_namespace(host.namespace)


def is_connected(host: Host) -> bool:
    """Whether the host has a port on the bridge, cut or not."""
    return exists() and port(host) in links()


def cut(host: Host) -> None:
    """Pull the host's cable."""
    _ip(NAMESPACE, f"link set {port(host)} down")


def heal(host: Host) -> None:
    """Plug it in again."""
    _ip(NAMESPACE, f"link set {port(host)} up")


def is_cut(host: Host) -> bool:
    """Whether the host's cable is pulled."""
    return not is_connected(host) or "state DOWN" in run("ip", "-n", NAMESPACE, "-o", "link", "show", "dev", port(host))


def links(namespace: str = NAMESPACE) -> list[str]:
    """The names of a namespace's interfaces."""
    shown = run("ip", "-n", namespace, "-o", "link", "show")
    return [line.split(":")[1].strip().split("@")[0] for line in shown.splitlines()]


def namespaces() -> list[str]:
    """The lab's namespaces that exist by name, sound or not."""
    if not NAMED.is_dir():
        return []
    return [entry.name for entry in NAMED.iterdir() if _OURS.fullmatch(entry.name)]


def delete_namespace(name: str) -> None:
    """Delete a namespace, or the file a killed `ip netns add` or a lost mount left in its place."""
    if not (NAMED / name).exists():
        return
    try:
        run("ip", "netns", "delete", name)
    except LabError:
        (NAMED / name).unlink(missing_ok=True)


def _ip(namespace: str, command: str) -> None:
    run("ip", "-n", namespace, *command.split())
