"""The host's network: its own address, and what of it lies where pods and services shall live."""

import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

from cluster.addresses import Span, span
from cluster.machine import resolv_conf
from cluster.preflight.remarks import Remark, refusal, warning
from cluster.settings import Cluster, Host

# What flannel, Docker and kube-proxy make: they follow the settings.
_OWN = re.compile(r"docker0|cni0|kube-ipvs0|flannel[.0-9-].*")
_MASK = 8  # a route shorter than this is a way to everywhere, not to hosts of somebody's


def remarks(cluster: Cluster, host: Host, facts: Mapping[str, Any]) -> Iterator[Remark]:
    """What is wrong with addresses, routes and resolvers; nothing where `ip` is missing."""
    if facts["interfaces"]:
        yield from _address(host, facts["interfaces"])
        if host in cluster.leased:
            yield from _interface(cluster, host, facts["interfaces"])
    if host in cluster.leased:
        yield from _in_the_way(cluster, host, facts)
    if host.is_node:
        yield from _resolvers(cluster, host, facts)


def _address(host: Host, interfaces: Mapping[str, list[str]]) -> Iterator[Remark]:
    there = {name: [IPv4Interface(a).ip for a in listed] for name, listed in interfaces.items()}
    if not any(host.address in listed for listed in there.values()):
        has = [f"{name} has {' and '.join(map(str, listed))}" for name, listed in _foreign(there) if listed]
        yield refusal(
            host.name,
            f"no interface has {host.address} ({', '.join(has) or 'none has an address'}): write as its address in "
            "inventory.py the one at which the other hosts reach it",
        )


def _foreign(interfaces: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in interfaces.items() if name != "lo" and not _OWN.fullmatch(name)]


def _interface(cluster: Cluster, host: Host, interfaces: Mapping[str, list[str]]) -> Iterator[Remark]:
    wanted = cluster.settings.flannel_interface
    if wanted is None:
        return
    usable = [name for name, listed in _foreign(interfaces) if listed]
    if wanted not in interfaces:
        why = "there is no such interface"
    elif wanted not in dict(_foreign(interfaces)):
        why = "it leads to no other host"
    elif not interfaces[wanted]:
        why = "it has no IPv4 address"
    else:
        return
    advice = f"write one of {', '.join(usable)}, or None for the one with {host.address}"
    yield refusal(host.name, f'flannel_interface = "{wanted}": {why}; {advice}')


def _in_the_way(cluster: Cluster, host: Host, facts: Mapping[str, Any]) -> Iterator[Remark]:
    """Addresses that pods, or on a node services, would take away from this host."""
    taken = {
        f"what flannel may lease ({cluster.settings.leases.span})": cluster.settings.leases.span,
    }
    if host.is_node:  # elsewhere nobody looks for services
        taken[f"service_network ({cluster.settings.service_network})"] = span(cluster.settings.service_network)
    advice = "write other networks as pod_network and service_network, or move pod_subnet_min and pod_subnet_max"
    for what, among in taken.items():
        for name, thing in _addresses(host, facts, among):
            yield refusal(host.name, f"{name} lies in {what}: {thing} would be lost; {advice}")
        for route in _routes(cluster, facts):
            network = IPv4Network(route["to"], strict=False)
            text = f"its route {route['to']} {_way(route)}"
            if not span(network).overlaps(among):
                continue
            if network.network_address <= among.first and among.last <= network.broadcast_address:
                if network.prefixlen >= _MASK:
                    yield warning(host.name, f"{text} covers {what}: what is reached through it there no longer is")
            else:
                yield refusal(host.name, f"{text} lies in {what}: it would be lost; {advice}")
        services = facts["installed"] and "service_network" in what  # the cluster's own DNS may be the host's resolver
        for server in [] if services else _ipv4(_servers(facts)):
            if server in among:
                yield refusal(host.name, f"its resolver {server} lies in {what}: it would be lost; {advice}")
        if facts["client"] and any(address in among for address in _ipv4([facts["client"]])):
            yield refusal(
                host.name, f"this run comes from {facts['client']}, which lies in {what}: the way back would be lost; "
                f"{advice}"
            )  # fmt: skip


def _addresses(host: Host, facts: Mapping[str, Any], among: Span) -> Iterator[tuple[str, str]]:
    for name, listed in facts["interfaces"].items():
        if _OWN.fullmatch(name):
            continue
        own = host.address in [IPv4Interface(a).ip for a in listed]
        for address in map(IPv4Interface, listed):
            # Of a large network that carries the cluster itself, pods may have a part that nobody else uses.
            if address.ip in among or (not own and span(address.network).overlaps(among)):
                yield f"{address} of its interface {name}", "whatever is reached through it"


def _routes(cluster: Cluster, facts: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Routes that are neither the default, nor an interface's own network, nor flannel's."""
    networks = {IPv4Interface(a).network for listed in facts["interfaces"].values() for a in listed}
    hosts = {str(h.address) for h in cluster.hosts}
    for route in facts["routes"]:
        leased = route["via"] in hosts or (facts["installed"] and route["via"])  # by host-gw, or by a node since gone
        if route["to"] == "default" or _OWN.fullmatch(route["dev"]) or leased:
            continue
        if route["via"] or IPv4Network(route["to"], strict=False) not in networks:
            yield route


def _way(route: Mapping[str, str]) -> str:
    return f"via {route['via']}" if route["via"] else f"to {route['dev'] or 'nowhere'}"


def _servers(facts: Mapping[str, Any]) -> list[str]:
    return list(facts["resolved"] if resolv_conf(facts) else facts["resolvers"])


def _ipv4(texts: list[str]) -> Iterator[IPv4Address]:
    for text in texts:
        try:
            yield IPv4Address(text)
        except ValueError:
            continue  # IPv6 is none of the cluster's


def _resolvers(cluster: Cluster, host: Host, facts: Mapping[str, Any]) -> Iterator[Remark]:
    if "resolv-conf" in cluster.arguments("kubelet", host):
        return
    if not facts["resolv_conf"]:
        yield refusal(
            host.name,
            "there is no /etc/resolv.conf, without which no pod starts; write the host's resolvers there, or an empty "
            "file",
        )
    local = [server for server in _servers(facts) if server.startswith("127.") or server == "::1"]
    if local:
        yield warning(
            host.name,
            f"/etc/resolv.conf names {', '.join(local)}, which pods cannot reach: write a file with other resolvers "
            'and name it in host_extra_args: {"kubelet": {"resolv-conf": "/etc/resolv.pods.conf"}}',
        )
