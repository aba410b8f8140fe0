"""What the facts on workloads ask, run by `sh` against a server that is made up: what reaches it, and what leaves."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api import FactBase
from pyinfra.api.exceptions import FactProcessError

from cluster.workloads.manifests import read
from cluster.workloads.objects import Manifest, path
from facts.base import MARK
from facts.workloads import MANAGER, Controllers, Differences, Objects, Pods, Present, asked, stream

# It answers whether the server is ready, from state.json beside it.
CURL = """\
#!/bin/sh
grep -q '"ready": true' "${0%/*}/state.json"
"""
# It answers from there, too: the objects that are there by what one asks for, what the server says against objects by
# their name, and what it fails to answer. It notes what it was called with.
KUBECTL = f"""\
#!{sys.executable} -IS
import json, pathlib, sys

here = pathlib.Path(__file__).parent
state = json.loads((here / "state.json").read_text())
words = sys.argv[1:]
given = [json.loads(line) for line in sys.stdin.read().splitlines()] if "-f" in words else []
with (here / "called").open("a") as log:
    log.write(json.dumps(words) + "\\n")
failing = [word for word in words if word in state["failing"]]
if failing:
    sys.exit("error: the server doesn't have a resource type " + failing[0])
last = {{word: words[number + 1] for number, word in enumerate(words[:-1])}}
place = last.get("-n", "default")
answered, refused = [], []
for o in given:
    name = o["kind"] + " " + o["metadata"]["name"]
    if "get" in words:
        answered += [state["there"][name]] if name in state["there"] else []
    elif name in state["refused"]:
        refused.append(state["refused"][name])
    else:
        o["metadata"].setdefault("namespace", place)
        if state["notes_managers"]:
            o["metadata"]["managedFields"] = [{{"manager": "container-cloud"}}]
        answered.append(o)
if "secret" in words:
    found = state["there"].get("Secret " + last["secret"])
    answered = [found] if found and found["metadata"]["namespace"] == place else []
elif "get" in words and not given:
    answered = [found for name, found in state["there"].items() if name in words or name.split("/")[0] in words[-5:]]
output = last["-o"]
if output == "name":
    print("".join(o["kind"].lower() + "/" + o["metadata"]["name"] + "\\n" for o in answered), end="")
elif output == "json" and answered:
    one = {{"kind": "List", "items": answered}} if len(answered) > 1 else answered[0]
    print(json.dumps(one, indent=1))
elif "managedFields" in output:
    for o in answered:
        managers = [m["manager"] for m in o["metadata"].get("managedFields", [])]
        named = [o["metadata"]["name"], o["metadata"]["namespace"]] if "metadata.name" in output else []
        print(*named, *managers, end="")
elif output.startswith("jsonpath"):
    fields = ("type", "data", "immutable")
    print("".join(json.dumps([o.get(f) for f in fields], sort_keys=True) for o in answered), end="")
if refused:
    sys.exit("\\n".join(refused))
