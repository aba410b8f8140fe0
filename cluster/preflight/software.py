"""The software a run is about to manage: whether it can be had, and what others have configured of it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cluster.checks.arguments import docker_option
from cluster.checks.wiring import OWNED
from cluster.desired import Role, Unit
from cluster.distributions import Distribution
from cluster.downloads import LOCK
from cluster.installation import package_names
from cluster.machine import Machine
from cluster.model import Settings
from cluster.needs import IMAGES, needs
from cluster.preflight.remarks import Remark, note, refusal
from cluster.problems import show
from cluster.releases import COMPONENT_OF, Packaged, programs
from cluster.roles.docker import DAEMON, options
from cluster.roles.of_host import services
from cluster.settings import Cluster, Host

# Settings of a unit of which there is one: with another's, ours is none.
_SINGLE = ("ExecStart", "Type", "User", "PermissionsStartOnly", "RuntimeDirectory")
# Settings that an empty value takes away.
_LISTED = ("ExecStartPre", "ExecStartPost", "EnvironmentFile")

# What dockerd calls in its file what it is given several times on its command line.
_IN_FILE = {
    "exec-opt": "exec-opts",
    "host": "hosts",
    "insecure-registry": "insecure-registries",
    "registry-mirror": "registry-mirrors",
    "add-runtime": "runtimes",
    **{name: f"{name}s" for name in ("authorization-plugin", "default-address-pool", "default-ulimit", "dns-opt",
                                     "label", "log-opt", "node-generic-resource", "storage-opt")},
}  # fmt: skip
_OF_LEASE = ("bip", "mtu", "ip-masq", "bridge", "fixed-cidr", "default-gateway")
_SETTINGS = ("docker_cgroup_driver", "insecure_registries", "registry_mirrors")


def remarks(cluster: Cluster, host: Host, machine: Machine, facts: Mapping[str, Any]) -> Iterator[Remark]:
    """Packages and digests that are not there, and files of others that the services would read."""
    missing = [*_packages(cluster, host, machine.distribution), *_digests(cluster, host, machine.distribution)]
    yield from missing
    yield from _balancer(cluster, host, machine.distribution, facts)
    yield from _time_service(cluster, host, machine.distribution)
    if not missing:  # else the roles cannot be told
        yield from _drop_ins(services(cluster, host, machine), host, facts["drop_ins"])
    if host.is_node and cluster.settings.container_runtime == "docker":
        yield from _daemon(cluster, host, facts["daemon_json"])


def _packages(cluster: Cluster, host: Host, distribution: Distribution) -> Iterator[Remark]:
    """Components that shall come as packages that the distribution does not have."""
    settings, family = cluster.settings, distribution.family
    for component in _components(cluster, host):
        setting = COMPONENT_OF[component]
        try:
            if _is_packaged(settings, distribution, component):
                package_names(settings, distribution, component)
        except LookupError:
            yield refusal(
                host.name,
                f'install_methods[{show(setting)}] = "packages": {distribution.name} has none known to do; write '
                f'"release files", or name them in package_names[{show(component)}][{show(family.name)}]',
            )


def _balancer(cluster: Cluster, host: Host, distribution: Distribution, facts: Mapping[str, Any]) -> Iterator[Remark]:
    """A haproxy that cannot ask API servers what the balancer must know of them, or none."""
    if not cluster.balanced or not (host.is_master or host.is_node):
        return
    first, version = distribution.haproxy, str(facts["version"]).partition(".")[0]
    own = str(facts["distribution"]).lower() in distribution.ids  # a relative counts its versions otherwise
    if first is None or (own and version.isdigit() and int(version) < first):
        what = f"{distribution.name}{f' {version}' if first else ''} has no haproxy from 2.2 on known to do"
        instead = "write api_server_balancer = False, and an address that reaches all masters into api_server_address"
        if len(cluster.masters) == 1:
            instead = "write api_server_balancer = None"
        yield refusal(host.name, f"{what}, which the API servers' balancer is: {instead}")


def _digests(cluster: Cluster, host: Host, distribution: Distribution) -> Iterator[Remark]:
    """Files to fetch of which nobody has a digest for the host's architecture."""
    settings, here = cluster.settings, distribution.architecture
    released = [c for c in _components(cluster, host) if not _is_packaged(settings, distribution, c)]
    fetched = {program.file for component in released for program in programs(component)}
    if host.is_node:
        fetched.add(IMAGES)
    lacking = [n.setting for n in needs(settings, here) if n.digest is None and n.name in fetched]
    if lacking:
        what = f"it is {here}, and nobody has a digest for that of {', '.join(lacking)}"
        yield refusal(host.name, f"{what}: run `{LOCK} --arch {here}`")


