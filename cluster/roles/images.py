"""Images that every node loads from archives, into whatever runtime."""

import shlex

from cluster.desired import Step
from cluster.downloads import Download, public
from cluster.settings import Settings
from cluster.shell import program

_DIRECTORY = "/var/lib/container-cloud"


def image_steps(settings: Settings, architecture: str) -> tuple[Step, ...]:
    """The pause image, if it comes from an archive, and the images of all other archives, once the runtime answers."""
    steps = []
    if settings.pause_image_archive:
        pause = settings.image_archive(settings.pause_image_archive, architecture)
        docker = settings.container_runtime == "docker"
        name = f"load the image {settings.pause_image}"
        steps.append(
            _dockers_pause(name, settings.pause_image, pause)
            if docker
            else _step(name, settings, pause, settings.pause_image)
        )
    archives = (settings.image_archive(archive, architecture) for archive in settings.image_archives)
    return (*steps, *(_step(f"load the images of {public(a.url)}", settings, a) for a in archives))


def _step(name: str, settings: Settings, archive: Download, wanted: str = "") -> Step:
    values = {"URL": archive.url, "DIGEST": archive.digest, "WANTED": wanted}
    script = program("images", RUNTIME=settings.container_runtime, **values)
    return Step(name, f"{script}loaded", f"{program('fetch')}{script}load", when="after", downloads=True)


def _dockers_pause(name: str, image: str, archive: Download) -> Step:
    path, loaded = f"{_DIRECTORY}/pause.tar", f"{_DIRECTORY}/pause.sha256"
    fetched = f"{program('fetch')}download {shlex.quote(archive.url)} {archive.digest} {path}"
    load = (
        f"{fetched} && docker load -q -i {path} && docker image inspect {image} >/dev/null && "
        f"echo {archive.digest} > {loaded} && rm {path}"
    )
    check = f"grep -qx {archive.digest} {loaded} && docker image inspect {image}"
    return Step(name, check, load, when="after", downloads=True)