"""


class Server:
    """What the made-up kubectl answers from, and what reached it."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "kubectl"
        self.path.write_text(KUBECTL)
        curl = directory / "curl"
        curl.write_text(CURL)
        for program in (self.path, curl):
            program.chmod(0o755)
        self.state: dict[str, Any] = {"ready": True, "there": {}, "refused": {}, "failing": [], "notes_managers": True}

    @property
    def called(self) -> list[list[str]]:
        log = self.path.with_name("called")
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def holds(self, *bodies: dict[str, Any], **fields: Any) -> None:
        for body in bodies:
            metadata = {"namespace": "default", "managedFields": [{"manager": MANAGER}], **body["metadata"]}
            self.state["there"][f"{body['kind']} {body['metadata']['name']}"] = {**body, "metadata": metadata, **fields}

    def ask(self, fact: type[FactBase], manifest: Manifest | None = None, **arguments: Any) -> tuple[Any, str]:
        """A fact's answer, and all that left the host."""
        self.path.with_name("state.json").write_text(json.dumps(self.state))
        done = subprocess.run(
            ["sh", "-c", fact().command(**arguments)], input="".join(asked(manifest or Manifest())),
            capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        lines = done.stdout.splitlines()
        return fact().process(lines), done.stdout.removeprefix(f"\n{MARK}\n").removesuffix("\n")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    made = Server(tmp_path)
    monkeypatch.setattr("facts.workloads.KUBECTL", str(made.path))
    (tmp_path / "kubeconfig").touch()
    monkeypatch.setattr("cluster.api.KUBECONFIG", str(tmp_path / "kubeconfig"))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return made


def body(kind: str = "ConfigMap", name: str = "settings", **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **fields}


def objects(answer: dict[str, Any]) -> dict[str, Any]:
    """What the answer says of each object, its namespace left out."""
    return {name: {k: v for k, v in found.items() if k != "namespace"} for name, found in answer["objects"].items()}


COMMANDS: list[Callable[[], str]] = [
    lambda: Differences().command(),
    lambda: Differences().command(namespace="shop"),
    lambda: Controllers().command(),
    lambda: Controllers().command(names=["rc/a", "rc/b"]),
    lambda: Controllers().command(labels={"app": "x"}, namespace="shop"),
    lambda: Controllers().command(names=["rc/a"], labels={"app": "it's"}),
    lambda: Pods().command(),
    lambda: Pods().command(labels={"app": "$(id)"}),
    lambda: Present().command(resources=["rc/a", "service/b"]),
]


def test_a_name_is_no_part_of_the_command(tmp_path: Path) -> None:
    odd = [read(body(name=name))[0] for name in ("a$(touch ran)", "../secrets/a", "a,b", "a}", "a b")]
    assert [path(o) for o in odd] == [None] * len(odd)
    done = subprocess.run(
        ["sh", "-c", Objects().command(paths=["a$(touch ran)`touch ran`"])], cwd=tmp_path, check=False
    )
    assert list(tmp_path.iterdir()) == [] and done.returncode == 0


@pytest.mark.parametrize(
    "text", ['{"kind":"Service","metad', "<html>", '{"kind":"Status","metadata":{}}', "[]", '{"a":1}']
)
def test_what_is_no_whole_object_is_nothing_known(text: str) -> None:
    assert Objects().process(["", MARK, *f"ok{text}".splitlines()]) == {}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_every_command_is_a_script(command: Callable[[], str], shell: str) -> None:
    done = subprocess.run([shell, "-n"], input=command(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), command()


# --- Differences ----------------------------------------------------------------------------------------------------


def test_a_server_that_does_not_answer_is_asked_nothing_else(server: Server) -> None:
    server.state["ready"] = False
    answer, _ = server.ask(Differences, read([body(), body("Secret")]))
    assert answer == {"answers": False, "errors": [], "objects": {}}
    assert server.called == []


def test_objects_as_they_are_changed_and_new(server: Server) -> None:
    server.holds(body(name="same", data={"a": "1"}), body(name="other", data={"a": "1"}))
    wanted = [body(name="same", data={"a": "1"}), body(name="other", data={"a": "2"}), body(name="new")]
    answer, _ = server.ask(Differences, read(wanted))
    assert answer == {
        "answers": True,
        "errors": [],
        "objects": {
            "ConfigMap same": {"exists": True, "changes": [], "namespace": "default"},
            "ConfigMap other": {"exists": True, "changes": ["data.a"], "namespace": "default"},
            "ConfigMap new": {"exists": False, "changes": [], "namespace": "default"},
        },
    }


@pytest.mark.parametrize("there", [True, False])
def test_one_object_is_answered_without_a_list(there: bool, server: Server) -> None:
    if there:
        server.holds(body())
    answer, _ = server.ask(Differences, read(body()))
    assert objects(answer) == {"ConfigMap settings": {"exists": there, "changes": []}}


@pytest.mark.parametrize("notes_managers", [True, False])
def test_what_somebody_else_made_is_taken_over_where_the_server_notes_whose_it_is(
    notes_managers: bool, server: Server
) -> None:
    """Where it does not, each run would take it over again."""
    server.holds(body())
    server.state["there"]["ConfigMap settings"]["metadata"]["managedFields"] = [{"manager": "kubectl-create"}]
    server.state["notes_managers"] = notes_managers
    answer, _ = server.ask(Differences, read(body()))
    changes = [f"managed by {MANAGER} from now on"] if notes_managers else []
    assert answer["objects"]["ConfigMap settings"]["changes"] == changes


def test_contents_with_every_character_arrive_as_written(server: Server) -> None:
    odd = "a'b\"c\\n$(id) `id` %s %% \\\\ ü€\n  \t two  spaces \n"
    server.holds(body(data={"odd": odd}))
    answer, _ = server.ask(Differences, read(body(data={"odd": odd})))
    assert objects(answer)["ConfigMap settings"] == {"exists": True, "changes": []}


def test_errors_are_told_and_the_other_objects_compared_all_the_same(server: Server) -> None:
    server.state["refused"]["Servce bad"] = 'error: unable to recognize "STDIN": no matches for kind "Servce"'
    answer, _ = server.ask(Differences, read([body("Servce", "bad"), body()]))
    assert answer["errors"] == ['error: unable to recognize "STDIN": no matches for kind "Servce"']
    assert objects(answer) == {"ConfigMap settings": {"exists": False, "changes": []}}


def test_every_line_of_an_error_is_told(server: Server) -> None:
    server.state["refused"] |= {"ConfigMap a": "Error from server: one\n* two", "ConfigMap b": "Warning: old\nthree"}
    answer, _ = server.ask(Differences, read([body(name="a"), body(name="b")]))
    assert answer["errors"] == ["Error from server: one", "* two", "three"], "a deprecation is none"


def test_the_servers_own_dry_run_is_asked_in_the_namespace(server: Server) -> None:
    server.ask(Differences, read([body(), body("Secret")]), namespace="shop")
    applied = [words for words in server.called if "apply" in words]
    assert applied
    for words in applied:
        assert {"--server-side", "--dry-run=server", f"--field-manager={MANAGER}"} <= set(words)
    for words in server.called[1:]:
        assert words[words.index("-n") + 1] == "shop"
    assert not [words for words in server.called if {"create", "delete", "replace"} & set(words)]


SECRET = {"password": "c3dvcmRmaXNo"}


def test_of_secrets_only_digests_leave_the_host(server: Server) -> None:
    server.holds(body("Secret", "same", data=SECRET), body("Secret", "other", data={"password": "b2xk"}))
    names = ("same", "other", "new")
    answer, left = server.ask(Differences, read([body("Secret", name, data=SECRET) for name in names]))
    assert objects(answer) == {
        "Secret same": {"exists": True, "changes": []},
        "Secret other": {"exists": True, "changes": ["data"]},
        "Secret new": {"exists": False, "changes": []},
    }
    assert answer["errors"] == []
    for word in ("c3dvcmRmaXNo", "b2xk", "password"):
        assert word not in left


@pytest.mark.parametrize("place", ["default", "shop"])
@pytest.mark.parametrize("written", [True, False])
def test_a_secret_is_compared_with_that_of_its_own_namespace(place: str, written: bool, server: Server) -> None:
    """The one its manifest names, or the one the operation does."""
    server.holds({**body("Secret", data=SECRET), "metadata": {"name": "settings", "namespace": place}})
    wanted = body("Secret", data={"password": "bmV3"})
    if written:
        wanted["metadata"]["namespace"] = "shop"
    answer, _ = server.ask(Differences, read(wanted), namespace=None if written else "shop")
    there = place == "shop"
    changes = ["data"] if there else []
    assert answer["objects"] == {
        "Secret settings in shop": {"exists": there, "changes": changes, "namespace": "shop"},
    }


def test_secrets_and_objects_in_one_question(server: Server) -> None:
    server.holds(body(), body("Secret", data=SECRET))
    answer, left = server.ask(Differences, read([body("Secret", data=SECRET), body(), body("Secret", "new")]))
    assert {name: found["exists"] for name, found in answer["objects"].items()} == {
        "Secret settings": True,
        "Secret new": False,
        "ConfigMap settings": True,
    }
    assert "c3dvcmRmaXNo" not in left


def test_a_malformed_secrets_contents_are_cut_off_the_message(server: Server) -> None:
    server.state["refused"]["Secret bad"] = (
        "Error from server (BadRequest): v1.Secret.Data: decode base64: illegal base64 data at input byte 4, error "
        'found in #10 byte of ...|password":"swordfish!"}|..., bigger context ...|{"password":"swordfish!"},"kind"|...'
    )
    answer, left = server.ask(Differences, read([body("Secret", "bad", data={"password": "swordfish!"}), body()]))
    assert answer["errors"] == [
        "Error from server (BadRequest): v1.Secret.Data: decode base64: illegal base64 data at input byte 4"
    ]
    assert "swordfish" not in left
    assert "ConfigMap settings" in answer["objects"]


def test_contents_are_in_no_argument(server: Server) -> None:
    server.ask(Differences, read([body("Secret", data=SECRET), body(data={"note": "swordfish"})]))
    text = json.dumps(server.called)
    assert "c3dvcmRmaXNo" not in text and "swordfish" not in text


def test_what_is_asked_shows_nothing() -> None:
    """pyinfra logs a fact's arguments."""
    lines = asked(read([body("Secret", data=SECRET), body()]))
    assert "c3dvcmRmaXNo" not in f"{lines}{lines!r}{lines!s}{ {'_stdin': lines} }"
    assert [line.split(" ", 1)[0] for line in lines] == ["secret", "object"]


def test_a_manifest_is_applied_an_object_a_line() -> None:
    ports = {"ports": [{"port": 80}]}
    lines = stream(read([body("Service", spec=ports), body(data={"a": "1\n2"})])).splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["Service", "ConfigMap"]
    assert json.loads(lines[0])["spec"]["ports"] == [{"protocol": "TCP", "port": 80}]


# --- The others -----------------------------------------------------------------------------------------------------


def there(server: Server, *names: str) -> None:
    """Controllers by the names kubectl knows them under."""
    for name in names:
        template = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "x", "image": "x"}]}}
        found = body("ReplicationController", name.split("/")[1], spec={"replicas": 1, "template": template})
        server.state["there"][name] = {**found, "status": {}}


