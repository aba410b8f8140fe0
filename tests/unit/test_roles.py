"""What each role puts on a host: the guide's lines in the guide's files, flags of the release, inputs of the units."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster import releases
from cluster.desired import File, Role, Turn, Unit
from cluster.distributions import Distribution
from cluster.membership import LIVED
from cluster.plan import plan
from cluster.ports import BALANCERS
from cluster.roles import UNITS, kubernetes, master, node
from cluster.roles.docker import DAEMON
from cluster.roles.etcd import BOOTSTRAP, flannel_configuration
from cluster.roles.lease import DOCKER_ENV, SUBNET_ENV
from cluster.settings import Cluster, load
from tests.unit import example
from tests.unit.example import (
    DEBIAN,
    DEEPIN,
    PACKAGES,
    RELEASE_FILES,
    cluster,
    converged,
    current,
    expected,
    roles,
    several,
)
from tests.unit.test_settings import data, fqdn, groups

# A package of Debian 12 has these versions; the settings say them of what is a release file.
PACKAGED = {"etcd": "3.4.23", "dockerd": "20.10.24"}
OLD_FLANNEL = {"flannel_version": "0.15.1", "flannel_etcd_api": "v2"}
CLUSTERS = {
    "shipped": cluster(),
    "several": several(),
    "old flannel": several(**OLD_FLANNEL),
    "host-gw": cluster(flannel_backend="host-gw", flannel_interface="eth1"),
    "udp": cluster(flannel_backend="udp", flannel_backend_options={"Port": 7890}),
    "all settings": several(
        kube_proxy_mode="ipvs", log_level=4, docker_cgroup_driver="cgroupfs", disable_swap=False,
        insecure_registries=["10.1.10.0/24"], registry_mirrors=["https://mirror.example"],
        docker_options=["--log-opt", "max-size=50m"], pod_subnet_max="192.168.200.0",
        pause_image_archive={"url": "http://mirror.example/pause.tar", "sha256": "ab" * 32},
    ),
    "release files": several(install_methods=RELEASE_FILES),
    "rpm packages": several(install_methods=PACKAGES),
    "rpm release files": several(install_methods=RELEASE_FILES),
    "balanced": cluster(example.SEVERAL),
    "current": current(),
    "1.36": current(kubernetes_version="1.36.3"),
    "current several": current(example.SEVERAL, accept_cgroup_v1=True),
    "one balanced": current(api_server_balancer=True),
}  # fmt: skip
# What units of the rpm family's packages run, as CentOS 7 has them; a variable that nobody sets is empty there.
PACKAGED_UNITS = {
    "etcd": '/bin/bash -c "GOMAXPROCS=4 /usr/bin/etcd"',
    "flanneld": "/usr/bin/flanneld -etcd-endpoints=${FLANNEL_ETCD_ENDPOINTS} $FLANNEL_OPTIONS",
    "docker": "/usr/bin/dockerd $OPTIONS $DOCKER_STORAGE_OPTIONS $DOCKER_NETWORK_OPTIONS",
    "kube-apiserver": "/usr/bin/kube-apiserver $KUBE_LOGTOSTDERR $KUBE_LOG_LEVEL $KUBE_ETCD_SERVERS $KUBE_API_ADDRESS "
    "$KUBE_API_PORT $KUBELET_PORT $KUBE_ALLOW_PRIV $KUBE_SERVICE_ADDRESSES $KUBE_ADMISSION_CONTROL $KUBE_API_ARGS",
    "kube-controller-manager": "/usr/bin/kube-controller-manager $KUBE_LOGTOSTDERR $KUBE_LOG_LEVEL $KUBE_MASTER "
    "$KUBE_CONTROLLER_MANAGER_ARGS",
    "kube-scheduler": "/usr/bin/kube-scheduler $KUBE_LOGTOSTDERR $KUBE_LOG_LEVEL $KUBE_MASTER $KUBE_SCHEDULER_ARGS",
    "kubelet": "/usr/bin/kubelet $KUBE_LOGTOSTDERR $KUBE_LOG_LEVEL $KUBELET_API_SERVER $KUBELET_ADDRESS $KUBELET_PORT "
    "$KUBELET_HOSTNAME $KUBE_ALLOW_PRIV $KUBELET_POD_INFRA_CONTAINER $KUBELET_ARGS",
    "kube-proxy": "/usr/bin/kube-proxy $KUBE_LOGTOSTDERR $KUBE_LOG_LEVEL $KUBE_MASTER $KUBE_PROXY_ARGS",
}
ON_HOSTS = [pytest.param(c, h.name, id=f"{name}-{h.name}") for name, c in CLUSTERS.items() for h in c.hosts]


_rendered: dict[tuple[int, str], tuple[Cluster, dict[str, Role]]] = {}


def on(found: Cluster, name: str) -> dict[str, Role]:
    """A host's roles by name, rendered once."""
    key = id(found), name
    if key not in _rendered:
        # With the cluster, so that its id stays its own.
        _rendered[key] = found, roles(found, found.host(name), on=distribution(found))
    return _rendered[key][1]


def distribution(found: Cluster) -> Distribution:
    """What the hosts of an example run."""
    return DEEPIN if any(found is c for name, c in CLUSTERS.items() if name.startswith("rpm ")) else DEBIAN


def files(found: Cluster, name: str) -> dict[str, str]:
    """Every file with known content that the roles put on a host."""
    return {f.path: f.content for role in on(found, name).values() for f in role.files if f.content is not None}


def variables(text: str) -> dict[str, str]:
    """An environment file as systemd reads it."""
    found = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, value = line.split("=", 1)
            (found[name],) = shlex.split(value) or [""]
    return found


def arguments(words: str) -> dict[str, str]:
    """Flags without dashes, with their values; a flag given twice is an error."""
    pairs = [word.lstrip("-").partition("=")[::2] for word in words.split() if word.startswith("-")]
    assert len(pairs) == len(dict(pairs)), f"given twice in {words}"
    return dict(pairs)


