"""The audit on a living cluster: clean as deployed; each fault found, named, alone, and gone after its repair."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from lab import lifecycle, network, state
from pki import Request, Store
from tests.lab.conftest import HOSTS, REPOSITORY, Lab
from tests.lab.test_converge import snapshot

pytestmark = pytest.mark.usefixtures("cluster")


@dataclass
class Audited:
    """A finished audit."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """What `--json` printed."""
        return json.loads(self.out)

    @property
    def findings(self) -> list[tuple[str, str, str, str]]:
        """Host, area, status and thing of whatever is not ok."""
        found = self.document["findings"]
        return [(f["host"], f["area"], f["status"], f["what"]) for f in found if f["status"] != "ok"]

    @property
    def repair(self) -> str:
        """What the only finding says to do."""
        (repair,) = {f["repair"] for f in self.document["findings"] if f["status"] != "ok"}
        return repair

    def __str__(self) -> str:
        """What is not ok, a line each, with what was expected and found."""
        troubles = [f for f in self.document["findings"] if f["status"] != "ok"]
        return "\n".join([f"exit code {self.code}", *map(json.dumps, troubles), self.err])

    def repairs(self, host: str, area: str, what: str) -> set[str]:
        """What the findings of one thing say to do."""
        asked = (host, area, what)
        return {f["repair"] for f in self.document["findings"] if (f["host"], f["area"], f["what"]) == asked}


def audit(*arguments: str, inventory: str = "lab/inventory.py") -> Audited:
    command = [*network.enter(), sys.executable, "-m", "audit", "--inventory", inventory, *arguments]
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=180, check=False, stdin=subprocess.DEVNULL
    )
    return Audited(done.returncode, done.stdout, done.stderr)


def etcd(command: str) -> str:
    """etcdctl as the administrator, on the master."""
    files = "--cacert /etc/etcd/pki/ca.crt --cert /etc/etcd/pki/root.crt --key /etc/etcd/pki/root.key"
    return f"ETCDCTL_API=3 etcdctl --endpoints https://10.1.10.101:2379 {files} {command}"


LEASE_OF_NODE2 = f"$({etcd('get --prefix /flannel/network/subnets/')} | grep -B1 10.1.10.103 | head -n1)"
WAY = "$(ip -4 route show root 192.168.0.0/16 | awk '/flannel.1/ {print $1; exit}')"
MAC = "$(bridge fdb show dev flannel.1 | awk '/dst/ {print $1, \"dst\", $3; exit}')"
GHOST = "/flannel/network/subnets/192.168.250.0-24"
KUBECTL = "kubectl --kubeconfig=/etc/kubernetes/kubeconfig"
CA = "/etc/kubernetes/ca"
DROP_IN = "/etc/systemd/system/kube-proxy.service.d"


@dataclass(frozen=True)
class Fault:
    """A fault and what the audit says of it.

    + where: the host it is brought about on, by the command `how`
    + finding: host, area, status and thing; host "" is `where`
    + by_hand: what repairs it, on `where`, if no deploy does
    + after: what is cleared away on `where` after the repair
    + first: what is done before on `host`
    + runtime: only where this one runs the containers
    """

    where: str
    how: str
    area: str
    what: str
    status: str = "drift"
    host: str = ""
    by_hand: str = ""
    after: str = ""
    first: str = ""
    runtime: str = ""


def edited(path: str, where: str = "node1", area: str = "files") -> Fault:
    return Fault(where, f"echo '# mine' >> {path}", area, path)


FAULTS = {
    # host
    "forwarding off": Fault("node1", "sysctl -qw net.ipv4.ip_forward=0", "host", "set kernel parameters"),
    "a name lost": Fault("node2", "sed -i /node3/d /etc/hosts", "host", "write the cluster's names to /etc/hosts"),
    "swap at boot": Fault("node1", "echo '/swap none swap sw 0 0' >> /etc/fstab", "host", "turn swap off"),
    "modules file gone": Fault(
        "node3", "rm /etc/modules-load.d/container-cloud.conf", "files", "/etc/modules-load.d/container-cloud.conf"
    ),
    "parameters edited": edited("/etc/sysctl.d/90-container-cloud.conf"),
    # packages
    "binary replaced": Fault(
        "node3", "cp -p /usr/local/bin/kube-proxy /root/k && echo >> /root/k && mv /root/k /usr/local/bin/kube-proxy",
        "packages", "/usr/local/bin/kube-proxy",
    ),
    "binary gone": Fault("node2", "rm /usr/local/bin/kubelet", "packages", "/usr/local/bin/kubelet"),
    "package gone": Fault("node1", "dpkg --force-depends --purge socat >/dev/null 2>&1", "packages", "socat"),
    # units
    "scheduler stopped": Fault("master", "systemctl stop kube-scheduler", "units", "kube-scheduler"),
    "controllers stopped": Fault(
        "master", "systemctl stop kube-controller-manager", "units", "kube-controller-manager"
    ),
    "API server stopped": Fault("master", "systemctl stop kube-apiserver", "units", "kube-apiserver"),
    "etcd stopped": Fault("master", "systemctl stop etcd", "units", "etcd"),
    "kubelet stopped": Fault("node2", "systemctl stop kubelet", "units", "kubelet"),
    "proxy stopped": Fault("node3", "systemctl stop kube-proxy", "units", "kube-proxy"),
    "docker stopped": Fault("node1", "systemctl stop docker.socket docker", "units", "docker", runtime="docker"),
    "containerd stopped": Fault("node1", "systemctl stop containerd", "units", "containerd", runtime="containerd"),
    "flanneld stopped": Fault("node1", "systemctl stop flanneld", "units", "flanneld"),
    "not at boot": Fault("node1", "systemctl disable -q kubelet", "units", "kubelet at boot"),
    "etcd not at boot": Fault("master", "systemctl disable -q etcd", "units", "etcd at boot"),
    "unit not loaded": Fault(
        "node1", f"mkdir -p {DROP_IN} && printf '[Unit]\\n' > {DROP_IN}/mine.conf", "units", "kube-proxy's unit",
        after=f"rm -r {DROP_IN}; systemctl daemon-reload",
    ),
    "runs with what was edited": Fault(
        "node2", "cp -p /etc/kubernetes/proxy /root/p && echo '# x' >> /etc/kubernetes/proxy && "
        "systemctl restart kube-proxy && cp -p /root/p /etc/kubernetes/proxy && rm /root/p", "units", "kube-proxy",
    ),
    "runs without its record": Fault("node3", "rm /run/container-cloud/kubelet.inputs", "units", "kubelet"),
    # files
    "common file edited": edited("/etc/kubernetes/config"),
    "API server's file edited": edited("/etc/kubernetes/apiserver", "master"),
    "mode loosened": Fault("node1", "chmod 666 /etc/kubernetes/proxy", "files", "/etc/kubernetes/proxy"),
    "owner changed": Fault("master", "chown etcd /etc/etcd/etcd.conf", "files", "/etc/etcd/etcd.conf"),
    "options gone": Fault("node2", "rm /etc/sysconfig/docker", "files", "/etc/sysconfig/docker", runtime="docker"),
    "containerd's file edited": replace(edited("/etc/containerd/config.toml", "node2"), runtime="containerd"),
    "the kubelet's file edited": replace(edited("/etc/kubernetes/kubelet.yaml", "node3"), runtime="containerd"),
    "kubeconfig edited": edited("/etc/kubernetes/kubeconfig", "node3"),
    "script not executable": Fault(
        "node1", "chmod -x /usr/local/libexec/container-cloud/forward", "files",
        "/usr/local/libexec/container-cloud/forward",
    ),
    "drop-in gone": Fault(
        "node1", "rm /etc/systemd/system/docker.service.d/container-cloud.conf", "files",
        "/etc/systemd/system/docker.service.d/container-cloud.conf", runtime="docker",
    ),
    "a unit before the package's": Fault(
        "master", "cp /lib/systemd/system/etcd.service /etc/systemd/system/", "files",
        "/etc/systemd/system/etcd.service", runtime="docker",
    ),
    # pki
    "certificate swapped": Fault(
        "node1", "cp /etc/kubernetes/ca/kubelet.crt /etc/kubernetes/ca/client.crt", "pki",
        "/etc/kubernetes/ca/client.crt",
    ),
    "key readable": Fault("node2", "chmod 644 /etc/kubernetes/ca/kubelet.key", "pki", "/etc/kubernetes/ca/kubelet.key"),
    "key of another": Fault(
        "master", "cp -p /etc/kubernetes/ca/client.key /etc/kubernetes/ca/server.key", "pki",
        "/etc/kubernetes/ca/server.key",
    ),
    "authority gone": Fault("node3", "rm /etc/kubernetes/ca/ca.crt", "pki", "/etc/kubernetes/ca/ca.crt"),
    "anchor gone": Fault(
        "node1", "rm /usr/local/share/ca-certificates/container-cloud.crt", "pki",
        "/usr/local/share/ca-certificates/container-cloud.crt",
    ),
    "not trusted": Fault(
        "node2", "touch -d 2020-01-01 /etc/ssl/certs/ca-certificates.crt", "pki", "trust the cluster's authority"
    ),
    # etcd
    "a right taken": Fault(
        "master", etcd("role revoke-permission flannel /flannel/network/ --prefix=true") + " >/dev/null", "etcd",
        "give etcd's clients their own users",
    ),
    "configuration changed": Fault(
        "master", etcd("put /flannel/network/config '{\"Network\": \"192.168.0.0/16\"}'") + " >/dev/null", "etcd",
        "set flannel's network configuration in etcd (/flannel/network/config)",
    ),
    "a member that is nobody": Fault(
        "master", etcd("member add ghost --learner --peer-urls=https://10.1.10.250:2380") + " >/dev/null", "etcd",
        "members",
    ),
    # flannel
    "lease deleted": Fault(
        "master", etcd(f"del {LEASE_OF_NODE2}") + " >/dev/null; sleep 1", "flannel", "lease in etcd", host="node2",
        by_hand="ssh node2", first="kill -STOP $(pidof flanneld)",  # which else leases anew at once
    ),
    "stale lease": Fault(
        "master", etcd(f"put {GHOST} '{{\"PublicIP\":\"10.1.10.250\",\"BackendType\":\"vxlan\",\"BackendData\":"
                       f"{{\"VNI\":1,\"VtepMAC\":\"d2:00:00:00:00:01\"}}}}'") + " >/dev/null",
        "flannel", "lease 192.168.250.0/24", by_hand=etcd(f"del {GHOST}") + " >/dev/null; sleep 1",
    ),
    "route deleted": Fault("node1", f"ip route del {WAY}", "flannel", "way to ?"),
    "forwarding entry deleted": Fault(
        "node3", f"bridge fdb del {MAC} dev flannel.1", "flannel", "way to ?",
    ),
    "lease written otherwise": Fault(
        "node2", "sed -i 's/^FLANNEL_SUBNET=.*/FLANNEL_SUBNET=192.168.251.1\\/24/' /run/flannel/subnet.env", "flannel",
        "/run/flannel/subnet.env", by_hand="systemctl restart flanneld",
    ),
    # runtime
    "docker0 moved": Fault(
        "node1", "ip addr flush dev docker0 && ip addr add 192.168.252.1/24 dev docker0", "runtime", "docker0",
        runtime="docker",
    ),
    "cni0 moved": Fault(
        "node1", "ip addr flush dev cni0 && ip addr add 192.168.252.1/24 dev cni0", "runtime", "cni0",
        runtime="containerd",
    ),
    "FORWARD closed": Fault(
        "node2", "iptables -w -D FORWARD -s 192.168.0.0/16 -j ACCEPT", "runtime", "let pod traffic through FORWARD"
    ),
    # kubernetes
    "node cordoned": Fault(
        "master", f"{KUBECTL} cordon node1 >/dev/null", "kubernetes", "scheduling", status="warn", host="node1",
        by_hand=f"{KUBECTL} uncordon node1 >/dev/null",
    ),
    "node forgotten": Fault(
        "master", f"{KUBECTL} delete node node3 >/dev/null", "kubernetes", "the node", host="node3", by_hand="ssh node3"
    ),
    "a right of the API server's": Fault(
        "master", f"{KUBECTL} delete clusterrolebinding container-cloud:kube-apiserver-to-kubelets >/dev/null",
        "kubernetes", "let the API server call the kubelets",
    ),
    "flag by hand": Fault(
        "node1", f"mkdir -p {DROP_IN} && printf '[Service]\\nExecStart=\\nExecStart=/usr/local/bin/kube-proxy "
        "$KUBE_COMMON_ARGS $KUBE_MASTER $KUBE_PROXY_ARGS --cluster-cidr=10.0.0.0/8\\n' "
        f"> {DROP_IN}/mine.conf && systemctl daemon-reload && systemctl restart kube-proxy && "
        "until curl -sf --max-time 2 http://127.0.0.1:10256/healthz; do sleep 0.2; done >/dev/null",
        "kubernetes", "kube-proxy's arguments",
        by_hand=f"rm -r {DROP_IN}; systemctl daemon-reload; systemctl restart kube-proxy",
    ),
}  # fmt: skip
# Faults that hide nothing of each other are brought about together: each is found and named, and nothing else is.
TOGETHER = (
    (
        "forwarding off", "a name lost", "swap at boot", "modules file gone", "common file edited",
        "API server's file edited", "mode loosened", "owner changed", "options gone", "containerd's file edited",
        "the kubelet's file edited", "kubeconfig edited", "script not executable", "drop-in gone",
        "a unit before the package's",
    ),
    ("parameters edited", "binary replaced", "binary gone", "package gone", "scheduler stopped", "not at boot",
     "etcd not at boot", "unit not loaded"),
    ("controllers stopped", "kubelet stopped", "proxy stopped", "docker stopped", "containerd stopped"),
    ("runs with what was edited", "runs without its record", "certificate swapped", "key readable", "key of another",
     "authority gone", "anchor gone", "not trusted"),
    ("a right taken", "configuration changed"),
    ("route deleted", "forwarding entry deleted", "lease written otherwise", "stale lease"),
    ("docker0 moved", "cni0 moved", "FORWARD closed", "node cordoned", "a right of the API server's"),
)  # fmt: skip
BATCHES = [*TOGETHER, *((name,) for name in FAULTS if not any(name in batch for batch in TOGETHER))]
# What repairs by hand on another host than the fault's.
ELSEWHERE = {
    "lease deleted": ("node2", "systemctl restart flanneld"),
    "node forgotten": ("node3", "systemctl restart kubelet"),
}


def repair(lab: Lab, faults: dict[str, Fault], told: dict[str, set[str]]) -> None:
    """Do what the findings say to do, each deploy once, in the order of the cluster's."""
    for name, fault in faults.items():
        if fault.by_hand:
            assert not any(r.startswith("deploys/") for r in told[name]), "it names a deploy that does not repair it"
            where, command = ELSEWHERE.get(name, (fault.where, fault.by_hand))
            lab.ssh(where, command)
        else:
            assert all(r.startswith("deploys/") for r in told[name]), told[name]
    deploys = {r for name, fault in faults.items() if not fault.by_hand for r in told[name]}
    order = (REPOSITORY / "deploys/cluster.py").read_text()
    for deploy in sorted(deploys, key=order.find):
        lab.deploy(deploy.removeprefix("deploys/").removesuffix(".py"))
    for fault in faults.values():
        if fault.after:
            lab.ssh(fault.where, fault.after)