def test_controllers_by_name_those_that_are_not_there_left_out(server: Server) -> None:
    there(server, "rc/a", "rc/b")
    answer, _ = server.ask(Controllers, names=["rc/a", "rc/none"])
    assert list(answer["controllers"]) == ["ReplicationController a"]
    assert server.ask(Controllers, names=["rc/none"])[0] == {"answers": True, "controllers": {}}


def test_controllers_by_name_and_by_label_are_one_answer(server: Server) -> None:
    there(server, "rc/a", "replicationcontrollers,deployments,statefulsets,daemonsets/b")
    answer, _ = server.ask(Controllers, names=["rc/a"], labels={"app": "x"}, namespace="shop")
    assert list(answer["controllers"]) == ["ReplicationController a", "ReplicationController b"]
    by_name, by_label = server.called
    assert "-l" not in by_name and by_label[by_label.index("-l") + 1] == "app=x"
    assert all(words[words.index("-n") + 1] == "shop" for words in (by_name, by_label))


@pytest.mark.parametrize("failing", ["rc/a", "-l"])
def test_half_an_answer_on_controllers_is_none(failing: str, server: Server) -> None:
    """What it lacks would look like controllers that are gone."""
    there(server, "rc/a", "replicationcontrollers,deployments,statefulsets,daemonsets/b")
    server.state["failing"] = [failing]
    answer, left = server.ask(Controllers, names=["rc/a"], labels={"app": "x"})
    assert answer == {} and not left.strip()


