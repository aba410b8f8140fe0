"""What only the lab has: its SSH key, its mirror, its circumstances. Everything else is group_data/all.py's."""

import os as _os
import sys as _sys
from pathlib import Path as _Path

_sys.path.insert(0, str(_Path(__file__).resolve().parents[2]))

from lab import mirror as _mirror  # noqa: E402
from lab import state as _state  # noqa: E402
from lab.process import LabError as _LabError  # noqa: E402

try:
    _manifest = _mirror.manifest()
except _LabError as error:
    _sys.exit(f"lab: {error}")

# --- SSH --------------------------------------------------------------------------------------------------------

ssh_user = "root"
ssh_key = str(_state.SSH_KEY)
ssh_known_hosts_file = str(_state.KNOWN_HOSTS)
ssh_strict_host_key_checking = "yes"

# --- The mirror -------------------------------------------------------------------------------------------------

apt_repositories = [
    {
        "name": "lab",
        "uri": f"{_mirror.URL}/debian",
        "suite": "./",
        "components": [],
        "key": str(_mirror.KEY),
        "trusted": False,
    }
]

# The mirror has one Kubernetes and two flannels: CONTAINER_CLOUD_LAB_FLANNEL=0.15.1 takes the one that reads etcd's
# v2 API.
flannel_version = _os.environ.get("CONTAINER_CLOUD_LAB_FLANNEL", "0.22.3")
flannel_etcd_api = "v2" if flannel_version.startswith("0.15.") else "v3"

release_files = {
    _name: {
        "url": f"{_mirror.URL}/release/{_name}-{{version}}",
        "sha256": _versions.get(flannel_version) if _name == "flanneld" else next(iter(_versions.values())),
    }
    for _name, _versions in _manifest["release"].items()
}

pause_image = "registry.k8s.io/pause:3.2"
pause_image_archive = _manifest["images"]["pause"]

# --- Circumstances ----------------------------------------------------------------------------------------------

time_service = None  # the hosts share the machine's clock
minimum_free_disk_gib = 1  # and its disk
