"""Nodes: the container runtime, containerd or Docker, on flannel's lease."""

from pyinfra import host

from operations import preflight, runtime

if "nodes" in host.groups:
    preflight.begin()
    runtime.engine(name="Container runtime")
