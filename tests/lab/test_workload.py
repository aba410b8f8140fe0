"""The guide's last chapter: nginx from a registry, behind a service, scaled and rolled while it is asked."""

import json
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab import network, settings, state
from tests.lab.conftest import NODES, REPOSITORY, Lab, Run

pytestmark = pytest.mark.usefixtures("workload")

LOAD = Path(__file__).with_name("load.py")
IMAGE = settings.registry_image("nginx")
NO_SUCH_IMAGE = {"docker": "manifest unknown", "containerd": "not found"}


@pytest.fixture(scope="module")
def workload(cluster: Lab) -> Iterator[Lab]:
    """The cluster with nginx-v1 and nothing else on it."""
    clear(cluster)
    cluster.deploy("workload")
    yield cluster
    clear(cluster)


def clear(lab: Lab) -> None:
    lab.kubectl("delete rc,deployments,services,secrets,pods -l app --wait --timeout=120s")
    lab.kubectl("wait --for=delete pods -l app --timeout=120s || true")


def roll(lab: Lab, version: str, replicas: int = 4, *arguments: str) -> Run:
    """Bring nginx to a version, quickly."""
    return lab.pyinfra("-y", *data(version, replicas), *arguments, "lab/inventory.py", "deploys/workload.py")


def data(version: str, replicas: int = 4) -> list[str]:
    values = {"nginx_version": version, "nginx_replicas": replicas, "nginx_update_period": 2}
    return [part for name, value in values.items() for part in ("--data", f"{name}={value}")]


def deploy(lab: Lab, directory: Path, body: str, *arguments: str) -> Run:
    """Run a deploy of one's own on the master."""
    file = directory / "deploy.py"
    file.write_text(
        f"from pyinfra import host\nfrom operations import kubernetes\nif host.name == 'master':\n    {body.strip()}\n"
    )
    return lab.pyinfra(*(arguments or ("-y",)), "lab/inventory.py", str(file))


def urls() -> list[str]:
    """nginx's port of every node: the guide's 80, or today's."""
    port = 80 if settings.is_guides() else 30080
    return [f"http://{state.host(node).address}:{port}/" for node in NODES]


def pods(lab: Lab, labels: str = "app=nginx") -> dict[str, Any]:
    """The pods that are not being ended, by name."""
    found = lab.fact("facts.workloads.Pods", f"labels={json.dumps(dict([labels.split('=')]))}", limit="master")[
        "master"
    ]
    return {name: pod for name, pod in found.items() if not pod["ending"]}


def replicas(lab: Lab) -> dict[str, int]:
    """How many available pods each nginx controller has."""
    found = lab.fact("facts.workloads.Controllers", 'labels={"app": "nginx"}', limit="master")["master"]
    return {c["name"]: c["available"] for c in found["controllers"].values()}


def objects(lab: Lab) -> str:
    """What has been changed on the cluster, and how often: every object with its version."""
    kinds = "rc,deployments,services,secrets,configmaps,namespaces"
    return lab.kubectl(f"get {kinds} -o custom-columns=K:.kind,N:.metadata.name,V:.metadata.resourceVersion")


