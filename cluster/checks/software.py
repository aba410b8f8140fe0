"""Checks of versions, registries and plugins."""

import re
from collections import Counter
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Network, NetmaskValueError
from pathlib import Path

import yaml

from cluster import releases
from cluster.checks.registry import Draft, check
from cluster.fields import is_domain
from cluster.problems import HIDDEN, Problem, either, nearest, show
from cluster.releases import KUBELET_DRIVES_DOCKER


@check("kubernetes_version", "container_runtime")
def kubernetes_release_is_known(draft: Draft) -> Iterator[Problem]:
    settings = draft.settings
    version = settings.kubernetes_version
    if settings.kubernetes_release in releases.KUBERNETES:
        return
    known = [f"{line}.x" for line in releases.KUBERNETES]
    yield Problem("kubernetes_version", version, f"is a release this project does not know; write {either(known)}")


@check("kubernetes_version", "container_runtime")
def kubelet_drives_the_runtime(draft: Draft) -> Iterator[Problem]:
    settings = draft.settings
    known = releases.KUBERNETES.get(settings.kubernetes_release)
    if known and settings.container_runtime not in known.runtimes:
        lost = settings.container_runtime == "docker" and settings.kubernetes_version not in KUBELET_DRIVES_DOCKER
        why = ", for 1.24 dropped Docker" if lost else ""
        advice = f"Kubernetes {settings.kubernetes_release} is deployed with {either(sorted(known.runtimes))}{why}"
        yield Problem("container_runtime", settings.container_runtime, advice)


@check("flannel_version")
def flannel_release_is_known(draft: Draft) -> Iterator[Problem]:
    version, known = draft.settings.flannel_version, releases.FLANNEL
    if version not in known:
        advice = f"is a release this project does not know; write one from {known.first} to {known.last}"
        yield Problem("flannel_version", version, advice)


@check("flannel_version")
def flannel_hears_of_new_leases(draft: Draft) -> Iterator[Problem]:
    version = draft.settings.flannel_version
    if version in releases.FLANNEL_DEAF:
        advice = "hears of no new lease once etcd has been restarted; write 0.26.7 or later"
        yield Problem("flannel_version", version, advice, severity="warning")


@check("flannel_version", "flannel_etcd_api")
def flannel_reads_the_etcd_api(draft: Draft) -> Iterator[Problem]:
    settings = draft.settings
    version, written = settings.flannel_version, settings.flannel_etcd_api
    reads = next((api for api, known in releases.FLANNEL_ETCD_API.items() if version in known), written)
    if reads != written:
        other = releases.FLANNEL_ETCD_API[written]
        advice = (
            f"flannel {version} reads etcd's {reads} API; write {show(reads)}, or a flannel_version from {other.first} "
            f"to {other.last}"
        )
        yield Problem("flannel_etcd_api", written, advice)


@check("flannel_version", "kubernetes_version")
def flannel_bears_that_etcd_forgets(draft: Draft) -> Iterator[Problem]:
    settings = draft.settings
    current = settings.kubernetes_version in releases.CURRENT
    if current and releases.numbers(settings.flannel_version) < releases.FLANNEL_BEARS_COMPACTION:
        least = ".".join(map(str, releases.FLANNEL_BEARS_COMPACTION))
        advice = f"asks for ever, and logs it, for a revision that etcd has forgotten; write {least} or later"
        yield Problem("flannel_version", settings.flannel_version, advice)


@check("flannel_etcd_api", "etcd_version", "package_versions", "install_methods")
def etcd_has_the_api_that_flannel_reads(draft: Draft) -> Iterator[Problem]:
    settings = draft.settings
    without = [v for v in settings.installed_versions("etcd") if v and v not in releases.ETCD_V2]
    if settings.flannel_etcd_api == "v2" and without:
        advice = f"etcd {without[0]} has no v2 API any more; write an etcd_version up to {releases.ETCD_V2.last}.x"
        yield Problem("flannel_etcd_api", settings.flannel_etcd_api, advice)


@check("kube_proxy_mode", "kubernetes_version")
def kube_proxy_has_the_mode(draft: Draft) -> Iterator[Problem]:
    settings = draft.settings
    mode, there = settings.kube_proxy_mode, releases.PROXY_MODES[settings.kube_proxy_mode]
    if settings.kubernetes_version not in there:
        others = either(m for m, known in releases.PROXY_MODES.items() if settings.kubernetes_version in known)
        since = f", which Kubernetes has from {there.first} on" if there.first else ""
        yield Problem(
            "kube_proxy_mode", mode, f"is no mode of Kubernetes {settings.kubernetes_version}{since}; write {others}"
        )


@check("package_versions", "kubernetes_version", "install_methods")
def packages_are_of_the_release(draft: Draft) -> Iterator[Problem]:
    """Every argument and file is that of one release; and a kubelet may not be newer than its API server."""
    settings = draft.settings
    line = releases.release(settings.kubernetes_version)
    for name, written in settings.package_versions.items():
        for version in dict.fromkeys(written.values()) if name.startswith("kube") else ():
            if releases.is_version(version) and releases.release(version) != line:
                advice = (
                    f"kubernetes_version is {settings.kubernetes_version}, and all files are that release's; "
                    f"write a package of {settings.kubernetes_release}, or the release that the packages have"
                )
                yield Problem(f"package_versions[{show(name)}]", version, advice)


