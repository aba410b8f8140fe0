"""How a component gets onto a host: as the distribution's packages, or as release files with units of this project."""

from collections.abc import Mapping
from dataclasses import dataclass

from cluster.desired import Package, Program
from cluster.distributions import Distribution
from cluster.model import Settings
from cluster.releases import COMPONENT_OF, Packaged, ReleaseProgram, programs

PROGRAMS = "/usr/local/bin"  # where release files go
SERVICE_GROUP = "kube"  # whom packages run a master's services as; release files' run as root

# Units that packages start when they are installed (deb), or restart when they are replaced (both).
_ACTED_ON: Mapping[Packaged, tuple[str, ...]] = {
    "etcd": ("etcd.service",),
    "flannel": ("flanneld.service",),
    "docker": ("docker.service", "docker.socket"),
    "containerd": ("containerd.service",),
    "kubernetes-master": ("kube-apiserver.service", "kube-controller-manager.service", "kube-scheduler.service"),
    "kubernetes-node": ("kubelet.service", "kube-proxy.service"),
}


@dataclass(frozen=True)
class Installation:
    """One component on one host.

    + packaged: whether it comes as packages, whose units, users and paths then stay as they are
    + packages, programs: what to install
    + directory: where its programs are
    + acted_on: units that the packages would start or restart by themselves, before they are configured
    """

    packaged: bool
    packages: tuple[Package, ...]
    programs: tuple[Program, ...]
    directory: str
    acted_on: tuple[str, ...] = ()

    def program(self, name: str) -> str:
        """The path of one of its programs."""
        return f"{self.directory}/{name}"


def installation(settings: Settings, distribution: Distribution, component: Packaged) -> Installation:
    """How a component is installed on hosts of a distribution.

    Raises LookupError when it shall come as packages that nobody named, or as files of which nobody has a digest.
    """
    family = distribution.family.name
    setting = COMPONENT_OF[component]
    if settings.install_method(setting, family) == "packages":
        names = package_names(settings, distribution, component)
        return Installation(
            packaged=True,
            packages=tuple(Package(name, settings.package_version(setting, family, name)) for name in names),
            programs=(),
            directory="/usr/bin",
            acted_on=_ACTED_ON[component],
        )
    files = programs(component)
    archived = tuple(Package(name) for name in ("tar", "gzip")) if any(p.archive for p in files) else ()
    listed = tuple(_program(settings, distribution, p) for p in files)
    return Installation(packaged=False, packages=archived, programs=listed, directory=PROGRAMS)


def _program(settings: Settings, distribution: Distribution, program: ReleaseProgram) -> Program:
    path = f"{program.directory or PROGRAMS}/{program.name}"
    return Program(path, *settings.release_file(program.file, distribution.architecture), archive=program.archive)


def package_names(settings: Settings, distribution: Distribution, component: Packaged) -> tuple[str, ...]:
    """What a component's packages are called: by the settings, else by the distribution.

    Raises LookupError when neither names any.
    """
    written = settings.package_names.get(component, {}).get(distribution.family.name)
    return tuple(written) if written else distribution.components[component]


def service_group(settings: Settings, distribution: Distribution) -> str | None:
    """The group that a master's services run in beside root's: it must be able to read their keys."""
    packaged = settings.install_method("kubernetes", distribution.family.name) == "packages"
    return SERVICE_GROUP if packaged else None
