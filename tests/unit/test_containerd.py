"""The role that runs pods by containerd, and the shell that puts them on flannel's lease."""

import json
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cluster.desired import File, Role
from cluster.plan import plan
from cluster.roles.lease import CONFLIST, ENDS, LEASE_ENV, MOVES, NETWORKS
from cluster.settings import Cluster
from cluster.shell import program
from tests.unit.example import BARE, SEVERAL, converged, current, roles

OFF_LEASE = "containerd: pods are not on flannel's lease"


def of(found: Cluster, host: str = "node1") -> dict[str, Role]:
    return roles(found, found.host(host))


def files(role: Role) -> dict[str, File]:
    return {f.path: f for f in role.files}


def toml(role: Role, path: str) -> dict[str, Any]:
    return tomllib.loads(files(role)[path].content or "")


def test_a_node_runs_containerd_between_flanneld_and_the_kubelet() -> None:
    found = of(current())
    assert [n for n in found if n in ("flannel", "containerd", "docker", "node")] == ["flannel", "containerd", "node"]
    unit = files(found["containerd"])["/etc/systemd/system/containerd.service"].content or ""
    assert "After=network-online.target flanneld.service\n" in unit
    for line in ("Type=notify", "Delegate=yes", "KillMode=process", "TasksMax=infinity"):
        assert f"\n{line}\n" in unit
    assert "Before=containerd.service\n" in (
        files(found["flannel"])["/etc/systemd/system/flanneld.service"].content or ""
    )
    assert "containerd.service" in (files(found["node"])["/etc/systemd/system/kubelet.service"].content or "")


def test_its_configuration() -> None:
    written = toml(of(current(pause_image="registry.example/pause:3"))["containerd"], "/etc/containerd/config.toml")
    images, runtime = (written["plugins"][f"io.containerd.cri.v1.{part}"] for part in ("images", "runtime"))
    assert written["version"] == 3
    assert images["pinned_images"] == {"sandbox": "registry.example/pause:3"}
    assert images["registry"] == {"config_path": "/etc/containerd/certs.d"}
    assert runtime["cni"]["conf_dir"] == NETWORKS and CONFLIST.startswith(f"{NETWORKS}/")
    assert runtime["containerd"]["runtimes"]["runc"]["options"]["SystemdCgroup"] is True


def test_registries_and_mirrors_mean_what_they_do_with_docker() -> None:
    settings = {
        "insecure_registries": ["10.1.10.1:5000", "mirror.example"],
        "registry_mirrors": ["https://mirror.example", "http://second.example:5000/"],
    }
    role = of(current(**settings))["containerd"]
    plain = toml(role, "/etc/containerd/certs.d/10.1.10.1:5000/hosts.toml")
    assert plain["server"] == "http://10.1.10.1:5000", "after TLS with any certificate"
    assert plain["host"]["https://10.1.10.1:5000"]["skip_verify"] is True
    mirrors = toml(role, "/etc/containerd/certs.d/docker.io/hosts.toml")
    assert mirrors["server"] == "https://registry-1.docker.io"
    assert list(mirrors["host"]) == ["https://mirror.example", "http://second.example:5000"]
    assert mirrors["host"]["https://mirror.example"]["skip_verify"] is True
    assert "skip_verify" not in mirrors["host"]["http://second.example:5000"]


def test_a_registry_that_is_no_longer_insecure_is_forgotten_without_a_restart() -> None:
    found = converged(of(current(insecure_registries=["10.1.10.1:5000"]))["containerd"])
    changes = plan(of(current())["containerd"], found)
    assert changes.lines() == ["remove /etc/containerd/certs.d/10.1.10.1:5000/hosts.toml"]


def test_a_proxys_password_is_roots_alone() -> None:
    proxy = "http://someone:secret@proxy.example:3128"
    role = of(current(pull_proxy=proxy, pull_no_proxy=["10.0.0.0/8", "registry.example"]))["containerd"]
    own = files(role)["/etc/containerd/proxy.env"]
    assert own.mode == "600"
    assert own.content and f'HTTPS_PROXY="{proxy}"\n' in own.content
    assert 'NO_PROXY="10.0.0.0/8,registry.example"\n' in own.content
    assert not [f.path for f in role.files if f is not own and "secret" in (f.content or "")]
    assert "EnvironmentFile=/etc/containerd/proxy.env\n" in (
        files(role)["/etc/systemd/system/containerd.service"].content or ""
    )
    without = plan(of(current())["containerd"], converged(role)).lines()
    assert "remove /etc/containerd/proxy.env" in without


