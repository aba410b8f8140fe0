"""The lab's mirror and registry as settings of the cluster; lab/group_data/all.py names them."""

import os
import sys
from typing import Any

from lab import components, mirror, registry
from lab.process import LabError
from lab.state import GATEWAY

# The mirror has one Kubernetes and two flannels. This variable chooses the other one.
FLANNEL = os.environ.get("CONTAINER_CLOUD_LAB_FLANNEL", "0.26.7")
ETCD = components.ETCD
DOCKER = components.DOCKER
INSECURE_REGISTRY = f"{GATEWAY}:{registry.PORT}"  # without TLS
_SECURE_REGISTRY = f"{GATEWAY}:{registry.TLS_PORT}"


def flannel_etcd_api() -> str:
    """The etcd API the chosen flannel reads."""
    return "v2" if FLANNEL.startswith("0.15.") else "v3"


def apt_repository() -> dict[str, Any]:
    """The mirror's packages, signed with the lab's key."""
    uri = f"{mirror.URL}/debian"
    return {"name": "lab", "uri": uri, "suite": "./", "components": [], "key": str(mirror.KEY), "trusted": False}


def release_files() -> dict[str, dict[str, str]]:
    """Every program on the mirror: where it is and its checksum."""
    files = {}
    for name, versions in _published()["release"].items():
        version = FLANNEL if name == "flanneld" else next(iter(versions))
        if version not in versions:
            sys.exit(f"lab: the mirror has no {name} {version}, only {', '.join(versions)}")
        files[name] = {"url": f"{mirror.URL}/release/{name}-{{version}}", "sha256": versions[version]}
    return files


def release_archives() -> dict[str, dict[str, str]]:
    """The archives on the mirror, of etcd and Docker: where each is and its checksum."""
    files = {}
    for name, versions in _published()["archives"].items():
        ((version, digest),) = versions.items()
        file = components.ARCHIVES[name][1].replace(version, "{version}")
        files[name] = {"url": f"{mirror.URL}/release/{file}", "sha256": digest}
    return files


def yum_repositories() -> list[dict[str, Any]]:
    """The mirror's repositories of the guide's distribution, signed with the lab's key: base and extras."""
    return [_yum("deepin", "base", "Deepin Server 16 Base"), _yum("deepin", "extras", "Deepin Server 16 Extras")]


def updates_repository() -> dict[str, Any]:
    """A third one, with newer releases."""
    return _yum("updates", "updates", "Deepin Server 16 Updates")


def image(name: str) -> dict[str, str]:
    """An image archive on the mirror (pause, busybox, nginx-v1, nginx-v2): where it is and its checksum."""
    return dict(_published()["images"][name])


def registry_image(name: str, *, secure: bool = False) -> str:
    """A repository of the lab's registry (nginx, busybox) as nodes pull from it, without a tag.

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