@contextmanager
def load() -> Iterator[dict[str, Any]]:
    """Ask every node all the time while in the block; what came of it is there afterwards."""
    result: dict[str, Any] = {}
    with subprocess.Popen(
        [*network.enter(), sys.executable, "-I", LOAD, *urls()],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield result
        finally:
            result |= json.loads(process.communicate(timeout=60)[0])


def test_pods_are_spread_over_the_nodes(workload: Lab) -> None:
    found = pods(workload)
    assert len(found) == 3
    assert {pod["node"] for pod in found.values()} == set(NODES)
    assert all(pod["ready"] and pod["images"] == [f"{IMAGE}:v1"] for pod in found.values())


def test_every_node_answers_on_nginxs_port(workload: Lab) -> None:
    for url in urls():
        answers = {workload.ssh("master", f"curl -fsS --max-time 5 {url}") for _ in range(12)}
        assert {answer.split()[0] for answer in answers} == {"v1"}
        assert len(answers) > 1, "a node answers for pods on others too"


def test_the_services_address_answers_from_a_node_and_from_a_pod(workload: Lab) -> None:
    """The pod's image comes the secure way: the registry's certificate is the cluster authority's."""
    address = workload.kubectl("get service nginx -o jsonpath={.spec.clusterIP}")
    assert workload.ssh("node2", f"curl -fsS --max-time 5 http://{address}/").startswith("v1 nginx-v1-")
    image = f"{settings.registry_image('nginx', secure=True)}:v2"
    workload.kubectl(f"run client --labels app=client --image={image} --restart=Never --command -- sleep 3600")
    workload.kubectl("wait pod/client --for=condition=Ready --timeout=60s")
    asked = f"exec client -- timeout 5 wget -q -O - http://{address}/"
    assert workload.kubectl(asked).startswith("v1 nginx-v1-")


def test_a_pod_may_be_answered_by_itself(workload: Lab) -> None:
    address = workload.kubectl("get service nginx -o jsonpath={.spec.clusterIP}")
    pod = next(iter(pods(workload)))
    # The second try of a lost connection comes after a second, and may go elsewhere.
    ask = f"for n in $(seq 30); do timeout 0.9 wget -q -O - http://{address}/ || echo lost; done"
    answers = workload.kubectl(f'exec {pod} -- sh -c "{ask.replace("$", chr(92) + "$")}"').splitlines()
    assert "lost" not in answers
    assert f"v1 {pod}" in answers


def test_one_registry_is_trusted_by_its_certificate_the_other_by_name(workload: Lab) -> None:
    secure = settings.registry_image("nginx", secure=True)
    if workload.runtime == "docker":
        insecure = workload.ssh(
            "node1", "docker info -f '{{range .RegistryConfig.IndexConfigs}}{{.Name}}={{.Secure}} {{end}}'"
        )
        assert f"{settings.INSECURE_REGISTRY}=false" in insecure.split()
    else:
        insecure = workload.ssh("node1", "cd /etc/containerd/certs.d && ls")
        assert settings.INSECURE_REGISTRY in insecure.split()
    assert secure.split("/")[0] not in insecure
    workload.ssh("node1", f"{'docker' if workload.runtime == 'docker' else 'crictl'} pull {secure}:v2")


def test_a_second_run_changes_nothing(workload: Lab) -> None:
    before = objects(workload)
    again = workload.pyinfra("-y", "-vvv", "--json", "--limit", "master", "lab/inventory.py", "deploys/workload.py")
    assert again.code == 0, again.err
    assert again.totals["success"] == again.totals["error"] == 0
    assert again.totals["no_change"] == 3
    assert again.commands == {"master": 4}, "the controllers, two comparisons, and every node asked once"
    assert objects(workload) == before


def test_a_dry_run_announces_what_the_run_does(workload: Lab) -> None:
    before = objects(workload)
    dry = workload.pyinfra("--dry", *data("v1"), "lab/inventory.py", "deploys/workload.py")
    assert objects(workload) == before
    done = roll(workload, "v1")
    assert dry.changes == done.changes == {"master": ["scale rc/nginx-v1 3 -> 4"]}
    assert replicas(workload) == {"nginx-v1": 4}


def test_no_request_is_lost_while_it_is_scaled_and_rolled(workload: Lab) -> None:
    assert roll(workload, "v1", 2).code == 0
    with load() as result:
        time.sleep(2)
        assert roll(workload, "v1", 4).code == 0
        done = roll(workload, "v2", 4)
        assert done.code == 0, done.err
        assert roll(workload, "v2", 2).code == 0
        time.sleep(2)
    print(result)
    assert result["failures"] == []
    assert set(result["answers"]) == {"v1", "v2"}
    assert result["requests"] > 400
    assert done.changes["master"] == [
        "create ReplicationController nginx-v2",
        "roll 4 pods of nginx-v1 to nginx-v2, 2 s apart",
        "delete rc/nginx-v1",
    ]
    assert replicas(workload) == {"nginx-v2": 2}


@contextmanager
def half_way(lab: Lab, version: str) -> Iterator[None]:
    """Kill a rolling update to a version when two of its pods are there; the cluster is then left alone."""
    process = subprocess.Popen(
        [*network.enter(), str(Path(sys.executable).with_name("pyinfra")), "-y", *data(version), "lab/inventory.py",
         "deploys/workload.py"],
        cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while lab.kubectl(f"get rc nginx-{version} --ignore-not-found -o jsonpath={{.spec.replicas}}") != "2":
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.2)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    yield


def test_a_killed_update_goes_on_where_the_cluster_stands(workload: Lab) -> None:
    assert roll(workload, "v2", 4).code == 0
    with load() as result:
        with half_way(workload, "v1"):
            left = replicas(workload)
            assert left["nginx-v2"] >= 2 and sum(left.values()) >= 4
        done = roll(workload, "v1")
        assert done.code == 0, done.err
    assert result["failures"] == []
    assert "create" not in " ".join(done.changes["master"])
    assert replicas(workload) == {"nginx-v1": 4}


ROLLBACK = f"""
kubernetes.rolling_update(old="nginx-v1", new="deploys/manifests/nginx-controller.yaml.j2", rollback=True,
    update_period=1, values={{"image": "{IMAGE}", "version": "v2", "replicas": 4}})
"""


def test_a_rollback_returns(workload: Lab, tmp_path: Path) -> None:
    with load() as result:
        with half_way(workload, "v2"):
            back = deploy(workload, tmp_path, ROLLBACK)
        assert back.code == 0, back.err
    assert result["failures"] == []
    assert replicas(workload) == {"nginx-v1": 4}


def test_an_image_that_does_not_exist_stops_the_update(workload: Lab) -> None:
    """And a later update takes away what it left."""
    with load() as result:
        began = time.monotonic()
        failed = roll(workload, "v9")
        assert time.monotonic() - began < 60, "a registry that has no such image is not asked for minutes"
        assert failed.code == 1
        assert f"{IMAGE}:v9" in failed.err and NO_SUCH_IMAGE[workload.runtime] in failed.err
        assert replicas(workload) == {"nginx-v1": 4, "nginx-v9": 0}
        again = roll(workload, "v2")
        assert again.code == 0, again.err
    assert result["failures"] == []
    assert replicas(workload) == {"nginx-v2": 4}


GOOD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: good}\n---\n"
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: nobody}
spec: {selector: {app: nobody}, ports: [{port: 80}]}
"""
CONTROLLER = """
apiVersion: v1
kind: ReplicationController
metadata: {name: x}
spec:
  replicas: 1
  template: {metadata: {labels: {app: x}}, spec: {containers: [{name: x, image: x}]}}
