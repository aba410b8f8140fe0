"""Checks of further arguments: extra_args, host_extra_args and docker_options."""

import re
from collections.abc import Iterator
from typing import get_args

from cluster import releases
from cluster.checks.registry import Draft, check
from cluster.families import FamilyName
from cluster.model import Arguments, Settings
from cluster.problems import HIDDEN, Problem, Severity, instead, nearest, show
from cluster.releases import Component

_PKI = "the certificates of pki_directory"
_PROJECT = "the project: "
_ETCD = "the etcd group and etcd_client_port"

# Arguments the project derives from elsewhere and whose change would break the cluster: where each is set.
OWNED: dict[str, dict[str, str]] = {
    "etcd": {
        "name": "the host's name in inventory.py",
        "config-file": _PROJECT + "etcd ignores every other argument beside a file",
        "listen-client-urls": "the host's address and etcd_client_port",
        "advertise-client-urls": "the host's address and etcd_client_port",
        "listen-peer-urls": "the host's address and etcd_peer_port",
        "initial-advertise-peer-urls": "the host's address and etcd_peer_port",
        "initial-cluster": "the etcd group of inventory.py",
        "enable-v2": "flannel_etcd_api",
        "quota-backend-bytes": "etcd_quota_mib",
        **dict.fromkeys(("cert-file", "key-file", "trusted-ca-file", "client-cert-auth"), _PKI),
        **dict.fromkeys(("peer-cert-file", "peer-key-file", "peer-trusted-ca-file", "peer-client-cert-auth"), _PKI),
    },
    "flanneld": {
        "etcd-endpoints": _ETCD,
        "etcd-prefix": "flannel_etcd_prefix",
        "iface": "flannel_interface",
        "subnet-file": _PROJECT + "Docker reads flannel's lease there",
        "kube-subnet-mgr": _PROJECT + "leases live in etcd",
        **dict.fromkeys(("etcd-cafile", "etcd-certfile", "etcd-keyfile"), _PKI),
    },
    "dockerd": {
        "bip": "flannel's lease",
        "mtu": "flannel's lease",
        "bridge": _PROJECT + "pods use docker0",
        "host": _PROJECT + "whoever reaches Docker's API is root",
        "exec-opt": "docker_cgroup_driver",
        "insecure-registry": "insecure_registries",
        "registry-mirror": "registry_mirrors",
    },
    "kube-apiserver": {
        "etcd-servers": _ETCD,
        "service-cluster-ip-range": "service_network",
        "service-node-port-range": "service_node_ports",
        "secure-port": "api_server_port",
        "enable-admission-plugins": "admission_plugins",
        "admission-control": "admission_plugins",
        **dict.fromkeys(("etcd-cafile", "etcd-certfile", "etcd-keyfile", "client-ca-file"), _PKI),
        **dict.fromkeys(("tls-cert-file", "tls-private-key-file", "kubelet-certificate-authority"), _PKI),
        **dict.fromkeys(("kubelet-client-certificate", "kubelet-client-key", "requestheader-client-ca-file"), _PKI),
        **dict.fromkeys(("service-account-key-file", "service-account-signing-key-file"), _PKI),
        **dict.fromkeys(("proxy-client-cert-file", "proxy-client-key-file"), _PKI),
    },
    "kube-controller-manager": {
        "cluster-cidr": "pod_network",
        "service-cluster-ip-range": "service_network",
        **dict.fromkeys(("kubeconfig", "root-ca-file", "service-account-private-key-file"), _PKI),
        **dict.fromkeys(("cluster-signing-cert-file", "cluster-signing-key-file"), _PKI),
    },
    "kube-scheduler": {"kubeconfig": _PKI},
    "kubelet": {
        "hostname-override": "the host's name in inventory.py",
        "cgroup-driver": "docker_cgroup_driver",
        "container-runtime": "container_runtime",
        "pod-infra-container-image": "pause_image",
        "cluster-domain": "cluster_domain",
        **dict.fromkeys(("kubeconfig", "client-ca-file", "tls-cert-file", "tls-private-key-file"), _PKI),
    },
    "kube-proxy": {
        "hostname-override": "the host's name in inventory.py",
        "cluster-cidr": "pod_network",
        "proxy-mode": "kube_proxy_mode",
        "config": _PROJECT + "kube-proxy ignores every other argument beside a file",
        "kubeconfig": _PKI,
    },
}

SECRET = re.compile("pass|secret|token")  # arguments whose values are not shown