def service(found: Cluster, name: str, unit: str) -> str:
    """A unit's own lines on a host: its unit file, or its drop-in."""
    on_host = files(found, name)
    path = f"/etc/systemd/system/{unit}.service"
    return on_host.get(path) or on_host[f"{path}.d/container-cloud.conf"]


def command_line(found: Cluster, name: str, unit: str) -> str:
    """ExecStart of a unit, with the variables of its environment files filled in."""
    text = service(found, name, unit)
    values: dict[str, str] = {}
    for path in re.findall(r"^EnvironmentFile=(.*)$", text, re.M):
        values |= variables(files(found, name).get(path, ""))
    if unit == "docker":  # written by the lease script when flanneld has its lease
        values |= {"DOCKER_NETWORK_OPTIONS": "--bip=192.168.14.1/24 --ip-masq=false --mtu=1450"}
    own = re.findall(r"^ExecStart=(.+)$", text, re.M)
    if not own:
        return re.sub(r"\$\{?(\w+)\}?", lambda match: values.get(match[1], ""), PACKAGED_UNITS[unit])
    (line,) = own
    used = re.findall(r"\$\{?(\w+)\}?", line)
    assert set(used) <= set(values), f"{unit} uses variables that no environment file sets"
    return re.sub(r"\$\{?(\w+)\}?", lambda match: values[match[1]], line)


def units_on(found: Cluster, name: str) -> Iterator[tuple[Role, Unit]]:
    for role in on(found, name).values():
        for unit in role.units:
            yield role, unit


# --- The guide's files and lines ------------------------------------------------------------------------------------

SHIPPED = CLUSTERS["shipped"]
MASTER = "https://10.1.10.101:6443"


@pytest.mark.parametrize(
    ("host", "path", "wanted"),
    [
        (
            "master",
            "/etc/etcd/etcd.conf",
            {
                "ETCD_NAME": "master",
                "ETCD_LISTEN_CLIENT_URLS": "https://10.1.10.101:2379",
                "ETCD_ADVERTISE_CLIENT_URLS": "https://10.1.10.101:2379",
                "ETCD_LISTEN_PEER_URLS": "https://10.1.10.101:2380",
                "ETCD_CLIENT_CERT_AUTH": "true",
                "ETCD_PEER_CLIENT_CERT_AUTH": "true",
                "ETCD_QUOTA_BACKEND_BYTES": str(2048 * 2**20),
            },
        ),
        (
            "node1",
            "/etc/sysconfig/flanneld",
            {
                "FLANNEL_ETCD_ENDPOINTS": "https://10.1.10.101:2379",
                "FLANNEL_OPTIONS": "-etcd-prefix=/flannel/network -etcd-cafile=/etc/flannel/pki/ca.crt "
                "-etcd-certfile=/etc/flannel/pki/client.crt -etcd-keyfile=/etc/flannel/pki/client.key "
                "-iface=10.1.10.102 -ip-masq",
            },
        ),
        (
            "node1",
            "/etc/sysconfig/docker",
            {"OPTIONS": "--exec-opt native.cgroupdriver=systemd -H unix:///var/run/docker.sock --userland-proxy=false"},
        ),
        (
            "node1",
            "/etc/kubernetes/config",
            {
                "KUBE_MASTER": "--master=https://10.1.10.101:6443",
                "KUBE_CONFIG": "--kubeconfig=/etc/kubernetes/kubeconfig",
                "KUBE_COMMON_ARGS": "--logtostderr=true --v=1",
            },
        ),
        (
            "master",
            "/etc/kubernetes/apiserver",
            {
                "KUBE_ETCD_SERVERS": "--storage-backend=etcd3 --etcd-servers=https://10.1.10.101:2379 "
                "--etcd-cafile=/etc/kubernetes/ca/etcd-ca.crt --etcd-certfile=/etc/kubernetes/ca/etcd-client.crt "
                "--etcd-keyfile=/etc/kubernetes/ca/etcd-client.key",
                "KUBE_ADMISSION_CONTROL": "--enable-admission-plugins=NamespaceLifecycle,NamespaceExists,LimitRanger,"
                "SecurityContextDeny,ServiceAccount,ResourceQuota,NodeRestriction",
            },
        ),
        (
            "node1",
            "/etc/kubernetes/kubelet",
            {
                "KUBELET_ADDRESS": "--address=0.0.0.0",
                "KUBELET_HOSTNAME": "--hostname-override=node1",
                "KUBELET_POD_INFRA_CONTAINER": "--pod-infra-container-image=docker.io/tianyebj/pod-infrastructure",
            },
        ),
    ],
)
def test_variables_of_the_guide(host: str, path: str, wanted: dict[str, str]) -> None:
    found = variables(files(SHIPPED, host)[path])
    assert {name: found.get(name) for name in wanted} == wanted


@pytest.mark.parametrize(
    ("host", "unit", "wanted"),
    [
        (
            "master",
            "kube-apiserver",
            {
                "service-node-port-range": "80-65535",
                "service-cluster-ip-range": "192.168.1.0/24",
                "client-ca-file": "/etc/kubernetes/ca/clients-ca.crt",
                "tls-cert-file": "/etc/kubernetes/ca/server.crt",
                "tls-private-key-file": "/etc/kubernetes/ca/server.key",
                "secure-port": "6443",
                "insecure-port": "0",
                "advertise-address": "10.1.10.101",
                "authorization-mode": "Node,RBAC",
                "anonymous-auth": "false",
            },
        ),
        (
            "master",
            "kube-controller-manager",
            {
                "cluster-name": "k8s-cluster",
                "cluster-cidr": "192.168.0.0/16",
                "root-ca-file": "/etc/kubernetes/ca/ca.crt",
                "cluster-signing-cert-file": "/etc/kubernetes/ca/signing-ca.crt",
                "service-account-private-key-file": "/etc/kubernetes/ca/sa.key",
                "master": MASTER,
            },
        ),
        ("master", "kube-scheduler", {"master": MASTER, "port": "0", "bind-address": "127.0.0.1"}),
        (
            "node1",
            "kubelet",
            {
                "kubeconfig": "/etc/kubernetes/kubeconfig",
                "cgroup-driver": "systemd",
                "anonymous-auth": "false",
                "authorization-mode": "Webhook",
                "read-only-port": "0",
                "node-ip": "10.1.10.102",
                "fail-swap-on": "true",
            },
        ),
        (
            "node1",
            "kube-proxy",
            {
                "hostname-override": "node1",
                "cluster-cidr": "192.168.0.0/16",
                "proxy-mode": "iptables",
                "master": MASTER,
            },
        ),
        ("node1", "docker", {"bip": "192.168.14.1/24", "mtu": "1450", "H": ""}),
    ],
)  # fmt: skip
def test_flags_of_the_guide_reach_the_service(host: str, unit: str, wanted: dict[str, str]) -> None:
    found = arguments(command_line(SHIPPED, host, unit))
    assert {name: found.get(name) for name in wanted} == wanted


