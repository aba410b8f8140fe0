"""The shell that looks at a node's pod network, with programs that answer what a test says."""

import socketserver
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

import pytest

from cluster.reach import asked_names, silent
from cluster.roles.lease import follower, handed
from cluster.shell import program
from facts.network import PodNetwork, Reach, Reached
from tests.unit.example import cluster

OURS = ["-A FORWARD -s 192.168.0.0/16 -j ACCEPT", "-A FORWARD -d 192.168.0.0/16 -j ACCEPT"]
DOCKERS = ["-A FORWARD -j DOCKER-USER", "-A FORWARD -m conntrack --ctstate INVALID -j DROP"]


def run(script: str, programs: Path, answers: Mapping[str, str], said: str = "") -> subprocess.CompletedProcess[str]:
    """A script whose programs print what they are told to, by name and first argument that decides.

    Args:
        said: its standard input.
    """
    for name, body in answers.items():
        (programs / name).write_text(f"#!/bin/sh\n{body}\n")
        (programs / name).chmod(0o755)
    env = {"PATH": f"{programs}:/usr/bin:/bin"}
    return subprocess.run(["/bin/sh", "-c", script], env=env, input=said, capture_output=True, text=True, check=False)


def printing(*lines: str) -> str:
    return "\n".join(["cat <<'EOF'", *lines, "EOF"])


@pytest.mark.parametrize(
    ("rules", "passes"),
    [
        (OURS, True),
        ([*reversed(OURS)], True),
        ([*DOCKERS, *OURS], True),
        ([*OURS, "-A FORWARD -j DROP"], True),
        (["-A FORWARD -s 10.9.9.9/32 -j DROP", *OURS], True),
        (["-A FORWARD -j DROP", *OURS], False),
        ([OURS[0], "-A FORWARD -i eth0 -j REJECT --reject-with icmp-port-unreachable", OURS[1]], False),
        (["-A FORWARD -p tcp -j DROP", *OURS], False),
        ([OURS[0]], False),
        ([], False),
        (["-A FORWARD -s 192.168.0.0/17 -j ACCEPT", OURS[1]], False),
    ],
)
def test_forward_lets_pods_through_if_they_come_before_what_drops(
    rules: list[str], passes: bool, tmp_path: Path
) -> None:
    script = f"{program('forward', NETWORK='192.168.0.0/16')}check"
    assert (run(script, tmp_path, {"iptables": printing("-P FORWARD DROP", *rules)}).returncode == 0) is passes


WHOLE = {
    "route": "192.168.14.0/24 via 192.168.14.0 dev flannel.1 onlink ",
    "neigh": "192.168.14.0 lladdr 0a:00 PERMANENT",
    "fdb": "0a:00 dst 10.1.10.103 self permanent",
}


@pytest.mark.parametrize(
    ("without", "more", "broken"),
    [
        ("", {}, ""),
        ("route", {}, "192.168.14.0"),
        ("neigh", {}, "192.168.14.0"),
        ("fdb", {}, "192.168.14.0"),
        ("", {"fdb": "0b:00 dst 10.1.10.109 self permanent"}, ""),  # of a node that has another device now
        ("", {"route": "192.168.13.0/24 dev docker0 proto kernel scope link src 192.168.13.1"}, ""),
        ("", {"route": "192.168.22.0/24 via 192.168.22.0 dev flannel.1 onlink "}, "192.168.22.0"),
    ],
)
def test_a_way_is_three_things(without: str, more: dict[str, str], broken: str, tmp_path: Path) -> None:
    lines = {
        kind: [*([] if kind == without else [line]), *more.get(kind, "").splitlines()] for kind, line in WHOLE.items()
    }
    ip = f'case "$2" in route)\n{printing(*lines["route"])}\n;; neigh)\n{printing(*lines["neigh"])}\n;; esac'
    script = program("ways", BACKEND="vxlan", DEVICE="flannel.1", NETWORK="192.168.0.0/16") + "broken"
    assert run(script, tmp_path, {"ip": ip, "bridge": printing(*lines["fdb"])}).stdout.strip() == broken


