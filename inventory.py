"""The hosts and their roles: edit the names and addresses, keep the groups.

Every address the cluster uses (etcd's URLs, certificates, kubeconfigs, /etc/hosts) comes from here.
A name may be fully qualified: "node1.example.com". A third argument holds what only that host has, for example an SSH
account or extra arguments:

    _host("node1", "10.1.10.102", ssh_user="admin", host_extra_args={"kubelet": {"max-pods": "50"}})
"""


def _host(name, address, **data):
    return name, {"address": address, "ssh_hostname": address, **data}


masters = [
    _host("master", "10.1.10.101"),
]

nodes = [
    _host("node1", "10.1.10.102"),
    _host("node2", "10.1.10.103"),
    _host("node3", "10.1.10.104"),
]

etcd = masters