@pytest.mark.parametrize("host", ["master", "node1"])
def test_the_kubeconfig_is_the_guides(host: str) -> None:
    text = files(SHIPPED, host)["/etc/kubernetes/kubeconfig"]
    assert (
        re.sub(r"^#.*\n", "", text)
        == """\
apiVersion: v1
clusters:
- cluster:
    certificate-authority: /etc/kubernetes/ca/ca.crt
    server: https://10.1.10.101:6443
  name: k8s-cluster
contexts:
- context:
    cluster: k8s-cluster
    user: default-admin
  name: default-system
current-context: default-system
kind: Config
preferences: {}
users:
- name: default-admin
  user:
    client-certificate: /etc/kubernetes/ca/client.crt
    client-key: /etc/kubernetes/ca/client.key
"""
    )


def test_the_hosts_file_has_every_host_of_the_inventory() -> None:
    (step,) = [s for s in on(SHIPPED, "node1")["host"].steps if "/etc/hosts" in s.name]
    for line in ("10.1.10.101  master", "10.1.10.102  node1", "10.1.10.103  node2", "10.1.10.104  node3"):
        assert f"\n{line}\n" in step.check and f"\n{line}\n" in step.repair


def test_a_fully_qualified_name_is_every_services_and_its_first_label_one_more() -> None:
    found = fqdn("node1.example.com", "node2.example.com", "node3")
    (step,) = [s for s in on(found, "master")["host"].steps if "/etc/hosts" in s.name]
    for line in ("10.1.10.102  node1.example.com node1", "10.1.10.103  node2.example.com node2", "10.1.10.104  node3"):
        assert f"\n{line}\n" in step.repair
    for daemon in ("kubelet", "kube-proxy"):
        assert arguments(command_line(found, "node1.example.com", daemon))["hostname-override"] == "node1.example.com"


def test_no_packaged_unit_is_overwritten() -> None:
    """A drop-in outlives the next package update."""
    for name in ("master", "node1"):
        for path in files(SHIPPED, name):
            assert not path.startswith(("/lib/systemd", "/usr/lib/systemd"))
            assert path not in ("/etc/systemd/system/etcd.service", "/etc/systemd/system/docker.service")


# --- What settings change -------------------------------------------------------------------------------------------


def extra(**hosts: dict[str, dict[str, str]]) -> Cluster:
    """The shipped cluster with `host_extra_args` on some hosts and the same argument for all kubelets."""
    listed = data(
        extra_args={"kubelet": {"max-pods": "50"}, "kube-proxy": {"v": "5"}, "etcd": {"heartbeat-interval": "200"}}
    )
    for name, given in hosts.items():
        listed[name]["host_extra_args"] = given
    return load(listed, groups())[0]


def test_a_hosts_own_arguments_win_over_the_clusters() -> None:
    found = extra(node1={"kubelet": {"max-pods": "20"}, "dockerd": {"debug": ""}, "flanneld": {"v": "2"}})
    assert arguments(command_line(found, "node1", "kubelet"))["max-pods"] == "20"
    assert arguments(command_line(found, "node2", "kubelet"))["max-pods"] == "50"
    assert command_line(found, "node1", "docker").split()[6] == "--debug"
    assert "--debug" not in command_line(found, "node2", "docker")
    assert command_line(found, "node1", "flanneld").endswith(" -v=2")
    assert variables(files(found, "master")["/etc/etcd/etcd.conf"])["ETCD_HEARTBEAT_INTERVAL"] == "200"


def test_the_users_argument_comes_last_and_wins() -> None:
    words = command_line(extra(), "node1", "kube-proxy").split()
    assert [word for word in words if word.startswith("--v=")] == ["--v=1", "--v=5"]


def configured(found: Cluster, name: str, file: str) -> dict[str, Any]:
    """A configuration file of a host, as Kubernetes reads it."""
    read: dict[str, Any] = yaml.safe_load(files(found, name)[f"/etc/kubernetes/{file}.yaml"])
    return read


def test_an_argument_that_became_a_field_is_said_once_and_wins() -> None:
    given = {
        "kubelet": {"max-pods": "50", "seccomp-default": "false"},
        "kube-proxy": {
            "conntrack-max-per-core": "0", "nodeport-addresses": "10.0.0.0/8", "masquerade-all": "",
            "feature-gates": "A=true,B=false", "kube-api-qps": "7.5", "v": "5",
        },
    }  # fmt: skip
    found = current(extra_args=given)
    kubelet = arguments(command_line(found, "node1", "kubelet"))
    assert (kubelet["max-pods"], kubelet["seccomp-default"]) == ("50", "false"), "the kubelet hears arguments last"
    assert "seccompDefault" not in configured(found, "node1", "kubelet")
    assert configured(current(), "node1", "kubelet")["seccompDefault"] is True
    proxy = configured(found, "node1", "kube-proxy")  # which ignores arguments beside its file
    assert (proxy["conntrack"]["maxPerCore"], proxy["nodePortAddresses"]) == (0, ["10.0.0.0/8"])
    assert (proxy["iptables"]["masqueradeAll"], proxy["featureGates"]) == (True, {"A": True, "B": False})
    assert proxy["clientConnection"] == {"kubeconfig": "/etc/kubernetes/proxy.kubeconfig", "qps": 7.5}
    passed = command_line(found, "node1", "kube-proxy").split()
    assert passed[-1] == "--v=5" and not any("conntrack" in word for word in passed)


