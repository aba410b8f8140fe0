"""Masters and nodes: balancers that the settings want no more go, and former masters from those that stay."""

from pyinfra import host

from operations import balancer

if {"masters", "nodes"} & set(host.groups):
    balancer.unbalanced(name="No balancer")
