"""Every fact against recorded answers: data files in facts/MODULE.CLASS, one test each, and what pyinfra makes of none.

A data file that begins with "Recorded" holds what a real host or program printed. Time stands at 2025-01-01 in them.
"""

import importlib
import inspect
import pkgutil
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import yaml
from cryptography import x509
from freezegun import freeze_time
from pyinfra.api import Config, FactBase, Inventory, ShortFactBase, State
from pyinfra.api.exceptions import FactProcessError
from pyinfra.context import ctx_host, ctx_state

import facts
from facts.base import MARK, Fact

with patch("gevent.monkey.patch_all"):  # pyinfra's command line would replace the threads that pytest-xdist waits in
    from pyinfra_testing.facts import make_fact_tests

DATA = Path(__file__).parent / "facts"
NOTHING_OF_A_ROLE: dict[str, Any] = {
    "packages": {}, "holders": {}, "programs": {}, "files": {}, "units": {}, "steps": {}, "grants": {}, "ready": {},
}  # fmt: skip
BANNER = "Last login: Mon Nov 23 13:00:00 2026 = from 10.1.10.1"


def fact_classes() -> dict[str, type[FactBase]]:
    """Every fact of the project, by the name it is asked by: "etcd.Members"."""
    found = {}
    for module in pkgutil.iter_modules(facts.__path__):
        loaded = importlib.import_module(f"facts.{module.name}")
        for name, item in inspect.getmembers(loaded, inspect.isclass):
            if issubclass(item, Fact | ShortFactBase) and item.__module__ == loaded.__name__ and item is not Fact:
                found[f"{module.name}.{name}"] = item
    return found


FACTS = fact_classes()


def data_files(fact: str) -> list[Path]:
    return sorted((DATA / fact).glob("*.yaml"))


def a_certificate() -> bytes:
    recorded = yaml.safe_load((DATA / "certificates.Certificates" / "node.yaml").read_text())["output"]
    return recorded[recorded.index("-----BEGIN") :].partition("file ")[0].encode()


# `cryptography` keeps the datetime class that it meets first: it must not be the one of frozen time.
assert x509.load_pem_x509_certificate(a_certificate()).not_valid_after_utc


class Bare:
    """A fact's own script and reading, without what all facts have around them: what a data file is about."""

    def __init__(self, fact: Fact) -> None:
        self.name, self.process, self.requires_command = fact.name, fact.read, None
        module = inspect.getmodule(fact)
        # Of shell programs their names and values, not their texts.
        self.command = fact.script
        for name, stands in (
            ("program", called),
            ("etcdctl", "etcdctl.sh; {}".format),
            ("holding", "etcd-held.sh".format),
            ("api", lambda shell="": f"api.sh; {shell}"),
        ):
            if hasattr(module, name):
                self.command = patch.object(module, name, stands)(self.command)


def called(name: str, **values: str | int) -> str:
    return f"{name}.sh {' '.join(f'{key}={shlex.quote(str(value))}' for key, value in values.items())}"


def bare(fact: type) -> Any:
    """What makes a fact for the harness, as a class would."""
    if issubclass(fact, ShortFactBase):
        return type(fact.__name__, (fact,), {"fact": staticmethod(bare(fact.fact))})
    return lambda: Bare(fact())


for _name in FACTS:
    if data_files(_name):
        _module, _class = _name.split(".")
        with patch(f"facts.{_module}.{_class}", bare(FACTS[_name])):
            globals()[f"Test{_name}"] = make_fact_tests("facts", _name, DATA / _name)


def test_every_fact_has_data_files() -> None:
    assert {name for name in FACTS if len(data_files(name)) < 2} == set(), "a normal and an unhappy case each"
    assert {folder.name for folder in DATA.iterdir()} == set(FACTS)


@pytest.mark.parametrize("name", FACTS)
def test_data_files_name_the_command(name: str) -> None:
    """The harness only warns when a file does not."""
    for path in data_files(name):
        assert "command" in yaml.safe_load(path.read_text()), path


@pytest.fixture
def ask() -> Iterator[Any]:
    """Asks a fact of a host that answers every command with the lines given; tells whether pyinfra failed the host."""

    def asked(fact: type[FactBase], *lines: str, **arguments: Any) -> tuple[Any, bool]:
        lines = lines if MARK in lines else (MARK, *lines)
        answers = {"fake_responses": {"": list(lines)}, "fake_delay": 0, "fake_delay_jitter": 0}
        inventory = Inventory((["@fake/host", "@fake/other"], answers))  # pyinfra stops when no host remains
        state = State(inventory, Config())
        for host in inventory:
            state.activate_host(host)
        host = inventory.get_host("@fake/host")
        with ctx_state.use(state), ctx_host.use(host):
            return host.get_fact(fact, **arguments), host in state.failed_hosts

    yield asked


ARGUMENTS: dict[str, dict[str, Any]] = {
    "packages.Offers": {"packages": ["etcd"]},
    "packages.Altered": {"packages": ["etcd"]},
    "packages.Removals": {"packages": ["etcd"]},
    "network.Answers": {"urls": ["http://10.1.10.102:80/"]},
    "network.Reached": {"addresses": ["192.168.14.254:8080"]},
    "network.Reach": {"pid": 1},
}


@pytest.mark.parametrize("name", FACTS)
def test_a_host_that_says_nothing(name: str, ask: Any) -> None:
    nothing = NOTHING_OF_A_ROLE if name == "role.RoleState" else {}
    assert ask(FACTS[name], **ARGUMENTS.get(name, {})) == (nothing, False)