def test_feature_gates_of_the_users_stand_beside_the_projects() -> None:
    found = current(extra_args={"kube-apiserver": {"feature-gates": "Other=true"}})
    gates = arguments(command_line(found, "master", "kube-apiserver"))["feature-gates"]
    assert gates == "ListFromCacheSnapshot=false,Other=true"


def test_what_writes_nftables_is_installed_where_it_is_wanted() -> None:
    for mode, wanted in (("nftables", True), ("iptables", False)):
        packages = {p.name for p in roles(current(kube_proxy_mode=mode), current().hosts[0])["host"].packages}
        assert ("nftables" in packages) is wanted


def test_what_settings_say_to_a_current_kubelet() -> None:
    found = configured(current(), "node1", "kubelet")
    assert (found["clusterDNS"], found["clusterDomain"]) == (["192.168.1.10"], "cluster.local")
    assert found["protectKernelDefaults"] is True and "failCgroupV1" not in found
    (step,) = [s for s in on(current(), "node1")["node"].steps if "kernel" in s.name]
    assert "/proc/sys/vm/overcommit_memory" in step.check
    other = current(cluster_dns=False, protect_kernel_defaults=False, accept_cgroup_v1=True)
    found = configured(other, "node1", "kubelet")
    assert "clusterDNS" not in found and found["protectKernelDefaults"] is False and found["failCgroupV1"] is False
    assert not any("kernel" in s.name for s in on(other, "node1")["node"].steps)


def test_pods_are_held_to_the_setting_but_for_the_clusters_own() -> None:
    (plugin,) = configured(current(pod_security="restricted"), "master", "admission")["plugins"]
    assert plugin["name"] == "PodSecurity" and plugin["configuration"]["defaults"]["enforce"] == "restricted"
    assert plugin["configuration"]["exemptions"]["namespaces"] == ["kube-system"]


def test_an_audit_log_by_a_policy_of_the_users(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Request}]\n")
    found = current(audit_policy=str(policy), audit_log_days=7)
    assert configured(found, "master", "audit-policy")["rules"] == [{"level": "Request"}]
    assert arguments(command_line(found, "master", "kube-apiserver"))["audit-log-maxage"] == "7"
    assert "audit" not in command_line(current(audit_log=False), "master", "kube-apiserver")


def test_nobody_but_root_reads_what_configures_a_current_release() -> None:
    for name in ("master", "node1"):
        for role in on(current(), name).values():
            for file in role.files:
                if file.path.startswith("/etc/kubernetes/") and not file.path.endswith((".crt", ".pub")):
                    assert file.mode == "600", file.path


@pytest.mark.parametrize(
    ("name", "backend"),
    [
        ("shipped", {"Type": "vxlan"}),
        ("host-gw", {"Type": "host-gw"}),
        ("udp", {"Type": "udp", "Port": 7890}),
    ],
)
def test_flannels_configuration_names_its_backend(name: str, backend: dict[str, Any]) -> None:
    found = CLUSTERS[name]
    text = flannel_configuration(found)
    configuration = {"Network": "192.168.0.0/16", "SubnetLen": 24, "SubnetMin": "192.168.2.0", "Backend": backend}
    assert json.loads(text) == configuration
    (step,) = [s for s in on(found, found.masters[0].name)["etcd"].steps if "flannel" in s.name]
    assert shlex.quote(text) in step.check and shlex.quote(text) in step.repair
    # flanneld reads it when it starts: where it is written down, a change is seen to need a restart.
    assert text in files(found, "node1")["/etc/sysconfig/flanneld"]
    script = files(found, "node1")["/usr/local/libexec/container-cloud/lease"]
    assert f"\nBACKEND={backend['Type']}\n" in script and f"\nHANDED={backend['Type']}\n" in script


@pytest.mark.parametrize("name", ["controller-manager", "scheduler"])
def test_control_loops_elect_a_leader_alike_however_many_masters_there_are(name: str) -> None:
    """Others' may run where no run looks; and of leases that last differently a shorter one is taken too early."""
    lines = [arguments(command_line(found, "master", f"kube-{name}")) for found in CLUSTERS.values()]
    elections = [{k: v for k, v in line.items() if k.startswith("leader-elect")} for line in lines]
    assert elections[0]["leader-elect"] == "true" and elections[0]["leader-elect-lease-duration"] == "30s"
    assert all(each == elections[0] for each in elections)


@pytest.mark.parametrize("name", ["controller-manager", "scheduler"])
def test_control_loops_start_once_their_hosts_api_server_is_ready(name: str) -> None:
    """One that has listened for a moment knows no roles yet: a controller manager ends at that."""
    for found in (cluster(), several()):
        unit = service(found, "master", f"kube-{name}")
        before = f"ExecStartPre=/usr/local/libexec/container-cloud/loop kube-{name}\n"
        assert unit.index(before) < unit.index("sha256sum"), "what it reads is recorded when it starts, not before"
        script = files(found, "master")["/usr/local/libexec/container-cloud/loop"]
        assert f"URL=https://{found.masters[0].address}:6443\n" in script


def test_flannels_interface() -> None:
    assert arguments(command_line(CLUSTERS["host-gw"], "node1", "flanneld"))["iface"] == "eth1"
    assert arguments(command_line(SHIPPED, "node3", "flanneld"))["iface"] == "10.1.10.104"


def test_the_api_that_flannel_reads() -> None:
    old, new = CLUSTERS["old flannel"], SHIPPED
    assert variables(files(old, "master")["/etc/etcd/etcd.conf"])["ETCD_ENABLE_V2"] == "true"
    assert "ETCD_ENABLE_V2" not in files(new, "master")["/etc/etcd/etcd.conf"]
    for found, api, verb in ((old, "2", " set "), (new, "3", " put ")):
        (step,) = [s for s in on(found, found.etcd_members[0].name)["etcd"].steps if "flannel's network" in s.name]
        assert f"ETCDCTL_API={api} " in step.repair and f"{verb}/flannel/network/config " in step.repair
        assert f"ETCDCTL_API={api} " in step.check