"""
MANIFESTS = {
    "malformed": "a: 1\nb:\n  - c\n d: 1\n",
    "nobody": GOOD + SERVICE,
    "negative": GOOD + CONTROLLER.replace("replicas: 1", "replicas: -1"),
    "slip": GOOD + CONTROLLER.replace("{name: x}", "{name: x, version: v1}", 1),  # the guide's metadata.version
    "pond": GOOD + "apiVersion: v1\nkind: Pond\nmetadata: {name: x}\n",
    "controller": CONTROLLER,
}
REFUSED = {
    "kubernetes.manifest('{}/malformed.yaml')": "malformed.yaml, line 4: ",
    "kubernetes.manifest('{}/pond.yaml')": 'no matches for kind "Pond"',
    "kubernetes.manifest('{}/nobody.yaml')": "its selector app=nobody matches no pods",
    "kubernetes.manifest('{}/negative.yaml')": "spec.replicas = -1: write a whole number, 0 or more",
    "kubernetes.manifest('{}/slip.yaml')": 'unknown field "version" in | metadata.version: field not declared',
    "kubernetes.scale('rc/nginx-v2', -1)": "replicas = -1: write a whole number, 0 or more",
    "kubernetes.scale('rc/nobody', 1)": "rc/nobody: there is none in default",
    "kubernetes.absent('ponds/x')": "the server doesn't have a resource type",
    "kubernetes.rolling_update(old='nobody', new='{}/controller.yaml')": "there is no such ReplicationController",
}


def test_a_node_that_does_not_answer_is_named(workload: Lab) -> None:
    workload.kubectl("delete service nginx")
    gone = "until ! iptables-save -t nat | grep -q default/nginx; do sleep 0.2; done"
    workload.ssh("node2", f"timeout 20 sh -c '{gone}' && systemctl stop kube-proxy")
    failed = roll(workload, "v2")
    workload.ssh("node2", "systemctl start kube-proxy")
    assert failed.code == 1
    assert f"no answer from node2 ({urls()[1]}): does kube-proxy run there" in failed.err
    assert roll(workload, "v2").code == 0


def test_a_failed_update_goes_on_once_its_image_is_mended(workload: Lab) -> None:
    """Under the same version: the controller's own pod, which cannot start, is replaced too."""
    failed = roll(workload, "v1", 4, "--data", f"nginx_image={IMAGE}x")
    assert failed.code == 1 and f"{IMAGE}x:v1" in failed.err
    done = roll(workload, "v1")
    assert done.code == 0, done.err
    assert done.changes["master"][0] == "scale rc/nginx-v1 1 -> 0 (pods of a former template)"
    assert replicas(workload) == {"nginx-v1": 4}


