"""containerd on a node: pods' network from flannel's lease, registries, images, with FORWARD open for pods."""

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

from cluster import shell
from cluster.desired import SYSTEMD, Cause, File, Role, Step, Unit, recorder
from cluster.distributions import Distribution
from cluster.formats import HEADER, environment_file
from cluster.installation import Installation, installation
from cluster.releases import CNI_PLUGINS
from cluster.roles import LIBEXEC
from cluster.roles.docker import FORWARD_SCRIPT, LIMITS, SOCKET, forward_script, forward_step
from cluster.roles.images import image_steps
from cluster.roles.lease import ENDS, LEASE_ENV, NETWORKS, drained, off_lease, on_lease
from cluster.roles.services import foreign_path, service_file, unit_path
from cluster.settings import Cluster, Host, Settings

CONFIG = "/etc/containerd/config.toml"
OTHERS = "/etc/containerd/conf.d"  # the operator's own, which ours imports
PROXY = "/etc/containerd/proxy.env"
REGISTRIES = "/etc/containerd/certs.d"
CRICTL = "/etc/crictl.yaml"
BRIDGE_SCRIPT = f"{LIBEXEC}/bridge"
_SOCKET = "unix:///run/containerd/containerd.sock"
# Ours, and those of packages.
_PLUGINS = (CNI_PLUGINS, "/usr/lib/cni", "/usr/libexec/cni")
# A Docker of ours was for pods too: what starts it on their lease goes.
_DOCKERS = (f"{SYSTEMD}/docker.service", f"{SYSTEMD}/docker.service.d/container-cloud.conf", SOCKET)
_ANSWERS = "timeout 5 ctr plugins list id==cri | grep -q ' cri .* ok'"


def containerd_role(cluster: Cluster, host: Host, distribution: Distribution) -> Role:
    """containerd on a node."""
    settings = cluster.settings
    how = installation(settings, distribution, "containerd")
    proxy = _proxy(settings)
    inputs = (unit_path("containerd", how), CONFIG, *(f.path for f in proxy), FORWARD_SCRIPT, BRIDGE_SCRIPT)
    registries = tuple(_registries(settings))
    return Role(
        name="containerd",
        packages=how.packages,
        programs=how.programs,
        packaged_units=how.acted_on,
        files=(
            File(CONFIG, _config(settings, how)),
            File(CRICTL, f"{HEADER}runtime-endpoint: {_SOCKET}\nimage-endpoint: {_SOCKET}\ntimeout: 10\n"),
            *proxy,
            *registries,
            _service(how, inputs, with_proxy=bool(proxy)),
            File(FORWARD_SCRIPT, forward_script(settings), mode="755"),
            File(BRIDGE_SCRIPT, f"#!/bin/sh\n{HEADER}{shell.program('bridge')}settle\n", mode="755"),
        ),
        owns=(f"{REGISTRIES}/*/hosts.toml", PROXY, *_DOCKERS),
        replaces=(CONFIG, CRICTL, *(f.path for f in registries)),
        gone=(foreign_path("containerd", how),),
        steps=(_without_docker(settings), forward_step(settings), *image_steps(settings, distribution.architecture)),
        units=(
            Unit(
                name="containerd",
                inputs=inputs,
                ready=f"{_ANSWERS} && {{ [ ! -e {LEASE_ENV} ] || {{ {on_lease(settings)}; }}; }}",
                hint=f"something in {CONFIG} or in {OTHERS} is not this containerd's (it must be 2.1 or later), or "
                f"{BRIDGE_SCRIPT} could not make cni0",
                program=how.program("containerd"),
                causes=(Cause("pods are not on flannel's lease", off_lease(settings), ends=ENDS),),
                turn=drained(settings),
            ),
        ),
    )


