"""What each role means on a host: one module a role, each a function that returns a `cluster.desired.Role`."""

UNITS = (
    "etcd",
    "flanneld",
    "docker",
    "containerd",
    "api-balancer",
    "etcd-balancer",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
)
LIBEXEC = "/usr/local/libexec/container-cloud"