def after_repair(lab: Lab, seconds: float) -> Audited:
    """The audit when nodes have been heard of again, and a service restarted by hand has had so many seconds."""
    lab.deploy("check")
    end = time.monotonic() + seconds
    while (done := audit("--json")).code and time.monotonic() < end:
        time.sleep(1)
    return done


def test_at_least_forty_faults() -> None:
    assert len(FAULTS) + 3 >= 40, "and a host off, a certificate near its end, an edited settings file"


def test_a_deployed_cluster_is_clean(lab: Lab) -> None:
    done = audit("--json")
    assert done.findings == [] and done.code == 0, str(done)
    assert {h["name"] for h in done.document["hosts"]} == set(HOSTS)
    assert done.document["counts"]["ok"] > 200, "much was looked at"


def test_nothing_differs_before_and_after(lab: Lab) -> None:
    before, started = snapshot(lab), lab.started_at()
    assert audit("--json").code == 0
    after = snapshot(lab)
    changed = {host: sorted(set(before[host].splitlines()) ^ set(after[host].splitlines())) for host in HOSTS}
    assert changed == {host: [] for host in HOSTS}
    assert lab.started_at() == started


@pytest.mark.flavours("deb")
@pytest.mark.parametrize("names", BATCHES, ids=", ".join)
def test_faults_are_found_named_alone_and_repaired(lab: Lab, names: tuple[str, ...]) -> None:
    """What was brought about, each by its name, and nothing else; the repairs told repair it."""
    faults = {name: FAULTS[name] for name in names if FAULTS[name].runtime in ("", lab.runtime)}
    try:
        inject_and_repair(lab, faults)
    except BaseException:  # the next one begins on a cluster as deployed, whatever this one has left
        for name, fault in faults.items():
            if fault.by_hand:
                lab.ssh(*ELSEWHERE.get(name, (fault.where, fault.by_hand)), check=False)
        lab.deploy("cluster")
        raise