def _config(settings: Settings, how: Installation) -> str:
    images, runtime = "plugins.'io.containerd.cri.v1.images'", "plugins.'io.containerd.cri.v1.runtime'"
    runc = f"{runtime}.containerd.runtimes.runc"
    # Another runc may come before ours on the path.
    binary = [] if how.packaged else [f"  BinaryName = {_text(how.program('runc'))}"]
    return HEADER + "\n".join(
        [
            "version = 3",
            f"imports = [{_text(f'{OTHERS}/*.toml')}]",
            'required_plugins = ["io.containerd.grpc.v1.cri"]',
            "",
            f"[{images}.pinned_images]",
            f"  sandbox = {_text(settings.pause_image)}",
            f"[{images}.registry]",
            f"  config_path = {_text(REGISTRIES)}",
            "",
            f"[{runtime}]",
            "  # Where containerd may not lower its own, no container's goes below it.",
            "  restrict_oom_score_adj = true",
            f"[{runtime}.cni]",
            f"  bin_dirs = {json.dumps(_PLUGINS)}",
            f"  conf_dir = {_text(NETWORKS)}",
            f"[{runtime}.containerd]",
            '  default_runtime_name = "runc"',
            f"[{runc}]",
            '  runtime_type = "io.containerd.runc.v2"',
            f"[{runc}.options]",
            "  SystemdCgroup = true",
            *binary,
            "",
        ]
    )


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _proxy(settings: Settings) -> tuple[File, ...]:
    """The proxy that images are pulled through. Its URL may hold a password."""
    if settings.pull_proxy is None:
        return ()
    names = ("HTTP_PROXY", "HTTPS_PROXY")
    variables = {**dict.fromkeys(names, settings.pull_proxy), "NO_PROXY": ",".join(settings.pull_no_proxy)}
    return (File(PROXY, environment_file(variables), mode="600"),)


def _registries(settings: Settings) -> Iterator[File]:
    """How to reach each registry that is not reached as all others; containerd reads these at each pull."""
    for registry in settings.insecure_registries:
        yield _hosts(registry, f"http://{registry}", [f"https://{registry}"], settings)
    if settings.registry_mirrors:
        yield _hosts("docker.io", "https://registry-1.docker.io", settings.registry_mirrors, settings)


def _hosts(registry: str, server: str, before: list[str], settings: Settings) -> File:
    """A registry's server, and what is asked before it; what is insecure, without looking at its certificate."""
    lines = [f"server = {_text(server)}"]
    for url in (u.rstrip("/") for u in before):
        lines += ["", f"[host.{_text(url)}]", '  capabilities = ["pull", "resolve"]']
        if urlsplit(url).scheme == "https" and urlsplit(url).netloc in settings.insecure_registries:
            lines.append("  skip_verify = true")
    return File(f"{REGISTRIES}/{registry}/hosts.toml", f"{HEADER}{chr(10).join(lines)}\n")


def _service(how: Installation, inputs: tuple[str, ...], *, with_proxy: bool) -> File:
    return service_file(
        "containerd",
        how,
        own=["Type=notify", f"ExecStart={how.program('containerd')}", *LIMITS],
        unit=["Wants=network-online.target flanneld.service", "After=network-online.target flanneld.service"],
        service=[
            "Delegate=yes",
            "KillMode=process",  # pods run on while containerd does not
            "OOMScoreAdjust=-999",
            *([f"EnvironmentFile={PROXY}"] if with_proxy else []),
            recorder("containerd", inputs),
            f"ExecStartPost={FORWARD_SCRIPT}",
            f"ExecStartPost={BRIDGE_SCRIPT}",
            "TimeoutStartSec=0",
        ],
    )


def _without_docker(settings: Settings) -> Step:
    """Docker's bridge with the same network would be a second way to pods, and the one that leads nowhere."""
    script = shell.program("docker-away", FIRST=int(settings.leases.span.first), LAST=int(settings.leases.span.last))
    name = "take Docker off the pod network (it is stopped and disabled; its containers end)"
    return Step(name, f"{script}away", f"{script}leave")
