"""What of the cluster's own runs on it as anybody's pods do: cluster DNS, and metrics-server."""

from typing import Any

from cluster.releases import Releases
from cluster.settings import Settings
from pki import Request

SYSTEM = "kube-system"  # the namespace of what is the cluster's own

DNS = "deployment/coredns"
DNS_PODS = {"k8s-app": "kube-dns"}
# All of deploys/manifests/dns.yaml.j2, in the order in which it goes.
DNS_OBJECTS = (
    "service/kube-dns",
    "poddisruptionbudget/coredns",
    DNS,
    "configmap/coredns",
    "clusterrolebinding/system:coredns",
    "clusterrole/system:coredns",
    "serviceaccount/coredns",
)

METRICS = "deployment/metrics-server"
# All of deploys/manifests/metrics-server.yaml.j2, likewise.
METRICS_OBJECTS = (
    "apiservice/v1beta1.metrics.k8s.io",
    "service/metrics-server",
    METRICS,
    "secret/metrics-server",
    "rolebinding/metrics-server-auth-reader",
    "clusterrolebinding/metrics-server:system:auth-delegator",
    "clusterrolebinding/system:metrics-server",
    "clusterrole/system:metrics-server",
    "clusterrole/system:aggregated-metrics-reader",
    "serviceaccount/metrics-server",
)
METRICS_SERVER = Request(
    "metrics-server",
    "cluster",
    "metrics-server",
    dns_names=(f"metrics-server.{SYSTEM}.svc",),  # what the API server calls it, and expects in its certificate
    usages=frozenset({"server"}),
)

_SLICES = Releases(first="1.21")  # serve endpoint slices, and disruption budgets, as v1
_SYSCTL = Releases(first="1.22")  # let a pod bind port 53 without being root, and have no SecurityContextDeny enabled
_SUMMARY = Releases(last="0.5")  # of metrics-server: read the kubelet's summary, not its metrics


def dns_values(settings: Settings) -> dict[str, Any]:
    """What deploys/manifests/dns.yaml.j2 is filled in from."""
    return {
        "address": str(settings.dns_address),
        "domain": settings.cluster_domain,
        "image": settings.cluster_dns_image,
        "version": settings.coredns_version,
        "replicas": settings.cluster_dns_replicas,
        "slices": settings.kubernetes_version in _SLICES,
        "restricted": settings.kubernetes_version in _SYSCTL,
    }


def metrics_values(settings: Settings, authority: str, certificate: str, key: str) -> dict[str, Any]:
    """What deploys/manifests/metrics-server.yaml.j2 is filled in from.

    Args:
        authority: the certificate of the cluster's authority, as PEM.
        certificate, key: the pair of METRICS_SERVER, as PEM.
    """
    return {
        "authority": authority,
        "certificate": certificate,
        "key": key,
        "image": settings.metrics_server_image,
        "version": settings.metrics_server_version,
        "summary": settings.metrics_server_version in _SUMMARY,
        "restricted": settings.kubernetes_version in _SYSCTL,
    }
