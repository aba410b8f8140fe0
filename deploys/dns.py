"""Cluster DNS: CoreDNS, by which pods find services, and the world; taken away where the settings want none."""

from operations import addons
from operations.elsewhere import is_first
from operations.inventory import the_cluster

if is_first(the_cluster().masters):
    addons.cluster_dns()
