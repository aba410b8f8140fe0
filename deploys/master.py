"""Masters: API server, controller manager, scheduler."""

from pyinfra import host, inventory

from operations import kubernetes, preflight

if "masters" in host.groups:
    preflight.begin()
    kubernetes.master(name="Kubernetes master")
    if len(inventory.get_group("masters")) > 1:
        kubernetes.rewrite_secrets(name="Secrets in etcd")
