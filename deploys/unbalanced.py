"""Masters and nodes: what is left of a balancer that the settings want no more; nothing goes through it by then."""

from pyinfra import host

from operations import balancer

if {"masters", "nodes"} & set(host.groups):
    balancer.unbalanced(name="No balancer")
