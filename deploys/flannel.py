"""Nodes: flanneld and its lease."""

from pyinfra import host

from operations import flannel, preflight

if "nodes" in host.groups:
    preflight.begin()
    flannel.lease(name="flannel")
