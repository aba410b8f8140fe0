"""The lab's mirror and registry as settings of the cluster; lab/group_data/all.py names them."""

import os
import runpy
import sys
from functools import cache
from typing import Any

from cluster.model import Settings
from lab import mirror, registry, sets, state
from lab.images import PAUSE
from lab.process import LabError
from lab.state import GATEWAY

INSECURE_REGISTRY = f"{GATEWAY}:{registry.PORT}"  # without TLS
_SECURE_REGISTRY = f"{GATEWAY}:{registry.TLS_PORT}"
_GUIDE = state.REPOSITORY / "guide/group_data/all.py"


@cache
def line() -> str:
    """The Kubernetes line that this run deploys: the one the hosts are for, unless CONTAINER_CLOUD_LAB_KUBERNETES says
    otherwise, which must be one that the mirror has."""
    try:
        asked = os.environ.get("CONTAINER_CLOUD_LAB_KUBERNETES")
        found = sets.known(asked or state.line() or sets.NEWEST)
    except LabError as error:
        sys.exit(f"lab: {error}")
    if found not in _published()["lines"]:
        sys.exit(f"lab: the mirror has no Kubernetes {found}: python -m lab up --kubernetes {found}")
    return found


def is_guides() -> bool:
    """Whether it is the guide's line."""
    return line() == sets.GUIDES


def guides() -> dict[str, Any]:
    """The guide's own settings, where its line is deployed."""
    if not is_guides():
        return {}
    return {name: value for name, value in runpy.run_path(str(_GUIDE)).items() if not name.startswith("_")}


def versions() -> dict[str, str]:
    """The versions in which the lab has things otherwise than the release set; and the release."""
    flannel = {"flannel_version": flannel_version()} if is_guides() else {}
    return {"kubernetes_version": sets.LINES[line()], **sets.OTHERWISE, **flannel}


def flannel_version() -> str:
    """The flannel to deploy; beside the guide's there is the one that CONTAINER_CLOUD_LAB_FLANNEL may ask for."""
    return os.environ.get("CONTAINER_CLOUD_LAB_FLANNEL") or sets.version(line(), "flannel")


def flannel_etcd_api() -> str:
    """The etcd API the chosen flannel reads."""
    return "v2" if flannel_version() == sets.OLD_FLANNEL else "v3"


def apt_repository() -> dict[str, Any]:
    """The mirror's packages, signed with the lab's key."""
    uri = f"{mirror.URL}/debian"
    return {"name": "lab", "uri": uri, "suite": "./", "components": [], "key": str(mirror.KEY), "trusted": False}


def release_files() -> dict[str, dict[str, str]]:
    """Every release file of the line, as shipped, but from the mirror, and with its checksum there."""
    shipped = Settings(**versions())
    published = _published()["files"]
    files = {}
    for name, file in shipped.release_files.items():
        place = shipped.release_url(name).removeprefix("https://")
        if place in published:
            address = file.url.replace("https://", f"{mirror.URL}/")
            files[name] = {"url": address, "sha256": published[place]}
    return files


def yum_repositories() -> list[dict[str, Any]]:
    """The mirror's repositories of the guide's distribution, signed with the lab's key: base and extras."""
    return [_yum("deepin", "base", "Deepin Server 16 Base"), _yum("deepin", "extras", "Deepin Server 16 Extras")]


def updates_repository() -> dict[str, Any]:
    """A third one, with newer releases."""
    return _yum("updates", "updates", "Deepin Server 16 Updates")


def image(name: str) -> dict[str, str]:
    """An image archive on the mirror (busybox, nginx-v1, nginx-v2, …): where it is and its checksum."""
    return dict(_published()["images"][name])


def pause_image() -> str:
    """The image that holds a pod's network namespace."""
    return sets.pause_image(line())


def pause_archive() -> dict[str, str]:
    """Its archive on the mirror."""
    return image(f"pause-{pause_image().removeprefix(f'{PAUSE}:')}")


def registry_image(name: str, *, secure: bool = False) -> str:
    """A repository of the lab's registry (nginx, busybox, coredns, …) as nodes pull from it, without a tag.

    Args:
        name: the repository.
        secure: over TLS rather than plain HTTP.
    """
    return f"{_SECURE_REGISTRY if secure else INSECURE_REGISTRY}/{name}"


def _yum(file: str, name: str, title: str) -> dict[str, Any]:
    baseurl = f"{mirror.URL}/yum/{name}/"
    return {"file": file, "id": name, "name": title, "baseurl": baseurl, "gpgcheck": True, "key": str(mirror.KEY)}


def _published() -> dict[str, Any]:
    try:
        return mirror.manifest()
    except LabError as error:
        sys.exit(f"lab: {error}")
