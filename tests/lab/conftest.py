"""The lab as a test sees it: hosts to ask, deploys to run on them."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from cluster.release_sets import SETS
from lab import lifecycle, network, sets, settings, ssh, state

REPOSITORY = Path(__file__).resolve().parents[2]
KUBECTL = "kubectl --kubeconfig=/etc/kubernetes/kubeconfig"
NODES = ("node1", "node2", "node3")
HOSTS = ("master", *NODES)
IMAGE = "lab/busybox:1"
PLAIN = """
apiVersion: v1
kind: Pod
metadata: {name: plain-%(node)s}
spec:
  nodeName: %(node)s
  containers:
  - {name: plain, image: "%(image)s", imagePullPolicy: Never, command: [sleep, "600"]}
"""
UNITS: dict[str, tuple[str, ...]] = {}  # by host, of the line at hand
# A whole cluster is built once and then looked at from all sides; what rebuilds it comes last.
ORDER = (
    "test_lab",
    "test_cluster",
    "test_packages",
    "test_release",
    "test_converge",
    "test_check",
    "test_draining",
    "test_workload",
    "test_dns",
    "test_conformance",
    "test_cis",
    "test_etcd",
    "test_members",
    "test_preflight",
    "test_security",
    "test_audit",
    "test_readers",
    "test_reboot",
    "test_backends",
    "test_roles_alone",
    "test_masters",
    "test_outages",
    "test_encryption",
    "test_moving",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Which hosts to test on."""
    parser.addoption("--flavour", choices=state.FLAVOURS, default="deb", help="the lab's hosts: see docs/lab.md")
    parser.addoption("--several", action="store_true", help="three masters, each with etcd, and two nodes")
    parser.addoption("--kubernetes", choices=list(sets.LINES), help="what they are for (default: the flavour's own)")


def pytest_configure(config: pytest.Config) -> None:
    """Marks of tests that are not for every flavour and line, and what is different between lines."""
    config.addinivalue_line("markers", "flavours(*names): only on these flavours of the lab's hosts")
    config.addinivalue_line("markers", "runtimes(*names): only where this runs the containers: docker, containerd")
    config.addinivalue_line("markers", "several: only where there are three masters; all others where there is one")
    config.addinivalue_line("markers", "named: only when its file is named, for what `make test-all` alone runs")
    UNITS.update(units_of(line_of(config)))


def line_of(config: pytest.Config) -> str:
    """The Kubernetes line at hand."""
    return config.getoption("--kubernetes") or sets.DEFAULT[config.getoption("--flavour")]


def units_of(line: str) -> dict[str, tuple[str, ...]]:
    """The cluster's services by host."""
    pod_network = () if line == sets.GUIDES else ("flanneld",)
    masters = ("etcd", *pod_network, "kube-apiserver", "kube-controller-manager", "kube-scheduler")
    return {
        "master": masters,
        **dict.fromkeys(NODES, ("flanneld", SETS[line].container_runtime, "kubelet", "kube-proxy")),
    }


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run the files in the order above, and only what is asked for, and for the flavour and the line at hand."""
    known = {"flavours": config.getoption("--flavour"), "runtimes": SETS[line_of(config)].container_runtime}
    named = {Path(argument.partition("::")[0]).name for argument in config.args}

    def wanted(item: pytest.Item) -> bool:
        if bool(item.get_closest_marker("several")) != config.getoption("--several"):
            return False
        if item.get_closest_marker("named") and item.path.name not in named:
            return False
        marks = {name: item.get_closest_marker(name) for name in known}
        return all(mark is None or known[name] in mark.args for name, mark in marks.items())

    config.hook.pytest_deselected(items=[item for item in items if not wanted(item)])
    items[:] = sorted(filter(wanted, items), key=lambda item: ORDER.index(item.path.stem))


def gateway(network: str) -> str:
    """The first address of a network, with its length."""
    subnet = IPv4Network(network)
    return f"{subnet.network_address + 1}/{subnet.prefixlen}"


@dataclass
class Run:
    """A finished pyinfra run."""

    code: int
    out: str
    err: str

    @property
    def commands(self) -> dict[str, int]:
        """Commands sent to each host; needs -vvv."""
        sent = re.findall(r"^\s*\[([\w.-]+)\] +>>> ", self.err + self.out, re.MULTILINE)
        return {host: sent.count(host) for host in set(sent)}

    @property
    def following(self) -> str:
        """The command that the run's summary says comes next."""
        return self.err.rpartition(" Next: ")[2].splitlines()[0]

    @property
    def totals(self) -> dict[str, int]:
        """pyinfra's own totals; needs --json."""
        return json.loads(self.out)["results"]["totals"]

    @property
    def planned(self) -> dict[str, list[str]]:
        """Operations a dry run would change, by name, with their hosts; needs --json and --dry."""
        plan = json.loads(self.out)["plan"]
        return {op["name"]: sorted(op["hosts_with_change"]) for op in plan if op["hosts_with_change"]}

    @property
    def changes(self) -> dict[str, list[str]]:
        """The announced changes by host: what a dry run would do, or what a run did."""
        found: dict[str, list[str]] = {}
        verbs = (
            r"(?:write|install|enable|reload|start|restart|stop|make|turn|load|set|let|give|trust|"
            r"create|change|scale|roll|delete|remove|add|promote|join|uncordon|disarm) "
        )
        for host, line in re.findall(rf"^\s*\[([\w.-]+)\] +({verbs}.*)$", self.err, re.MULTILINE):
            found.setdefault(host, []).append(line)
        return found