@pytest.mark.parametrize("how", ["--dry", "-y"])
@pytest.mark.parametrize("body", REFUSED)
def test_bad_input_is_refused_and_nothing_applied(workload: Lab, tmp_path: Path, body: str, how: str) -> None:
    for name, text in MANIFESTS.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    before = objects(workload)
    refused = deploy(workload, tmp_path, body.replace("{}", str(tmp_path)), how)
    assert refused.code == 1
    assert any(words in refused.err for words in REFUSED[body].split(" | ")), "in any release's words"
    assert "othing was applied" in refused.err
    assert "Traceback" not in refused.err
    assert objects(workload) == before


DEPLOYMENT = """
kubernetes.manifest([{{
    "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {{"name": "web", "labels": {{"app": "web"}}}},
    "spec": {{"replicas": 2, "selector": {{"matchLabels": {{"app": "web"}}}},
             "template": {{"metadata": {{"labels": {{"app": "web"}}}},
                          "spec": {{"containers": [{{"name": "nginx", "image": "{image}"}}]}}}}}}}},
    {{"apiVersion": "v1", "kind": "Service", "metadata": {{"name": "web", "labels": {{"app": "web"}}}},
      "spec": {{"selector": {{"app": "web"}}, "ports": [{{"port": 80}}]}}}}])
"""


