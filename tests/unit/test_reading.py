"""What operations ask of a host in one command: when that is believed, and when the host is asked again."""

import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pyinfra.context import ctx_host, ctx_inventory, ctx_state

from cluster import api
from cluster.desired import Role, Step
from cluster.formats import kubeconfig
from cluster.needs import versions_by_digest
from cluster.shell import program
from facts import bundle
from facts.base import MARK, in_one_piece
from facts.bundle import Several, Unread, answers
from facts.host import Preflight
from facts.kubernetes import Nodes
from facts.network import Ways
from facts.role import RoleState
from operations import reading
from tests.unit.example import BARE, Run
from tests.unit.test_operations import begin, stores  # noqa: F401 fixtures

# --- Early questions ------------------------------------------------------------------------------------------------


@pytest.fixture
def this(begin: Any) -> Iterator[Run]:  # noqa: F811
    """A run that executes, on the master, with one early question."""
    made = begin()
    made.answers["master", Nodes] = {"node1": {"ready": True}}
    made.answers["node1", Ways] = {}
    made.state.is_executing = True
    host = made.inventory.get_host("master")
    with ctx_state.use(made.state), ctx_inventory.use(made.inventory), ctx_host.use(host):
        reading.early(Nodes)
        yield made


def asked(this: Run) -> list[type]:
    return [fact for _, fact, _ in this.asked]


def test_an_early_question_is_asked_once(this: Run) -> None:
    assert reading.ask(Nodes) == {"node1": {"ready": True}}
    assert asked(this) == [Nodes]


def test_a_role_that_is_not_among_the_hosts_is_asked_for_with_those(this: Run) -> None:
    another = Role(name="another", steps=(Step("be so", "true", "true"),))
    reading.expect(another)
    reading.held(reading.roles_here()[0])
    this.asked.clear()
    assert "files" in reading.held(another)
    assert asked(this) == []
    reading.held(another)
    assert asked(this) == [RoleState], "whoever asks again wants another answer"


def test_it_is_asked_with_the_roles(this: Run) -> None:
    reading.held(reading.roles_here()[0])
    assert Nodes in asked(this) and asked(this).count(RoleState) == 1
    this.asked.clear()
    assert reading.ask(Nodes) == {"node1": {"ready": True}}
    assert asked(this) == []


def test_whoever_asks_again_is_answered_anew(this: Run) -> None:
    reading.ask(Nodes)
    this.answers["master", Nodes] = {}
    assert reading.ask(Nodes) == {}


@pytest.mark.parametrize("happens", ["changed", "forgotten"])
def test_what_happens_meanwhile_makes_it_old(happens: str, this: Run) -> None:
    reading.held(reading.roles_here()[0])
    if happens == "changed":
        this.changed("node3")
    else:
        reading.forget()
    this.answers["master", Nodes] = {}
    assert reading.ask(Nodes) == {}


def test_a_plan_is_not_what_a_run_goes_by(this: Run) -> None:
    """A person may look at it for as long as they like."""
    this.state.is_executing = False
    reading.held(reading.roles_here()[0])
    this.state.is_executing = True
    this.answers["master", Nodes] = {}
    assert reading.ask(Nodes) == {}


def test_another_question_is_another(this: Run) -> None:
    reading.ask(Nodes)
    this.asked.clear()
    reading.ask(Nodes, wait_for=["node1"], seconds=3)
    assert this.asked == [("master", Nodes, {"wait_for": ["node1"], "seconds": 3})]


