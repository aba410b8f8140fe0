"""The shipped settings load; what follows from them; everything wrong is said at once."""

import copy
import runpy
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from cluster import reference
from cluster.problems import Problem
from cluster.settings import BadSettings, Cluster, Settings, load

REPOSITORY = Path(__file__).parents[2]
NINE = (
    "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kubelet", "kube-proxy", "flanneld",
    "etcd", "docker",
)  # fmt: skip
SHIPPED = ("kubectl", "kubelet", "etcd")  # of the guide's versions, the files whose digests cluster/digests.txt has
PACKAGED = dict.fromkeys(("kubernetes", "etcd", "docker"), "packages")
GROUPS = ("masters", "nodes", "etcd")


def shipped() -> dict:
    """group_data/all.py as it is."""
    values = runpy.run_path(str(REPOSITORY / "group_data" / "all.py"))
    return {name: value for name, value in values.items() if not name.startswith("_")}


def guide() -> dict:
    """The settings as of guide/: the shipped ones, with guide/group_data/all.py over them."""
    values = runpy.run_path(str(REPOSITORY / "guide" / "group_data" / "all.py"))
    return shipped() | {name: value for name, value in values.items() if not name.startswith("_")}


def inventory() -> dict:
    values = runpy.run_path(str(REPOSITORY / "inventory.py"))
    return {group: values[group] for group in GROUPS}


def data(settings=guide, **changes) -> dict:
    """Each host's data: the guide's settings (or `shipped` ones) with checksums, its own data, and the changes."""
    settings = settings() | {"release_lock": "/nowhere/release.lock"}  # not that of whoever tests
    for number, file in enumerate(settings["release_files"].values()):
        file["sha256"] = f"{number:064x}"
    hosts = {name: {**settings, **own} for members in inventory().values() for name, own in members}
    return {name: {**copy.deepcopy(own), **copy.deepcopy(changes)} for name, own in hosts.items()}


def groups(**changes) -> dict:
    return {group: [name for name, _ in members] for group, members in inventory().items()} | changes


def refused(hosts: dict, in_groups: dict | None = None) -> list[Problem]:
    with pytest.raises(BadSettings) as caught:
        load(hosts, in_groups or groups())
    return caught.value.problems


# Settings without a digest of their own, where nothing was locked.
BARE = {"release_files": shipped()["release_files"], "release_lock": "/nowhere/release.lock"}


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return load(data(), groups())[0]


def test_the_model_has_the_names_of_group_data_in_their_order():
    assert list(Settings.model_fields) == list(shipped())


def test_the_models_defaults_are_the_shipped_values():
    assert Settings.model_validate(shipped()) == Settings()


def test_the_guides_settings_load():
    """They say only what differs, by names that settings have."""
    cluster, warnings = load(data(guide), groups())
    assert warnings == [] and cluster.settings.container_runtime == "docker"
    assert set(guide()) == set(shipped())


def test_the_shipped_settings_load():
    cluster, warnings = load(data(shipped), groups())
    assert warnings == [] and cluster.settings.container_runtime == "containerd"
    assert cluster.settings.dns_address == IPv4Address("192.168.1.10")


def test_the_shipped_settings_lack_nothing_but_digests():
    problems = refused(data(shipped, **BARE))
    assert {problem.setting.split('"')[1] for problem in problems} <= {*shipped()["release_files"]} - {"docker"}
    kubectl = next(problem for problem in problems if "kubectl" in problem.setting)
    assert str(kubectl) == (
        'release_files["kubectl"] = "https://dl.k8s.io/release/v1.37.2/bin/linux/amd64/kubectl": '
        "nobody has its digest; run `python -m release lock`"
    )


def test_who_is_about_to_find_the_digests_does_without_them():
    cluster, warnings = load(data(shipped, **BARE), groups(), without_digests=True)
    assert warnings == [] and cluster.settings.release_files["kubectl"].sha256 is None


@pytest.mark.parametrize(
    ("methods", "wanted"),
    [
        ({"etcd": "release files", "docker": "release files"}, [n for n in NINE if n not in SHIPPED]),
        (dict.fromkeys(("kubernetes", "flannel", "etcd", "docker"), "packages"), []),
        (PACKAGED | {"flannel": {"deb": "release files", "rpm": "packages"}}, ["flanneld"]),
        (PACKAGED | {"flannel": {"rpm": "packages"}}, ["flanneld"]),
    ],
    ids=["all", "none", "one on one family", "unsaid is as shipped"],
)
def test_digests_are_asked_for_what_is_fetched(methods, wanted):
    hosts = data(install_methods=methods, **BARE)
    names = [p.setting.split('"')[1] for p in refused(hosts)] if wanted else load(hosts, groups())[1]
    assert names == wanted


