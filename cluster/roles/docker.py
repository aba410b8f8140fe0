"""Docker on flannel's lease, with FORWARD open for pods."""

from cluster import shell
from cluster.desired import RECORD_DIRECTORY, SYSTEMD, Cause, File, Role, Step, Unit, recorder
from cluster.distributions import Distribution
from cluster.formats import HEADER, arguments, environment_file, unit_file
from cluster.installation import Installation, installation
from cluster.roles import LIBEXEC
from cluster.roles.images import image_steps
from cluster.roles.lease import DOCKER_ENV, ENDS, drained, off_lease, on_lease
from cluster.roles.services import foreign_path, service_file, unit_path
from cluster.settings import Cluster, Host, Settings

CONFIG = "/etc/sysconfig/docker"
FORWARD_SCRIPT = f"{LIBEXEC}/forward"
DAEMON = "/etc/docker/daemon.json"  # the operator's own; dockerd reads it where it is there
_READ = (CONFIG, DAEMON, FORWARD_SCRIPT, DOCKER_ENV)
# A package's docker.socket would make the socket that dockerd makes itself: who comes to that one first, as a kubelet
# that runs does, is never answered, and waits for two minutes.
SOCKET = f"{SYSTEMD}/docker.socket.d/container-cloud.conf"
_SOCKET = {"Socket": ["ListenStream=", f"ListenStream={RECORD_DIRECTORY}/docker.socket"]}
_ANSWERS = "[ -S /run/docker.sock ] && curl -sf --max-time 5 --unix-socket /run/docker.sock http://d/_ping"
# As Docker's own unit has it.
LIMITS = ("LimitNOFILE=1048576", "LimitNPROC=infinity", "LimitCORE=infinity", "TasksMax=infinity")


def docker_role(cluster: Cluster, host: Host, distribution: Distribution) -> Role:
    """Docker on a node."""
    settings = cluster.settings
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
            File(FORWARD_SCRIPT, forward_script(settings), mode="755"),
            *((File(SOCKET, unit_file(_SOCKET)),) if how.packaged else ()),
        ),
        owns=(SOCKET,),
        gone=(foreign_path("docker", how),),
        steps=(forward_step(settings), *image_steps(settings, distribution.architecture)),
        units=(
            Unit(
                name="docker",
                inputs=inputs,
                ready=f"{_ANSWERS} && {{ {on_lease(settings)}; }}",
                hint=f"flannel has no lease yet (no {DOCKER_ENV}), an option in {CONFIG} is not dockerd's, or somebody "
                "else's drop-in starts dockerd without $DOCKER_NETWORK_OPTIONS (systemctl cat docker)",
                program=program,
                causes=(Cause("it is not on flannel's lease", off_lease(settings)),),
                ends=ENDS,
                turn=drained(settings),
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
        own=["Type=notify", "Delegate=yes", "KillMode=process", "TimeoutStartSec=0", *LIMITS],
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


def forward_script(settings: Settings) -> str:
    """What lets pods' packets through FORWARD, at each start of the runtime."""
    by = "Docker sets" if settings.container_runtime == "docker" else "Firewalls set"
    note = f"# {by} FORWARD to DROP; pods on other nodes are neither its own nor foreign.\n"
    return f"#!/bin/sh\n{HEADER}{note}{_forward(settings)}open\n"


def forward_step(settings: Settings) -> Step:
    """The same, where it was undone since."""
    return Step("let pod traffic through FORWARD", f"{_forward(settings)}check", FORWARD_SCRIPT, when="after")


def _forward(settings: Settings) -> str:
    return shell.program("forward", NETWORK=str(settings.pod_network))
