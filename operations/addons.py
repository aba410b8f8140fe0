"""What of the cluster's own runs on it as pods: cluster DNS, and metrics-server. Both are for one master."""

from collections.abc import Iterator

from pyinfra import host, state
from pyinfra.api import StringCommand, operation

from cluster.workloads import addons
from cluster.workloads.manifests import read
from cluster.workloads.objects import Object
from facts.kubernetes import NodeMetrics
from operations import intent, kubernetes
from operations.inventory import store, the_cluster
from operations.refusal import refuse, refuse_all
from pki import StoreError

_METRICS = "deploys/manifests/metrics-server.yaml.j2"
_UNKNOWN = "to be issued"  # in place of a certificate that a dry run does not issue


def cluster_dns() -> None:
    """Apply CoreDNS and wait until it serves; without the setting, delete what of it was applied here."""
    settings = the_cluster().settings
    if settings.cluster_dns:
        kubernetes.manifest(
            name="Cluster DNS",
            sources="deploys/manifests/dns.yaml.j2",
            values=addons.dns_values(settings),
            deadline=settings.start_timeout,
            spread=True,
        )
    else:
        kubernetes.absent(name="No cluster DNS", resources=addons.DNS_OBJECTS, namespace=addons.SYSTEM, applied=True)


def metrics_server() -> None:
    """Apply metrics-server and wait until it knows every node; without the setting, delete what was applied here."""
    settings = the_cluster().settings
    if settings.metrics_server:
        values = addons.metrics_values(settings, _UNKNOWN, _UNKNOWN, _UNKNOWN)
        intent.written(_METRICS, values, None)
        _metrics_server(intent.earlier(), name="metrics-server")
        _nodes_are_measured(name="Metrics of every node")
    else:
        kubernetes.absent(
            name="No metrics-server", resources=addons.METRICS_OBJECTS, namespace=addons.SYSTEM, applied=True
        )


@operation()
def _metrics_server(before: tuple[Object, ...]) -> Iterator[StringCommand]:
    settings = the_cluster().settings
    try:
        pair = store().ensure(addons.METRICS_SERVER, write=state.is_executing)
        authority = store().authority_certificate("cluster", write=False)
    except StoreError as error:
        refuse_all([str(error)], "the certificate store on this machine cannot be used")
    parts = (authority or _UNKNOWN, pair.certificate if pair else _UNKNOWN, pair.key if pair else _UNKNOWN)
    wanted = read(_METRICS, addons.metrics_values(settings, *parts))
    yield from kubernetes.bring(wanted, before, None, settings.start_timeout, spread=True)


@operation()
def _nodes_are_measured() -> Iterator[StringCommand]:
    """Wait until metrics-server tells of every node."""
    if not state.is_executing:
        host.noop("checked after a run")
        return
    settings, names = the_cluster().settings, [n.name for n in the_cluster().nodes]
    found = host.get_fact(NodeMetrics, wait_for=names, seconds=settings.start_timeout)
    without = [n for n in names if n not in found]
    if without:
        yield refuse(
            f"metrics-server tells nothing of {', '.join(without)}, after {settings.start_timeout} s: does it reach "
            "their kubelets, and the API server it (kubectl -n kube-system logs deployment/metrics-server; "
            "kubectl get apiservice v1beta1.metrics.k8s.io)?"
        )
    else:
        host.noop(f"{len(names)} nodes are measured")
