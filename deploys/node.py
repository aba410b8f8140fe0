"""Nodes: kubelet and kube-proxy."""

from pyinfra import host

from operations import kubernetes, preflight

if "nodes" in host.groups:
    preflight.begin()
    kubernetes.node(name="Kubernetes node")