def test_the_shipped_settings_give_no_warning():
    """One that is always there teaches people to skip them all."""
    assert load(data(), groups())[1] == []


def test_hosts_know_their_roles(cluster):
    assert [host.name for host in cluster.masters] == ["master"]
    assert [host.name for host in cluster.nodes] == ["node1", "node2", "node3"]
    assert cluster.etcd_members == cluster.masters
    master, node = cluster.host("master"), cluster.host("node1")
    assert (master.is_master, master.is_etcd, master.is_node) == (True, True, False)
    assert (node.is_master, node.is_etcd, node.is_node) == (False, False, True)


def test_an_unknown_host_is_a_key_error(cluster):
    with pytest.raises(KeyError):
        cluster.host("node9")


def test_urls_come_from_the_inventory(cluster):
    assert cluster.api_server_url == "https://10.1.10.101:6443"
    assert cluster.etcd_client_urls == ["https://10.1.10.101:2379"]
    assert cluster.etcd_initial_cluster == "master=https://10.1.10.101:2380"


def test_a_balancer_stands_before_several_masters():
    everywhere = groups(masters=["node1", "master"], etcd=["master", "node1", "node2"])
    found, _ = load(data(api_server_address="api.example"), everywhere)
    assert (found.api_server_url, found.outer_api_server_url) == ("https://127.0.0.1:7443", "https://api.example:6443")
    assert [host.name for host in found.masters] == ["node1", "master"]
    assert found.etcd_initial_cluster.count("=https://") == 3


def test_derived_settings(cluster):
    settings = cluster.settings
    assert settings.kubernetes_release == "1.20"
    assert settings.api_server_service_address == IPv4Address("192.168.1.1")
    assert settings.node_ports == (80, 65535)
    assert settings.leases.first == IPv4Network("192.168.2.0/24")
    assert len(settings.leases) == 254
    assert settings.pki_path == Path.home() / ".container-cloud" / "pki"


@pytest.mark.parametrize(
    ("changes", "port"),
    [({}, 80), ({"service_node_ports": "30000-32767"}, 30000), ({"nginx_node_port": 8080}, 8080)],
)
def test_nginx_answers_at_the_first_node_port_unless_told_otherwise(changes, port):
    assert load(data(**changes), groups())[0].settings.nginx_port == port


@pytest.mark.parametrize(
    "changes",
    [
        {"nginx_replicas": 0, "nginx_update_period": 0},
        {"nginx_image": "10.1.10.1:5000/nginx"},
        {"nginx_version": "1.25.3-alpine"},
        {"nginx_version": "v" * 40},
        {"service_node_ports": "30000-32767", "nginx_node_port": 32767},
    ],
)
def test_settings_of_nginx_at_their_bounds(changes):
    settings = load(data(**changes), groups())[0].settings
    assert {name: getattr(settings, name) for name in changes} == changes


def test_release_files_have_their_version_filled_in(cluster):
    assert cluster.settings.release_file("flanneld").url.endswith("/v0.26.7/flanneld-amd64")
    assert cluster.settings.release_file("kubectl").url.endswith("/v1.20.2/bin/linux/amd64/kubectl")
    assert cluster.settings.release_file("kubelet").digest == f"{4:064x}"


def test_a_hosts_arguments_win_over_the_clusters():
    hosts = data(extra_args={"kubelet": {"max-pods": "50", "v": "4"}})
    hosts["node2"]["host_extra_args"] = {"kubelet": {"max-pods": "70"}}
    found, _ = load(hosts, groups())
    assert found.arguments("kubelet", found.host("node1")) == {"max-pods": "50", "v": "4"}
    assert found.arguments("kubelet", found.host("node2")) == {"max-pods": "70", "v": "4"}
    assert found.arguments("etcd", found.host("master")) == {}


def test_a_setting_no_host_has_takes_its_default():
    hosts = {name: {k: v for k, v in own.items() if k != "log_level"} for name, own in data().items()}
    assert load(hosts, groups())[0].settings.log_level == 1


def test_pyinfras_own_names_are_left_alone():
    load(data(ssh_user="admin", ssh_key="key", _sudo=True), groups())


def test_settings_cannot_be_changed_afterwards(cluster):
    with pytest.raises(ValueError):
        cluster.settings.log_level = 2