def _is_packaged(settings: Settings, distribution: Distribution, component: Packaged) -> bool:
    return settings.install_method(COMPONENT_OF[component], distribution.family.name) == "packages"


def _time_service(cluster: Cluster, host: Host, distribution: Distribution) -> Iterator[Remark]:
    service, family = cluster.settings.time_service, distribution.family
    if service not in (None, "distribution", *family.time_services):
        own = " or ".join(map(show, family.time_services))
        what = f"time_service = {show(service)}: {distribution.name} has no such package"
        yield refusal(host.name, f"{what}; write {own}")


def _components(cluster: Cluster, host: Host) -> Iterator[Packaged]:
    if host.is_etcd:
        yield "etcd"
    if host.is_master:
        yield "kubernetes-master"
    if host in cluster.leased:
        yield "flannel"
    if host.is_node:
        yield cluster.settings.container_runtime
        yield "kubernetes-node"


def _drop_ins(roles: Iterable[Role], host: Host, found: Iterable[Mapping[str, Any]]) -> Iterator[Remark]:
    listed = list(roles)
    units = {unit.name: (role, unit) for role in listed for unit in role.units}
    packages = {package.name for role in listed for package in role.packages}
    for drop_in in found:
        # What the packages of a role have beside their own units was made for them.
        if drop_in["unit"] not in units or drop_in["package"] in packages:
            continue
        path, clashes = drop_in["path"], _clashes(drop_in, *units[drop_in["unit"]])
        if clashes:
            what = f"{path} changes {', '.join(clashes)} of {drop_in['unit']}, which the project sets"
            yield refusal(host.name, f"{what}: move the file to another directory")
        elif not drop_in["package"]:
            sets = ", ".join(dict.fromkeys(drop_in["sets"])) or "nothing"
            yield note(host.name, f"{path} is not the project's, and stays: it sets {sets}")


def _clashes(drop_in: Mapping[str, Any], role: Role, unit: Unit) -> list[str]:
    own = {name for file in role.files if file.path in unit.inputs for name in _variables(file.content or "")}
    touched = {*drop_in["sets"], *drop_in["clears"]}
    return [
        *(name for name in _SINGLE if name in touched),
        *(name for name in _LISTED if name in drop_in["clears"]),
        *(name for name in dict.fromkeys(drop_in["variables"]) if name in own),
    ]


def _variables(content: str) -> list[str]:
    """Names of variables in an environment file; a unit's own settings are not in capitals."""
    return re.findall(r"^([A-Z][A-Z0-9_]*)=", content, re.MULTILINE)


def _daemon(cluster: Cluster, host: Host, found: list[str] | str | None) -> Iterator[Remark]:
    """Docker's own configuration file: what it says may not be said on dockerd's command line, too."""
    if isinstance(found, str):
        yield refusal(host.name, f"{DAEMON} cannot be read ({found}), and Docker would not start: mend it")
        return
    words = [word for word in options(cluster, host).split() if word.startswith("-")]
    passed = {docker_option(word)[0] for word in words} | set(_OF_LEASE)
    in_file = {_IN_FILE.get(name, name): name for name in passed}
    clashing = [key for key in found or () if key in in_file]
    for key in clashing:
        yield refusal(host.name, f"{DAEMON} has {show(key)}; {_instead(in_file[key])}, and take it out there")
    if found and not clashing:
        yield note(host.name, f"{DAEMON} is not the project's, and stays: it sets {', '.join(found)}")


def _instead(name: str) -> str:
    setting = OWNED["dockerd"].get(name, "")
    if setting in _SETTINGS:
        return f"write {setting} in group_data/all.py"
    if name in _OF_LEASE:
        return "that follows from flannel's lease"
    if name in ("host", "userland-proxy"):
        return "that is the project's own"
    return "docker_options or extra_args pass that, too: leave it to them"