def test_settings_reach_dockers_options() -> None:
    options = variables(files(CLUSTERS["all settings"], "node2")["/etc/sysconfig/docker"])["OPTIONS"].split()
    for word in ("native.cgroupdriver=cgroupfs", "--insecure-registry=10.1.10.0/24", "max-size=50m"):
        assert word in options
    assert "--registry-mirror=https://mirror.example" in options
    assert arguments(command_line(CLUSTERS["all settings"], "node2", "kubelet"))["cgroup-driver"] == "cgroupfs"


def test_the_pause_image_is_loaded_only_from_an_archive() -> None:
    assert [s.name for s in on(SHIPPED, "node1")["docker"].steps] == ["let pod traffic through FORWARD"]
    found = CLUSTERS["all settings"]
    _, step = on(found, "node2")["docker"].steps
    assert "http://mirror.example/pause.tar" in step.repair and "ab" * 32 in step.repair
    order = list(on(found, "node2"))
    assert order.index("docker") < order.index("node"), "the kubelet would pull it"
    assert "ab" * 32 in step.check, "another archive of the same name is loaded anew"


# --- Several masters, several members -------------------------------------------------------------------------------

SEVERAL = CLUSTERS["several"]


def test_three_etcd_members_know_each_other() -> None:
    everyone = "master=https://10.1.10.101:2380,node1=https://10.1.10.102:2380,node2=https://10.1.10.103:2380"
    for number, name in enumerate(("master", "node1", "node2"), start=101):
        (begin,) = [s for s in on(SEVERAL, name)["etcd"].steps if s.name == "write /etc/etcd/bootstrap.conf"]
        assert f'ETCD_INITIAL_CLUSTER="{everyone}"' in begin.repair and 'STATE="new"' in begin.repair
        found = variables(files(SEVERAL, name)["/etc/etcd/etcd.conf"])
        assert "node3" not in str(found) and found["ETCD_NAME"] == name
        assert found["ETCD_LISTEN_PEER_URLS"] == f"https://10.1.10.{number}:2380"
    assert "etcd" not in on(SEVERAL, "node3")


def test_clients_of_etcd_know_all_members() -> None:
    urls = "https://10.1.10.101:2379,https://10.1.10.102:2379,https://10.1.10.103:2379"
    assert variables(files(SEVERAL, "node3")["/etc/sysconfig/flanneld"])["FLANNEL_ETCD_ENDPOINTS"] == urls
    for name in ("master", "node1"):
        assert arguments(command_line(SEVERAL, name, "kube-apiserver"))["etcd-servers"] == urls


LOOPS = ("controller-manager.kubeconfig", "scheduler.kubeconfig")


@pytest.mark.parametrize(
    ("found", "url"),
    [
        (SEVERAL, "https://api.example:6443"),
        (CLUSTERS["balanced"], "https://127.0.0.1:7443"),
        (CLUSTERS["current several"], "https://127.0.0.1:7443"),
        (CLUSTERS["one balanced"], "https://127.0.0.1:7443"),
    ],
)
def test_everybody_calls_the_balancer_but_a_masters_own_loops(found: Cluster, url: str) -> None:
    for host in found.hosts:
        for path, text in files(found, host.name).items():
            if path.endswith("kubeconfig"):
                own = f"https://{host.address}:6443" if path.endswith(LOOPS) else url
                assert f"server: {own}\n" in text, path
        # An argument would win over the kubeconfigs.
        assert variables(files(found, host.name)["/etc/kubernetes/config"])["KUBE_MASTER"] == ""


BALANCER, ETCD_BALANCER = (f"/etc/kubernetes/{name}.cfg" for name in BALANCERS)
LEFT_OUT = "exclude=etcd&exclude=etcd-readiness"


@pytest.mark.parametrize(
    ("found", "asked"), [(CLUSTERS["balanced"], "exclude=etcd"), (CLUSTERS["current several"], LEFT_OUT)]
)
def test_a_balancer_asks_every_master_as_itself(found: Cluster, asked: str) -> None:
    """Each by its name, which its certificate has: haproxy looks for no address there."""
    for name in ("master", "node1", "node3"):
        text = files(found, name)[BALANCER]
        servers = [line.split() for line in text.splitlines() if line.startswith("    server ")]
        assert [s[1:3] for s in servers] == [["master", "10.1.10.101:6443"], ["node1", "10.1.10.102:6443"]]
        for line in servers:
            assert line[3:8] == ["check-ssl", "verify", "required", "ca-file", "/etc/kubernetes/ca/ca.crt"]
            assert line[-2:] == ["verifyhost", line[1]]
        assert f" uri /readyz?{asked} " in text and "    bind 127.0.0.1:7443\n" in text
        assert re.findall(r"http-check expect .*", text) == ["http-check expect status 200 error-status L7OKC"]


def test_an_inventory_in_another_order_changes_nothing_of_ways_and_names() -> None:
    listed = {
        "masters": ["master", "node1", "node2"],
        "nodes": ["node1", "node3"],
        "etcd": ["master", "node1", "node2"],
    }
    turned = {group: names[::-1] for group, names in listed.items()}
    for name in ("master", "node3"):
        one, other = (on(current(groups), name) for groups in (listed, turned))
        assert (one["balancer"], one["host"].steps) == (other["balancer"], other["host"].steps)