def inject_and_repair(lab: Lab, faults: dict[str, Fault]) -> None:
    for fault in faults.values():
        if fault.first:
            lab.ssh(fault.host, fault.first)
        lab.ssh(fault.where, fault.how)
    done = audit("--json")
    wanted = {name: (f.host or f.where, f.area, f.status, f.what) for name, f in faults.items()}
    for name, (host, area, status, what) in wanted.items():
        if what == "way to ?":  # whichever node's it was
            (way,) = (f[3] for f in done.findings if f[:2] == (host, area) and f[3].startswith("way to "))
            wanted[name] = (host, area, status, way)
    assert sorted(done.findings) == sorted(wanted.values())
    assert done.code == 2
    repair(lab, faults, {name: done.repairs(host, area, what) for name, (host, area, _, what) in wanted.items()})
    # A deploy has waited itself.
    after = after_repair(lab, 30 if any(f.by_hand for f in faults.values()) else 0)
    assert after.findings == [], after.findings
    assert after.code == 0


@pytest.mark.runtimes("docker")
def test_a_program_that_its_package_did_not_bring(lab: Lab) -> None:
    program = "/usr/bin/kubectl" if lab.is_rpm("master") else "/usr/bin/etcdctl"
    lab.ssh("master", f"cp -p {program} /root/p && echo >> /root/p && mv /root/p {program}")
    done = audit("--json")
    assert done.findings == [("master", "packages", "drift", program)] and done.code == 2
    lab.ssh("master", f"{done.repair} -y")
    assert audit("--json").code == 0