def test_a_server_that_tells_of_no_pods(server: Server) -> None:
    server.state["failing"] = ["pods"]
    assert server.ask(Pods, labels={"app": "x"}) == ({}, "")


def test_labels_and_namespaces_reach_kubectl_as_one_word(server: Server) -> None:
    for fact in (Pods, Controllers):
        server.ask(fact, labels={"b": "$(id) x", "a": "it's"}, namespace="$(id) y")
        assert server.called[-1][server.called[-1].index("-n") + 1] == "$(id) y"
        words = server.called[-1]
        assert words[words.index("-l") + 1] == "a=it's,b=$(id) x"


def test_which_objects_are_there(server: Server) -> None:
    there(server, "rc/a", "rc/b")
    server.state["failing"] = ["foo/x"]
    answer, _ = server.ask(Present, resources=["rc/a", "rc/none", "foo/x", "rc/b"], namespace="shop")
    assert answer == {
        "answers": True,
        "present": ["rc/a", "rc/b"],
        "errors": ["error: the server doesn't have a resource type foo/x"],
    }
    assert all(words[words.index("-n") + 1] == "shop" for words in server.called)


def test_which_objects_are_there_of_a_server_that_does_not_answer(server: Server) -> None:
    server.state["ready"] = False
    assert server.ask(Present, resources=["rc/a"])[0] == {"answers": False, "present": [], "errors": []}
    assert server.called == []