def test_a_master_reaches_each_member_past_those_that_do_not_answer() -> None:
    """By a port each, so that it may go on with another by itself; asked is what takes no leader."""
    for name, found in CLUSTERS.items():
        balanced = found.balanced and len(found.etcd_members) > 1
        for host in found.hosts:
            assert (ETCD_BALANCER in files(found, host.name)) is (balanced and host.is_master), name
    found = CLUSTERS["balanced"]
    text = files(found, "node1")[ETCD_BALANCER]
    parts = re.findall(r"\nlisten .*(?:\n    .*)+", text)
    assert len(parts) == 3
    for number, (part, member) in enumerate(zip(parts, found.etcd_members, strict=True)):
        assert f"\n    bind 127.0.0.1:{7379 + number}\n" in part and " uri /version " in part
        (server,) = [line.split() for line in part.splitlines() if line.startswith("    server ")]
        assert server[1:3] == [member.name, f"{member.address}:2379"]
        assert server[3:8] == ["check-ssl", "verify", "required", "ca-file", "/etc/kubernetes/ca/etcd-ca.crt"]
        assert server[-2:] == ["verifyhost", member.name]
    urls = "https://127.0.0.1:7379,https://127.0.0.1:7380,https://127.0.0.1:7381"
    for host in found.masters:
        assert arguments(command_line(found, host.name, "kube-apiserver"))["etcd-servers"] == urls
        assert " etcd-balancer.service\n" in service(found, host.name, "kube-apiserver")


def test_an_api_server_is_restarted_where_its_members_are_others() -> None:
    """Its arguments may stay; its connections lead through the former balancer's process to former members."""
    before = current({"etcd": ["master", "node1", "node2"]}, api_server_balancer=True)
    moved = current({"etcd": ["master", "node1", "node3"]}, api_server_balancer=True)
    issued = tuple(replace(f, content="issued") for f in expected(before, before.host("master")))
    former, new = (roles(c, c.host("master"), issued)["master"] for c in (before, moved))
    assert plan(new, converged(former)).lines() == [f"restart kube-apiserver ({ETCD_BALANCER} changed)"]


def test_a_balancer_is_where_api_servers_are_called_from() -> None:
    found = cluster({"masters": ["master"], "nodes": ["node1"], "etcd": ["node2"]}, api_server_balancer=True)
    with_one = {h.name for h in found.hosts if BALANCER in files(found, h.name)}
    assert with_one == {"master", "node1"}
    for host in SHIPPED.hosts:
        assert BALANCER not in files(SHIPPED, host.name) and "haproxy" not in str(on(SHIPPED, host.name))


def test_a_balancer_is_reloaded_without_a_cut() -> None:
    """Certificate and configuration are read, tried and recorded before the next process is asked for."""
    lines = service(CLUSTERS["balanced"], "node3", "api-balancer").splitlines()
    reload = [line.removeprefix("ExecReload=") for line in lines if line.startswith("ExecReload=")]
    begun = [line.removeprefix("ExecStartPre=") for line in lines if line.startswith("ExecStartPre=")]
    assert [reload[0], reload[2]] == begun
    assert reload[1::2] == [f"/usr/sbin/haproxy -c -q -f {BALANCER}", "/bin/kill -USR2 $MAINPID"]


def test_balancers_are_restarted_one_by_one() -> None:
    """As their own unit changes: a master's API server loses all of its connections to etcd."""
    units = on(CLUSTERS["balanced"], CLUSTERS["balanced"].masters[0].name)["balancer"].units
    assert units and all(unit.turn == Turn() for unit in units)


def test_an_api_server_waits_for_balancers_only_where_another_goes_on() -> None:
    for name, found in CLUSTERS.items():
        turns = name in ("balanced", "current several")
        given = arguments(command_line(found, "master", "kube-apiserver"))
        assert given.get("shutdown-delay-duration") == ("5s" if turns else None)
        assert ("goaway-chance" in given) is turns
        (unit,) = [u for _, u in units_on(found, "master") if u.name == "kube-apiserver"]
        assert bool(unit.noticed) is turns
        assert ("https://127.0.0.1:7443/readyz" in unit.ready) is (turns or name == "one balanced")


@pytest.mark.parametrize(("given", "seconds"), [(None, 8), ("2s", 8), ("20s", 23), ("1m500ms", 64)])
def test_an_api_server_is_not_killed_while_it_ends_in_order(given: str | None, seconds: int) -> None:
    """Nor one that was begun as one of several, or behind a balancer, where the unit at hand is of one that is not."""
    given_on = {"extra_args": {"kube-apiserver": {"shutdown-delay-duration": given}}} if given else {}
    for found in (cluster(**given_on), several(**given_on), current(**given_on)):
        assert f"TimeoutStopSec={seconds}\n" in service(found, "master", "kube-apiserver")
        given_line = arguments(command_line(found, "master", "kube-apiserver"))
        ends_watches = found.settings.kubernetes_version in releases.CURRENT
        assert ("shutdown-watch-termination-grace-period" in given_line) is ends_watches


def test_advertised_is_a_masters_own_address() -> None:
    assert arguments(command_line(SEVERAL, "node1", "kube-apiserver"))["advertise-address"] == "10.1.10.102"


def test_one_member_does_what_is_done_once() -> None:
    listed = {h.name: on(SEVERAL, h.name).get("etcd") for h in SEVERAL.hosts}
    once = {n: [s for s in found.steps if s.when == "after"] for n, found in listed.items() if found}
    assert [name for name, steps in once.items() if (*steps, *listed[name].grants)] == ["master"]


@pytest.mark.parametrize(("found", "name"), ON_HOSTS)
def test_a_master_that_joins_gets_all_of_one_in_two_parts(found: Cluster, name: str) -> None:
    if not found.host(name).is_master:
        return
    whole = on(found, name)["master"]
    certificates = tuple(f for f in expected(found, found.host(name), distribution(found)))
    server, loops = master.joining_roles(found, found.host(name), distribution(found), certificates)
    assert [u.name for u in server.units] == ["kube-apiserver"]
    assert not {f.path for f in server.files} & {f.path for f in loops.files}
    assert {f.path for f in (*server.files, *loops.files)} == {f.path for f in whole.files}
    assert (*server.units, *loops.units) == whole.units


def test_every_master_sees_to_what_masters_need() -> None:
    """Whichever is left out by --limit, or is gone."""
    for host in SEVERAL.masters:
        grants = on(SEVERAL, host.name)["master"].grants
        assert [g.name for g in grants] == ["let the API server call the kubelets"]