@pytest.mark.flavours("deb")
def test_a_host_that_is_off_costs_its_timeout_and_is_said_alone(lab: Lab) -> None:
    lifecycle.stop([state.host("node3")])
    try:
        done = audit("--json")
        assert done.findings == [("node3", "host", "error", "the host")] and done.code == 1
        assert done.document["seconds"] < 15
    finally:
        lifecycle.start([state.host("node3")])
    lab.deploy("cluster")
    assert audit("--json").code == 0


@pytest.mark.flavours("deb")
def test_a_certificate_near_its_end_is_a_warning(lab: Lab) -> None:
    """One of ten days, put in the store's place of node3's and deployed."""
    directory = state.DIRECTORY / "pki"
    (directory / "certificates/node3/proxy.pem").unlink()
    short = Store(directory, certificate_days=10, renew_days=0)
    assert short.ensure(Request("node3/proxy", "cluster", "system:kube-proxy"), write=True)
    lab.deploy("cluster", "--data", "pki_renew_days=0")
    done = audit("--json")
    assert done.findings == [("node3", "pki", "warn", "/etc/kubernetes/ca/proxy.crt")] and done.code == 2
    assert done.repair == "deploys/cluster.py"
    lab.deploy("cluster")
    assert audit("--json").code == 0


@pytest.mark.flavours("deb")
def test_an_account_that_may_only_audit(lab: Lab, keeper: None, tmp_path: Path) -> None:
    """With sudo's leave for nothing else, and of the certificate store only what is public; and not without them."""
    account = ("--data", "audit_account=keeper")
    done = audit_as("keeper")
    assert done.code == 1 and "run deploys/audit.py" in done.out
    lab.deploy("audit", *account)
    try:
        assert lab.deploy("audit", "--json", *account).totals["success"] == 0
        elsewhere(lab, audit("--json"), tmp_path)
        for command in (
            "sudo -n true",
            "sudo -n cat /etc/shadow",
            "sudo -n /usr/local/libexec/container-cloud/audit x",
        ):
            assert lab.attempt("node1", f"su keeper -c '{command}'").returncode != 0
        assert what_ran_of_the_callers_own(lab, "sudo -n /usr/local/libexec/container-cloud/audit") == ""
        assert "env" in what_ran_of_the_callers_own(lab, "env"), "that is what would be seen"
    finally:
        lab.deploy("audit")
    assert lab.attempt("node1", "ls /etc/sudoers.d/container-cloud-audit").returncode != 0, "taken back"


