"""How facts read services: by a systemctl that is made up, so that what it is asked, and how often, can be seen."""

import os
import subprocess
import sys
from pathlib import Path
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
        ("etcd", {"ETCD_ADVERTISE_CLIENT_URLS": "https://10.1.10.101:7002"}, "https://10.1.10.101:7002/health"),
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
