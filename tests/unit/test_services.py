"""How facts read services: by a systemctl that is made up, so that what it is asked, and how often, can be seen."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from facts.host import Preflight
from facts.role import RoleState
from tests.unit.example import SEVERAL, current, roles

# As systemd prints them: the properties in its own order, an alias under its own name again.
SHOWN = {
    "containerd": [
        "ActiveState=active",
        "MainPID=71",
        "Id=containerd.service",
        "ExecStart={ path=/usr/bin/ctrd ; a=b }",
    ],
    "kubelet": ["Id=kubelet.service", "MainPID=0", "ActiveState=failed", "ExecStart={ path=/opt/kubelet ; argv[]=x }"],
    "docker": ["Id=docker.service", "MainPID=0", "ActiveState=inactive"],
    "chrony": ["MainPID=80", "Id=chrony.service", "ActiveState=active"],
    "chronyd": ["MainPID=80", "Id=chrony.service", "ActiveState=active"],
    "ufw": ["Id=ufw.service", "ActiveState=active", "MainPID=0"],
}


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What systemctl was called with, a line each."""
    called = tmp_path / "called"
    cases = "\n".join(f"{name}.service) printf '%s\\n' {' '.join(map(repr, p))} ''; ;;" for name, p in SHOWN.items())
    program = tmp_path / "systemctl"
    program.write_text(
        f'#!/bin/sh\necho "$*" >>{called}\n'
        f'case $1 in show) for each; do case $each in\n{cases}\nesac; done ;; *) [ "$3" = late ] ;; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for name in SHOWN:
        (tmp_path / f"{name}.service").touch()
    monkeypatch.setattr("facts.host.UNIT_DIRECTORIES", (str(tmp_path),))
    return called


def ask(fact: type, **arguments: Any) -> Any:
    asked = fact()
    done = subprocess.run(["sh", "-c", asked.command(**arguments)], capture_output=True, text=True, check=True)
    return asked.process(done.stdout.splitlines())


def test_the_preflight_asks_for_all_services_at_once(systemctl: Path) -> None:
    found = ask(Preflight, units=["containerd", "kubelet", "docker"])
    assert {name: unit["pid"] for name, unit in found["units"].items()} == {"containerd": 71, "kubelet": 0, "docker": 0}
    assert (found["time_services"], found["firewalls"]) == (["chrony"], ["ufw"])
    assert len(systemctl.read_text().splitlines()) == 1


def test_the_preflight_asks_for_no_service_that_is_not_there(systemctl: Path) -> None:
    (systemctl.parent / "ufw.service").unlink()
    found = ask(Preflight, units=["containerd", "etcd"])
    assert (list(found["units"]), found["firewalls"]) == (["containerd"], [])
    (asked,) = systemctl.read_text().splitlines()
    assert {"ufw.service", "etcd.service"} & {*asked.split()} == set()
    for name in SHOWN:
        (systemctl.parent / f"{name}.service").unlink(missing_ok=True)
    assert ask(Preflight, units=["containerd", "etcd"])["units"] == {}
    assert len(systemctl.read_text().splitlines()) == 1


def test_the_preflight_tells_of_no_other_services_than_it_is_asked_for(systemctl: Path) -> None:
    assert list(ask(Preflight, units=["docker"])["units"]) == ["docker"]


def test_conditions_of_services_that_run_ask_nobody_again(systemctl: Path) -> None:
    steps = {
        "one runs": "runs kubelet containerd",
        "none runs": "runs kubelet docker",
        "begun meanwhile": "runs late",
    }
    found = ask(RoleState, units=["containerd", "kubelet"], steps=steps)
    assert found["steps"] == {"one runs": True, "none runs": False, "begun meanwhile": True}
    assert {name: unit["active"] for name, unit in found["units"].items()} == {
        "containerd": "active",
        "kubelet": "failed",
    }
    asked = sorted(line for line in systemctl.read_text().splitlines() if not line.startswith("show"))
    assert asked == ["is-active -q kubelet docker", "is-active -q late"]


def test_conditions_know_services_that_nobody_asked_for(systemctl: Path) -> None:
    assert ask(RoleState, steps={"late": "runs late", "never": "runs never"})["steps"] == {"late": True, "never": False}


@pytest.mark.parametrize(
    ("role", "runs_with", "asked"),
    [
        (
            "etcd",
            {"ETCD_ADVERTISE_CLIENT_URLS": "https://10.1.10.101:7002"},
            "https://10.1.10.101:7002/health?exclude=NOSPACE",
        ),
        ("master", ["--bind-address=0.0.0.0", "--secure-port=7001"], "https://10.1.10.101:7001/readyz"),
    ],
)
@pytest.mark.parametrize("answers", [True, False])
def test_a_process_is_asked_whether_it_serves_at_the_port_that_it_has(
    role: str, runs_with: Any, asked: str, answers: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever port the settings give it."""
    this = current(SEVERAL, etcd_client_port=12379, api_server_port=8443)
    turn = roles(this, this.hosts[0])[role].units[0].turn
    assert turn
    environment, arguments = (runs_with, []) if isinstance(runs_with, dict) else ({}, runs_with)
    wait = "import sys; print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", wait, *arguments], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout and process.stdout.readline()
        says = 'echo \'{"health":"true"}\'' if answers else "exit 22"
        for name, text in (
            ("systemctl", f"echo MainPID={process.pid}"),
            ("curl", f"echo $* >{tmp_path}/asked; {says}"),
        ):
            (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
            (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        found = ask(RoleState, ready={"serves": turn.serves})["ready"]["serves"]
        process.communicate()
    assert (found, (tmp_path / "asked").read_text().split()[-1]) == (answers, asked)


SAYS = {
    "ss": """\
        State  Recv-Q Send-Q Local Address:Port Peer Address:Port
        LISTEN 0      4096   10.1.10.101:71 0.0.0.0:* users:(("containerd",pid=71,fd=3))
        LISTEN 0      4096   [::1]:7443 [::]:* users:(("python",pid=PID,fd=3),("containerd",pid=71,fd=3))
        LISTEN 0      4096   *:6443 *:*
        """,
    "ip": """\
        1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000
            inet 127.0.0.1/8 scope host lo
               valid_lft forever preferred_lft forever
            inet6 ::1/128 scope host
        2: tunl0@NONE: <NOARP> mtu 1480 qdisc noop state DOWN group default qlen 1000
            link/ipip 0.0.0.0 brd 0.0.0.0
        3: eth0@if5: <BROADCAST,MULTICAST,UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
            inet 10.1.10.101/24 brd 10.1.10.255 scope global eth0
            inet 10.1.10.9 peer 10.1.10.8/32 scope global eth0:1
        """,
    "iptables-save": """\
        *nat
        -A PREROUTING -j ACCEPT
        *filter
        :INPUT ACCEPT [0:0]
        :FORWARD DROP [1:2]
        -A INPUT -j KUBE-FIREWALL
        -A KUBE-FIREWALL -j DROP
        COMMIT
        """,
}


def test_the_preflight_reads_the_network_and_who_listens(systemctl: Path) -> None:
    for name, text in SAYS.items():
        told = dedent(text).replace("PID", str(os.getpid()))
        routes = "default via 10.1.10.1 dev eth0\nblackhole 10.9.0.0/16\nlocal 127.0.0.1 dev lo table local\n"
        (systemctl.parent / f"{name}.txt").write_text(told)
        (systemctl.parent / "route.txt").write_text(routes)
        shown = f"case $* in *route*) cat {systemctl.parent}/route.txt ;; *) cat {systemctl.parent}/{name}.txt ;; esac"
        (systemctl.parent / name).write_text(f"#!/bin/sh\n{shown}\n")
        (systemctl.parent / name).chmod(0o755)
    (systemctl.parent / "nft").write_text(
        "#!/bin/sh\n"
        'case "$*" in "list tables") echo table ip filter; echo table inet own ;; '
        "*) echo \"table $3 $4 {\"; printf '\\tchain input {\\n\\t}\\n}\\n' ;; esac\n"
    )
    (systemctl.parent / "nft").chmod(0o755)
    (systemctl.parent / "id").write_text("#!/bin/sh\necho 0\n")
    (systemctl.parent / "id").chmod(0o755)
    found = ask(Preflight, ports=[71, 7443, 6443], units=["containerd"])
    assert found["interfaces"] == {"lo": ["127.0.0.1/8"], "tunl0": [], "eth0": ["10.1.10.101/24", "10.1.10.9"]}
    assert [route["to"] for route in found["routes"]] == ["default", "10.9.0.0/16"]
    assert found["iptables"] == [":INPUT ACCEPT [0:0]", "-A INPUT -j KUBE-FIREWALL"]
    assert found["nft"] == ["table inet own {", "chain input {", "}", "}"]
    listeners = {port: (one["name"], one["pid"], one["program"]) for port, one in found["listeners"].items()}
    assert listeners == {
        71: ("containerd", 71, ""),
        7443: ("python", os.getpid(), os.readlink("/proc/self/exe")),
        6443: ("", 0, ""),
    }