def elsewhere(lab: Lab, by_root: Audited, tmp_path: Path) -> None:
    """As the account, where there is no certificate store but its public parts: it sees what the administrator sees."""
    public, hidden = tmp_path / "public", state.PKI.with_name("hidden")
    assert audit("--export", str(public)).code == 0 and "PRIVATE" not in public.read_text()
    state.PKI.rename(hidden)
    try:
        done = audit_as("keeper", "--store", str(public))
        assert done.findings == [] and done.code == 0, str(done)
        assert done.document["counts"] == by_root.document["counts"], "as much as root sees"
        lab.ssh("node1", f"cp -p {CA}/proxy.key /root/k && cp -p {CA}/kubelet.key {CA}/proxy.key")
        found = audit_as("keeper", "--store", str(public)).findings
        assert found == [("node1", "pki", "drift", f"{CA}/proxy.key")], "a key is compared by its digest"
        assert not state.PKI.exists()
    finally:
        lab.ssh("node1", f"[ ! -e /root/k ] || mv /root/k {CA}/proxy.key")
        hidden.rename(state.PKI)


def what_ran_of_the_callers_own(lab: Lab, command: str) -> str:
    """The programs that are run from keeper's own directory, first in PATH, where sudo keeps that."""
    names = "env sh stat cat cut sed grep date id ls curl ip iptables systemctl sha256sum dpkg-query etcdctl docker ctr"
    return lab.ssh(
        "node1",
        f"""
echo 'Defaults !secure_path' > /etc/sudoers.d/keeper
rm -rf /tmp/evil; mkdir -m 777 /tmp/evil
for n in {names}; do
    printf '#!/bin/sh\\necho %s >> /tmp/evil/ran\\nPATH=/usr/sbin:/usr/bin exec %s "$@"\\n' $n $n > /tmp/evil/$n
done
chmod 755 /tmp/evil/*
su keeper -c 'PATH=/tmp/evil:$PATH {command}' >/dev/null || exit 1
sort -u /tmp/evil/ran 2>/dev/null
rm -rf /tmp/evil /etc/sudoers.d/keeper
""",
    )


