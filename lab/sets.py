"""What the lab has for each Kubernetes line: the cluster's own release set, but for what the lab has otherwise."""

from collections.abc import Iterable

from cluster.release_sets import SETS
from lab import build, cache, components
from lab.process import LabError

LINES = {"1.37": "1.37.2", "1.36": "1.36.3", "1.20": "1.20.2"}  # line -> version
NEWEST, GUIDES = "1.37", "1.20"
# The family's own way: rpm hosts have packages of the guide's components.
DEFAULT = {"deb": NEWEST, "rpm": GUIDES, "mixed": GUIDES}
OTHERWISE = {"runc_version": components.RUNC}  # Debian's: a Go module's has no seccomp
OLD_FLANNEL = "0.15.1"  # beside the guide's own: the one that reads etcd's v2 API
BROUGHT = ("metrics-server",)  # what runs in pods of some clusters, and is built when it is asked for
PARTS = {"docker": ("docker",), "containerd": ("containerd", "runc", "cni-plugins", "crictl")}


def chosen(line: str | None, flavour: str, last_flavour: str, last: str | None) -> str:
    """The line that hosts are to be for.

    Args:
        line: what was asked for, a line or a version of one; None: nothing.
        flavour: the hosts'.
        last_flavour: theirs until now.
        last: the line that they were for until now.

    Raises:
        LabError: the lab has no such line.
    """
    if line:
        return known(line)
    return last if last in LINES and flavour == last_flavour else DEFAULT[flavour]


def known(line: str) -> str:
    """A line by its name or by its version.

    Raises:
        LabError: the lab has no such line.
    """
    for name, version in LINES.items():
        if line in (name, version):
            return name
    raise LabError(f"the lab has no Kubernetes {line}; it has {', '.join(LINES.values())}")


def version(line: str, part: str) -> str:
    """The version of a part (kubernetes, etcd, flannel, containerd, coredns, …) in a line."""
    if part == "kubernetes":
        return LINES[line]
    setting = f"{part.replace('-', '_')}_version"
    return str(OTHERWISE.get(setting) if setting in OTHERWISE else SETS[line].value(setting))


def parts(line: str) -> list[tuple[str, str]]:
    """What release files a line needs: parts and versions."""
    wanted = ["kubernetes", "etcd", "flannel", *PARTS[SETS[line].container_runtime]]
    older = [("flannel", OLD_FLANNEL)] if line == GUIDES else []
    return [(part, version(line, part)) for part in wanted] + older


def in_pods(line: str) -> list[tuple[str, str]]:
    """What runs in pods of every cluster: programs the lab makes images of, and versions. The guide's has none."""
    return [] if line == GUIDES else [("coredns", version(line, "coredns"))]


def pause_image(line: str) -> str:
    """The name of the image that holds a pod's network namespace."""
    return SETS[line].pause_image


def key(lines: Iterable[str]) -> str:
    """A name for all that these lines have."""
    built = [
        f"{name} {build.key(name, number)}"
        for line in sorted(lines)
        for part, number in [*parts(line), *in_pods(line)]
        for name in components.built(part, number)
    ]
    return cache.key_of(*sorted(lines), *map(pause_image, sorted(lines)), *built, components.KEY)