def test_what_could_not_be_read_is_asked_by_itself(this: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    host = this.inventory.get_host("master")
    usual = host.get_fact

    def cut_off(fact: type, **arguments: Any) -> Any:
        return (
            {name: Unread("cut off") for name in arguments["questions"]}
            if fact is Several
            else usual(fact, **arguments)
        )

    monkeypatch.setattr(host, "get_fact", cut_off)
    assert reading.ask(Nodes) == {"node1": {"ready": True}}
    assert reading.held(reading.roles_here()[0])["files"] == {}


def test_another_host_is_told_of(this: Run) -> None:
    reading.held(reading.roles_here()[0])
    master, node = (this.inventory.get_host(name) for name in ("master", "node1"))
    with ctx_host.use(node):
        assert reading.told(master, Nodes) == {"node1": {"ready": True}}
        assert isinstance(reading.told(node, Nodes), Unread)


def test_services_that_answered_are_not_asked_again(this: Run) -> None:
    everything = reading.roles_here()
    ready = {unit.name: unit.ready for role in everything for unit in role.units}
    this.answers["master", RoleState] = BARE | {"ready": dict.fromkeys(ready, True)}
    assert not reading.answering(ready), "nobody was asked yet"
    reading.held(everything[0])
    assert reading.answering(ready) and not reading.answering({"etcd": "another question"})
    this.changed("node1")
    assert not reading.answering(ready)


def test_questions_that_are_too_long_are_left_for_later(this: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_MOST", 100)
    reading.held(reading.roles_here()[0])
    assert Nodes not in asked(this)


# --- Several facts, side by side ------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, bundle._FEW, bundle._FEW + 1, 9])
def test_each_fact_has_its_own_answer(count: int, tmp_path: Path) -> None:
    """Also where they are asked at once, and each says more than a pipe takes at a time."""

    class Long(Ways):
        def script(self, letter: str = "a") -> str:
            return f"for i in 1 2 3; do head -c 70000 /dev/zero | tr '\\0' {letter}; echo; done; [ {letter} != c ]"

        def read(self, lines: list[str]) -> Any:
            return {line[0] for line in lines}, sum(map(len, lines))

    questions: dict[str, Any] = {letter: (Long, {"letter": letter}) for letter in "abcdefghi"[:count]}
    several = Several()
    script = several.command(questions).replace("/run/", f"{tmp_path}/")
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    found = several.process(done.stdout.splitlines())
    assert (
        found
        == {letter: Unread("exit code 1") if letter == "c" else ({letter}, 210_000) for letter in questions}
        == answers(questions, done.stdout.splitlines())
    )
    assert list(tmp_path.iterdir()) == [], "nothing stays on the host"


@pytest.mark.parametrize("by", ["itself", "several", "an audit"])
@pytest.mark.parametrize(("there", "ahead"), [(99.0, -1.0), (100.0, 0.0), (104.0, 0.0), (107.0, 2.0)])
def test_a_clock_is_wrong_that_is_not_between_question_and_answer(
    there: float, ahead: float, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a host, or this machine, takes: what is read late is not behind."""
    moments = iter([100.0, 105.0])
    monkeypatch.setattr("time.time", lambda: next(moments))
    lines, questions = ["uid=0", f"clock={there}"], {"host": (Preflight, {})}
    marked = ["@@ container-cloud host", *lines, "@@ container-cloud 0"]
    if by == "itself":
        fact = Preflight()
        fact.command()
        found = fact.process([MARK, *lines])
    elif by == "several":
        several = Several()
        several.command(questions=questions)
        found = several.process(marked)["host"]
    else:
        found = answers(questions, marked, next(moments))["host"]
    assert found["clock"] == ahead


# --- The API server by curl -----------------------------------------------------------------------------------------

KUBECONFIG = kubeconfig(
    cluster="k8s-cluster",
    server="https://10.1.10.101:6443",
    authority="/etc/kubernetes/ca/ca.crt",
    user="default-admin",
    certificate="/etc/kubernetes/ca/client.crt",
    key="/etc/kubernetes/ca/client.key",
    context="default-system",
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs shell behind api.sh, with a curl that prints what it was called with."""
    monkeypatch.setattr(api, "KUBECONFIG", str(tmp_path / "kubeconfig"))
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    curl = tmp_path / "curl"
    curl.write_text('#!/bin/sh\n[ ! -e "${0%/*}/silent" ] || exit 7\nprintf "%s\\n" "$@"\n')
    curl.chmod(0o755)

    def ran(shell: str) -> subprocess.CompletedProcess[str]:
        path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
        return subprocess.run(["sh", "-c", api.api(shell)], env=path, capture_output=True, text=True, check=False)

    return ran


def test_the_api_server_is_asked_as_the_kubeconfig_says(run: Any) -> None:
    done = run("api 5 /readyz -H 'Accept: x'")
    words = done.stdout.splitlines()
    told = dict(pairwise(words))
    assert words[-1] == "https://10.1.10.101:6443/readyz" and told["-H"] == "Accept: x" and told["--max-time"] == "5"
    assert (told["--cacert"], told["--cert"], told["--key"]) == tuple(
        f"/etc/kubernetes/ca/{name}" for name in ("ca.crt", "client.crt", "client.key")
    )


def test_no_answer_is_a_failure(run: Any, tmp_path: Path) -> None:
    (tmp_path / "silent").touch()
    assert run("api 5 /readyz").returncode == 7
    (tmp_path / "kubeconfig").unlink()
    assert run("api 5 /readyz").returncode == 1


def test_objects_are_told_by_whom_they_were_applied(run: Any, tmp_path: Path) -> None:
    """Another's of the name, one that is not there, and one that the API server does not show."""
    answered = "\n".join([
        '{"kind":"PartialObjectMetadata","metadata":{"managedFields":[{"manager":"container-cloud"}]}}',
        "200 https://10.1.10.101:6443/api/v1/a", '{"metadata":{"managedFields":[{"manager":"kubectl"}]}}',
        "200 https://10.1.10.101:6443/api/v1/b", "", "404 https://10.1.10.101:6443/api/v1/c",
        "", "403 https://10.1.10.101:6443/api/v1/d",
    ])  # fmt: skip
    (tmp_path / "answer").write_text(f"{answered}\n")
    (tmp_path / "curl").write_text('#!/bin/sh\nexec cat "${0%/*}/answer"\n')
    objects = "\n".join(f"api/v1/{name} kind/{name}" for name in "abcd")
    done = run(program("applied", OBJECTS=objects, MANAGER="container-cloud"))
    assert done.stdout.splitlines() == [
        "present kind/a", "error the API server answers 403 when it is asked for kind/d",
    ]  # fmt: skip


# --- Versions that need not be asked --------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["as installed", "replaced", "of another release", "not recorded"])
def test_a_program_is_started_for_its_version_only_if_nobody_knows_it(state: str, tmp_path: Path) -> None:
    records, kubelet = tmp_path / "records", tmp_path / "kubelet"
    records.mkdir()
    kubelet.write_text("#!/bin/sh\necho Kubernetes v1.30.0\n")
    kubelet.chmod(0o755)
    stat = subprocess.run(
        ["stat", "-c", "%s:%Z:%i", kubelet], capture_output=True, text=True, check=True
    ).stdout.strip()
    if state != "not recorded":
        digest = "d2" if state == "of another release" else "d1"
        (records / "kubelet").write_text(f"{digest} {'0:0:0' if state == 'replaced' else stat} {kubelet} own\n")
    text = Preflight().script(known={"d1": "1.37.2"})
    functions = text[text.index("version() {") : text.index("names=''\n")]
    values = f"KNOWN=d1=1.37.2 RECORDS={records}\n"
    done = subprocess.run(
        ["sh", "-c", f"{values}{functions}version kubernetes {kubelet}"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"kubernetes={'1.37.2' if state == 'as installed' else '1.30.0'}\n"


def test_versions_are_known_by_the_digests_of_the_settings(this: Run) -> None:
    known = versions_by_digest(this.cluster.settings)
    assert set(known.values()) == {this.cluster.settings.kubernetes_version}, "of etcd the shipped ones are packages"


@pytest.mark.parametrize(
    ("script", "code", "said"),
    [
        ("echo a; echo b", 0, "a\nb\n"),
        ("echo a; exit 3", 3, "a\n"),
        ("echo '(a) $b'\nfalse", 1, "(a) $b\n"),
    ],
)
def test_what_is_told_in_one_piece_ends_as_it_would(script: str, code: int, said: str) -> None:
    for shell in ("sh", "bash"):
        done = subprocess.run([shell, "-c", in_one_piece(script)], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (code, said)


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_several_questions_leave_nothing_on_a_host(shell: str, tmp_path: Path) -> None:
    """Whichever shell is its sh."""
    (tmp_path / "sh").symlink_to(f"/bin/{shell}")
    questions = {name: (RoleState, {"steps": {name: "true"}}) for name in ("one", "two", "three")}
    command = Several().command(questions).replace("/run/container-cloud.", f"{tmp_path}/answers.")
    done = subprocess.run([tmp_path / "sh", "-c", command], capture_output=True, text=True, check=True)
    assert {n: a["steps"] for n, a in answers(questions, done.stdout.splitlines()).items()} == {
        name: {name: True} for name in questions
    }
    assert [path.name for path in tmp_path.iterdir()] == ["sh"]
