"""What a second run, a dry run and a changed setting do: no more than they say."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.roles.master import KUBELET_BINDING
from lab import lifecycle, network, settings
from tests.lab.conftest import HOSTS, NODES, REPOSITORY, Lab

# Everything on a host but what lives on by itself: journals, logins, pods, what systemd, kernel and kubelet keep.
SNAPSHOT = (
    "find /etc /usr /var /root /opt /run /tmp -xdev -type f "
    r"! -path '/run/systemd/*' ! -path '/run/log/*' ! -path '/var/log/*' ! -path '/run/user/*' ! -path '/run/udev/*' "
    r"! -path '/run/utmp' ! -path '/var/lib/systemd/*' ! -path '/run/motd*' ! -path '/var/lib/docker/*' "
    r"! -path '/var/lib/etcd/*' ! -path '/var/lib/kubelet/*' ! -path '/var/lib/containerd/*' ! -path '/run/docker/*' "
    r"! -path '/run/containerd/*' ! -path '/var/lib/dockershim/*' ! -path '/run/flannel/addresses/*' "
    r"! -path '/run/container-cloud/kubectl/*' "
    r"! -path '/var/lib/rpm/*-shm' ! -path '/var/lib/rpm/*-wal' "
    r"-printf '%p %s %m %u %T@\n' | sort"
)
FLAG = ("--data", 'extra_args={"kube-apiserver": {"max-requests-inflight": "350"}}')


def snapshot(lab: Lab) -> dict[str, str]:
    return {host: lab.ssh(host, SNAPSHOT) for host in HOSTS}


def test_dry_run_on_bare_hosts_changes_nothing(lab: Lab, tmp_path: Path) -> None:
    """Neither on the hosts nor on this machine."""
    lifecycle.up(fresh=True, nodes=3)
    store = tmp_path / "store"
    before = snapshot(lab)
    done = lab.pyinfra("--dry", "--data", f"pki_directory={store}", "lab/inventory.py", "deploys/cluster.py")
    assert done.code == 0, done.err
    assert set(done.changes) == set(HOSTS)
    assert snapshot(lab) == before
    assert not store.exists()


def test_a_killed_run_is_finished_by_the_next(lab: Lab) -> None:
    """Killed while it installs, then again while it starts services; the third run ends where any run would."""
    program = str(Path(sys.executable).with_name("pyinfra"))
    for operation, seconds in (("Prepare the host", 6), ("Container runtime", 1)):
        running = subprocess.Popen(
            [*network.enter(), program, "-y", "lab/inventory.py", "deploys/cluster.py"], cwd=REPOSITORY, text=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert running.stderr
        for line in running.stderr:
            if re.search(rf"Starting operation: .*\| {operation} *$", line):
                break
        time.sleep(seconds)
        assert running.poll() is None, "it ended before it could be killed"
        running.send_signal(signal.SIGKILL)
        running.wait()
    lab.deploy()
    assert lab.deploy("cluster", "--json").totals["success"] == 0


def test_second_run_changes_nothing(cluster: Lab) -> None:
    before = cluster.started_at()
    done = cluster.deploy("cluster", "--json")
    assert done.totals["success"] == 0 and done.totals["error"] == 0, done.out
    assert done.changes == {}
    assert cluster.started_at() == before


def test_second_run_is_at_most_twelve_commands_a_host(cluster: Lab) -> None:
    commands = cluster.deploy("cluster", "-vvv").commands
    assert set(commands) == set(HOSTS)
    assert max(commands.values()) <= 12, commands


def test_dry_run_on_the_finished_cluster_announces_nothing(cluster: Lab) -> None:
    before = snapshot(cluster)
    done = cluster.pyinfra("--dry", "--json", "lab/inventory.py", "deploys/cluster.py")
    assert done.code == 0 and done.planned == {} and done.changes == {}
    assert all(not op["hosts_with_conditional_change"] for op in json.loads(done.out)["plan"])
    assert snapshot(cluster) == before


def test_one_flag_is_one_restart_as_announced(cluster: Lab) -> None:
    dry = cluster.pyinfra("--dry", "--json", *FLAG, "lab/inventory.py", "deploys/cluster.py")
    assert list(dry.planned.values()) == [["master"]], dry.planned
    assert dry.changes == {
        "master": [
            "write /etc/kubernetes/apiserver",
            "restart kube-apiserver (/etc/kubernetes/apiserver changed)",
        ]
    }
    before = cluster.started_at()
    done = cluster.deploy("cluster", *FLAG)
    assert done.changes == dry.changes
    after = cluster.started_at()
    assert [key for key in before if before[key] != after[key]] == [("master", "kube-apiserver")]
    assert "--max-requests-inflight=350" in cluster.ssh(
        "master", "tr '\\0' ' ' < /proc/$(pidof kube-apiserver)/cmdline"
    )
    back = cluster.deploy()
    assert back.changes == dry.changes, "and back again, the same way"


PROXY = ('pull_proxy="http://10.1.10.9:3128"', 'pull_no_proxy=["10.1.10.1"]')  # pods of drained nodes are pulled anew


@pytest.mark.parametrize(
    ("settings", "hosts", "unit"),
    [
        (("etcd_quota_mib=4096",), ["master"], "etcd"),
        pytest.param(
            ('docker_options=["--log-opt", "max-size=50m"]',), NODES, "docker", marks=pytest.mark.runtimes("docker")
        ),
        pytest.param(PROXY, NODES, "containerd", marks=[pytest.mark.runtimes("containerd"), pytest.mark.named]),
    ],
)
def test_what_restarts_with_another_is_announced(
    settings: tuple[str, ...], hosts: list[str], unit: str, cluster: Lab
) -> None:
    """A kubelet from a package requires docker.service: systemd restarts both. Nothing requires etcd so."""
    data = [part for setting in settings for part in ("--data", setting)]
    dry = cluster.pyinfra("--dry", *data, "lab/inventory.py", "deploys/cluster.py")
    before = cluster.started_at()
    done = cluster.deploy("cluster", *data)
    assert done.changes == dry.changes
    after = cluster.started_at()
    announced = {(h, line.split()[1]) for h in done.changes for line in done.changes[h] if line.startswith("restart ")}
    assert {key for key in before if before[key] != after[key]} == announced
    along = ["kubelet"] if unit == "docker" and cluster.is_rpm("node1") else []
    assert announced == {(host, name) for host in hosts for name in (unit, *along)}
    cluster.deploy()


def test_a_file_edited_by_hand_is_put_back_without_a_restart(cluster: Lab) -> None:
    before = cluster.started_at()
    cluster.ssh("node1", "echo '# mine' >> /etc/kubernetes/proxy && chmod 666 /etc/kubernetes/proxy")
    done = cluster.deploy("node")
    assert done.changes == {"node1": ["write /etc/kubernetes/proxy"]}
    assert cluster.started_at() == before


def test_a_service_restarted_on_an_edited_file_is_restarted_on_the_right_one(cluster: Lab) -> None:
    """The host is asked what the process was started with, whoever started it."""
    cluster.ssh("node1", "sed -i 's/--v=1/--v=3/' /etc/kubernetes/config && systemctl restart kube-proxy")
    done = cluster.deploy("node")
    assert done.changes == {
        "node1": ["write /etc/kubernetes/config", "restart kube-proxy (/etc/kubernetes/config changed)"]
    }


def test_a_file_written_but_not_restarted_on_is_noticed(cluster: Lab) -> None:
    """A run killed between writing and restarting: the file is right, the process is not."""
    cluster.ssh("node2", "cp -p /etc/kubernetes/proxy /root/p && echo '# x' >> /etc/kubernetes/proxy && "
                "systemctl restart kube-proxy && cp -p /root/p /etc/kubernetes/proxy && rm /root/p")  # fmt: skip
    assert cluster.deploy("node").changes == {"node2": ["restart kube-proxy (/etc/kubernetes/proxy changed)"]}


def test_a_stopped_service_is_started(cluster: Lab) -> None:
    cluster.ssh("node3", "systemctl stop kubelet")
    assert cluster.deploy("node").changes == {"node3": ["start kubelet (it is inactive)"]}


def test_a_replaced_program_is_installed_again(cluster: Lab) -> None:
    """A release file. What belongs to a package is the package manager's; the service follows it all the same."""
    program = cluster.program("node3", "kube-proxy")
    cluster.ssh(
        "node3", f"cp -p {program} /root/own && cp -p {program} /root/k && echo >> /root/k && mv /root/k {program}"
    )
    done = cluster.deploy("node")
    installed = [] if cluster.is_rpm("node3") else [f"install {program}"]
    restarted = f"restart kube-proxy ({program} was replaced)"
    assert done.changes == {"node3": [*installed, restarted]}
    cluster.ssh("node3", f"mv /root/own {program}")  # or reinstalled: by the same file, or by the package manager
    assert cluster.deploy("node").changes == {"node3": [restarted]}


