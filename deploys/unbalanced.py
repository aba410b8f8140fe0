"""Masters and nodes: what is left of a balancer that the settings want no more; nothing goes through it by then."""

from pyinfra import host

from operations import balancer, preflight
from operations.inventory import the_cluster

if {"masters", "nodes"} & set(host.groups) and not the_cluster().balanced:
    preflight.begin()
    balancer.balancer(name="No balancer")
