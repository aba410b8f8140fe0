"""Checks of what runs on the cluster itself: cluster DNS, metrics-server."""

from collections.abc import Iterator

from cluster.checks.registry import Draft, check
from cluster.problems import Problem, show
from cluster.topology import NODES


@check("cluster_dns_address", "service_network")
def dns_address_is_a_services(draft: Draft) -> Iterator[Problem]:
    settings = draft.settings
    address, network = settings.cluster_dns_address, settings.service_network
    if address is None:
        return
    example = show(str(network.network_address + 10))
    if address not in network or address in (network.network_address, network.broadcast_address):
        advice = f"is no address of service_network {network}; write one, as {example}, or None"
        yield Problem("cluster_dns_address", str(address), advice)
    elif address == settings.api_server_service_address:
        advice = f"is where pods find the API server; write another of {network}, as {example}, or None"
        yield Problem("cluster_dns_address", str(address), advice)


@check("cluster_dns", "cluster_dns_replicas")
def dns_outlasts_a_node(draft: Draft) -> Iterator[Problem]:
    settings, nodes = draft.settings, len(draft.members(NODES))
    replicas = settings.cluster_dns_replicas
    if settings.cluster_dns and replicas == 1 < nodes:
        advice = "while that pod's node is down, no pod finds anything by name; better write 2"
        yield Problem("cluster_dns_replicas", replicas, advice, severity="warning")


@check("metrics_server", "masters_on_pod_network")
def metrics_are_reached(draft: Draft) -> Iterator[Problem]:
    settings = draft.settings
    if settings.metrics_server and not settings.masters_on_pod_network:
        advice = (
            "needs masters on the pod network: the API server hands on what is asked of it; write "
            "masters_on_pod_network = True"
        )
        yield Problem("metrics_server", True, advice)
