"""Every role of one host."""

from dataclasses import replace

from cluster.desired import File, Role, software
from cluster.distributions import Distribution
from cluster.machine import Machine
from cluster.membership import USUAL, Part
from cluster.roles.balancer import balancer_role, unbalanced_role
from cluster.roles.containerd import containerd_role
from cluster.roles.docker import docker_role
from cluster.roles.etcd import etcd_role
from cluster.roles.flannel import flannel_role
from cluster.roles.host import host_role
from cluster.roles.master import master_role
from cluster.roles.node import node_role
from cluster.roles.pki import pki_role
from cluster.settings import Cluster, Host


def runtime_role(cluster: Cluster, host: Host, distribution: Distribution) -> Role:
    """The container runtime that the settings choose, on a node."""
    roles = {"docker": docker_role, "containerd": containerd_role}
    return roles[cluster.settings.container_runtime](cluster, host, distribution)


def services(
    cluster: Cluster, host: Host, machine: Machine, certificates: tuple[File, ...] = (), part: Part = USUAL
) -> list[Role]:
    """What its groups make a host do, in the order in which it is brought about.

    Args:
        machine: the host as it is.
        certificates: its certificate files, which the roles expect; none where only software matters.
        part: what decides its part among etcd's members.
    """
    roles: list[Role] = []
    on = machine.distribution
    calls = host.is_master or host.is_node
    if host.is_etcd:
        roles.append(etcd_role(cluster, host, on, certificates, part))
    if calls and cluster.balanced:
        roles.append(balancer_role(cluster, host, certificates))
    if host.is_master:
        roles.append(master_role(cluster, host, on, certificates))
    if host in cluster.leased:
        roles.append(flannel_role(cluster, host, on, certificates))
    if host.is_node:
        roles += [runtime_role(cluster, host, on), node_role(cluster, host, machine, certificates)]
    if calls and (left := unbalanced_role(cluster, host, roles)).steps:
        roles.append(left)
    return roles


def prepared(cluster: Cluster, host: Host, machine: Machine) -> Role:
    """What every host gets, whatever its roles, and the software of all of these: fetched and installed at once."""
    own = host_role(cluster, machine)
    every = software([own, *services(cluster, host, machine)])
    return replace(own, packages=every.packages, programs=every.programs, packaged_units=every.packaged_units)


def all_roles(
    cluster: Cluster, host: Host, machine: Machine, certificates: tuple[File, ...], part: Part = USUAL
) -> list[Role]:
    """The services' roles, and before them those of every host; arguments as for `services`."""
    every = [host_role(cluster, machine), pki_role(machine.distribution, certificates)]
    return [*every, *services(cluster, host, machine, certificates, part)]
