"""Docker on flannel's lease, with FORWARD open for pods."""

from cluster.desired import File, Package, Role, Step, Unit, recorder
from cluster.families import Family
from cluster.formats import HEADER, arguments, environment_file, unit_file
from cluster.roles import LIBEXEC, SYSTEMD
from cluster.roles.flannel import DOCKER_ENV
from cluster.settings import Cluster, Host

CONFIG = "/etc/sysconfig/docker"
DROP_IN = f"{SYSTEMD}/docker.service.d/container-cloud.conf"
FORWARD_SCRIPT = f"{LIBEXEC}/forward"
INPUTS = (CONFIG, DROP_IN, FORWARD_SCRIPT, DOCKER_ENV)


def docker_role(cluster: Cluster, host: Host, family: Family) -> Role:
    """Docker on a node."""
    settings = cluster.settings
    network = str(settings.pod_network)
    return Role(
        name="docker",
        packages=tuple(Package(n, settings.docker_package_version) for n in family.packages["docker"]),
        packaged_units=family.packaged_units["docker"],
        files=(
            File(CONFIG, environment_file({"OPTIONS": _options(cluster, host)})),
            File(DROP_IN, _drop_in(family.programs["docker"])),
            File(FORWARD_SCRIPT, _forward_script(network), mode="755"),
        ),
        steps=(
            Step(
                "let pod traffic through FORWARD",
                f"iptables -w -C FORWARD -s {network} -j ACCEPT && iptables -w -C FORWARD -d {network} -j ACCEPT",
                FORWARD_SCRIPT,
                when="after",
            ),
        ),
        units=(
            Unit(
                name="docker",
                inputs=INPUTS,
                ready="[ -S /run/docker.sock ] && curl -sf --max-time 5 --unix-socket /run/docker.sock http://d/_ping",
                hint=f"flannel has no lease yet (no {DOCKER_ENV}), or an option in {CONFIG} is not dockerd's",
                program=family.programs["docker"],
                stale=f"[ -e {DOCKER_ENV} ] && ! grep -qx FLANNEL_BACKEND={settings.flannel_backend} {DOCKER_ENV}",
            ),
        ),
    )


def _options(cluster: Cluster, host: Host) -> str:
    settings = cluster.settings
    options = [
        "--exec-opt",
        f"native.cgroupdriver={settings.docker_cgroup_driver}",
        "-H",
        "unix:///var/run/docker.sock",
        # Docker then lets packets return to the container they came from: a pod may be answered by itself, through a
        # service.
        "--userland-proxy=false",
        *(f"--insecure-registry={registry}" for registry in settings.insecure_registries),
        *(f"--registry-mirror={mirror}" for mirror in settings.registry_mirrors),
        *settings.docker_options,
    ]
    extra = arguments(cluster.arguments("dockerd", host))
    return " ".join([*options, extra]).strip()


def _drop_in(program: str) -> str:
    return unit_file(
        {
            "Unit": ["Wants=flanneld.service", "After=flanneld.service", "StartLimitIntervalSec=0"],
            "Service": [
                f"EnvironmentFile={CONFIG}",
                # Not optional: without flannel's lease Docker must not start on an address of its own choice.
                f"EnvironmentFile={DOCKER_ENV}",
                recorder("docker", INPUTS),
                "ExecStart=",
                f"ExecStart={program} $OPTIONS $DOCKER_NETWORK_OPTIONS",
                f"ExecStartPost={FORWARD_SCRIPT}",
                "Restart=always",
                "RestartSec=2",
            ],
        }
    )


def _forward_script(network: str) -> str:
    return (
        f"#!/bin/sh\n{HEADER}"
        "# Docker sets FORWARD to DROP; pods on other nodes are neither its own nor foreign.\n"
        "for side in -s -d; do\n"
        f"    iptables -w -C FORWARD $side {network} -j ACCEPT 2>/dev/null ||\n"
        f"        iptables -w -I FORWARD $side {network} -j ACCEPT || exit 1\n"
        "done\n"
    )
