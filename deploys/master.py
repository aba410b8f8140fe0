"""Masters: API server, controller manager, scheduler."""

from pyinfra import host

from operations import kubernetes, preflight

if "masters" in host.groups:
    preflight.begin()
    kubernetes.master(name="Kubernetes master")