def test_all_errors_come_at_once():
    bad = {
        "podnetwork": "10.0.0.0/8",
        "pod_network": "192.168.0.1/16",
        "flannel_backend": "vxlam",
        "etcd_client_port": "2379",
        "service_network": "10.1.10.0/24",
        "extra_args": {"kubelet": {"max-podz": "5"}},
        "pki_certificate_days": 9000,
    }
    hosts = data(**bad)
    hosts["node3"]["address"] = "10.1.10.102"
    hosts["node2"]["log_level"] = 3
    problems = refused(hosts, groups(etcd=[]))
    found = {problem.setting.partition("[")[0] for problem in problems}
    assert found == {*bad, "address", "log_level", "etcd"}
    text = str(BadSettings(problems))
    assert text.startswith("10 settings cannot be used:")
    assert len(text.splitlines()) == 11


def test_one_bad_field_skips_only_the_checks_that_need_it():
    problems = refused(data(pod_network="nowhere", service_network="10.1.10.0/24"))
    assert [problem.setting for problem in problems] == ["pod_network", "service_network"]
    assert "10.1.10.101 (master)" in problems[1].advice


def test_one_problem_is_said_once_not_once_a_host():
    (problem,) = refused(data(log_level=99))
    assert str(problem) == "log_level = 99: out of range; write a number from 0 to 10"


def test_a_setting_of_the_cluster_is_the_same_on_every_host():
    hosts = data()
    hosts["node2"]["kube_proxy_mode"] = "ipvs"
    (problem,) = refused(hosts)
    assert problem.setting == "kube_proxy_mode"
    assert "setting of the whole cluster" in problem.advice
    assert "node2" in problem.advice
    assert "group_data/all.py" in problem.advice


def test_the_odd_host_is_named_even_when_it_comes_first():
    hosts = data()
    hosts["master"]["release_files"]["kubelet"]["sha256"] = "f" * 64
    (problem,) = refused(hosts)
    assert "master has its own" in problem.advice


def test_a_misspelt_name_on_one_host_names_the_host_and_hides_the_value():
    hosts = data()
    hosts["node1"]["sudo_password"] = "secret"
    (problem,) = refused(hosts)
    assert str(problem).startswith('node1: sudo_password: is no setting; did you mean "_sudo_password"?')
    assert "secret" not in str(problem)


def test_data_of_ones_own_is_left_alone():
    hosts = data(region="eu", rack=3, contact={"mail": "ops@example.com"})
    hosts["node1"]["serial"] = "A-1"
    assert load(hosts, groups()) == load(data(), groups())


def fqdn(*names: str) -> Cluster:
    """The shipped cluster with nodes called so."""
    hosts = data()
    for old, new in zip(("node1", "node2", "node3"), names, strict=True):
        hosts[new] = hosts.pop(old)
    return load(hosts, groups(nodes=list(names)))[0]


def test_a_fully_qualified_name_has_a_short_one_where_that_is_nobody_elses():
    found = fqdn("web.example.com", "db.example.com", "db.example.org")
    assert [found.short_name(host) for host in found.hosts] == [None, "web", None, None]
    found = fqdn("master.example.com", "web.example.com", "web")
    assert [found.short_name(host) for host in found.hosts] == [None] * 4


def test_a_password_in_an_address_is_not_shown():
    (problem,) = refused(data(registry_mirrors=["https://user:secret@mirror.example/path"]))
    assert "secret" not in str(problem)
    assert '"https://mirror.example"' in problem.advice


def test_no_message_is_pydantics():
    wrong = dict.fromkeys(Settings.model_fields, object())
    problems = refused(data(**wrong))
    assert {problem.setting for problem in problems} >= set(Settings.model_fields)
    for problem in problems:
        assert "Input should" not in str(problem)
        assert "see docs/settings.md" not in str(problem)
        assert "\n" not in str(problem)


def test_a_problem_is_one_line():
    problem = Problem("pod_network", "192.168.0.1/16", 'host bits are set; write "192.168.0.0/16"')
    assert str(problem) == 'pod_network = "192.168.0.1/16": host bits are set; write "192.168.0.0/16"'
    assert str(Problem("address", None, "write it", host="node2")) == "node2: address = None: write it"


def test_the_settings_reference_is_current():
    committed = (REPOSITORY / "docs" / "settings.md").read_text()
    assert committed == reference.document(), "run: python -m cluster.reference > docs/settings.md"


def test_the_settings_reference_names_every_setting():
    for name, field in Settings.model_fields.items():
        assert f"| `{name}` |" in reference.document()
        assert field.description
