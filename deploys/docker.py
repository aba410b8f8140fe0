"""Nodes: Docker on flannel's lease."""

from pyinfra import host

from operations import docker, preflight

if "nodes" in host.groups:
    preflight.begin()
    docker.engine(name="Docker")