@pytest.mark.flavours("deb")
def test_a_wrong_checksum_is_not_installed(cluster: Lab) -> None:
    """And the message says which file, what it has and what is wanted, by either algorithm."""
    before = cluster.started_at()
    files = cluster.pyinfra("--json", "lab/inventory.py", "debug-inventory")
    data = json.loads(files.out)
    release = next(_find(data, "release_files"))
    release["kubelet"]["sha256"] = "0" * 64
    release["kube-proxy"] = {"url": release["kube-proxy"]["url"], "sha512": "0" * 128}
    done = cluster.pyinfra(
        "-y",
        "--limit",
        "node1",
        "--data",
        f"release_files={json.dumps(release)}",
        "lab/inventory.py",
        "deploys/node.py",
    )
    assert done.code == 1
    for kind, name, digest in (("256", "kubelet", "0" * 64), ("512", "kube-proxy", "0" * 128)):
        assert re.search(rf"/{name} has SHA-{kind} \w+, wanted is {digest}: not installed", done.err), name
    assert cluster.started_at() == before
    assert cluster.deploy("node").changes == {}


def test_a_service_that_cannot_start_says_why(cluster: Lab) -> None:
    """The unit, its last log lines, and the likely cause; the run stops there."""
    broken = ("--data", 'extra_args={"kube-proxy": {"bind-address": "not-an-address"}}', "--data", "start_timeout=40")
    try:
        done = cluster.pyinfra("-y", *broken, "lab/inventory.py", "deploys/node.py")
        assert done.code == 1
        assert "kube-proxy" in done.err and "Its last log lines" in done.err and "not-an-address" in done.err
        assert "Likely cause" in done.err
    finally:
        cluster.deploy()


