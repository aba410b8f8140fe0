"""Docker on flannel's lease, with FORWARD open for pods."""

from cluster.desired import Cause, File, Role, Step, Unit, recorder
from cluster.distributions import Distribution
from cluster.formats import HEADER, arguments, environment_file
from cluster.installation import Installation, installation
from cluster.roles import LIBEXEC
from cluster.roles.flannel import DOCKER_ENV
from cluster.roles.services import foreign_path, service_file, unit_path
from cluster.settings import Cluster, Host

CONFIG = "/etc/sysconfig/docker"
FORWARD_SCRIPT = f"{LIBEXEC}/forward"
DAEMON = "/etc/docker/daemon.json"  # the operator's own; dockerd reads it where it is there
_READ = (CONFIG, DAEMON, FORWARD_SCRIPT, DOCKER_ENV)
# As Docker's own unit has it.
_LIMITS = ("LimitNOFILE=1048576", "LimitNPROC=infinity", "LimitCORE=infinity", "TasksMax=infinity")


def docker_role(cluster: Cluster, host: Host, distribution: Distribution) -> Role:
    """Docker on a node."""
    settings = cluster.settings
    network = str(settings.pod_network)
    how = installation(settings, distribution, "docker")
    own = how.packaged and not settings.package_names.get("docker")  # the distribution's, whose unit is known
    program = distribution.dockerd if own else how.program("dockerd")
    inputs = (unit_path("docker", how), *_READ)
    keeps_command = own and distribution.docker_reads_options
    return Role(
        name="docker",
        packages=how.packages,
        programs=how.programs,
        packaged_units=how.acted_on,
        files=(
            File(CONFIG, environment_file({"OPTIONS": options(cluster, host)})),
            _service(how, program, inputs, keeps_command=keeps_command),
            File(FORWARD_SCRIPT, _forward_script(network), mode="755"),
        ),
        gone=(foreign_path("docker", how),),
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
                inputs=inputs,
                ready="[ -S /run/docker.sock ] && curl -sf --max-time 5 --unix-socket /run/docker.sock http://d/_ping",
                hint=f"flannel has no lease yet (no {DOCKER_ENV}), or an option in {CONFIG} is not dockerd's",
                program=program,
                causes=(
                    Cause(
                        f"{DOCKER_ENV} changed",
                        f"[ -e {DOCKER_ENV} ] && ! grep -qx FLANNEL_BACKEND={settings.flannel_backend} {DOCKER_ENV}",
                    ),
                ),
                ends="every pod of the node",
            ),
        ),
    )


def options(cluster: Cluster, host: Host) -> str:
    """dockerd's arguments, but for those that follow from flannel's lease."""
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


def _service(how: Installation, program: str, inputs: tuple[str, ...], *, keeps_command: bool) -> File:
    command = ["ExecStart=", f"ExecStart={program} $OPTIONS $DOCKER_NETWORK_OPTIONS"]
    return service_file(
        "docker",
        how,
        own=["Type=notify", "Delegate=yes", "KillMode=process", "TimeoutStartSec=0", *_LIMITS],
        unit=["Wants=flanneld.service", "After=network-online.target flanneld.service"],
        service=[
            f"EnvironmentFile={CONFIG}",
            # Not optional: without flannel's lease Docker must not start on an address of its own choice.
            f"EnvironmentFile={DOCKER_ENV}",
            recorder("docker", inputs),
            *([] if keeps_command else command),
            f"ExecStartPost={FORWARD_SCRIPT}",
        ],
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