def test_a_warning_is_no_object(server: Server) -> None:
    server.path.write_text("#!/bin/sh\ncase \"$*\" in *--raw*) ;; *) echo 'Warning: it is deprecated' >&2;; esac\n")
    assert server.ask(Present, resources=["cs/x"])[0] == {"answers": True, "present": [], "errors": []}


def test_a_warning_is_no_part_of_a_secrets_name(server: Server) -> None:
    server.path.write_text(
        "#!/bin/sh\ncase \"$*\" in *--raw*) exit;; *metadata.name*) echo 'Warning: from a webhook' >&2; "
        f"printf 's default {MANAGER}';; *managedFields*) printf '{MANAGER}';; *) echo x;; esac\n"
    )
    answer = server.ask(Differences, read(body("Secret", "s", data=SECRET)))[0]
    assert objects(answer) == {"Secret s": {"exists": True, "changes": []}}


@pytest.mark.parametrize("owned", [True, False])
def test_a_secret_that_somebody_else_made_is_taken_over(owned: bool, server: Server) -> None:
    server.holds(body("Secret", "s", data=SECRET))
    managers = [{"manager": "kubectl-create"}, *([{"manager": MANAGER}] if owned else [])]
    server.state["there"]["Secret s"]["metadata"]["managedFields"] = managers
    answer, _ = server.ask(Differences, read(body("Secret", "s", data=SECRET)))
    assert answer["objects"]["Secret s"]["changes"] == ([] if owned else [f"managed by {MANAGER} from now on"])


@pytest.mark.parametrize("fact", [Controllers, Pods, Differences])
def test_what_is_no_object_fails_the_host_alone(fact: type[FactBase]) -> None:
    with pytest.raises(FactProcessError):
        fact().understand(["answers", '{"kind": "Status", "status": "Failure"}'][fact is not Controllers :])


def test_a_selector_of_expressions_alone_is_no_labels() -> None:
    spec = {"selector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}}
    answer = Controllers().understand(["answers", json.dumps(body("Deployment", "d", spec=spec))])
    assert answer["controllers"]["Deployment d"]["selector"] == {}
