"""Cluster DNS: CoreDNS, by which pods find services, and the world; taken away where the settings want none."""

from pyinfra import host

from operations import addons
from operations.inventory import the_cluster

if host.name == the_cluster().masters[0].name:
    addons.cluster_dns()
