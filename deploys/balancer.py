"""Masters and nodes: the balancer through which they reach the API servers, where the settings want one."""

from pyinfra import host

from operations import balancer, preflight
from operations.inventory import the_cluster

if {"masters", "nodes"} & set(host.groups) and the_cluster().balanced:
    preflight.begin()
    balancer.balancer(name="Way to the API servers")