_DOCKER_SHORT = {
    "-b": "bridge", "-D": "debug", "-G": "group", "-H": "host", "-l": "log-level", "-p": "pidfile",
    "-s": "storage-driver", "-v": "version",
}  # fmt: skip


@check("extra_args", "kubernetes_version", "flannel_version")
def extra_arguments_are_known(draft: Draft) -> Iterator[Problem]:
    yield from _arguments(draft.settings, "extra_args", draft.settings.extra_args, None)


@check("kubernetes_version", "flannel_version")
def extra_arguments_of_hosts_are_known(draft: Draft) -> Iterator[Problem]:
    for host in draft.hosts:
        yield from _arguments(draft.settings, "host_extra_args", host.extra_args, host.name)


def _arguments(settings: Settings, setting: str, arguments: Arguments, host: str | None) -> Iterator[Problem]:
    for component, values in arguments.items():
        if component not in releases.DAEMONS:
            advice = f"is no component; {instead(component, releases.DAEMONS)}"
            yield Problem(f"{setting}[{show(component)}]", values, advice, host)
            continue
        for flag, value in values.items():
            where = f"{setting}[{show(component)}][{show(flag)}]"
            shown = HIDDEN if SECRET.search(flag) else value
            if "\n" in value:
                yield Problem(where, shown, "has a line break; write one line", host)
            elif component != "etcd" and re.search(r"\s", value):  # etcd's go to it one a variable, unsplit
                yield Problem(where, shown, "has a space, where systemd would split it; write it without", host)
            for advice, severity in _refusal(settings, component, flag):
                yield Problem(where, shown, advice, host, severity)


def _refusal(settings: Settings, component: str, flag: str) -> Iterator[tuple[str, Severity]]:
    """What is wrong with an argument, and whether it is an error or a warning."""
    bare = flag.lstrip("-").partition("=")[0]
    if bare != flag:
        yield f"write the name without dashes and value: {show(bare)}", "error"
        return
    if bare in OWNED[component]:
        yield _owned(OWNED[component][bare]), "error"
        return
    version, certain = _version(settings, component)
    try:
        known = releases.flags(component, version)
    except LookupError:
        return  # the release itself is refused elsewhere
    if bare not in known:
        near = nearest(bare, known)
        advice = f"{component} {version} has no such argument; " + (
            f"did you mean {show(near)}?" if near else "take it out"
        )
        yield advice, "error" if certain else "warning"


def _owned(source: str) -> str:
    reason = source.removeprefix(_PROJECT)
    if reason != source:
        return f"is the project's own: {reason}; take it out"
    return f"is set by the project, from {source}; change that instead"


def _version(settings: Settings, component: str) -> tuple[str, bool]:
    """The version of a component, and whether the settings say it or the newest known one is assumed."""
    if component in releases.KUBERNETES_DAEMONS:
        return settings.kubernetes_version, True
    if component == "flanneld":
        return settings.flannel_version, True
    newest = "{}.{}".format(*releases.listed(component)[-1])
    installed = _installed(settings, component)
    versions = [v for v in installed if v is not None and _is_listed(v, newest)]
    # A package newer than the newest list may well know more.
    certain = len(versions) == len(installed)
    return (min(versions, key=releases.release) if certain else newest), certain


def _installed(settings: Settings, component: str) -> list[str | None]:
    """The versions of etcd or Docker that the settings name, family by family; None where they leave it open."""
    name: Component = "etcd" if component == "etcd" else "docker"
    released = settings.etcd_version if component == "etcd" else settings.docker_version
    return [
        released if settings.install_method(name, family) == "release files" else settings.package_version(name, family)
        for family in get_args(FamilyName)
    ]


def _is_listed(version: str, newest: str) -> bool:
    return releases.release(version) <= releases.release(newest)


@check("docker_options", "package_versions", "install_methods")
def docker_options_are_not_the_projects(draft: Draft) -> Iterator[Problem]:
    for number, option in enumerate(draft.settings.docker_options):
        if not option.startswith("-"):
            continue
        setting = f"docker_options[{number}]"
        if any(character in option for character in " \t"):
            advice = f"write one word an entry: {', '.join(show(word) for word in option.split())}"
            yield Problem(setting, option, advice)
            continue
        name = docker_option(option)
        for advice, severity in _refusal(draft.settings, "dockerd", name):
            yield Problem(setting, option, advice, severity=severity)


def docker_option(option: str) -> str:
    """The long name of a dockerd option as typed: --mtu=1450, -H, -Hunix://…"""
    if option.startswith("--"):
        return option[2:].partition("=")[0]
    return _DOCKER_SHORT.get(option[:2], option[1:])