def test_a_master_that_is_a_node_keeps_both_kubeconfigs_apart() -> None:
    """The guide's is the administrator's there, the kubelet has its own."""
    on_host = files(SEVERAL, "node1")
    assert "/etc/kubernetes/ca/client.crt" in on_host["/etc/kubernetes/kubeconfig"]
    assert "/etc/kubernetes/ca/node.crt" in on_host["/etc/kubernetes/kubelet.kubeconfig"]
    assert arguments(command_line(SEVERAL, "node1", "kubelet"))["kubeconfig"] == "/etc/kubernetes/kubelet.kubeconfig"


# --- Flags of the release -------------------------------------------------------------------------------------------


def version(found: Cluster, component: str) -> str:
    if component == "flanneld":
        return found.settings.flannel_version
    return PACKAGED.get(component, found.settings.kubernetes_version)


@pytest.mark.parametrize(("found", "name"), ON_HOSTS)
def test_no_flag_is_passed_that_the_release_does_not_know(found: Cluster, name: str) -> None:
    for _, unit in units_on(found, name):
        component = {"docker": "dockerd"}.get(unit.name, unit.name)
        if component in ("containerd", *BALANCERS):  # takes none
            continue
        if component == "etcd":
            names = variables(files(found, name)["/etc/etcd/etcd.conf"])
            passed = {variable.removeprefix("ETCD_").replace("_", "-").lower() for variable in names}
        else:
            passed = set(arguments(command_line(found, name, unit.name)))
            passed = {{"H": "host"}.get(flag, flag) for flag in passed}
        assert passed, unit.name
        assert passed <= releases.flags(component, version(found, component)), unit.name


@pytest.mark.parametrize("line", releases.listed("flanneld"), ids=lambda line: "{}.{}".format(*line))
def test_flannels_flags_are_known_to_every_release_of_it(line: tuple[int, int]) -> None:
    release = "{}.{}.0".format(*line)
    api = next(api for api, known in releases.FLANNEL_ETCD_API.items() if release in known)
    found = cluster(flannel_version=release, flannel_etcd_api=api)
    assert set(arguments(command_line(found, "node1", "flanneld"))) <= releases.flags("flanneld", release)


def test_every_flag_that_is_meant_survives(monkeypatch: pytest.MonkeyPatch) -> None:
    """`choose` leaves out what a release does not know: a misspelt flag would vanish without a word."""
    meant: set[tuple[str, str]] = set()
    dropped: set[tuple[str, str]] = set()

    def choose(component: str, release: str, values: dict[str, str]) -> dict[str, str]:
        chosen = releases.choose(component, release, values)
        meant.update((component, flag) for flag in values)
        table = releases.FLAGS.get(component, {})
        lost = (f for f in values if f not in chosen and release in table.get(f, releases.Releases()))
        dropped.update((component, flag) for flag in lost)
        return chosen

    for module in (kubernetes, master, node):
        monkeypatch.setattr(module, "choose", choose)
    for found in (SEVERAL, CLUSTERS["current several"]):
        for host in found.hosts:
            roles(found, host)
    assert dropped == set()
    listed = {(component, flag) for component, flags in releases.FLAGS.items() for flag in flags}
    assert listed <= meant, "the table has flags that nobody passes"


@pytest.mark.parametrize(("found", "name"), ON_HOSTS)
def test_every_component_logs_to_the_journal_at_the_level_set(found: Cluster, name: str) -> None:
    for _, unit in units_on(found, name):
        if unit.name in releases.KUBERNETES_DAEMONS:
            assert arguments(command_line(found, name, unit.name))["v"] == str(found.settings.log_level)


# --- Inputs: a changed file must be seen ----------------------------------------------------------------------------

# Below these a service writes or is reached, it reads nothing there when it starts.
NOT_READ = ("/var/", "/flannel/", "/systemd/")
# A service's own copies, made from these at each start.
COPIES = {
    **{f"/run/etcd/{n}": f"/etc/etcd/pki/{n}" for n in ("ca.crt", "server.crt", "server.key", "peer.crt", "peer.key")},
    "/run/kube-apiserver/encryption.yaml": "/etc/kubernetes/encryption.yaml",
    "/run/kube-apiserver": "/etc/kubernetes/encryption.yaml",
    "/run/api-balancer/pair.pem": "/etc/kubernetes/ca/balancer.key",
    "/run/api-balancer/pair.pem.new": "/etc/kubernetes/ca/balancer.key",
    "/run/etcd-balancer/pair.pem": "/etc/kubernetes/ca/etcd-client.key",
    "/run/etcd-balancer/pair.pem.new": "/etc/kubernetes/ca/etcd-client.key",
}


def paths_in(text: str) -> set[str]:
    """Absolute paths that stand by themselves or as a value: not those inside a URL."""
    found = re.findall(r"(?:^|[\s=\"',])(/[^\s\"',;]+)", text, re.M)
    return {COPIES.get(path, path) for path in found if not path.startswith(NOT_READ)}


