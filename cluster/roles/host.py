"""A host made ready for any role: repositories, names, kernel settings, firewall, swap, time."""

import shlex
from collections.abc import Collection, Mapping

from cluster.desired import File, Package, Role, Step
from cluster.distributions import Distribution
from cluster.formats import HEADER
from cluster.machine import Machine
from cluster.roles.repositories import REPOSITORIES, repository_files
from cluster.settings import Cluster, Settings
from cluster.shell import program

SYSCTL_FILE = "/etc/sysctl.d/90-container-cloud.conf"
SYSCTLS = {
    "net.ipv4.ip_forward": "1",
    "net.bridge.bridge-nf-call-iptables": "1",
    "net.bridge.bridge-nf-call-ip6tables": "1",
    # flanneld listens to an etcd member, and hears nothing of it when that loses its power: it asks after two hours by
    # itself, and knows no new lease until then. So within a minute.
    "net.ipv4.tcp_keepalive_time": "30",
    "net.ipv4.tcp_keepalive_intvl": "10",
    "net.ipv4.tcp_keepalive_probes": "3",
}
MODULES = ("br_netfilter", "overlay")
HOSTS_BEGIN, HOSTS_END = "# container-cloud: begin", "# container-cloud: end"


def host_role(cluster: Cluster, machine: Machine) -> Role:
    """The preparation every host gets, whatever its roles."""
    distribution = machine.distribution
    service = time_service(cluster.settings, distribution, machine.time_services)
    return Role(
        name="host",
        sources=repository_files(cluster.settings, distribution.family.name, machine.identifier),
        owns=REPOSITORIES[distribution.family.name],
        packages=tuple(
            Package(name) for name in (*distribution.host, *_by_settings(cluster.settings), *filter(None, [service]))
        ),
        files=(
            File("/etc/modules-load.d/container-cloud.conf", HEADER + "".join(f"{m}\n" for m in MODULES)),
            File(SYSCTL_FILE, HEADER + "".join(f"{k} = {v}\n" for k, v in SYSCTLS.items())),
        ),
        steps=tuple(_steps(cluster, distribution, service)),
    )


def _by_settings(settings: Settings) -> tuple[str, ...]:
    """flannel and kube-proxy write their rules with it; every known distribution calls it so."""
    return ("nftables",) if settings.kube_proxy_mode == "nftables" else ()


def time_service(settings: Settings, distribution: Distribution, running: Collection[str] = ()) -> str | None:
    """The package that keeps the clock; None: something else does.

    Args:
        running: units that keep it already; unless the settings name another, they go on.
    """
    wanted = settings.time_service
    if wanted != "distribution":
        return wanted
    return None if running else next(iter(distribution.family.time_services))


def _steps(cluster: Cluster, distribution: Distribution, package: str | None) -> list[Step]:
    settings = cluster.settings
    steps = [_hosts_block(cluster), _modules(), _sysctls()]
    if settings.disable_firewall:
        steps.append(_firewall())
    if settings.selinux == "permissive":
        steps.append(_selinux())
    if settings.disable_swap:
        steps.append(_swap())
    if package:
        service = distribution.family.time_services[package]
        steps.append(
            Step(
                f"start {service}",
                f"systemctl is-enabled -q {service} && systemctl is-active -q {service}",
                f"systemctl enable --now {service}",
            )
        )
    return steps


def _hosts_block(cluster: Cluster) -> Step:
    hosts = sorted(cluster.hosts, key=lambda h: h.address)
    names = ((h, " ".join(filter(None, (h.name, cluster.short_name(h))))) for h in hosts)
    lines = [HOSTS_BEGIN, *(f"{h.address}  {listed}" for h, listed in names), HOSTS_END]
    script = program("hosts", FILE="/etc/hosts", BLOCK="\n".join(lines), FIRST=HOSTS_BEGIN, LAST=HOSTS_END)
    return Step("write the cluster's names to /etc/hosts", f"{script}check", f"{script}repair")


def _modules() -> Step:
    return Step(
        "load kernel modules",
        "[ -e /proc/sys/net/bridge/bridge-nf-call-iptables ] && grep -qw overlay /proc/filesystems",
        f"modprobe -a {' '.join(MODULES)}",
    )


def _sysctls() -> Step:
    return Step("set kernel parameters", are_set(SYSCTLS), f"sysctl -q -p {SYSCTL_FILE}", follows=(SYSCTL_FILE,))


def are_set(parameters: Mapping[str, str]) -> str:
    """A condition: the kernel's parameters have these values."""
    files = " ".join(f"/proc/sys/{name.replace('.', '/')}" for name in parameters)
    return f'[ "$(cat {files})" = {shlex.quote(chr(10).join(parameters.values()))} ]'


def _firewall() -> Step:
    units = "firewalld.service ufw.service"
    installed = (
        f"for d in /etc /run /usr/local/lib /usr/lib /lib; do for u in {units}; do "
        '[ ! -e $d/systemd/system/$u ] || there=yes; done; done; [ -n "$there" ]'
    )
    at_work = f"systemctl show -p ActiveState,UnitFileState {units} | grep -Eqx '.*=(active|enabled)'"
    return Step(
        "stop and disable the firewall",
        f"! {{ there=; {installed} && {at_work}; }}",
        f"for u in {units}; do systemctl cat $u >/dev/null 2>&1 || continue; "
        "systemctl disable --now $u; done; ! command -v ufw >/dev/null || ufw --force disable",
    )


def _selinux() -> Step:
    config, enforce = "/etc/selinux/config", "/sys/fs/selinux/enforce"
    return Step(
        "make SELinux permissive",
        f"{{ [ ! -e {enforce} ] || [ $(cat {enforce}) = 0 ]; }} && "
        f"{{ [ ! -e {config} ] || ! grep -q ^SELINUX=enforcing {config}; }}",
        f"{{ [ ! -e {enforce} ] || setenforce 0; }} && "
        f"{{ [ ! -e {config} ] || sed -i 's/^SELINUX=enforcing/SELINUX=permissive/' {config}; }}",
    )


def _swap() -> Step:
    active = r"^[^#[:space:]]+[[:space:]]+[^[:space:]]+[[:space:]]+swap[[:space:]]"
    return Step(
        "turn swap off",
        f"! {{ read -r _ && read -r _; }} </proc/swaps && ! grep -Eq '{active}' /etc/fstab",
        f"swapoff -a && {{ [ ! -e /etc/fstab ] || sed -E -i 's/({active})/# \\1/' /etc/fstab; }}",
    )
