"""What only the lab has: its SSH key, its mirror, its circumstances. All else is the shipped group_data/all.py's."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import lab.settings as mirror
import lab.state as state

# --- SSH --------------------------------------------------------------------------------------------------------

ssh_user = "root"
ssh_key = str(state.SSH_KEY)
ssh_known_hosts_file = str(state.KNOWN_HOSTS)
ssh_strict_host_key_checking = "yes"

# --- The mirror -------------------------------------------------------------------------------------------------

apt_repositories = [mirror.apt_repository()]
yum_repositories = mirror.yum_repositories()
release_files = {**mirror.release_files(), **mirror.release_archives()}

# The guide's way on hosts that have the guide's packages.
install_methods = {
    "etcd": "packages",
    "flannel": {"deb": "release files", "rpm": "packages"},
    "docker": "packages",
    "kubernetes": {"deb": "release files", "rpm": "packages"},
}

flannel_version = mirror.FLANNEL  # CONTAINER_CLOUD_LAB_FLANNEL=0.15.1: the one that reads etcd's v2 API
flannel_etcd_api = mirror.flannel_etcd_api()

pause_image = "registry.k8s.io/pause:3.2"
pause_image_archive = mirror.image("pause")

# The guide's --insecure-registry at work: the lab's registry speaks plain HTTP here.
insecure_registries = [mirror.INSECURE_REGISTRY]

# --- The first workload -----------------------------------------------------------------------------------------

nginx_image = mirror.registry_image("nginx")

# --- Certificates -----------------------------------------------------------------------------------------------

pki_directory = str(state.PKI)  # beside the hosts they are for, not among your own

# --- Circumstances ----------------------------------------------------------------------------------------------

time_service = None  # the hosts share the machine's clock
minimum_free_disk_gib = 1  # and its disk
