"""Masters and nodes: the balancers through which they reach the API servers, and masters etcd's members."""

from pyinfra import host

from operations import balancer, preflight
from operations.inventory import the_cluster

if {"masters", "nodes"} & set(host.groups) and the_cluster().balanced:
    preflight.begin()
    balancer.balancer(name="Way to the API servers")
