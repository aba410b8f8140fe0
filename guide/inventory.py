"""The guide's four hosts, with the guide's settings (group_data/ beside this file): Kubernetes 1.20 with Docker.

pyinfra guide/inventory.py deploys/cluster.py
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