@check("audit_policy", "audit_log")
def audit_policy_is_one(draft: Draft) -> Iterator[Problem]:
    path = draft.settings.audit_policy
    if path is None:
        return
    try:
        read = yaml.safe_load(Path(path).read_text())
    except OSError as error:
        yield Problem("audit_policy", path, f"cannot be read on this machine: {error.strerror}")
        return
    except (yaml.YAMLError, UnicodeDecodeError):
        read = None
    if not isinstance(read, dict) or read.get("kind") != "Policy" or not read.get("rules"):
        advice = "is no audit policy; write a file with kind: Policy, apiVersion: audit.k8s.io/v1 and its rules"
        yield Problem("audit_policy", path, advice)


@check("containerd_version", "container_runtime", "kubernetes_version")
def containerd_is_configured_so(draft: Draft) -> Iterator[Problem]:
    settings = draft.settings
    known = releases.KUBERNETES.get(settings.kubernetes_release)
    runs = settings.container_runtime == "containerd" and known is not None and "containerd" in known.runtimes
    if runs and settings.containerd_version not in releases.CONTAINERD:
        advice = f"does not read the configuration it is given; write {releases.CONTAINERD.first}.0 or later"
        yield Problem("containerd_version", settings.containerd_version, advice)


@check("pull_proxy", "container_runtime")
def pull_proxy_is_containerds(draft: Draft) -> Iterator[Problem]:
    proxy = draft.settings.pull_proxy
    if proxy is None:
        return
    if draft.settings.container_runtime == "docker":
        advice = "is containerd's: write it for Docker into a drop-in of docker.service, which stays (Environment=)"
        yield Problem("pull_proxy", proxy, advice)
    elif not re.fullmatch(r"(https?|socks5h?)://[^\s/\"'\\]+/?", proxy):
        advice = 'is no URL of a proxy; write it as "http://proxy.example:3128"'
        yield Problem("pull_proxy", HIDDEN if "@" in proxy else proxy, advice)


@check("pull_no_proxy")
def pull_no_proxy_are_single(draft: Draft) -> Iterator[Problem]:
    for number, name in enumerate(draft.settings.pull_no_proxy):
        if not re.fullmatch(r"[A-Za-z0-9.*:/_-]+", name):
            advice = 'is no name, address or network; write one an entry: ["registry.example", "10.0.0.0/8"]'
            yield Problem(f"pull_no_proxy[{number}]", name, advice)


@check("docker_options", "container_runtime")
def docker_options_are_for_docker(draft: Draft) -> Iterator[Problem]:
    settings = draft.settings
    if settings.docker_options and settings.container_runtime != "docker":
        advice = "has no effect: container_runtime is containerd; options of its own go into /etc/containerd/conf.d"
        yield Problem("docker_options", settings.docker_options, advice, severity="warning")


@check("insecure_registries", "container_runtime")
def insecure_registries_are_hosts(draft: Draft) -> Iterator[Problem]:
    by_network = draft.settings.container_runtime == "docker"
    for number, registry in enumerate(draft.settings.insecure_registries):
        setting = f"insecure_registries[{number}]"
        bare = re.sub(r"^\w+://", "", registry).strip("/")
        if bare != registry:
            takes = "host[:port] or a CIDR" if by_network else "host[:port]"
            yield Problem(setting, registry, f"takes {takes}; write {show(bare)}")
        elif "/" in registry and not by_network:
            advice = 'is a network, and containerd knows registries one by one; write host[:port], as "10.1.10.1:5000"'
            yield Problem(setting, registry, advice)
        elif not _is_registry(registry):
            yield Problem(setting, registry, 'is no registry; write host[:port] or a CIDR, as "10.1.10.1:5000"')


def _is_registry(text: str) -> bool:
    if "/" in text:
        try:
            return bool(IPv4Network(text))
        except (AddressValueError, NetmaskValueError, ValueError):
            return False
    host, colon, port = text.partition(":")
    return is_domain(host.lower()) and (not colon or (port.isdigit() and 0 < int(port) < 65536))


@check("registry_mirrors")
def registry_mirrors_are_urls(draft: Draft) -> Iterator[Problem]:
    for number, mirror in enumerate(draft.settings.registry_mirrors):
        if not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:\d+)?/?", mirror):
            bare = re.sub(r"^\w+://", "", mirror).partition("/")[0].rpartition("@")[2] or "mirror.example"
            advice = f"needs a scheme, a host and nothing else; write {show('https://' + bare)}"
            yield Problem(f"registry_mirrors[{number}]", mirror, advice)


@check("admission_plugins", "kubernetes_version")
def admission_plugins_are_known(draft: Draft) -> Iterator[Problem]:
    version = draft.settings.kubernetes_version
    for plugin in draft.settings.admission_plugins:
        if not releases.plugin_known(plugin, version):
            yield Problem(
                "admission_plugins", plugin, f"Kubernetes {version} has no such plugin; {_other(plugin, version)}"
            )


def _other(plugin: str, version: str) -> str:
    if plugin in releases.PLUGINS:
        there = releases.PLUGINS[plugin]
        return f"it is there {f'up to {there.last}' if there.last else f'from {there.first}'}; take it out of the list"
    near = nearest(plugin, releases.admission_plugins(version))
    return f"did you mean {show(near)}?" if near else "take it out of the list"


@check("admission_plugins")
def nodes_are_kept_to_their_own(draft: Draft) -> Iterator[Problem]:
    if "NodeRestriction" not in draft.settings.admission_plugins:
        advice = (
            "undoes security: without NodeRestriction a node may change every other node, and pods that are not its own"
        )
        yield Problem("admission_plugins", draft.settings.admission_plugins, advice, severity="warning")


@check("admission_plugins")
def admission_plugins_are_listed_once(draft: Draft) -> Iterator[Problem]:
    for plugin, count in Counter(draft.settings.admission_plugins).items():
        if count > 1:
            yield Problem("admission_plugins", plugin, f"stands there {count} times; write it once")
