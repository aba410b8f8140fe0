"""Where the guide's cluster is not as shipped. What is not here is as group_data/all.py has it, beside inventory.py.

docs/guide.md goes through the guide row by row. Kubernetes 1.20 is without support: this is for those who have it.
"""

kubernetes_version = "1.20.2"  # its release set has Docker 20.10.24, etcd 3.4.23, flannel 0.26.7
cluster_dns = False  # the guide has none
masters_on_pod_network = False  # nor flannel on its master

# Ports a NodePort service may take on every node; they contain the cluster's own, which no manifest may ask for.
service_node_ports = "80-65535"

# The guide's distribution has packages of all four; where etcd and Docker are packages elsewhere, so are they here.
install_methods = {
    "etcd": "packages",
    "flannel": "release files",
    "docker": "packages",
    "kubernetes": "release files",
}

# The guide's /etc/yum.repos.d/deepin.repo. Its gpgcheck is 0, which installs whatever answers at that address: False,
# if you must.
yum_repositories = [
    {
        "file": "deepin",
        "id": "base",
        "name": "Deepin Server 16 Base",
        "baseurl": "https://packages.deepin.com/server/amd64/os/",
        "gpgcheck": True,
        "key": None,
        "distributions": ["deepin"],
    },
    {
        "file": "deepin",
        "id": "extras",
        "name": "Deepin Server 16 Extras",
        "baseurl": "https://packages.deepin.com/server/amd64/extras/x86_64/",
        "gpgcheck": True,
        "key": None,
        "distributions": ["deepin"],
    },
]

pause_image = "docker.io/tianyebj/pod-infrastructure"

nginx_version = "v1"  # of an image of yours: docker.io's nginx has no tag v1
nginx_node_port = None  # the first of service_node_ports: 80

# --- Changes to a cluster that serves ---------------------------------------------------------------------------

# What others go by is restarted host by host, and the run stops at the first host that does not come back.
max_unavailable = 1  # nodes at a time; etcd members and masters are always taken one by one
# Before what interrupts a node's pods they go elsewhere, as their disruption budgets allow: seconds for which that may
# make no progress before the run stops; 0: nodes are not drained.
drain_timeout = 300