def test_a_missing_rule_is_set_again(cluster: Lab) -> None:
    for node in NODES:
        cluster.ssh(node, "iptables -w -D FORWARD -s 192.168.0.0/16 -j ACCEPT")
    done = cluster.deploy("runtime")
    assert done.changes == {n: ["let pod traffic through FORWARD"] for n in NODES}


@pytest.mark.parametrize("name", ["host", "pki", "etcd", "flannel", "runtime", "master", "node", "dns", "check"])
def test_each_role_alone_has_nothing_to_do(cluster: Lab, name: str) -> None:
    done = cluster.deploy(name, "--json")
    assert done.totals["success"] == 0 and done.changes == {}


def test_summary_names_the_next_command(cluster: Lab) -> None:
    done = cluster.deploy()
    assert "This run" in done.err and done.following.endswith("get nodes")
    for host in HOSTS:
        assert host in done.err


# --- What others wrote and installed ----------------------------------------------------------------------------------


def as_announced(lab: Lab, name: str, *settings: str) -> dict[str, list[str]]:
    """What a deploy changes, which is what its dry run says, and all there is to change."""
    dry = lab.pyinfra("--dry", *settings, "lab/inventory.py", f"deploys/{name}.py")
    assert dry.code == 0, dry.err[-3000:]
    done = lab.deploy(name, *settings)
    assert done.changes == dry.changes
    assert lab.deploy(name, "--json", *settings).totals["success"] == 0
    return done.changes


