"""A host made ready for any role: repositories, names, kernel settings, firewall, swap, time."""

import shlex
from pathlib import Path

from cluster.desired import File, Package, Role, Step
from cluster.families import Family
from cluster.formats import HEADER
from cluster.settings import AptRepository, Cluster

SYSCTL_FILE = "/etc/sysctl.d/90-container-cloud.conf"
SYSCTLS = {
    "net.ipv4.ip_forward": "1",
    "net.bridge.bridge-nf-call-iptables": "1",
    "net.bridge.bridge-nf-call-ip6tables": "1",
}
MODULES = ("br_netfilter", "overlay")
HOSTS_BEGIN, HOSTS_END = "# container-cloud: begin", "# container-cloud: end"


def host_role(cluster: Cluster, family: Family) -> Role:
    """The preparation every host gets, whatever its roles."""
    settings = cluster.settings
    names = [*family.packages["host"]]
    if settings.time_service:
        names += family.packages[settings.time_service]
    return Role(
        name="host",
        packages=tuple(Package(name) for name in names),
        files=(
            *(f for r in settings.apt_repositories for f in _apt_source(r)),
            File("/etc/modules-load.d/container-cloud.conf", HEADER + "".join(f"{m}\n" for m in MODULES)),
            File(SYSCTL_FILE, HEADER + "".join(f"{k} = {v}\n" for k, v in SYSCTLS.items())),
        ),
        steps=tuple(_steps(cluster)),
    )


def _apt_source(repository: AptRepository) -> list[File]:
    name = f"container-cloud-{repository.name}"
    files = []
    lines = ["Types: deb", f"URIs: {repository.uri}", f"Suites: {repository.suite}"]
    if repository.components:
        lines.append(f"Components: {' '.join(repository.components)}")
    if repository.key:
        key = Path(repository.key).expanduser().read_text()
        files.append(File(f"/etc/apt/keyrings/{name}.asc", key))
        lines.append(f"Signed-By: /etc/apt/keyrings/{name}.asc")
    if repository.trusted:
        lines.append("Trusted: yes")
    files.append(File(f"/etc/apt/sources.list.d/{name}.sources", HEADER + "".join(f"{line}\n" for line in lines)))
    return files


def _steps(cluster: Cluster) -> list[Step]:
    settings = cluster.settings
    steps = [_hosts_block(cluster), _modules(), _sysctls()]
    if settings.disable_firewall:
        steps.append(_firewall())
    if settings.selinux == "permissive":
        steps.append(_selinux())
    if settings.disable_swap:
        steps.append(_swap())
    if settings.time_service:
        service = settings.time_service
        steps.append(
            Step(
                f"start {service}",
                f"systemctl is-enabled -q {service} && systemctl is-active -q {service}",
                f"systemctl enable --now {service}",
            )
        )
    return steps


def _hosts_block(cluster: Cluster) -> Step:
    lines = [HOSTS_BEGIN, *(f"{h.address}  {h.name}" for h in cluster.hosts), HOSTS_END]
    block = shlex.quote("\n".join(lines))
    extract = f"sed -n '/^{HOSTS_BEGIN}/,/^{HOSTS_END}/p' /etc/hosts"
    # Without its last line the block has no known end: then only its first line goes.
    last = f"grep -q '^{HOSTS_END}' /etc/hosts && echo ',/^{HOSTS_END}/'"
    rest = f'sed "/^{HOSTS_BEGIN}/$({last})d" /etc/hosts'
    new = "/etc/hosts.container-cloud"
    return Step(
        "write the cluster's names to /etc/hosts",
        f'[ "$({extract})" = {block} ]',
        f"{{ {rest}; printf '%s\\n' {block}; }} > {new} && chmod 644 {new} && mv -f {new} /etc/hosts",
    )


def _modules() -> Step:
    return Step(
        "load kernel modules",
        "[ -e /proc/sys/net/bridge/bridge-nf-call-iptables ] && grep -qw overlay /proc/filesystems",
        f"modprobe -a {' '.join(MODULES)}",
    )


def _sysctls() -> Step:
    wanted = " && ".join(f'[ "$(cat /proc/sys/{k.replace(".", "/")})" = {v} ]' for k, v in SYSCTLS.items())
    return Step("set kernel parameters", wanted, f"sysctl -q -p {SYSCTL_FILE}", follows=(SYSCTL_FILE,))


def _firewall() -> Step:
    units = "firewalld.service ufw.service"
    return Step(
        "stop and disable the firewall",
        f"! systemctl is-active {units} | grep -qx active && ! systemctl is-enabled {units} | grep -qx enabled",
        f"for u in {units}; do systemctl cat $u >/dev/null 2>&1 || continue; "
        "systemctl disable --now $u; done; ! command -v ufw >/dev/null || ufw --force disable",
    )


def _selinux() -> Step:
    config, enforce = "/etc/selinux/config", "/sys/fs/selinux/enforce"
    return Step(
        "make SELinux permissive",
        f"{{ [ ! -e {enforce} ] || [ $(cat {enforce}) = 0 ]; }} && ! grep -q ^SELINUX=enforcing {config}",
        f"{{ [ ! -e {enforce} ] || setenforce 0; }} && "
        f"{{ [ ! -e {config} ] || sed -i 's/^SELINUX=enforcing/SELINUX=permissive/' {config}; }}",
    )


def _swap() -> Step:
    active = r"^[^#[:space:]]+[[:space:]]+[^[:space:]]+[[:space:]]+swap[[:space:]]"
    return Step(
        "turn swap off",
        f"[ $(wc -l < /proc/swaps) -le 1 ] && ! grep -Eq '{active}' /etc/fstab",
        f"swapoff -a && {{ [ ! -e /etc/fstab ] || sed -E -i 's/({active})/# \\1/' /etc/fstab; }}",
    )
