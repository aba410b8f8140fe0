"""Masters: API server, controller manager, scheduler; taken away where there is a master no more."""

from pyinfra import host, inventory

from operations import kubernetes, preflight

if preflight.has_role():
    preflight.begin()
    kubernetes.former_master(name="Former masters")
if "masters" in host.groups:
    kubernetes.master(name="Kubernetes master")
    kubernetes.joining_master(name="Masters that join")
    if len(inventory.get_group("masters")) > 1:
        kubernetes.rewrite_secrets(name="Secrets in etcd")
