"""Whether the services that every pod knows by address stay where they are: no run moves one."""

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address
from typing import Any

from cluster.preflight.remarks import Remark, refusal
from cluster.settings import Cluster, Host


def remarks(cluster: Cluster, host: Host, facts: Mapping[str, Any]) -> Iterator[Remark]:
    """Settings that would have kubelets and the API server speak of other addresses than the services have."""
    settings, found = cluster.settings, facts["services"]
    api_server, dns = found.get("kubernetes"), found.get("kube-dns")
    if api_server and IPv4Address(api_server) != settings.api_server_service_address:
        yield refusal(
            host.name,
            f"pods of this cluster ask the service kubernetes at {api_server}, which is not the first address of "
            f'service_network = "{settings.service_network}": no run moves it; write the former service_network',
        )
    elif dns and settings.cluster_dns and IPv4Address(dns) != settings.dns_address:
        yield refusal(
            host.name,
            f"pods of this cluster ask the service kube-dns at {dns}, and cluster_dns_address is "
            f'{settings.dns_address}: no run moves it; write cluster_dns_address = "{dns}" '
            "(docs/troubleshooting.md says how it is moved)",
        )
