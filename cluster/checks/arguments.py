"""Checks of further arguments: extra_args, host_extra_args and docker_options."""

import re
from collections.abc import Iterator
from ipaddress import IPv4Address

from cluster import fields, releases
from cluster.checks import wiring
from cluster.checks.registry import Draft, check
from cluster.model import Arguments, Settings
from cluster.problems import HIDDEN, Problem, Severity, instead, nearest, show
from cluster.program_fields import became_field, proxy_field
from cluster.releases import Component
from cluster.topology import Host

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
        yield from _arguments(draft.settings, "host_extra_args", host.extra_args, host)


def _arguments(settings: Settings, setting: str, arguments: Arguments, host: Host | None) -> Iterator[Problem]:
    name, address = (host.name, host.address) if host else (None, None)
    for daemon, values in arguments.items():
        if daemon not in releases.DAEMONS:
            advice = f"is no component; {instead(daemon, releases.DAEMONS)}"
            yield Problem(f"{setting}[{show(daemon)}]", values, advice, name)
            continue
        for flag, value in values.items():
            where = f"{setting}[{show(daemon)}][{show(flag)}]"
            shown = HIDDEN if SECRET.search(flag) else value
            if reason := _unfit(daemon, value):
                yield Problem(where, shown, reason, name)
            for advice, severity in _refusal(settings, daemon, flag, value, address):
                yield Problem(where, shown, advice, name, severity)


def _unfit(daemon: str, value: str) -> str | None:
    """Why a value cannot stand on a command line that systemd splits, or in an environment file at all."""
    if fields.has_control(value):
        return "has a line break or another control character; write one line"
    if daemon != "etcd" and re.search(r"\s", value):  # etcd's go to it one a variable, unsplit
        return "has a space, where systemd would split it; write it without"
    if daemon != "etcd" and re.search(r"[\"'\\]", value):
        return "has a quote or a backslash, which systemd would take away; write it without"
    return None


def _refusal(
    settings: Settings, daemon: str, flag: str, value: str, address: IPv4Address | None = None
) -> Iterator[tuple[str, Severity]]:
    """What is wrong with an argument, and whether it is an error or a warning."""
    bare = flag.lstrip("-").partition("=")[0]
    if bare != flag:
        yield f"write the name without dashes and value: {show(bare)}", "error"
        return
    if reason := wiring.refused(daemon, bare, value, address, settings.kubernetes_version):
        yield reason, "error"
        return
    if reason := _lost(settings, daemon, bare, value):
        yield reason, "error"
        return
    if stranger := _unknown(settings, daemon, bare):
        yield stranger
        return
    if (daemon, bare) == ("kubelet", "node-labels"):
        yield from ((reason, "error") for label in value.split(",") if (reason := wiring.refused_label(label)))
    if (daemon, bare) == ("kube-apiserver", "disable-admission-plugins"):
        yield from _disabled(settings, value)
    if (reason := wiring.weakens(daemon, bare, value)) or (
        settings.kubernetes_version in releases.CURRENT and (reason := became_field(daemon, bare))
    ):
        yield reason, "warning"


def _lost(settings: Settings, daemon: str, flag: str, value: str) -> str | None:
    """What goes wrong with an argument that the program knows, in this cluster of all; None: nothing."""
    if daemon == "etcd" and flag.startswith("experimental-"):
        without = [v for v in settings.installed_versions("etcd") if v and releases.release(v) >= (3, 7)]
        if without:
            other = show(flag.removeprefix("experimental-"))
            return f"etcd {without[0]} refuses every argument that begins so; write {other}, if it has become that"
    never = re.fullmatch("0*[a-z]*", value) is not None
    if settings.etcd_compacts and (daemon, flag, never) == ("kube-apiserver", "etcd-compaction-interval", False):
        return (
            "would break the cluster: etcd lets nobody but root compact it, and the API server is not; its members do "
            "that themselves; take it out"
        )
    if settings.etcd_compacts and (daemon, flag, never) == ("etcd", "auto-compaction-retention", True):
        return "would break the cluster: nobody else compacts etcd, which would grow to its quota; take it out"
    if daemon == "kube-proxy" and settings.kubernetes_version in releases.CURRENT:
        try:
            proxy_field(flag, value, settings.kube_proxy_mode)
        except ValueError as error:
            return str(error)
    return None


def _unknown(settings: Settings, daemon: str, flag: str) -> tuple[str, Severity] | None:
    """That the daemon's release has no such argument; None when it has, or when the release is refused elsewhere."""
    version, certain = _version(settings, daemon)
    try:
        known = releases.flags(daemon, version)
    except LookupError:
        return None
    if flag in known or (not certain and any(flag in releases.flags(daemon, v) for v in _lines(daemon))):
        return None
    near = nearest(flag, known)
    advice = f"did you mean {show(near)}?" if near else "take it out"
    return f"{daemon} {version} has no such argument; {advice}", "error" if certain else "warning"


def _disabled(settings: Settings, value: str) -> Iterator[tuple[str, Severity]]:
    for plugin in value.split(","):
        if plugin in settings.admission_plugins:
            yield (
                f"{plugin} is enabled by admission_plugins, and the API server would not start; take it out there",
                "error",
            )
        elif not releases.plugin_known(plugin, settings.kubernetes_version):
            yield f"Kubernetes {settings.kubernetes_version} has no plugin {show(plugin)}; take it out", "error"


def _version(settings: Settings, daemon: str) -> tuple[str, bool]:
    """The version of a daemon, and whether the settings say it or the newest known one is assumed."""
    if daemon in releases.KUBERNETES_DAEMONS:
        return settings.kubernetes_version, True
    if daemon == "flanneld":
        return settings.flannel_version, True
    newest = "{}.{}".format(*releases.listed(daemon)[-1])
    component: Component = "etcd" if daemon == "etcd" else "docker"
    installed = settings.installed_versions(component)
    versions = [v for v in installed if v is not None and _is_listed(v, newest)]
    # A package newer than the newest list may well know more.
    certain = len(versions) == len(installed)
    return (min(versions, key=releases.release) if certain else newest), certain


def _lines(daemon: str) -> Iterator[str]:
    """The release lines with a list, any of which a repository may have."""
    return ("{}.{}".format(*line) for line in releases.listed(daemon))


def _is_listed(version: str, newest: str) -> bool:
    return releases.release(version) <= releases.release(newest)


@check("docker_options", "package_versions", "install_methods")
def docker_options_are_not_the_projects(draft: Draft) -> Iterator[Problem]:
    for number, option in enumerate(draft.settings.docker_options):
        setting = f"docker_options[{number}]"
        if re.search(r"\s", option) or not option:
            words = ", ".join(show(word) for word in option.split()) or "or take it out"
            yield Problem(setting, option, f"write one word an entry: {words}")
        elif reason := _unfit("dockerd", option):
            yield Problem(setting, option, reason)
        elif option.startswith("-"):
            name, value = docker_option(option)
            for advice, severity in _refusal(draft.settings, "dockerd", name, value):
                yield Problem(setting, option, advice, severity=severity)


def docker_option(option: str) -> tuple[str, str]:
    """The long name of a dockerd option as typed, and the value with it: --mtu=1450, -H, -Hunix://…"""
    if option.startswith("--"):
        name, _, value = option[2:].partition("=")
        return name, value
    return _DOCKER_SHORT.get(option[:2], option[1:]), option[2:].removeprefix("=")