@pytest.mark.parametrize(
    "name", [n for n in FACTS if n.split(".")[0] in ("etcd", "docker", "containerd", "kubernetes", "workloads")]
)
def test_a_host_without_the_program(name: str, ask: Any, tmp_path: Path) -> None:
    """Is {}, or says that nothing answers; never that something is there."""
    arguments = ARGUMENTS.get(name, {})
    fact = FACTS[name]()
    for program in ("sh", "sed", "grep", "env", "timeout", "printf", "cat"):
        (tmp_path / program).symlink_to(shutil.which(program) or "")
    done = subprocess.run(
        ["/bin/sh", "-c", fact.command(**arguments)],
        env={"PATH": str(tmp_path)}, capture_output=True, text=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found, failed = ask(FACTS[name], *done.stdout.splitlines(), **arguments)
    assert not failed
    assert not {key: value for key, value in found.items() if value}


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("etcd.Members", "Error: context deadline exceeded"),
        ("etcd.Members", '{"header": {}, "members": ['),
        ("etcd.Health", 'status [{"Endpoint": '),
        ("etcd.FlannelKeys", "config"),
        ("etcd.FlannelKeys", 'config\n{"Network": '),
        ("flannel.Configuration", "config"),
        ("flannel.Leases", "subnets/192.168.2.0-24\nnonsense"),
        ("docker.Engine", "bridge_mtu=1500"),
        ("docker.Engine", "info=<html>"),
        ("containerd.Engine", "bridge_mtu=1500"),
        ("containerd.Engine", "version=2.4.2\ninfo="),
        ("kubernetes.Nodes", "The connection to the server 10.1.10.101:6443 was refused"),
        ("kubernetes.Nodes", '{"kind": "Status", "status": "Failure"}'),
        ("workloads.Controllers", "answers\nThe connection to the server 10.1.10.101:6443 was refused"),
        ("workloads.Controllers", 'answers\n{"kind": "List", "items": ['),
        ("workloads.Pods", '{"kind": "List"}'),
        ("workloads.Pods", "[]"),
        ("workloads.Differences", "No such file or directory"),
        ("workloads.Differences", '{"kind": "List", "items": []}\nwanted\n<html>'),
    ],
)
def test_an_answer_that_makes_no_sense_fails_the_host_alone(name: str, answer: str, ask: Any) -> None:
    """With FactProcessError; any other exception would end the run and lose what it reports."""
    value, failed = ask(FACTS[name], *answer.splitlines())
    assert failed
    assert value == {}


def recorded_answers() -> list[Any]:
    paths = [path for name in FACTS for path in data_files(name)]
    return [pytest.param(path, id=f"{path.parent.name}/{path.stem}") for path in paths]


@pytest.mark.parametrize("path", recorded_answers())
def test_a_banner_before_the_answer_is_no_part_of_it(path: Path) -> None:
    """A login shell may print one, with or without a line's end."""
    fact = getattr(FACTS[path.parent.name], "fact", FACTS[path.parent.name])()
    output = yaml.safe_load(path.read_text())["output"].splitlines()
    with freeze_time("2025-01-01"):
        assert fact.process([BANNER, "", MARK, *output]) == fact.process([MARK, *output])


def test_a_greeting_a_locale_and_a_proxy_of_the_host_change_nothing(ask: Any, tmp_path: Path) -> None:
    """Run as a login shell runs a command, with all three."""
    shown = 'echo "FLANNEL_LANG=$LC_ALL"; echo "FLANNEL_PROXY=$no_proxy$NO_PROXY"'
    (tmp_path / "cat").write_text(f"#!/bin/sh\n{shown}\n")
    (tmp_path / "cat").chmod(0o755)
    there = {"PATH": f"{tmp_path}:/usr/bin:/bin", "LC_ALL": "zh_CN.UTF-8", "http_proxy": "http://proxy.example:3128"}
    command = f"echo Welcome; echo; printf A=b; {FACTS['flannel.SubnetEnv']().command()}"
    done = subprocess.run(["/bin/sh", "-c", command], env=there, capture_output=True, text=True, check=True)
    found, failed = ask(FACTS["flannel.SubnetEnv"], *done.stdout.splitlines())
    assert (found, failed) == ({"FLANNEL_LANG": "C", "FLANNEL_PROXY": "**"}, False)


def test_an_answer_without_its_mark_fails_the_host_alone(ask: Any) -> None:
    with pytest.raises(FactProcessError, match=r"no answer, but: This account is not available\."):
        FACTS["etcd.Members"]().process(["This account is not available."])


@pytest.mark.parametrize("name", [n for n in FACTS if issubclass(FACTS[n], Fact)])
def test_whatever_reading_raises_fails_the_host_alone(name: str, ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise AttributeError("'NoneType' object has no attribute 'split'")

    monkeypatch.setattr(FACTS[name], "read", broken)
    nothing = NOTHING_OF_A_ROLE if name == "role.RoleState" else {}
    assert ask(FACTS[name], "something", **ARGUMENTS.get(name, {})) == (nothing, True)


@pytest.mark.parametrize(("after", "answers"), [(0, True), (1, True), (60, False)])
def test_a_service_that_answers_later(after: int, answers: bool, ask: Any, tmp_path: Path) -> None:
    """Is waited for, as long as was asked for."""
    condition = f"echo >> {tmp_path}/asked; [ $(wc -l < {tmp_path}/asked) -gt {after} ]"
    command = FACTS["role.RoleState"]().command(ready={"etcd": condition}, seconds=2)
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True, timeout=20)
    found, _ = ask(FACTS["role.RoleState"], *done.stdout.splitlines(), ready={"etcd": condition}, seconds=2)
    assert found["ready"] == {"etcd": answers}
