"""Bad settings end a run before any host is contacted: the command itself, against a host that counts its callers."""

import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.releases import RELEASE_FILES

REPOSITORY = Path(__file__).resolve().parents[2]
PYINFRA = str(Path(sys.executable).with_name("pyinfra"))


class Listener:
    """A host on loopback that takes calls, counts them, and hangs up."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.calls = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                call, _ = self.socket.accept()
            except OSError:
                return
            self.calls += 1
            call.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    served = Listener()
    yield served
    served.socket.close()


@pytest.fixture
def inventory(tmp_path: Path, listener: Listener) -> Path:
    """The shipped inventory and settings, complete, with every host on loopback at the listener's port."""
    text = (REPOSITORY / "inventory.py").read_text()
    text = text.replace('"ssh_hostname": address', f'"ssh_hostname": "127.0.0.1", "ssh_port": {listener.port}')
    path = tmp_path / "inventory.py"
    path.write_text(text)
    return path


def run(
    inventory: Path, *data: str, command: tuple[str, ...] = ("deploys/cluster.py",)
) -> subprocess.CompletedProcess[str]:
    names = (
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubectl",
        "kubelet",
        "kube-proxy",
        "flanneld",
        "etcd",
        "containerd",
        "runc",
        "cni-plugins",
        "crictl",
    )
    files = {name: {"url": f"http://127.0.0.1/{name}", "sha256": "ab" * 32} for name in names}
    settings = [f"release_files={json.dumps(files)}", f"pki_directory={inventory.parent / 'pki'}", *data]
    flags = [part for setting in settings for part in ("--data", setting)]
    return subprocess.run(
        [PYINFRA, "-y", *flags, str(inventory), *command],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
        env={"PATH": "/usr/bin:/bin", "HOME": str(inventory.parent), "PYINFRA_PROGRESS": "off"},
    )  # fmt: skip


def test_good_settings_do_contact_the_hosts(inventory: Path, listener: Listener) -> None:
    """So that the silence below means something."""
    done = run(inventory)
    assert done.returncode == 1 and "not to go on" not in done.stderr
    assert listener.calls >= 4


@pytest.mark.parametrize(
    ("data", "messages"),
    [
        (("pod_netwrk=192.168.0.0/16",), ['pod_netwrk: is no setting; did you mean "pod_network"?']),
        (("pod_network=192.168.0.1/16",), ["host bits are set", '"192.168.0.0/16"']),
        (
            ("service_network=192.168.7.0/24", "flannel_backend=vxlna", "kubernetes_version=1.28.0", "log_level=high"),
            ["service_network", "flannel_backend", "kubernetes_version", "log_level", "4 reasons not to go on"],
        ),
    ],
)
def test_bad_settings_do_not(inventory: Path, listener: Listener, data: tuple[str, ...], messages: list[str]) -> None:
    done = run(inventory, *data)
    assert done.returncode == 1
    for message in messages:
        assert message in done.stderr
    assert "Traceback" not in done.stderr and "no host was contacted" in done.stderr
    assert listener.calls == 0


@pytest.mark.parametrize("order", ["--serial", "--no-wait"])
def test_another_order_between_hosts(inventory: Path, listener: Listener, order: str) -> None:
    done = run(inventory, command=(order, "deploys/cluster.py"))
    assert done.returncode == 1 and f"{order}: hosts of a cluster wait for each other" in done.stderr, done.stderr
    assert listener.calls == 0


def test_what_nobody_has_a_digest_of(inventory: Path, listener: Listener) -> None:
    """The command that finds it is the one for this inventory."""
    files = {name: {"url": f"http://127.0.0.1/{name}"} for name in RELEASE_FILES if name != "docker"}
    done = run(inventory, f"release_files={json.dumps(files)}", "release_lock=/nowhere/release.lock")
    told = f"nobody has its digest; run `python -m release lock --inventory {inventory}`"
    assert f'error: release_files["kubelet"] = "http://127.0.0.1/kubelet": {told}' in done.stderr
    assert done.stderr.count(told) == 12 and "12 reasons not to go on" in done.stderr and listener.calls == 0


def test_a_host_listed_twice(inventory: Path, listener: Listener) -> None:
    """pyinfra itself would take the second for the first."""
    text = inventory.read_text()
    inventory.write_text(text.replace('_host("node2", "10.1.10.103")', '_host("node1", "10.1.10.103")'))
    done = run(inventory)
    assert done.returncode == 1 and re.search(r"node1.*(twice|2 times|more than once)", done.stderr), done.stderr
    assert listener.calls == 0


@pytest.mark.parametrize(
    ("command", "calls"),
    [
        (("exec", "--", "uptime"), True),
        (("fact", "facts.host.Preflight"), True),
        (("debug-inventory",), False),
    ],
)
def test_what_runs_no_deploy_asks_nothing_of_the_settings(
    inventory: Path, listener: Listener, command: tuple[str, ...], calls: bool
) -> None:
    done = run(inventory, "release_files={}", "pod_network=nonsense", command=command)
    assert "pod_network: " not in done.stderr and "not to go on" not in done.stderr, done.stderr
    assert (listener.calls >= 4) == calls
    assert done.returncode == (1 if calls else 0), "the listener is no host"


def test_an_inventory_file_called_like_a_group_keeps_it(inventory: Path, listener: Listener) -> None:
    done = run(inventory.rename(inventory.with_name("nodes.py")))
    assert "not to go on" not in done.stderr and listener.calls >= 4, done.stderr