def audit_as(name: str, *arguments: str) -> Audited:
    """With an inventory whose hosts are entered by another account."""
    inventory = REPOSITORY / "lab/inventory.py"
    text = inventory.read_text()
    return _with(inventory.with_name("inventory_of_test.py"), f"{text}\nfor _g in (masters, nodes):\n"
                 f"    for _n, _d in _g:\n        _d['ssh_user'] = '{name}'\n", *arguments)  # fmt: skip


def _with(path: Path, text: str, *arguments: str) -> Audited:
    path.write_text(text)
    try:
        command = [*network.enter(), sys.executable, "-m", "audit", "--inventory", str(path), "--json", *arguments]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=180, check=False)
        return Audited(done.returncode, done.stdout, done.stderr)
    finally:
        path.unlink()


def test_the_table_and_the_page(lab: Lab, tmp_path: Path) -> None:
    own = lab.ssh("node1", "stat -c %a /etc/kubernetes/proxy; chmod 666 /etc/kubernetes/proxy")
    try:
        done = audit("--html", str(tmp_path / "audit.html"))
        assert done.code == 2
        for text in ("/etc/kubernetes/proxy", "mode 666", f"mode {own}", "deploys/node.py", "drift"):
            assert text in done.out
        page = (tmp_path / "audit.html").read_text()
        assert "/etc/kubernetes/proxy" in page and page.count("<svg") >= 2
        for host in HOSTS:
            assert host in page
    finally:
        lab.ssh("node1", f"chmod {own} /etc/kubernetes/proxy")


def test_settings_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    done = audit("--inventory", str(tmp_path / "none.py"))
    assert done.code == 1 and "there is no" in done.err and "Traceback" not in done.err
