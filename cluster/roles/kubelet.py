"""What the kubelet is told: by arguments up to Kubernetes 1.35, from then on by a file wherever there is a field."""

from cluster.certificates import KUBERNETES_PKI
from cluster.desired import File, Step
from cluster.formats import HEADER
from cluster.program_fields import Field
from cluster.releases import CURRENT
from cluster.roles.configuration import TLS_CIPHERS, TLS_MINIMUM, document
from cluster.roles.host import are_set
from cluster.settings import Cluster, Host, Settings

CONFIG = "/etc/kubernetes/kubelet.yaml"
CONTAINERD = "unix:///run/containerd/containerd.sock"
# What the kubelet wants of the kernel, and with protectKernelDefaults does not set itself.
KERNEL = {
    "vm.overcommit_memory": "1",
    "vm.panic_on_oom": "0",
    "kernel.panic": "10",
    "kernel.panic_on_oops": "1",
    "kernel.keys.root_maxkeys": "1000000",
    "kernel.keys.root_maxbytes": "25000000",
}
KERNEL_FILE = "/etc/sysctl.d/91-container-cloud-kubelet.conf"
PIDS = 4096  # processes of one pod: far more than one needs, and less than a host has


def kernel(settings: Settings) -> tuple[tuple[File, ...], tuple[Step, ...]]:
    """The kernel parameters without which the kubelet does not start: for the next boot, and for now."""
    if settings.kubernetes_version not in CURRENT or not settings.protect_kernel_defaults:
        return (), ()
    text = HEADER + "".join(f"{name} = {value}\n" for name, value in KERNEL.items())
    # Not whenever the file is written: what is set already need not be, nor can it be where the kernel is another's.
    step = Step("set the kernel parameters that the kubelet wants", are_set(KERNEL), f"sysctl -q -p {KERNEL_FILE}")
    return (File(KERNEL_FILE, text),), (step,)


def old_arguments(cluster: Cluster, host: Host, resolv_conf: str | None) -> dict[str, str]:
    """Everything as arguments, but for the kubeconfig and those that have a variable of their own."""
    settings = cluster.settings
    return {
        "cgroup-driver": settings.docker_cgroup_driver,
        "fail-swap-on": "true" if settings.disable_swap else "false",
        "runtime-cgroups": "/systemd/system.slice",
        "kubelet-cgroups": "/systemd/system.slice",
        "anonymous-auth": "false",
        "authorization-mode": "Webhook",
        "authentication-token-webhook": "true",
        "client-ca-file": f"{KUBERNETES_PKI}/ca.crt",
        "tls-cert-file": f"{KUBERNETES_PKI}/kubelet.crt",
        "tls-private-key-file": f"{KUBERNETES_PKI}/kubelet.key",
        "read-only-port": "0",
        "node-ip": str(host.address),
        "cluster-domain": settings.cluster_domain,
        **({"cluster-dns": str(settings.dns_address)} if settings.cluster_dns else {}),
        **({"resolv-conf": resolv_conf} if resolv_conf else {}),
    }


def configuration(cluster: Cluster, host: Host, resolv_conf: str | None) -> str:
    """KubeletConfiguration, without what the user's further arguments say."""
    said = cluster.arguments("kubelet", host)
    fields = {f.path: f.value for f in _fields(cluster, resolv_conf) if f.argument not in said}
    return document("kubelet.config.k8s.io/v1beta1", "KubeletConfiguration", fields)


def _fields(cluster: Cluster, resolv_conf: str | None) -> list[Field]:
    settings = cluster.settings
    fields = [
        Field("address", "0.0.0.0", "address"),
        Field("readOnlyPort", 0, "read-only-port"),
        Field("authentication.anonymous.enabled", False, "anonymous-auth"),
        Field("authentication.webhook.enabled", True, "authentication-token-webhook"),
        Field("authentication.x509.clientCAFile", f"{KUBERNETES_PKI}/ca.crt", "client-ca-file"),
        Field("authorization.mode", "Webhook", "authorization-mode"),
        Field("tlsCertFile", f"{KUBERNETES_PKI}/kubelet.crt", "tls-cert-file"),
        Field("tlsPrivateKeyFile", f"{KUBERNETES_PKI}/kubelet.key", "tls-private-key-file"),
        Field("tlsMinVersion", TLS_MINIMUM, "tls-min-version"),
        Field("tlsCipherSuites", list(TLS_CIPHERS), "tls-cipher-suites"),
        Field("containerRuntimeEndpoint", CONTAINERD, "container-runtime-endpoint"),
        Field("cgroupDriver", "systemd", "cgroup-driver"),
        Field("failSwapOn", settings.disable_swap, "fail-swap-on"),
        Field("clusterDomain", settings.cluster_domain, "cluster-domain"),
        Field("protectKernelDefaults", settings.protect_kernel_defaults, "protect-kernel-defaults"),
        Field("seccompDefault", True, "seccomp-default"),
        Field("podPidsLimit", PIDS, "pod-max-pids"),
        Field("eventRecordQPS", 50, "event-qps"),
    ]
    if settings.cluster_dns:
        fields.append(Field("clusterDNS", [str(settings.dns_address)], "cluster-dns"))
    if resolv_conf:
        fields.append(Field("resolvConf", resolv_conf, "resolv-conf"))
    if settings.accept_cgroup_v1:
        fields.append(Field("failCgroupV1", False, "fail-cgroupv1"))
    return fields