@pytest.mark.parametrize(
    ("changed", "moves"),
    [
        ({}, False),
        ({"pod_subnet_min": "192.168.13.0"}, False),
        ({"pod_subnet_max": "192.168.13.0"}, False),
        ({"flannel_backend_options": {"Port": 4789}}, False),
        ({"pod_subnet_min": "192.168.14.0"}, True),
        ({"pod_subnet_max": "192.168.12.0"}, True),
        ({"pod_subnet_length": 25}, True),
        ({"flannel_backend_options": {"MTU": 1400}}, True),
        ({"flannel_backend": "host-gw"}, True),
    ],
)
def test_docker_is_known_to_follow_before_its_lease_moves(
    changed: dict[str, object], moves: bool, tmp_path: Path
) -> None:
    (cause,) = follower(cluster(**changed).settings).causes
    before = handed(cluster().settings)
    (tmp_path / "docker.env").write_text(f"FLANNEL_BACKEND={before}\n")
    (tmp_path / "subnet.env").write_text("FLANNEL_SUBNET=192.168.13.1/24\n")
    script = cause.check.replace("/run/flannel", str(tmp_path))
    assert (run(f"( {script} )", tmp_path, {}).returncode == 0) is moves


def test_nothing_moves_before_the_first_lease(tmp_path: Path) -> None:
    (cause,) = follower(cluster(pod_subnet_length=25).settings).causes
    assert run(f"( {cause.check.replace('/run/flannel', str(tmp_path))} )", tmp_path, {}).returncode != 0