def in_place_of(lab: Lab, host: str, package: str, name: str) -> None:
    """Put an empty package on a deb host that excludes another."""
    control = f"Package: {name}\nVersion: 99\nArchitecture: all\nMaintainer: nobody <n@example>\nDescription: none\n"
    lab.ssh(
        host,
        f"mkdir -p /root/p/DEBIAN && printf %s '{control}Conflicts: {package}\n' > /root/p/DEBIAN/control && "
        f"dpkg-deb -b /root/p /root/p.deb && dpkg -P --force-depends {package} && dpkg -i /root/p.deb && "
        "rm -r /root/p /root/p.deb",
    )


@pytest.mark.flavours("deb")
def test_no_package_goes_unless_the_settings_say_so(cluster: Lab) -> None:
    """As docker-ce for docker.io: refused by the dry run and by the run, then announced and done."""
    before = cluster.started_at()
    in_place_of(cluster, "node1", "socat", "socat-of-theirs")
    for how in ("--dry", "-y"):
        done = cluster.pyinfra(how, "lab/inventory.py", "deploys/node.py")
        assert done.code == 1
        assert "installing socat would remove socat-of-theirs. " in done.err
        assert 'replace_packages = ["socat-of-theirs"]' in done.err
        assert cluster.ssh("node1", "dpkg-query -W -f '${Status}' socat-of-theirs") == "install ok installed"
    assert as_announced(cluster, "node", "--data", 'replace_packages=["socat-of-theirs"]') == {
        "node1": ["remove socat-of-theirs (in the way of socat)", "install socat"]
    }
    assert cluster.started_at() == before


@pytest.mark.flavours("deb")
def test_a_program_is_not_replaced_by_another(cluster: Lab) -> None:
    """etcdctl, with which the role's own steps ask, is missing; etcd itself stays as it is."""
    before = cluster.started_at()
    away, installed = {
        "docker": ("dpkg -P --force-depends etcd-client", "install etcd-client"),
        "containerd": ("rm /usr/local/bin/etcdctl", "install /usr/local/bin/etcdctl"),
    }[cluster.runtime]
    cluster.ssh("master", away)
    (lines,) = as_announced(cluster, "etcd").values()
    assert lines[0] == installed and not [line for line in lines if line.startswith("restart ")]
    assert cluster.started_at() == before


@pytest.mark.flavours("deb")
def test_what_keeps_the_clock_already_is_kept(cluster: Lab) -> None:
    """Where it does not run, nothing takes its place unasked."""
    wanted = ("--limit", "node2", "--data", "time_service=distribution")
    in_place_of(cluster, "node2", "systemd-timesyncd", "chrony")
    unit = "/run/systemd/system/chrony.service"
    cluster.ssh("node2", f"printf '[Service]\\nExecStart=sleep 600\\n' > {unit} && systemctl start chrony")
    try:
        assert cluster.deploy("host", *wanted).changes == {}
        cluster.ssh("node2", "systemctl stop chrony")
        done = cluster.pyinfra("--dry", *wanted, "lab/inventory.py", "deploys/host.py")
        assert done.code == 1 and "installing systemd-timesyncd would remove chrony. " in done.err
    finally:
        cluster.ssh("node2", f"systemctl stop chrony; rm {unit}; systemctl daemon-reload; dpkg -P chrony")