def test_somebody_elses_configuration_is_kept() -> None:
    role = of(current(insecure_registries=["10.1.10.1:5000"]))["containerd"]
    found = converged(role)
    paths = ("/etc/containerd/config.toml", "/etc/crictl.yaml", "/etc/containerd/certs.d/10.1.10.1:5000/hosts.toml")
    for path in paths:
        found["files"][path] |= {"sha256": "00" * 32, "ours": False}
    lines = plan(role, found).lines()
    assert [f"set aside {p} (-> /var/lib/container-cloud/set-aside{p})" for p in paths] == lines[:3]


@pytest.mark.parametrize("path", ["/etc/containerd/config.toml", "/etc/systemd/system/containerd.service"])
def test_a_restart_that_ends_no_pod_says_so(path: str) -> None:
    role = of(current())["containerd"]
    found = converged(role)
    found["units"]["containerd"]["started_with"][path] = "00" * 32
    assert plan(role, found).lines() == [f"restart containerd ({path} changed; drained first)"]
    found["steps"][OFF_LEASE] = True
    assert plan(role, found).lines() == [f"restart containerd ({path} changed; ends {ENDS}; drained first)"]


def test_pods_that_are_off_the_lease_end() -> None:
    role = of(current())["containerd"]
    found = converged(role)
    found["steps"][OFF_LEASE] = True
    assert plan(role, found).lines() == [
        f"restart containerd (pods are not on flannel's lease; ends {ENDS}; drained first)"
    ]


def test_a_lease_that_moves_is_announced_with_flannels_role() -> None:
    role = of(current())["flannel"]
    found = converged(role)
    found["steps"][f"containerd: {MOVES}"] = True
    assert plan(role, found).lines()[-1] == f"restart containerd ({MOVES}; ends {ENDS}; drained first)"


def test_a_master_has_a_lease_and_nothing_that_runs_pods() -> None:
    found = of(current(), "master")
    assert "flannel" in found and not {"containerd", "docker", "node"}.intersection(found)
    assert found["flannel"].followers == ()
    assert "CONFLIST=''\n" in (files(found["flannel"])["/usr/local/libexec/container-cloud/lease"].content or "")
    assert {f.path for f in found["pki"].files} >= {
        f"/etc/flannel/pki/{n}" for n in ("ca.crt", "client.crt", "client.key")
    }
    off = of(current(masters_on_pod_network=False), "master")
    assert "flannel" not in off and not [f for f in off["pki"].files if "flannel" in f.path]


def test_a_master_that_is_a_node_runs_pods_on_its_lease() -> None:
    found = of(current(SEVERAL, api_server_address="api.example"), "node1")
    assert {"flannel", "containerd", "master", "node"} <= found.keys()
    assert f"CONFLIST={CONFLIST}\n" in (
        files(found["flannel"])["/usr/local/libexec/container-cloud/lease"].content or ""
    )


def test_images_are_loaded_from_archives() -> None:
    archive = {"url": "http://mirror.example/pause.tar", "sha256": "ab" * 32}
    more = {"url": "http://mirror.example/more.tar", "sha256": "cd" * 32}
    steps = of(current(pause_image_archive=archive, image_archives=[more]))["containerd"].steps
    loads = [s for s in steps if s.name.startswith("load")]
    assert [s.name for s in loads] == [
        f"load the image {current().settings.pause_image}",
        "load the images of http://mirror.example/more.tar",
    ]
    assert all(s.when == "after" and s.downloads for s in loads)
    docker = [s for s in of(current(image_archives=[more]))["containerd"].steps if s.name.startswith("load")]
    assert "RUNTIME=containerd\n" in docker[0].check


# --- The shell ------------------------------------------------------------------------------------------------------