# A server's answer: an id, flags with the code, one question, so many answers.
def header(code: int, answers: int) -> str:
    return "cc" + "".join(f"\\{byte:03o}" for byte in (0x81, 0x80 | code, 0, 1, 0, answers, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("inside", "outside", "resolver", "told"),
    [
        (header(0, 1), header(0, 13), "", ["inside yes", "outside yes"]),
        (header(3, 0), header(3, 0), "", ["inside unknown", "outside yes"]),
        (header(0, 0), header(5, 0), header(0, 13), ["inside unknown", "outside failed 5", "resolver 10.1.10.1"]),
        ("", header(2, 0), header(2, 0), ["inside", "outside failed 2"]),
        ("", "", "", ["inside", "outside"]),
    ],
)
def test_names_are_asked_inside_and_outside(
    inside: str, outside: str, resolver: str, told: list[str], tmp_path: Path
) -> None:
    """What no resolver of the host knows either is not looked for a second time."""
    (tmp_path / "resolv.conf").write_text("search lab\nnameserver 10.1.10.1\n")
    asked = tmp_path / "asked"
    socat = f"""
    q=$(od -An -c | tr -d ' \\n')
    echo "$4" >> {asked}
    case "$4 $q" in
    *192.168.1.10:53*kubernetes*cluster*local*) printf '{inside}' ;;
    *192.168.1.10:53*) printf '{outside}' ;;
    *) printf '{resolver}' ;;
    esac
    """
    names = program("names", DNS="192.168.1.10", NAME="kubernetes.default.svc.cluster.local")
    names = names.replace("/etc/resolv.conf", str(tmp_path / "resolv.conf"))
    done = run(f'inside() {{ "$@"; }}\nNAMES_PATIENCE=0\n{names}ask_names', tmp_path, {"socat": socat})
    assert sorted(line.rstrip() for line in done.stdout.splitlines()) == told, done.stderr
    assert "UDP:192.168.1.10:53,readbytes=12" in asked.read_text()


def test_a_question_is_one_packet_as_rfc_1035_has_it(tmp_path: Path) -> None:
    names = program("names", DNS="192.168.1.10", NAME="x")
    done = subprocess.run(
        ["/bin/sh", "-c", f"{names}question kubernetes.default.svc.a1-b.local 1"], capture_output=True, check=True
    )
    assert done.stdout == (
        b"cc\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
        b"\x0akubernetes\x07default\x03svc\x04a1-b\x05local\x00\x00\x01\x00\x01"
    )


def test_without_cluster_dns_no_name_is_asked() -> None:
    assert asked_names(cluster().settings) == {}
    assert "ask_names" not in PodNetwork().script() and "ask_names" not in Reach().script(pid=1)
    assert PodNetwork().script(dns="192.168.1.10").endswith(" && ask_names\nleave")


def test_who_says_nothing_is_silent() -> None:
    targets = {"node1": "a", "node2": "b", "node3": "c"}
    assert silent("node1", targets, {"node1": {"answers": {"b": "small", "c": "yes"}}}) == {"node2": "small"}
    assert silent("node1", targets, {}) == {"node2": "no", "node3": "no"}


PLACE = program("probe", IMAGE="", RUNTIME="containerd", BRIDGE="cni0", ADDRESSES="/none", LIFE=1, PORT=8080)


@pytest.mark.parametrize(
    ("arguments", "config", "missing"),
    [
        (["--v=2"], None, "/etc/resolv.conf"),
        (["--resolv-conf=/given"], None, "/given"),
        (["--resolv-conf=/first", "--resolv-conf=/last"], None, "/last"),
        (["--resolv-conf="], None, ""),
        (["--config=CONFIG"], 'resolvConf: "/configured"', "/configured"),
        (["--config=CONFIG"], "clusterDNS: []", "/etc/resolv.conf"),
        (["--config=CONFIG", "--resolv-conf=/given"], "resolvConf: /configured", "/given"),
    ],
)
def test_the_kubelet_is_asked_which_resolvers_it_reads(
    arguments: list[str], config: str | None, missing: str, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text(config or "")
    (tmp_path / "4711").mkdir()
    line = "\0".join(["/usr/local/bin/kubelet", *arguments, ""]).replace("CONFIG", str(tmp_path / "config"))
    (tmp_path / "4711" / "cmdline").write_text(line)
    script = PLACE.replace("/proc/", f"{tmp_path}/").replace("/etc/resolv.conf", f"{tmp_path}/etc/resolv.conf")
    done = run(f"{script}\nresolvers", tmp_path, {"systemctl": "echo MainPID=4711"})
    told = [f"trouble no pod starts: the kubelet reads {missing}, which is not there"] if missing else []
    assert done.stdout.replace(str(tmp_path), "").splitlines() == told, done.stderr


@pytest.mark.parametrize(
    ("lease", "less", "address"),
    [
        ("192.168.13.1/24", 1, "192.168.13.254"),
        ("192.168.13.1/24", 16, "192.168.13.239"),
        ("10.0.254.0/23", 1, "10.0.255.254"),
        ("172.16.5.129/25", 3, "172.16.5.252"),
    ],
)
def test_places_are_at_a_lease_s_end(lease: str, less: int, address: str, tmp_path: Path) -> None:
    assert run(f"{PLACE}\nfrom_the_end {lease} {less}", tmp_path, {}).stdout.strip() == address


@pytest.mark.parametrize(
    ("socat", "told"),
    [
        ("exec cat", "yes 192.168.14.254"),
        ("head -c 1400", "small 192.168.14.254"),
        ("tr 0 1", "no 192.168.14.254"),
        ("exit 1", "no 192.168.14.254"),
    ],
)
def test_what_a_place_is_sent_must_come_back_whole(socat: str, told: str, tmp_path: Path) -> None:
    reach = program("reach", PID=1, PORT=8080, PATIENCE=0)
    script = f'{reach}\ninside() {{ "$@"; }}\nwhy() {{ :; }}\nask_all 192.168.14.254 ""'
    assert run(script, tmp_path, {"socat": socat}).stdout.splitlines() == [told]


def reached(*addresses: str, seconds: int = 0) -> dict[str, bool]:
    script = f"export no_proxy='*'; {Reached().script(addresses, seconds)}"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, timeout=30)
    return Reached().read(done.stdout.splitlines())


@contextmanager
def listening(*, delay: float = 0, says: bytes = b"") -> Iterator[str]:
    """The address of somebody who, after a while, listens and says something to whoever comes."""

    class Says(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1000)
            self.request.sendall(says)

    with socketserver.TCPServer(("127.0.0.1", 0), Says, bind_and_activate=False) as server:
        server.server_bind()

        def serve() -> None:
            server.server_activate()
            server.serve_forever()

        beginning = Timer(delay, serve)
        beginning.start()
        yield "{}:{}".format(*server.server_address)
        beginning.join(delay)
        server.shutdown()


def test_whoever_answers_is_reached_whatever_is_said() -> None:
    with listening() as gone:
        pass
    with listening() as hangs_up, listening(says=b"GET / ???") as echoes:
        assert reached(hangs_up, gone, echoes) == {hangs_up: True, gone: False, echoes: True}


def test_one_that_begins_late_is_reached_in_time() -> None:
    with listening() as there, listening(delay=1) as late:
        assert reached(there, late, seconds=10) == {there: True, late: True}