def test_somebody_elses_unit_is_kept_aside(cluster: Lab) -> None:
    """One that would hide a package's, and on deb hosts one in the place of ours; nothing restarts."""
    before = cluster.started_at()
    aside, etcd, flanneld = (
        "/var/lib/container-cloud/set-aside",
        *(f"/etc/systemd/system/{unit}.service" for unit in ("etcd", "flanneld")),
    )
    cluster.ssh("master", f"printf '[Service]\\nExecStart=/bin/false\\n' > {etcd}")
    ours = cluster.runtime == "containerd"  # where etcd comes as release files
    assert as_announced(cluster, "etcd") == {
        "master": [f"set aside {etcd} (-> {aside}{etcd})", *[f"write {etcd}"] * ours, "reload systemd"]
    }
    there = cluster.ssh("master", f"cat {aside}{etcd} && rm -r {aside} && ls {etcd} || true")
    assert "ExecStart=/bin/false" in there and there.endswith(etcd) == ours
    if not cluster.is_rpm("node1"):
        cluster.ssh("node1", f"sed -i 1d {flanneld}")
        assert as_announced(cluster, "flannel") == {
            "node1": [f"set aside {flanneld} (-> {aside}{flanneld})", f"write {flanneld}", "reload systemd"]
        }
        cluster.ssh("node1", f"[ -e {aside}{flanneld} ] && rm -r {aside}")
    assert cluster.started_at() == before


@pytest.mark.flavours("deb")
def test_a_repository_goes_with_its_setting(cluster: Lab) -> None:
    another = settings.apt_repository() | {"name": "another"}
    wanted = json.dumps([settings.apt_repository(), another])
    files = ["/etc/apt/keyrings/container-cloud-another.asc", "/etc/apt/sources.list.d/container-cloud-another.sources"]
    done = cluster.deploy("host", "--limit", "node1", "--data", f"apt_repositories={wanted}")
    assert done.changes == {"node1": [f"write {path}" for path in files]}
    assert as_announced(cluster, "host", "--limit", "node1") == {
        "node1": [f"remove {path}" for path in reversed(files)]
    }


def test_the_clusters_names_are_added_to_a_file_without_a_final_newline(cluster: Lab) -> None:
    """Once, and so that the next run has nothing to do."""
    cluster.ssh("node1", "sed -i '/container-cloud: begin/,/container-cloud: end/d' /etc/hosts && "
                "printf '10.9.9.9 last' >> /etc/hosts")  # fmt: skip
    assert as_announced(cluster, "host") == {"node1": ["write the cluster's names to /etc/hosts"]}
    assert cluster.ssh("node1", "getent hosts node2 last").split()[::2] == ["10.1.10.103", "10.9.9.9"]
    assert cluster.ssh("node1", "grep -c container-cloud /etc/hosts; sed -i '/^10.9.9.9 last$/d' /etc/hosts") == "2"


@pytest.mark.named  # test_readers has a cluster started so
def test_the_cluster_is_never_asked_through_a_proxy(cluster: Lab) -> None:
    """One that nobody answers at: services are asked until they are ready, and kubectl mends what is missing."""
    variables = "".join(f"{name}=http://10.1.10.1:9\n" for name in ("http_proxy", "https_proxy", "HTTPS_PROXY"))
    cluster.kubectl(f"delete clusterrolebinding {KUBELET_BINDING}")
    for host in HOSTS:
        cluster.ssh(host, f"cp -p /etc/environment /root/; printf '{variables}' >> /etc/environment")
    try:
        assert "10.1.10.1:9" in cluster.ssh("master", "echo $https_proxy"), "every login has it"
        cluster.ssh("master", "systemctl stop etcd")
        assert cluster.deploy("etcd").changes["master"][0] == "start etcd (it is inactive)"
        cluster.deploy("check")  # waits for control loops, which end where etcd is away for longer than their lease
        granted = cluster.deploy().changes
        assert set(granted) == {"master"}
        assert all(line.startswith("let the API server call the kubelets: grant ") for line in granted["master"])
    finally:
        for host in HOSTS:
            cluster.ssh(host, "mv /root/environment /etc/environment")


def _find(data: object, key: str) -> Iterator[dict]:
    if isinstance(data, dict):
        if key in data:
            yield data[key]
        for value in data.values():
            yield from _find(value, key)
    elif isinstance(data, list):
        for value in data:
            yield from _find(value, key)
