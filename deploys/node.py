"""Nodes: kubelet and kube-proxy. Masters wait for them: what follows there is for nodes that are ready."""

from pyinfra import host

from operations import kubernetes, preflight

if "nodes" in host.groups:
    preflight.begin()
if {"masters", "nodes"} & set(host.groups):
    kubernetes.node(name="Kubernetes node")
    kubernetes.uncordon(name="Nodes take pods")
