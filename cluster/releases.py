"""What belongs to a release: the arguments and plugins it knows, the runtimes it drives, the API it speaks.

Lists of arguments lie in flags/<release>/<daemon>.txt, as the programs themselves answered.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal, TypeVar

# What settings choose an installation for; Kubernetes' programs are two installations, of masters and of nodes.
Component = Literal["etcd", "flannel", "docker", "containerd", "kubernetes"]
Packaged = Literal["etcd", "flannel", "docker", "containerd", "kubernetes-master", "kubernetes-node"]

_LISTS = Path(__file__).parent / "flags"
_Value = TypeVar("_Value")

KUBERNETES_DAEMONS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
DAEMONS = ("etcd", "flanneld", "dockerd", *KUBERNETES_DAEMONS)  # what runs, and takes further arguments


@dataclass(frozen=True)
class ReleaseProgram:
    """A program of a component: the release file it is, or with `archive` is in; its directory, if it has its own."""

    name: str
    file: str
    archive: bool = False
    directory: str | None = None


def _alone(*names: str) -> tuple[ReleaseProgram, ...]:
    return tuple(ReleaseProgram(name, name) for name in names)


def _inside(archive: str, *names: str, directory: str | None = None) -> tuple[ReleaseProgram, ...]:
    return tuple(ReleaseProgram(name, archive, archive=True, directory=directory) for name in names)


CNI_PLUGINS = "/opt/cni/bin"  # where release files of them go


# What each is made of, as its publisher publishes it.
_PROGRAMS: dict[Packaged, tuple[ReleaseProgram, ...]] = {
    "kubernetes-master": _alone("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"),
    "kubernetes-node": _alone("kubelet", "kube-proxy"),
    "flannel": _alone("flanneld"),
    "etcd": _inside("etcd", "etcd", "etcdctl"),
    "docker": _inside(
        "docker", "dockerd", "docker", "docker-init", "docker-proxy", "containerd", "containerd-shim",
        "containerd-shim-runc-v2", "ctr", "runc",
    ),
    "containerd": (
        *_inside("containerd", "containerd", "containerd-shim-runc-v2", "ctr"),
        *_alone("runc"),
        *_inside("cni-plugins", "bridge", "host-local", "loopback", "portmap", directory=CNI_PLUGINS),
        *_inside("crictl", "crictl"),
    ),
}  # fmt: skip
COMPONENT_OF: dict[Packaged, Component] = {
    "kubernetes-master": "kubernetes",
    "kubernetes-node": "kubernetes",
    "flannel": "flannel",
    "etcd": "etcd",
    "docker": "docker",
    "containerd": "containerd",
}
RELEASE_FILES = {program.file: COMPONENT_OF[part] for part, listed in _PROGRAMS.items() for program in listed}


def programs(installed: Packaged) -> tuple[ReleaseProgram, ...]:
    """The programs of a component that is installed from release files."""
    return _PROGRAMS[installed]


def release(version: str) -> tuple[int, int]:
    """The release line of a version: (1, 20) for "1.20.2" or "1.20", (20, 10) for "5:20.10.24+dfsg1-1".

    Raises ValueError when it does not begin with two numbers.
    """
    match = re.match(r"(?:\d+:)?(\d+)\.(\d+)(?!\d)", version)
    if not match:
        raise ValueError(f"{version!r} is no version")
    return int(match[1]), int(match[2])


def is_version(version: str) -> bool:
    """Whether it begins with two numbers."""
    try:
        return bool(release(version))
    except ValueError:
        return False


def numbers(version: str) -> tuple[int, ...]:
    """A version's numbers, to compare it by: (3, 6, 16) for "3.6.16" and for "1:3.6.16-2".

    Raises ValueError when it does not begin with two.
    """
    release(version)
    text = re.sub(r"^\d+:", "", version)
    return tuple(int(part) for part in re.match(r"\d+(\.\d+)*", text)[0].split("."))  # type: ignore[index]


@dataclass(frozen=True)
class Releases:
    """Release lines from `first` to `last`, both included; None: since ever, until today."""

    first: str | None = None
    last: str | None = None

    def __contains__(self, version: str) -> bool:
        line = release(version)
        return (self.first is None or release(self.first) <= line) and (self.last is None or line <= release(self.last))


@dataclass(frozen=True)
class Kubernetes:
    """A Kubernetes release line this project deploys."""

    runtimes: frozenset[str] = field(default_factory=frozenset)


KUBERNETES = {
    "1.20": Kubernetes(runtimes=frozenset({"docker"})),
    "1.36": Kubernetes(runtimes=frozenset({"containerd"})),
    "1.37": Kubernetes(runtimes=frozenset({"containerd"})),
}
# The first of each line that lets root alone compact etcd, so that the API server, a user of its own there, may not.
_ETCD_ROOT_COMPACTS = {(3, 4): 42, (3, 5): 28, (3, 6): 9}
KUBELET_DRIVES_DOCKER = Releases(last="1.23")
# From here on kubelet and kube-proxy read configuration files, and everything is on that secures a cluster of today.
CURRENT = Releases(first="1.36")
MIGRATES_STORAGE = Releases(first="1.37")  # rewrites what it stores when it is told to by an object
CGROUP_V1_REFUSED = Releases(first="1.35")  # a kubelet does not start there, unless it is told to

ETCD_V2 = Releases(last="3.5")
PROXY_MODES = {"iptables": Releases(), "nftables": Releases(first="1.33"), "ipvs": Releases(last="1.42")}

FLANNEL = Releases("0.9", "0.28")
FLANNEL_BEARS_COMPACTION = (0, 28, 9)  # before it, a watch of what etcd has compacted never ends
CONTAINERD = Releases(first="2.1")  # reads the third version of its configuration, and several directories of plugins
FLANNEL_DEAF = Releases("0.18", "0.25")  # see no new lease once etcd has been restarted; tried with 0.22.2
FLANNEL_ETCD_API = {"v2": Releases("0.9", "0.17"), "v3": Releases("0.18", "0.28")}


@dataclass(frozen=True)
class BackendOption:
    """An option of a flannel backend: a whole number from `lowest` to `highest`, or True and False without them."""

    lowest: int | None = None
    highest: int | None = None
    known: Releases = Releases()


_PORT = BackendOption(1, 65535)
FLANNEL_BACKENDS: dict[str, dict[str, BackendOption]] = {
    "vxlan": {
        "VNI": BackendOption(1, 16777215),
        "Port": _PORT,
        "MTU": BackendOption(576, 65535, known=Releases(first="0.21")),
        "GBP": BackendOption(),
        "Learning": BackendOption(known=Releases(first="0.12")),
        "DirectRouting": BackendOption(),
    },
    "host-gw": {},
    "udp": {"Port": _PORT},
}
FLANNEL_PORT = {"vxlan": 8472, "udp": 8285}  # UDP, unless the backend's options say otherwise

# The releases in which this project passes a flag, for its own flags that come or go: they are Kubernetes' own release
# notes in one place. A flag that another replaced ends here where its successor begins.
_CURRENT = dict.fromkeys(("profiling", "tls-min-version", "tls-cipher-suites"), CURRENT)
_LOOP = {
    "port": Releases(last="1.23"),
    "authentication-kubeconfig": CURRENT,
    "authorization-kubeconfig": CURRENT,
    **_CURRENT,
}
FLAGS: dict[str, dict[str, Releases]] = {
    "kube-apiserver": {
        "insecure-port": Releases(last="1.23"),
        "logtostderr": Releases(last="1.25"),
        "anonymous-auth": Releases(last="1.35"),
        "authentication-config": CURRENT,
        "admission-control-config-file": CURRENT,
        "encryption-provider-config": CURRENT,
        "audit-policy-file": CURRENT,
        "audit-log-path": CURRENT,
        "audit-log-maxage": CURRENT,
        "audit-log-maxbackup": CURRENT,
        "audit-log-maxsize": CURRENT,
        "service-account-extend-token-expiration": CURRENT,
        "allow-privileged": CURRENT,
        "shutdown-watch-termination-grace-period": CURRENT,
        "feature-gates": CURRENT,
        **_CURRENT,
    },
    "kube-controller-manager": {"terminated-pod-gc-threshold": CURRENT, **_LOOP},
    "kube-scheduler": _LOOP,
    "kubelet": {
        "pod-infra-container-image": Releases(last="1.34"),
        "config": CURRENT,
        **dict.fromkeys(("runtime-cgroups", "kubelet-cgroups"), Releases(last="1.35")),
    },
}

# Admission plugins that came or went, and the releases that have them.
PLUGINS = {
    "SecurityContextDeny": Releases(last="1.29"),
    "PodSecurityPolicy": Releases(last="1.24"),
    "PodSecurity": Releases("1.22"),
    "DenyEscalatingExec": Releases(last="1.20"),
    "DenyExecOnPrivileged": Releases(last="1.20"),
}


def compaction_is_roots(version: str) -> bool:
    """Whether an etcd of this version lets nobody but root compact it, where it has users."""
    line = release(version)
    patch = [*numbers(version), 0, 0][2]
    return line > max(_ETCD_ROOT_COMPACTS) or patch >= _ETCD_ROOT_COMPACTS.get(line, patch + 1)


def flags(daemon: str, version: str) -> frozenset[str]:
    """The arguments, without dashes, that a daemon of this version accepts.

    A Kubernetes release needs a list of its own. Of flannel, etcd and Docker, whose arguments change seldom, the
    newest list that is not newer than the version serves.

    Raises LookupError when there is no such list, and FileNotFoundError when there ought to be one.
    """
    wanted = release(version)
    for line in reversed(listed(daemon)):
        if line == wanted or (line < wanted and daemon not in KUBERNETES_DAEMONS):
            return _read(line, daemon)
    if daemon in KUBERNETES_DAEMONS and _is_supported(wanted):
        raise _lost(daemon, version)
    raise LookupError(f"no list of the arguments of {daemon} {version}")


def _is_supported(line: tuple[int, int]) -> bool:
    return "{}.{}".format(*line) in KUBERNETES


def _lost(name: str, version: str) -> FileNotFoundError:
    """Without its list, every argument would pass for a known one."""
    return FileNotFoundError(
        f"{_LISTS}: no list of {name} {version}: this installation is not complete, install it anew"
    )


@cache
def listed(daemon: str) -> list[tuple[int, int]]:
    """The release lines whose arguments are known for a daemon, the oldest first."""
    lines = sorted(release(path.parent.name) for path in _LISTS.glob(f"*/{daemon}.txt"))
    if not lines:
        raise _lost(daemon, "of any release")
    return lines


def known(daemon: str, flag: str, version: str) -> bool:
    """Whether a daemon of this version accepts a flag (named without dashes).

    Where no list of the release is at hand, a flag is taken as known unless the table says otherwise.
    """
    try:
        return flag in flags(daemon, version)
    except LookupError:
        return version in FLAGS.get(daemon, {}).get(flag, Releases())


def choose(daemon: str, version: str, values: Mapping[str, _Value]) -> dict[str, _Value]:
    """Of these flags, without dashes, those to pass to a daemon of this version, in the same order.

    Of a flag and the one that replaced it, both given, one stays.
    """
    passed = FLAGS.get(daemon, {})
    return {
        flag: value
        for flag, value in values.items()
        if known(daemon, flag, version) and version in passed.get(flag, Releases())
    }


def admission_plugins(version: str) -> frozenset[str]:
    """The admission plugins of a Kubernetes version. Raises LookupError when there is no list of them."""
    try:
        return _read(release(version), "admission-plugins")
    except FileNotFoundError as error:
        if _is_supported(release(version)):
            raise _lost("admission-plugins", version) from error
        raise LookupError(f"no list of the admission plugins of Kubernetes {version}") from error


def plugin_known(plugin: str, version: str) -> bool:
    """Whether a Kubernetes version has an admission plugin; see `known` for releases without a list."""
    try:
        return plugin in admission_plugins(version)
    except LookupError:
        return version in PLUGINS.get(plugin, Releases())


@cache
def _read(line: tuple[int, int], name: str) -> frozenset[str]:
    text = (_LISTS / f"{line[0]}.{line[1]}" / f"{name}.txt").read_text()
    return frozenset(entry for entry in text.splitlines() if entry and not entry.startswith("#"))
