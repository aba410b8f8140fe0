"""What only the lab has: its SSH key, its mirror, its circumstances. All else is the shipped group_data/all.py's, and
for the guide's Kubernetes guide/group_data/all.py's."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import lab.settings as mirror
import lab.state as state

globals().update(mirror.guides())

# --- SSH --------------------------------------------------------------------------------------------------------

ssh_user = "root"
ssh_key = str(state.SSH_KEY)
ssh_known_hosts_file = str(state.KNOWN_HOSTS)
ssh_strict_host_key_checking = "yes"

# --- The mirror -------------------------------------------------------------------------------------------------

# CONTAINER_CLOUD_LAB_KUBERNETES=1.36 before a run: another line than the hosts are for, if the mirror has it.
# CONTAINER_CLOUD_LAB_FLANNEL=0.15.1, with the guide's: the flannel that reads etcd's v2 API.
globals().update(mirror.versions())
flannel_etcd_api = mirror.flannel_etcd_api()

apt_repositories = [mirror.apt_repository()]
yum_repositories = mirror.yum_repositories()
release_files = mirror.release_files()

if mirror.is_guides():
    # The guide's way on hosts that have the guide's packages.
    install_methods = {
        "etcd": "packages",
        "flannel": {"deb": "release files", "rpm": "packages"},
        "docker": "packages",
        "kubernetes": {"deb": "release files", "rpm": "packages"},
    }

pause_image = mirror.pause_image()
pause_image_archive = mirror.pause_archive()

# The guide's --insecure-registry at work: the lab's registry speaks plain HTTP here.
insecure_registries = [mirror.INSECURE_REGISTRY]

# --- What runs on the cluster -----------------------------------------------------------------------------------

nginx_image = mirror.registry_image("nginx")
nginx_version = "v1"
cluster_dns_image = mirror.registry_image("coredns")
metrics_server_image = mirror.registry_image("metrics-server")

# --- Certificates -----------------------------------------------------------------------------------------------

pki_directory = str(state.PKI)  # beside the hosts they are for, not among your own

# --- Circumstances ----------------------------------------------------------------------------------------------

time_service = None  # the hosts share the machine's clock
minimum_free_disk_gib = 1  # and its disk
accept_cgroup_v1 = True  # and its cgroups