@dataclass
class Lab:
    """What tests do with the lab."""

    flavour: str
    line: str

    @property
    def runtime(self) -> str:
        """What runs the containers: docker or containerd."""
        return SETS[self.line].container_runtime

    @property
    def version(self) -> str:
        """The Kubernetes version that is deployed."""
        return sets.LINES[self.line]

    def is_rpm(self, host: str) -> bool:
        """Whether a host is of the rpm family, and all of the cluster on it from packages."""
        return state.host(host).flavour == "rpm" and self.line == sets.GUIDES

    def program(self, host: str, name: str) -> str:
        """Where a program of Kubernetes or flannel is on a host."""
        return f"/usr/bin/{name}" if self.is_rpm(host) else f"/usr/local/bin/{name}"

    def ssh(self, host: str, command: str, *, check: bool = True) -> str:
        """Standard output of a command on a host, as root."""
        done = self.attempt(host, command)
        if check and done.returncode:
            pytest.fail(f"{host}: {command}\nexit code {done.returncode}\n{done.stdout}{done.stderr}", pytrace=False)
        return done.stdout.strip()

    def attempt(self, host: str, command: str) -> subprocess.CompletedProcess[str]:
        """A command on a host that may fail."""
        return subprocess.run(
            [*ssh.command(state.host(host)), "--", command], capture_output=True, text=True, timeout=300, check=False
        )

    def here(self, command: str) -> str:
        """Standard output of a command typed where pyinfra is, which must succeed."""
        done = subprocess.run(
            [*network.enter(), "sh", "-c", command],
            cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        return done.stdout

    def pyinfra(self, *arguments: str, timeout: int = 900, environment: dict[str, str] | None = None) -> Run:
        """Run pyinfra where the hosts are reachable, from the repository, in this virtual environment."""
        program = str(Path(sys.executable).with_name("pyinfra"))
        env = {**os.environ, "PYINFRA_PROGRESS": "off", **(environment or {})}
        done = subprocess.run(
            [*network.enter(), program, *arguments],
            cwd=REPOSITORY, env=env, capture_output=True, text=True, timeout=timeout, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return Run(done.returncode, done.stdout, done.stderr)

    def deploy(self, name: str = "cluster", *arguments: str, environment: dict[str, str] | None = None) -> Run:
        """Apply a deploy, which must succeed."""
        done = self.pyinfra("-y", *arguments, "lab/inventory.py", f"deploys/{name}.py", environment=environment)
        assert done.code == 0, f"deploys/{name}.py ended with {done.code}\n{done.err[-6000:]}"
        return done

    def fact(self, fact: str, *arguments: str, limit: str | None = None) -> dict:
        """A fact's answers by host."""
        only = ("--limit", limit) if limit else ()
        done = self.pyinfra("--json", *only, "lab/inventory.py", "fact", fact, *arguments)
        assert done.code == 0, done.err
        return next(iter(json.loads(done.out).values()))

    def kubectl(self, arguments: str) -> str:
        """kubectl on the master as the administrator."""
        return self.ssh("master", f"{KUBECTL} {arguments}")

    def started_at(self) -> dict[tuple[str, str], str]:
        """When each service's main process started, by host and unit."""
        return {
            (host, unit): self.ssh(host, f"systemctl show -p MainPID,ExecMainStartTimestampMonotonic {unit}")
            for host, units in UNITS.items()
            for unit in units
        }

    @contextmanager
    def containers(self) -> Iterator[dict[str, str]]:
        """A container named `plain` on each node, while in the block: its address by node. Docker's is in no pod."""
        try:
            for node in NODES:
                self.load_image(node)
                if self.runtime == "docker":
                    self.ssh(node, f"docker run -d --name plain {IMAGE} sleep 600")
                else:
                    self.apply(PLAIN % {"node": node, "image": IMAGE})
            if self.runtime == "docker":
                address = "docker inspect -f '{{.NetworkSettings.IPAddress}}' plain"
                yield {node: self.ssh(node, address) for node in NODES}
            else:
                self.kubectl("wait --for=condition=Ready --timeout=90s " + " ".join(f"pod/plain-{n}" for n in NODES))
                address = "-o jsonpath={.status.podIP}"
                yield {node: self.kubectl(f"get pod plain-{node} {address}") for node in NODES}
        finally:
            if self.runtime == "docker":
                for node in NODES:
                    self.ssh(node, "docker rm -f plain", check=False)
            else:
                pods = " ".join(f"plain-{n}" for n in NODES)
                self.ssh("master", f"{KUBECTL} delete pod --now --ignore-not-found {pods}", check=False)

    def inside(self, node: str, command: str) -> str:
        """Standard output of a command in a node's `plain` container, asked of the runtime there."""
        if self.runtime == "docker":
            return self.ssh(node, f"docker exec plain {command}")
        return self.ssh(node, f"crictl exec $(crictl ps -q --name '^plain$') {command}")

    def load_image(self, node: str) -> None:
        """Bring the image that tests start containers from to a node, from the lab's mirror."""
        archive = settings.image("busybox")["url"]
        known, load = {
            "docker": (f"docker image inspect {IMAGE}", "docker load"),
            "containerd": (f"crictl inspecti docker.io/{IMAGE}", "ctr -n k8s.io images import -"),
        }[self.runtime]
        self.ssh(node, f"{known} >/dev/null 2>&1 || curl -fsS {archive} | {load}")

    def apply(self, manifest: str) -> None:
        """kubectl apply of a manifest on the master as the administrator."""
        self.ssh("master", f"cat <<'EOF' | {KUBECTL} apply -f -\n{manifest}\nEOF")

    @property
    def bridge(self) -> str:
        """The device that a node's containers are plugged into."""
        return {"docker": "docker0", "containerd": "cni0"}[self.runtime]

    def bridges(self) -> dict[str, tuple[str, str]]:
        """Each node's bridge for containers: the address it has or will have, and the MTU that containers get."""
        engines = self.fact(f"facts.{self.runtime}.Engine", limit="nodes")
        found = {}
        for node, engine in engines.items():
            told = engine["bip"] if self.runtime == "docker" else gateway(engine["network"])
            assert engine["bridge"] in ("", told), (node, engine)  # containerd makes it for the first pod
            found[node] = told, engine["mtu"]
        return found

    def containers_of(self, node: str) -> str:
        """How many containers a node's runtime has, and pods' places among them."""
        return self.ssh(node, "docker ps -aq | wc -l" if self.runtime == "docker" else "ctr -n k8s.io c ls -q | wc -l")

    def leases(self) -> dict[str, str]:
        """Each node's subnet as its flanneld holds it."""
        return {n: self.ssh(n, "sed -n s/^FLANNEL_SUBNET=//p /run/flannel/subnet.env") for n in NODES}


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """The lab, up, with whatever its hosts hold."""
    flavour, line = request.config.getoption("--flavour"), line_of(request.config)
    nodes, masters = (2, 3) if request.config.getoption("--several") else (3, 1)
    other = int(state.load().get("masters", masters)) != masters  # whose etcd would have lost most of its members
    lifecycle.up(fresh=other, nodes=nodes, masters=masters, spares=0, flavour=flavour, line=line)
    yield Lab(flavour, line)


@pytest.fixture(scope="module")
def fresh(lab: Lab) -> Lab:
    """The lab with bare hosts."""
    lifecycle.up(fresh=True, nodes=3, masters=1, spares=0)
    return lab


@pytest.fixture(scope="module")
def cluster(lab: Lab) -> Lab:
    """The lab with the cluster on it."""
    lab.deploy()
    return lab


@pytest.fixture
def as_before(cluster: Lab) -> Iterator[None]:
    """What a test has set is taken back."""
    yield
    cluster.deploy()


@pytest.fixture(scope="module")
def keeper(lab: Lab) -> Iterator[None]:
    """An account named keeper, without root's rights, on every host, with the lab's key; sudo is up to the test."""
    # A user's own systemd outlives the last session for a while.
    gone = "pkill -KILL -u keeper; userdel -rf keeper 2>/dev/null; rm -f /etc/sudoers.d/keeper"
    for host in HOSTS:
        lab.ssh(host, gone, check=False)
        lab.ssh(
            host,
            "useradd -m -s /bin/sh keeper && install -d -m 700 -o keeper ~keeper/.ssh && "
            "install -m 600 -o keeper /root/.ssh/authorized_keys ~keeper/.ssh/",
        )
    yield
    for host in HOSTS:
        lab.ssh(host, gone, check=False)
