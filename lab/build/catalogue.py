"""Which modules the lab builds programs of, in which versions, each with its checksum."""

from lab.build.modules import Module, Siblings

_KUBERNETES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl")
_STAMP = {
    f"k8s.io/component-base/version.{name}": value
    for name, value in {
        "gitVersion": "v{version}",
        "gitMajor": "1",
        "gitMinor": "{minor}",
        "gitCommit": "module",
        "gitTreeState": "archive",
        "buildDate": "1970-01-01T00:00:00Z",
    }.items()
}
_FLANNEL = "github.com/flannel-io/flannel"


def _staging(version: str) -> Siblings:
    return Siblings(r"k8s\.io/[a-z-]+", version.replace("1.", "0.", 1), f"kubernetes-{version}.sum")


def _kubernetes(version: str, checksum: str) -> Module:
    return Module(
        "kubernetes",
        "k8s.io/kubernetes",
        version,
        checksum,
        programs={name: f"./cmd/{name}" for name in _KUBERNETES},
        settings=_STAMP,
        siblings=_staging(version),
        lasts="some 10 minutes",
    )


def _tests(version: str, checksum: str) -> Module:
    return Module(
        "kubernetes-tests",
        "k8s.io/kubernetes",
        version,
        checksum,
        programs={
            "agnhost": "./test/images/agnhost",
            "ginkgo": "github.com/onsi/ginkgo/v2/ginkgo",
            "nonewprivs": "./test/images/nonewprivs",
            "sample-apiserver": "k8s.io/sample-apiserver",
            "e2e.test": "test:./test/e2e",
        },
        settings=_STAMP,
        siblings=_staging(version),
        lasts="some 8 minutes",
    )


def _etcd(program: str, part: str, version: str, checksum: str) -> Module:
    siblings = Siblings(r"go\.etcd\.io/etcd/(?:api|client/pkg|client|pkg|server)/v3", version, f"etcd-{version}.sum")
    return Module(program, f"go.etcd.io/etcd/{part}/v3", version, checksum, {program: "."}, siblings=siblings)


def _flannel(version: str, checksum: str, *, package: str = "pkg/version", without: str | None = None) -> Module:
    return Module(
        "flannel",
        _FLANNEL,
        version,
        checksum,
        programs={"flanneld": "."},
        settings={f"{_FLANNEL}/{package}.Version": "v{version}"},
        without=without,
        cgo=True,  # else the udp backend is not compiled in
    )


_KNOWN = {
    "1.37.2": "h1:A2VDEiObzkYqFTKhSsn0ZEb0RlLEXpHWj93gi2HqEwE=",
    "1.36.3": "h1:qDQdoMiluAE2Eab6Fa52YV+WjiGz9mZFFoagEA6cI+o=",
}
_ALL = [
    *(_kubernetes(version, checksum) for version, checksum in _KNOWN.items()),
    *(_tests(version, checksum) for version, checksum in _KNOWN.items()),
    _etcd("etcd", "server", "3.6.16", "h1:sLkpvz3RFtiNd/yPrZBKz5kT+XO1ZJkhmuUJeqc7OmA="),
    _etcd("etcdctl", "etcdctl", "3.6.16", "h1:vxr4EySgAbHcd5OiYI/IwRnQmC4y5OmusSPLYxQ84/I="),
    _etcd("etcdutl", "etcdutl", "3.6.16", "h1:ghP1wTi/25g43jlrhOmPz0X4D0dXAYBt+nbhYicHcJ0="),
    # Without the one cloud's backend whose library no module proxy has.
    _flannel("0.28.10", "h1:jt+uW6XVV01MBb3YFahG7Ue9UE3W6zlNlJMf3JtdcXI=", without="tencent"),
    # Reads etcd's v3 API. 0.18 to 0.25 read it too, but are deaf to new leases once etcd has been restarted.
    _flannel("0.26.7", "h1:fG3xrErZfrCYQGtSAdZcPnp0+uBsZsWZmKAK77zC0ok="),
    _flannel("0.15.1", "h1:9v5/fapXePDnXVsFBVnji4IeLoXcO81bO8nEbQioYVQ=", package="version"),  # etcd's v2 API
    Module(
        "containerd",
        "github.com/containerd/containerd/v2",
        "2.4.2",
        "h1:p6Qg+xbEz8lvwdhHDx0U469xENvp4LgGBx+E7djXkGw=",
        programs={name: f"./cmd/{name}" for name in ("containerd", "containerd-shim-runc-v2", "ctr")},
        settings={"github.com/containerd/containerd/v2/version.Version": "v{version}"},
    ),
    Module(
        "cni-plugins",
        "github.com/containernetworking/plugins",
        "1.10.0",
        "h1:4lwzpgsn5NdIneXrag/EEfKzhNSriJc1zTxZxfdfPLQ=",
        programs={
            "bridge": "./plugins/main/bridge",
            "loopback": "./plugins/main/loopback",
            "host-local": "./plugins/ipam/host-local",
            "portmap": "./plugins/meta/portmap",
        },
        settings={"github.com/containernetworking/plugins/pkg/utils/buildversion.BuildVersion": "v{version}"},
    ),
    Module(
        "crictl",
        "sigs.k8s.io/cri-tools",
        "1.37.0",
        "h1:BmTImEoTX3KPXCLwmIU9mfCC8umUqF4R8WibY9eVU9Y=",
        programs={"crictl": "./cmd/crictl"},
        settings={"sigs.k8s.io/cri-tools/pkg/version.Version": "v{version}"},
    ),
    Module(
        "coredns",
        "github.com/coredns/coredns",
        "1.14.6",
        "h1:V2g2JdCWJVqYGdX8tlBiK0iQo23Pnt8xs8gHqKyFYs8=",
        programs={"coredns": "."},
    ),
    Module(
        "metrics-server",
        "sigs.k8s.io/metrics-server",
        "0.9.0",
        "h1:nlqqZ2H0Xfko8eJC/1qaNVVT17hu4rxndkOi22KTZ4w=",
        programs={"metrics-server": "./cmd/metrics-server"},
        settings={"k8s.io/component-base/version.gitVersion": "v{version}"},
    ),
    Module(
        "kube-bench",
        "github.com/aquasecurity/kube-bench",
        "0.12.0",
        "h1:mKCGJhS3tA7jd7Q079zNaO2hY2s4ibIkEk4JBfC91GI=",
        programs={"kube-bench": "."},
        settings={"github.com/aquasecurity/kube-bench/cmd.KubeBenchVersion": "v{version}"},
    ),
]
MODULES = {(module.name, module.version): module for module in _ALL}
