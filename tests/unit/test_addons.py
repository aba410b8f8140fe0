"""Cluster DNS and metrics-server as they are written: what each release takes, who they are, how they are rolled."""

from typing import Any

import pytest

from cluster.settings import Cluster
from cluster.workloads.addons import DNS_OBJECTS, METRICS_OBJECTS, METRICS_SERVER, dns_values, metrics_values
from cluster.workloads.manifests import read
from cluster.workloads.objects import Manifest, Object
from tests.unit.example import cluster, current


def dns(of: Cluster) -> Manifest:
    return read("deploys/manifests/dns.yaml.j2", dns_values(of.settings))


def metrics(of: Cluster, certificate: str = "one") -> Manifest:
    values = metrics_values(of.settings, "authority", certificate, "key")
    return read("deploys/manifests/metrics-server.yaml.j2", values)


def only(objects: Manifest, kind: str) -> Object:
    (one,) = [o for o in objects if o.kind == kind]
    return one


def pod(objects: Manifest) -> dict[str, Any]:
    return dict(only(objects, "Deployment").pod_spec)


@pytest.mark.parametrize(
    ("written", "listed"), [(dns, DNS_OBJECTS), (metrics, METRICS_OBJECTS)], ids=["dns", "metrics"]
)
def test_what_is_made_is_what_is_taken_away(written: Any, listed: tuple[str, ...]) -> None:
    assert sorted(f"{o.kind.lower()}/{o.name}" for o in written(current())) == sorted(listed)


@pytest.mark.parametrize("written", [dns, metrics])
def test_everything_is_of_kube_system_that_has_a_namespace(written: Any) -> None:
    clusterwide = {"ClusterRole", "ClusterRoleBinding", "APIService"}
    assert {o.namespace for o in written(current()) if o.kind not in clusterwide} == {"kube-system"}


def test_dns_answers_where_the_settings_say() -> None:
    of = current(cluster_domain="k.example", cluster_dns_image="registry.example/dns", cluster_dns_replicas=3)
    objects = dns(of)
    (container,) = pod(objects)["containers"]
    assert container["image"] == f"registry.example/dns:v{of.settings.coredns_version}"
    assert only(objects, "Service").body["spec"]["clusterIP"] == str(of.settings.dns_address)
    assert only(objects, "Deployment").replicas == 3
    corefile = only(objects, "ConfigMap").body["data"]["Corefile"]
    assert "\n    kubernetes k.example in-addr.arpa ip6.arpa {\n" in corefile and corefile.endswith("}\n")


def test_a_moved_address_is_the_settings() -> None:
    network = current().settings.service_network
    address = str(network.network_address + 53)
    assert only(dns(current(cluster_dns_address=address)), "Service").body["spec"]["clusterIP"] == address


@pytest.mark.parametrize(("replicas", "fewer", "more"), [(1, 0, 1), (2, 1, 0), (3, 1, 0)])
def test_dns_is_rolled_without_a_moment_without_an_answer(replicas: int, fewer: int, more: int) -> None:
    """And with several, one by one in the places that there are, so that they stay apart."""
    strategy = only(dns(current(cluster_dns_replicas=replicas)), "Deployment").body["spec"]["strategy"]
    assert strategy["rollingUpdate"] == {"maxUnavailable": fewer, "maxSurge": more}


def test_another_corefile_rolls_the_pods_that_read_it() -> None:
    def annotations(of: Cluster) -> Any:
        return only(dns(of), "Deployment").body["spec"]["template"]["metadata"]["annotations"]

    assert annotations(current()) == annotations(current(cluster_dns_replicas=3))
    assert annotations(current()) != annotations(current(cluster_domain="k.example"))


def test_another_certificate_rolls_metrics_server() -> None:
    templates = [only(metrics(current(), c), "Deployment").body["spec"]["template"] for c in ("one", "two")]
    assert templates[0]["metadata"]["annotations"] != templates[1]["metadata"]["annotations"]


@pytest.mark.parametrize("written", [dns, metrics])
def test_pods_are_nobody_who_may_nothing(written: Any) -> None:
    """As the standard "restricted" asks, so that they run whatever a namespace enforces."""
    found = pod(written(current()))
    (container,) = found["containers"]
    assert found["securityContext"]["runAsNonRoot"] and found["securityContext"]["runAsUser"] > 0
    assert found["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    own = container["securityContext"]
    assert not own["allowPrivilegeEscalation"] and own["readOnlyRootFilesystem"]
    assert own["capabilities"]["drop"] == ["ALL"]
    assert own["capabilities"].get("add", []) in ([], ["NET_BIND_SERVICE"])


def test_the_guides_release_is_given_what_it_takes() -> None:
    """SecurityContextDeny refuses pods that say who they run as; 1.20 has no sysctl for port 53, and older APIs."""
    objects = dns(cluster(cluster_dns=True))
    assert "securityContext" not in pod(objects)
    assert only(objects, "PodDisruptionBudget").body["apiVersion"] == "policy/v1beta1"
    assert "endpoints" in only(objects, "ClusterRole").body["rules"][0]["resources"]
    assert "endpoints" not in only(dns(current()), "ClusterRole").body["rules"][0]["resources"]
    assert "securityContext" not in pod(metrics(cluster()))


def test_dns_may_read_what_it_answers_from_and_nothing_else() -> None:
    rules = only(dns(current()), "ClusterRole").body["rules"]
    assert {r for rule in rules for r in rule["resources"]} == {"services", "pods", "namespaces", "endpointslices"}
    assert {v for rule in rules for v in rule["verbs"]} == {"list", "watch"}


def test_metrics_server_is_who_the_api_server_calls() -> None:
    objects = metrics(current())
    service = only(objects, "APIService").body["spec"]["service"]
    assert METRICS_SERVER.dns_names == (f"{service['name']}.{service['namespace']}.svc",)
    (container,) = pod(objects)["containers"]
    assert "--kubelet-certificate-authority=/etc/metrics-server/authority/ca.crt" in container["args"]
    assert not any("insecure" in argument for argument in container["args"])
    assert "insecureSkipTLSVerify" not in only(objects, "APIService").body["spec"]