def read_at_start(found: Cluster, name: str, unit: Unit) -> set[str]:
    """Every file that a unit's lines, variables, flags and kubeconfigs name."""
    on_host = files(found, name)
    text = service(found, name, unit.name)
    lines = [line for line in text.splitlines() if line.startswith(("EnvironmentFile=", "Exec"))]
    lines = [line for line in lines if line != f"EnvironmentFile=-{BOOTSTRAP}"]
    # The record of the inputs itself, and of having lived.
    lines = [line for line in lines if "/run/container-cloud" not in line and LIVED not in line]
    paths = set().union(*(paths_in(re.sub(r"^(\w+=)[-+!@:]*", r"\1", line)) for line in lines))
    for path in re.findall(r"^EnvironmentFile=(.*)$", text, re.M):
        if path == f"-{BOOTSTRAP}":
            continue  # read where there are no data yet, which a member that was started has
        if path == "/etc/kubernetes/config":
            continue  # serves all components: only the variables that a unit uses count
        for line in variables(on_host.get(path, "")).values():
            paths |= paths_in(line)
    if unit.name != "etcd":
        paths |= paths_in(command_line(found, name, unit.name))
    for path in [p for p in paths if p.endswith(("kubeconfig", ".yaml"))]:
        named = paths_in(re.sub(r"^#.*$", "", on_host[path], flags=re.M))
        paths |= {p for p in named if p.startswith("/etc/")}  # others are paths at the API server
    if unit.name in BALANCERS:
        paths |= {p for p in paths_in(on_host[f"/etc/kubernetes/{unit.name}.cfg"]) if p.startswith("/etc/")}
    if unit.name == "kube-apiserver" and found.etcd_balanced:
        paths.add("/etc/kubernetes/etcd-balancer.cfg")  # it does not read it; its connections lead where that says
    programs = {unit.program, "/usr/bin/install", "/bin/sh", "/bin/kill", "/dev/null"}
    return {path for path in paths if path not in programs and not path.endswith("/")}


@pytest.mark.parametrize(("found", "name"), ON_HOSTS)
def test_inputs_are_every_file_a_unit_reads(found: Cluster, name: str) -> None:
    checked = 0
    for _, unit in units_on(found, name):
        own = {path for path in unit.inputs if path.startswith("/etc/systemd/system/")}
        assert own, f"{unit.name} does not see its own unit change"
        assert read_at_start(found, name, unit) <= set(unit.inputs), unit.name
        checked += 1
    assert checked


@pytest.mark.parametrize(("found", "name"), ON_HOSTS)
def test_inputs_are_files_that_somebody_writes(found: Cluster, name: str) -> None:
    """A misspelt one would be absent for ever, and its change never seen."""
    for role, unit in units_on(found, name):
        known = {f.path for f in (*role.files, *role.expects)} | {DOCKER_ENV, DAEMON}
        assert set(unit.inputs) <= known, unit.name
        assert len(unit.inputs) == len(set(unit.inputs)), unit.name


@pytest.mark.parametrize(("found", "name"), ON_HOSTS)
def test_units_record_their_inputs_when_they_start(found: Cluster, name: str) -> None:
    for _, unit in units_on(found, name):
        (line,) = re.findall(r"^ExecStartPre=/bin/sh -c '(.*sha256sum.*)'$", service(found, name, unit.name), re.M)
        recorded = line.partition("sha256sum ")[2].partition(" 2>")[0].split()
        assert recorded == list(unit.inputs)
        assert line.endswith(f"> /run/container-cloud/{unit.name}.inputs")


# --- Roles on one host ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("found", "name"), ON_HOSTS)
def test_roles_of_one_host_agree(found: Cluster, name: str) -> None:
    """Two roles that wrote a file each its own way would change it in every run."""
    written: dict[str, File] = {}
    for role in on(found, name).values():
        for file in role.files:
            assert written.setdefault(file.path, file) == file, f"{role.name} writes {file.path} otherwise"
    units = [unit.name for _, unit in units_on(found, name)]
    assert len(units) == len(set(units))
    assert set(units) <= set(UNITS)


@pytest.mark.parametrize(("found", "name"), ON_HOSTS)
def test_a_role_names_everything_once(found: Cluster, name: str) -> None:
    """What is read of a host comes back by name: of two with one name, one would be lost."""
    for role in on(found, name).values():
        conditions = [s.name for s in role.steps] + [n for u in (*role.units, *role.followers) for n in u.conditions]
        for names in (conditions, [f.path for f in role.files], [p.path for p in role.programs]):
            assert len(names) == len(set(names)), role.name
        assert not [text for text in conditions if "\n" in text], "read back a line each"


@pytest.mark.parametrize(("found", "name"), ON_HOSTS)
def test_expected_files_are_certificates_of_that_host_or_another_role_s(found: Cluster, name: str) -> None:
    host = found.host(name)
    listed = on(found, name)
    placed = {f.path for f in expected(found, host, distribution(found))}
    written = {f.path: f.digest for f in listed["balancer"].files} if "balancer" in listed else {}
    for role in listed.values():
        assert {f.path for f in role.expects if f.deploy == "deploys/pki.py"} <= placed
        others = {f.path: f.digest for f in role.expects if f.deploy == "deploys/balancer.py"}
        assert others.items() <= written.items()
        assert (
            bool(role.expects) == (role.name in ("etcd", "flannel", "master", "node", "unbalanced"))
            or role.name == "balancer"
        )


def test_programs_are_release_files_with_their_checksums() -> None:
    found = {p.path: p for h in SHIPPED.hosts for r in on(SHIPPED, h.name).values() for p in r.programs}
    names = {p.name for c in ("flannel", "kubernetes-master", "kubernetes-node") for p in releases.programs(c)}
    assert set(found) == {f"/usr/local/bin/{name}" for name in names}
    kubelet = found["/usr/local/bin/kubelet"]
    assert kubelet.url == "https://dl.k8s.io/release/v1.20.2/bin/linux/amd64/kubelet"
    assert kubelet.digest == data()["node1"]["release_files"]["kubelet"]["sha256"]


def test_docker_and_flannel_agree_on_where_the_lease_is() -> None:
    script = files(SHIPPED, "node1")["/usr/local/libexec/container-cloud/lease"]
    assert f"RECORD={DOCKER_ENV}\n" in script and f". {SUBNET_ENV}\n" in script
    assert f"EnvironmentFile={DOCKER_ENV}\n" in service(SHIPPED, "node1", "docker")


def test_a_packages_docker_socket_stands_where_nobody_asks_dockerd() -> None:
    """Whoever came to it before dockerd made its own would wait for two minutes, and the kubelet does."""
    lines = files(SHIPPED, "node1")["/etc/systemd/system/docker.socket.d/container-cloud.conf"].splitlines()
    assert lines[-2:] == ["ListenStream=", "ListenStream=/run/container-cloud/docker.socket"]
    assert not any("docker.socket" in path for path in files(CLUSTERS["release files"], "node1"))
