"""Package repositories as the files of each family's package manager, with their keys."""

from collections.abc import Iterator
from itertools import groupby

from cluster.desired import File
from cluster.families import FamilyName
from cluster.formats import HEADER
from cluster.openpgp import public_key
from cluster.settings import AptRepository, Settings, YumRepository

# Where a repository that was in the settings once may be: those files go that say to be ours.
REPOSITORIES: dict[FamilyName, tuple[str, ...]] = {
    "deb": ("/etc/apt/sources.list.d/container-cloud-*.sources", "/etc/apt/keyrings/container-cloud-*"),
    "rpm": ("/etc/yum.repos.d/*.repo", "/etc/pki/rpm-gpg/RPM-GPG-KEY-container-cloud-*"),
}


def repository_files(settings: Settings, family: FamilyName, identifier: str) -> tuple[File, ...]:
    """The repositories of a host.

    Args:
        family: the host's.
        identifier: its ID in /etc/os-release.
    """
    if family == "deb":
        return tuple(f for r in settings.apt_repositories for f in _apt(r))
    wanted = [r for r in settings.yum_repositories if r.distributions is None or identifier in r.distributions]
    by_file = groupby(sorted(wanted, key=lambda r: r.file), key=lambda r: r.file)
    return tuple(f for name, sections in by_file for f in _yum(name, list(sections)))


def _apt(repository: AptRepository) -> Iterator[File]:
    name = f"container-cloud-{repository.name}"
    lines = ["Types: deb", f"URIs: {repository.uri}", f"Suites: {repository.suite}"]
    if repository.components:
        lines.append(f"Components: {' '.join(repository.components)}")
    if repository.key:
        path = f"/etc/apt/keyrings/{name}.asc"
        yield File(path, public_key(repository.key))
        lines.append(f"Signed-By: {path}")
    if repository.trusted:
        lines.append("Trusted: yes")
    yield File(f"/etc/apt/sources.list.d/{name}.sources", HEADER + "".join(f"{line}\n" for line in lines))


def _yum(name: str, repositories: list[YumRepository]) -> Iterator[File]:
    text = ""
    for r in repositories:
        lines = [f"[{r.id}]", f"name={r.name}", f"baseurl={r.baseurl}", f"gpgcheck={int(r.gpgcheck)}"]
        lines.append(f"enabled={int(r.enabled)}")
        if r.key:
            path = f"/etc/pki/rpm-gpg/RPM-GPG-KEY-container-cloud-{name}-{r.id}"
            yield File(path, public_key(r.key))
            lines.append(f"gpgkey=file://{path}")
        text += "".join(f"{line}\n" for line in lines) + "\n"
    yield File(f"/etc/yum.repos.d/{name}.repo", f"{HEADER}{text}".rstrip("\n") + "\n")
