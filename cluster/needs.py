"""The files that hosts of an architecture will fetch by the settings, and who has their digests."""

from collections.abc import Iterator
from typing import NamedTuple

from cluster import releases
from cluster.distributions import ARCHITECTURES
from cluster.downloads import Archive
from cluster.model import Settings
from cluster.problems import show

_VERSIONED = ("kube-apiserver", "kubelet", "etcd")  # whose versions matter to those that come after them
IMAGES = ""  # what every image archive is called among release files


class Need(NamedTuple):
    """A file that some host fetches.

    + setting: which asks for it, as one would write it
    + name: what it is called in `release_files`; IMAGES for an image archive
    + url: where it is for the architecture
    + digest: what is known of it by settings, lock file or what is shipped; None: nobody has it
    """

    setting: str
    name: str
    url: str
    digest: str | None


def needs(settings: Settings, architecture: str) -> Iterator[Need]:
    """Every file that some host of an architecture fetches. Raises ValueError when the lock file cannot be read."""
    for name, component in releases.RELEASE_FILES.items():
        if settings.released(component) and name in settings.release_files:
            file, version = settings.release_files[name], settings.release_version(name)
            url, digest = settings.known(file, architecture, version)
            yield Need(f"release_files[{show(name)}]", name, url, digest)
    for setting, archive in archives(settings):
        url, digest = settings.known(archive, architecture)
        yield Need(setting, IMAGES, url, digest)


def versions_by_digest(settings: Settings) -> dict[str, str]:
    """Versions of release files, by the digests that the settings know: on no host does such a one have another."""
    found = [n for architecture in ARCHITECTURES.values() for n in needs(settings, architecture)]
    return {n.digest: settings.release_version(n.name) for n in found if n.digest and n.name in _VERSIONED}


def archives(settings: Settings) -> Iterator[tuple[str, Archive]]:
    """Image archives, and where the settings name each."""
    if settings.pause_image_archive is not None:
        yield "pause_image_archive", settings.pause_image_archive
    for number, archive in enumerate(settings.image_archives):
        yield f"image_archives[{number}]", archive
