"""What secures the control plane of a current release: its configuration files, and the arguments that name them."""

from pathlib import Path
from typing import Any

from cluster.desired import File
from cluster.formats import HEADER, yaml_file
from cluster.releases import CURRENT
from cluster.roles.configuration import TLS_CIPHERS, TLS_MINIMUM
from cluster.settings import Cluster, Settings

_DIRECTORY = "/etc/kubernetes"
AUTHENTICATION = f"{_DIRECTORY}/authentication.yaml"
ADMISSION = f"{_DIRECTORY}/admission.yaml"
AUDIT_POLICY = f"{_DIRECTORY}/audit-policy.yaml"
LOGS = "/var/log/kubernetes"
AUDIT_LOG = f"{LOGS}/audit.log"
OPEN_PATHS = ("/livez", "/readyz", "/healthz")  # what anybody is answered
SYSTEM_NAMESPACE = "kube-system"


def files(settings: Settings) -> list[File]:
    """The API server's configuration files."""
    if settings.kubernetes_version not in CURRENT:
        return []
    listed = [File(AUTHENTICATION, yaml_file(_authentication())), File(ADMISSION, yaml_file(_admission(settings)))]
    if settings.audit_log:
        own = settings.audit_policy
        listed.append(File(AUDIT_POLICY, HEADER + Path(own).read_text() if own else yaml_file(_audit_policy())))
    return listed


def tls() -> dict[str, str]:
    """Arguments of whatever answers by TLS; those of a release that has no part in this are left out by `choose`."""
    return {"tls-min-version": TLS_MINIMUM, "tls-cipher-suites": ",".join(TLS_CIPHERS), "profiling": "false"}


def api_server_arguments(cluster: Cluster) -> dict[str, str]:
    """The API server's arguments."""
    settings = cluster.settings
    own = {
        **tls(),
        "authentication-config": AUTHENTICATION,
        "admission-control-config-file": ADMISSION,
        "service-account-extend-token-expiration": "false",
    }
    if settings.audit_log:
        own |= {
            "audit-policy-file": AUDIT_POLICY,
            "audit-log-path": AUDIT_LOG,
            "audit-log-maxage": str(settings.audit_log_days),
            "audit-log-maxbackup": str(settings.audit_log_files),
            "audit-log-maxsize": str(settings.audit_log_size_mib),
        }
    return own


def _authentication() -> dict[str, Any]:
    """Anybody learns whether the API server is well, and nothing else."""
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        "anonymous": {"enabled": True, "conditions": [{"path": path} for path in OPEN_PATHS]},
    }


def _admission(settings: Settings) -> dict[str, Any]:
    """What pods may do where a namespace's labels say nothing; the cluster's own parts may what they need."""
    enforced = settings.pod_security
    defaults = {
        f"{mode}{suffix}": value
        for mode in ("enforce", "audit", "warn")
        for suffix, value in (("", enforced), ("-version", "latest"))
    }
    configuration = {
        "apiVersion": "pod-security.admission.config.k8s.io/v1",
        "kind": "PodSecurityConfiguration",
        "defaults": defaults,
        "exemptions": {"usernames": [], "runtimeClasses": [], "namespaces": [SYSTEM_NAMESPACE]},
    }
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AdmissionConfiguration",
        "plugins": [{"name": "PodSecurity", "configuration": configuration}],
    }


def _audit_policy() -> dict[str, Any]:
    """Who changed what, who read Secrets, and who entered a pod, without any content.

    What the cluster's own parts write all the time would hide it: leases, events, the state of nodes and pods.
    """
    own = ["system:nodes", "system:serviceaccounts:kube-system"]
    loops = ["system:apiserver", "system:kube-controller-manager", "system:kube-scheduler", "system:kube-proxy"]
    core, leases, endpoints = {"group": ""}, "coordination.k8s.io", "discovery.k8s.io"
    silent: list[dict[str, Any]] = [
        {"nonResourceURLs": ["/healthz*", "/livez*", "/readyz*", "/version", "/openapi*", "/api*"]},
        {"resources": [{**core, "resources": ["events"]}, {"group": "events.k8s.io"}]},
        {"resources": [{"group": leases, "resources": ["leases"]}], "userGroups": own},
        {"resources": [{"group": leases, "resources": ["leases"]}], "users": loops},
        {"resources": [{**core, "resources": ["nodes/status", "pods/status"]}], "userGroups": ["system:nodes"]},
        {
            "resources": [
                {**core, "resources": ["endpoints"]},
                {"group": endpoints, "resources": ["endpointslices"]},
            ],
            "userGroups": own,
        },
    ]
    secret = [
        {**core, "resources": ["secrets", "configmaps", "serviceaccounts/token"]},
        {"group": "authentication.k8s.io", "resources": ["tokenreviews"]},
    ]
    entered = ["pods/exec", "pods/attach", "pods/portforward", "pods/proxy", "pods/ephemeralcontainers"]
    entered += ["services/proxy", "nodes/proxy"]
    rules = [
        *({"level": "None", **rule} for rule in silent),
        {"level": "Metadata", "resources": [*secret, {**core, "resources": entered}]},
        {"level": "None", "verbs": ["get", "list", "watch"]},
        {"level": "Metadata"},
    ]
    return {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"], "rules": rules}
