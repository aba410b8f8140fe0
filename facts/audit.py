"""What an audit asks of a host, in one command; and the file in which an account that may run nothing else has it."""

from collections.abc import Iterable
from typing import Any

from cluster.desired import Role
from cluster.families import FamilyName
from cluster.reach import asked_names
from cluster.roles import LIBEXEC, UNITS
from cluster.roles.lease import device
from cluster.settings import Cluster, Host
from cluster.workloads import addons
from facts import bundle, containerd, docker
from facts.base import Fact
from facts.bundle import Questions
from facts.certificates import Certificates
from facts.etcd import FlannelKeys, Health, Members
from facts.flannel import SubnetEnv
from facts.kubernetes import ApiServer, Nodes
from facts.network import PodNetwork, Ways
from facts.packages import Altered, Offers
from facts.role import RoleState, asked
from facts.units import CommandLines
from facts.workloads import Controllers, Pods

READER = f"{LIBEXEC}/audit"
# Root runs it for somebody else: nothing of that account's environment (PATH, HOME with its .curlrc, ...) is left.
_HEADER = f"""#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin LC_ALL=C; export PATH LC_ALL
[ $# = 1 ] || exec /usr/bin/env -i PATH="$PATH" LC_ALL=C HOME=/root /bin/sh {READER} alone
# Written by container-cloud: what an audit reads here, and all it does.
"""


def questions(cluster: Cluster, host: Host, family: FamilyName, roles: Iterable[Role]) -> Questions:
    """The facts that tell everything about a host, by the names an audit knows them by.

    Args:
        family: the host's.
        roles: all it has.
    """
    settings, listed = cluster.settings, list(roles)
    units = [u.name for r in listed for u in r.units]
    packages = list(dict.fromkeys(p.name for r in listed for p in r.packages))
    flannel = {"network": str(settings.pod_network), "backend": settings.flannel_backend, "device": device(settings)}
    runtime = settings.container_runtime
    found: dict[str, tuple[type[Fact[Any]], dict[str, Any]]] = {}
    if host.is_node:  # first: nodes ask each other, and begin at the same time
        podless = [str(h.address) for h in cluster.leased if not h.is_node]
        found |= {"pods": (PodNetwork, {**flannel, **asked_names(settings), "runtime": runtime, "podless": podless})}
    found |= {
        "roles": (RoleState, asked(listed, family)),
        "certificates": (Certificates, {}),
        "commands": (CommandLines, {"units": [u for u in UNITS if u in units]}),
        "offers": (Offers, {"packages": packages}),
        "altered": (Altered, {"packages": packages, "family": family}),
    }
    if host.is_etcd:
        keys = {"prefix": settings.flannel_etcd_prefix, "api": settings.flannel_etcd_api}
        found |= {"health": (Health, {}), "members": (Members, {}), "keys": (FlannelKeys, keys)}
    if host in cluster.leased:
        found |= {"lease": (SubnetEnv, {})}
        found |= {"ways": (Ways, {"network": flannel["network"], "device": flannel["device"]})}
    if host.is_node:
        found |= {"engine": (docker.Engine if runtime == "docker" else containerd.Engine, {})}
    if host.is_master:
        found |= {"api": (ApiServer, {}), "nodes": (Nodes, {})}
    if host.is_master and settings.cluster_dns:
        found |= {"dns": (Controllers, {"names": [addons.DNS], "namespace": addons.SYSTEM})}
        found |= {"dns_pods": (Pods, {"labels": addons.DNS_PODS, "namespace": addons.SYSTEM})}
    return found


def reader(asked_of_host: Questions) -> str:
    """The file that answers all questions of a host."""
    return f"{_HEADER}{bundle.command(asked_of_host)}\n"
