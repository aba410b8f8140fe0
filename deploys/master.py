"""Masters: API server, controller manager, scheduler; taken away where there is a master no more."""

from pyinfra import host, inventory

from operations import kubernetes, preflight

if preflight.has_role():
    preflight.begin()
    kubernetes.former_loops(name="Former masters' control loops")
several = len(inventory.get_group("masters", [])) > 1
if "masters" in host.groups:
    if several:
        kubernetes.joining_server(name="API servers of masters that join")
    kubernetes.master(name="Kubernetes master")
if preflight.has_role():
    kubernetes.former_master(name="Former masters")
if "masters" in host.groups and (several or preflight.former_masters()):
    kubernetes.encrypt_secrets(name="Encryption of Secrets")
    kubernetes.rewrite_secrets(name="Secrets in etcd")
