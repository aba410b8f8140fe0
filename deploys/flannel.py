"""Nodes, and masters that are on the pod network: flanneld and its lease."""

from operations import flannel, preflight

if flannel.is_leased():
    preflight.begin()
    flannel.lease(name="flannel")
    flannel.ways(name="Ways to other hosts")