def test_a_deployment_is_watched_to_its_end(workload: Lab, tmp_path: Path) -> None:
    for version, change in (("v1", "create"), ("v2", "change")):
        done = deploy(workload, tmp_path, DEPLOYMENT.format(image=f"{IMAGE}:{version}"))
        assert done.code == 0, done.err
        assert any(line.startswith(f"{change} Deployment web") for line in done.changes["master"])
        found = pods(workload, "app=web")
        assert [p["images"] for p in found.values() if p["ready"]] == [[f"{IMAGE}:{version}"]] * 2
    again = deploy(workload, tmp_path, DEPLOYMENT.format(image=f"{IMAGE}:v2"), "-y", "--json")
    assert again.totals["success"] == 0
    # A number that the manifest no longer names stays as it is, or as scale says.
    unnumbered = DEPLOYMENT.replace('"replicas": 2, ', "").format(image=f"{IMAGE}:v2")
    assert deploy(workload, tmp_path, unnumbered, "-y", "--json").totals["success"] == 0
    scaled = deploy(workload, tmp_path, f"{unnumbered.strip()}\n    kubernetes.scale('deployment/web', 3)")
    assert scaled.changes == {"master": ["scale deployment/web 2 -> 3"]}, scaled.err
    named = DEPLOYMENT.format(image=f"{IMAGE}:v2")
    assert deploy(workload, tmp_path, named).changes == {"master": ["change Deployment web (spec.replicas 3 -> 2)"]}
    failed = deploy(workload, tmp_path, DEPLOYMENT.format(image=f"{IMAGE}:v9"))
    assert failed.code == 1
    assert f"{IMAGE}:v9" in failed.err and NO_SUCH_IMAGE[workload.runtime] in failed.err
    assert len([p for p in pods(workload, "app=web").values() if p["ready"]]) == 2


def test_a_pod_that_keeps_dying_is_shown_with_its_last_lines(workload: Lab, tmp_path: Path) -> None:
    command = "sh -c 'echo no such configuration; exit 3'"
    image = f"{IMAGE}:v1"
    body = DEPLOYMENT.format(image=image).replace('"image":', f'"command": {shlex.split(command)}, "image":')
    failed = deploy(workload, tmp_path, body.replace("}}])", "}}], deadline=15)"))
    assert failed.code == 1
    assert "no progress for 15 s" in failed.err
    # Whatever its pods were doing when patience ended: dying, waiting or running once more.
    assert re.search(rf"pod web-\S+ on node\d, image {image}: .*its process ended with exit code 3", failed.err)
    assert "no such configuration" in failed.err


def test_what_shall_be_absent_is_deleted_once(workload: Lab, tmp_path: Path) -> None:
    body = "kubernetes.absent(['deployment/web', 'service/web', 'rc/nobody'])"
    done = deploy(workload, tmp_path, body)
    assert done.changes == {"master": ["delete deployment/web", "delete service/web"]}, done.err
    assert workload.kubectl("get deployments,services -l app=web -o name") == ""
    assert deploy(workload, tmp_path, body, "-y", "--json").totals["success"] == 0


SECRET = """
kubernetes.manifest({'apiVersion': 'v1', 'kind': 'Secret', 'metadata': {'name': 'pass', 'labels': {'app': 'x'}},
    'stringData': {'password': '%s'}})
"""


def test_a_secret_is_applied_and_shown_nowhere(workload: Lab, tmp_path: Path) -> None:
    value = "jsonpath={.data.password}"
    for password, encoded, change in (
        ("hunter2", "aHVudGVyMg==", "create Secret pass"),
        ("hunter2", "aHVudGVyMg==", "No changes"),
        ("hunter3", "aHVudGVyMw==", "change Secret pass (data)"),
    ):
        done = deploy(workload, tmp_path, SECRET % password, "-y", "-vvv", "--debug")
        assert done.code == 0, done.err
        assert change in done.err
        assert workload.kubectl(f"get secret pass -o {value}") == encoded
        assert password not in done.out + done.err and encoded not in done.out + done.err
    renamed = SECRET.replace("'password'", "'passphrase'") % "hunter3"
    assert deploy(workload, tmp_path, renamed).changes == {"master": ["change Secret pass (data)"]}
    assert workload.kubectl("get secret pass -o jsonpath={.data}") == '{"passphrase":"aHVudGVyMw=="}'
    listed = deploy(workload, tmp_path, SECRET % "hunter3", "-y", "--debug-operations")
    assert listed.code == 0 and "hunter3" not in listed.out + listed.err
    bad = SECRET.replace("stringData", "data") % "no base64 hunter4"
    failed = deploy(workload, tmp_path, bad, "-y", "-vvv", "--debug")
    assert failed.code == 1 and "illegal base64" in failed.err
    assert "hunter4" not in failed.out + failed.err