def shell(script: str, directory: Path, programs: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """A script with /run/flannel below a directory, and programs that do what they are told to."""
    stubs = directory / "stubs"
    stubs.mkdir(exist_ok=True)
    for name, body in programs.items():
        (stubs / name).write_text(f"#!/bin/sh\n{body}\n")
        (stubs / name).chmod(0o755)
    moved = script.replace("/run/flannel", str(directory))
    env = {"PATH": f"{stubs}:/usr/bin:/bin"}
    return subprocess.run(["sh", "-c", moved, "lease", "publish"], env=env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("subnet", "network"),
    [
        ("192.168.13.1/24", "192.168.13.0/24"),
        ("10.244.7.129/25", "10.244.7.128/25"),
        ("172.16.20.5/30", "172.16.20.4/30"),
        ("192.168.200.1/21", "192.168.200.0/21"),
    ],
)
def test_a_lease_becomes_a_network_of_pods(subnet: str, network: str, tmp_path: Path) -> None:
    (tmp_path / "subnet.env").write_text(f"FLANNEL_NETWORK=10.0.0.0/8\nFLANNEL_SUBNET={subnet}\nFLANNEL_MTU=1450\n")
    script = published(tmp_path, CONFLIST)
    restarted = f"echo $* >> {tmp_path}/restarted"
    assert shell(script, tmp_path, {"systemctl": restarted}).returncode == 0
    bridge, portmap = json.loads((tmp_path / "cni/10-flannel.conflist").read_text())["plugins"]
    assert (bridge["type"], bridge["bridge"], bridge["mtu"]) == ("bridge", "cni0", 1450)
    assert bridge["isDefaultGateway"] and bridge["hairpinMode"] and not bridge["ipMasq"]
    assert bridge["ipam"]["ranges"] == [[{"subnet": network}]] and "routes" not in bridge["ipam"]
    assert portmap["type"] == "portmap"
    assert not (tmp_path / "restarted").exists(), "at a boot containerd comes after"
    (tmp_path / "subnet.env").write_text(f"FLANNEL_NETWORK=10.0.0.0/8\nFLANNEL_SUBNET={subnet}\nFLANNEL_MTU=1400\n")
    assert shell(script, tmp_path, {"systemctl": restarted}).returncode == 0
    assert (tmp_path / "restarted").read_text() == "--no-block try-restart containerd.service\n"
    assert shell(script, tmp_path, {"systemctl": "exit 1"}).returncode == 0, "nothing moved"


def test_a_master_only_writes_its_lease_down(tmp_path: Path) -> None:
    (tmp_path / "subnet.env").write_text("FLANNEL_SUBNET=192.168.13.1/24\nFLANNEL_MTU=1450\n")
    done = shell(published(tmp_path, ""), tmp_path, {"systemctl": "exit 1"})
    assert done.returncode == 0 and not (tmp_path / "cni").exists()
    assert "FLANNEL_BACKEND=vxlan\n" in (tmp_path / Path(LEASE_ENV).name).read_text()


def published(directory: Path, conflist: str) -> str:
    """What publishes a lease of vxlan's, where nothing is kept of a device."""
    publish = program("lease-cni", HANDED="vxlan", CONFLIST=conflist)
    return f"BACKEND=host-gw RECORD={LEASE_ENV}\n{keep(directory)}{publish}"


def keep(directory: Path, options: str = "{}") -> str:
    """What keeps flannel's device, writing below a directory."""
    return program("kept-device", OPTIONS=options).replace("/var/lib/container-cloud", f"{directory}/kept")


LINK = (
    "3: flannel.1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue state UNKNOWN mode DEFAULT    link/ether "
    "da:33:b9:c9:ee:6e brd ff:ff:ff:ff:ff:ff promiscuity 0 minmtu 68 maxmtu 65535    vxlan id 1 local 10.1.10.101 dev "
    "eth0 srcport 0 0 dstport 8472 %s ttl auto ageing 300 udpcsum noudp6zerocsumtx "
)


@pytest.mark.parametrize(
    ("said", "added"),
    [
        ("nolearning", "dstport 8472 nolearning"),
        ("", "dstport 8472 learning"),
        ("nolearning gbp", "dstport 8472 nolearning gbp"),
    ],
)
def test_flannels_device_comes_back_with_its_address(said: str, added: str, tmp_path: Path) -> None:
    """But not where flanneld is to make another one by now, or there is one."""
    script = "BACKEND=vxlan DEVICE=flannel.1\n"
    assert shell(f"{script}{keep(tmp_path)}remember", tmp_path, {"ip": f"echo '{LINK % said}'"}).returncode == 0
    for options, there in (("{}", "false"), ("{1}", "false"), ("{}", "true")):
        ip = {"ip": f"[ $2 = show ] && {there} || {{ [ $2 = add ] && echo $* >> {tmp_path}/added; }}"}
        assert shell(f"{script}{keep(tmp_path, options)}remake", tmp_path, ip).returncode == 0
    assert (tmp_path / "added").read_text() == (
        f"link add flannel.1 address da:33:b9:c9:ee:6e type vxlan id 1 local 10.1.10.101 dev eth0 {added}\n"
    )


@pytest.mark.parametrize(
    ("handed", "beneath", "mtu"),
    [("vxlan", 1500, None), ("vxlan:1500", 9000, None), ("vxlan:1400", 1500, 1350), ("vxlan", 9000, 8950)],
)
def test_flannels_device_gets_another_mtu_and_stays(handed: str, beneath: int, mtu: int | None, tmp_path: Path) -> None:
    links = (
        f'case "$*" in *flannel.1) echo "{LINK % "nolearning"}" ;; *eth0) echo "2: eth0: <UP> mtu {beneath} " ;; esac'
    )
    ip = {"ip": f'[ "$2" = set ] && echo $* >> {tmp_path}/set || {{ {links}; }}'}
    script = f"BACKEND=vxlan DEVICE=flannel.1\n{program('kept-device', OPTIONS='', HANDED=handed)}resize"
    assert shell(script, tmp_path, ip).returncode == 0
    told = tmp_path / "set"
    assert (told.read_text() if told.exists() else None) == (mtu and f"link set dev flannel.1 mtu {mtu}\n")


@pytest.mark.parametrize(
    ("written", "gone"),
    [("vxlan", False), ("vxlan:1400", False), ("host-gw", True), ("host-gw:1400", True), ("vxlan-like", True)],
)
def test_only_another_backends_ways_are_removed(written: str, gone: bool, tmp_path: Path) -> None:
    (tmp_path / "subnet.env").write_text("FLANNEL_NETWORK=192.168.0.0/16\n")
    (tmp_path / "lease.env").write_text(f"FLANNEL_BACKEND={written}\n")
    clear = program("former-ways", RECORD=LEASE_ENV, BRIDGE="cni0")
    script = f"set -eu\nBACKEND=vxlan DEVICE=flannel.1\nresize() {{ :; }}\nbroken() {{ :; }}\n{clear}clear"
    ip = {"ip": f"echo $* >> {tmp_path}/told"}
    assert shell(script, tmp_path, ip).returncode == 0
    assert ("link delete flannel.1" in (tmp_path / "told").read_text()) is gone


@pytest.mark.parametrize(
    ("written", "now", "anew"),
    [("5", "5", False), ("5", "9", True), ("5", "", True), ("", "", False), ("", "5", False), (None, "5", False)],
)
def test_a_device_that_flanneld_made_again_has_no_ways(
    written: str | None, now: str, anew: bool, tmp_path: Path
) -> None:
    if written is not None:
        (tmp_path / "device").write_text(f"{written}\n")  # a line, which may be empty
    ip = f'[ -z "{now}" ] || echo "{now}: flannel.1: <BROADCAST,MULTICAST,UP> mtu 1450"'
    assert (shell(f"{program('device', DEVICE='flannel.1')}anew", tmp_path, {"ip": ip}).returncode == 0) is anew


ADDRESS = "7: cni0 inet 192.168.13.1/24 brd 192.168.13.255 scope global cni0"
CNI0 = "7: cni0: <BROADCAST,MULTICAST,UP> mtu 1450 qdisc noqueue state UP"
PORT = "9: veth1@if2: <BROADCAST,MULTICAST,UP> mtu 1450 qdisc noqueue master cni0 state UP"


@pytest.mark.parametrize(
    ("address", "bridge", "ports", "on"),
    [
        (ADDRESS, CNI0, PORT, True),
        (ADDRESS, CNI0, "", True),
        (ADDRESS.replace("13.1/24", "14.1/24"), CNI0, PORT, False),
        ("", CNI0, PORT, False),
        ("", "", "", False),
        (ADDRESS, CNI0.replace("1450", "1500"), PORT, False),
        (ADDRESS, CNI0, PORT.replace("1450", "1400"), False),
    ],
)
def test_pods_are_on_the_lease_by_the_bridges_address_and_every_mtu(
    address: str, bridge: str, ports: str, on: bool, tmp_path: Path
) -> None:
    (tmp_path / "lease.env").write_text("FLANNEL_SUBNET=192.168.13.1/24\nFLANNEL_MTU=1450\n")
    ip = f'case "$*" in *addr*) echo "{address}" ;; *master*) printf "{ports}" ;; *) echo "{bridge}" ;; esac'
    assert (shell(f"{program('bridge')}on_lease", tmp_path, {"ip": ip}).returncode == 0) is on


@pytest.mark.parametrize(
    ("address", "away"),
    [
        ("", True),
        ("172.17.0.1/16", True),
        ("192.168.1.1/24", True),
        ("192.168.2.1/24", False),
        ("192.168.77.1/24", False),
    ],
)
def test_docker_is_away_unless_it_has_what_pods_shall_have(address: str, away: bool, tmp_path: Path) -> None:
    (step,) = [s for s in of(current())["containerd"].steps if "Docker" in s.name]
    ip = f'echo "3: docker0 inet {address} brd 192.168.255.255 scope global docker0"' if address else "exit 1"
    assert (shell(step.check, tmp_path, {"ip": ip}).returncode == 0) is away


def test_images_are_there_while_the_runtime_has_every_one_of_them(tmp_path: Path) -> None:
    script = program("images", RUNTIME="containerd", URL="http://m/a.tar", DIGEST="ab" * 32, WANTED="")
    script = script.replace("/var/lib/container-cloud/images", str(tmp_path))

    def has(*names: str) -> bool:
        return shell(f"{script}loaded", tmp_path, {"ctr": f"printf '%s\\n' {' '.join(names)}"}).returncode == 0

    assert not has("docker.io/library/busybox:1"), "no record"
    (tmp_path / ("ab" * 32)).write_text("docker.io/library/busybox:1\nregistry.example/pause:3\n")
    assert has("docker.io/library/busybox:1", "registry.example/pause:3", "other:1")
    assert not has("docker.io/library/busybox:1"), "the kubelet has made room"


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("busybox:1", "docker.io/library/busybox:1"),
        ("lab/busybox:1", "docker.io/lab/busybox:1"),
        ("registry.k8s.io/pause:3.2", "registry.k8s.io/pause:3.2"),
        ("10.1.10.1:5000/nginx:v1", "10.1.10.1:5000/nginx:v1"),
        ("localhost/a/b:c", "localhost/a/b:c"),
    ],
)
def test_containerds_names_of_an_archives_images(tag: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps([{"Config": "c.json", "RepoTags": [tag], "Layers": ["l"]}]))
    subprocess.run(["tar", "-cf", tmp_path / "a.tar", "-C", tmp_path, "manifest.json"], check=True)
    script = program("images", RUNTIME="containerd", URL="", DIGEST="", WANTED="")
    assert shell(f"{script}named {tmp_path}/a.tar", tmp_path, {}).stdout.split() == [name]


def test_a_bare_host_gets_all_of_it() -> None:
    lines = plan(of(current())["containerd"], BARE).lines()
    installed = {line.removeprefix("install ") for line in lines if line.startswith("install /")}
    assert {
        "/usr/local/bin/containerd",
        "/usr/local/bin/runc",
        "/opt/cni/bin/bridge",
        "/usr/local/bin/crictl",
    } <= installed
    assert "start containerd (it is not there)" in lines
