"""Which release knows which argument and plugin."""

import shutil

import pytest

from cluster import releases
from cluster.checks import wiring
from cluster.releases import Releases, choose, flags, known, plugin_known, release
from cluster.settings import load
from tests.unit.test_settings import data, groups


def test_versions():
    assert release("1.20.2") == (1, 20)
    assert release("20.10.24+dfsg1-1") == release("5:20.10.24-1.el9") == (20, 10)
    assert "1.9.3" in Releases("1.8", "1.20")
    assert "1.20.15" in Releases("1.8", "1.20")
    assert "1.100.0" not in Releases("1.8", "1.20")
    with pytest.raises(ValueError):
        release("latest")


@pytest.mark.parametrize("component", releases.KUBERNETES_DAEMONS)
def test_every_known_release_has_lists(component):
    for line in releases.KUBERNETES:
        assert {"v", "vmodule"} <= flags(component, line)
        assert releases.admission_plugins(line)


@pytest.mark.parametrize("component", releases.FLAGS)
def test_the_table_agrees_with_the_lists(component):
    """A flag the table says this project passes to a release is in that release's list."""
    for line in releases.KUBERNETES:
        passed = {flag for flag, there in releases.FLAGS[component].items() if line in there}
        assert passed - flags(component, line) == set()


def test_hidden_and_deprecated_flags_are_known():
    assert known("kube-apiserver", "insecure-port", "1.20.2")
    assert known("kube-apiserver", "admission-control", "1.20.2")
    assert known("kube-controller-manager", "concurrent_rc_syncs", "1.20.2")
    assert known("kubelet", "network-plugin", "1.20.2")
    assert not known("kubelet", "api-servers", "1.20.2")
    assert not known("kubelet", "allow-privileged", "1.20.2")


def test_of_a_flag_and_its_successor_one_is_passed(monkeypatch):
    """Though a release knows both, as 1.20 knows these."""
    table = {"admission-control": Releases(last="1.9"), "enable-admission-plugins": Releases("1.10")}
    monkeypatch.setitem(releases.FLAGS, "kube-apiserver", table)
    both = dict.fromkeys(table, "a")
    assert choose("kube-apiserver", "1.20.2", both) == {"enable-admission-plugins": "a"}
    assert choose("kube-apiserver", "1.9.0", both) == {"admission-control": "a"}


@pytest.mark.parametrize(
    ("component", "flag", "last"),
    [
        ("kube-apiserver", "insecure-port", "1.23.0"),
        ("kube-apiserver", "logtostderr", "1.25.0"),
        ("kubelet", "pod-infra-container-image", "1.34.0"),
        ("kube-scheduler", "port", "1.23.0"),
    ],
)
def test_flags_that_went(component, flag, last):
    major, minor = release(last)
    assert choose(component, last, {flag: "x"}) == {flag: "x"}
    assert choose(component, f"{major}.{minor + 1}.0", {flag: "x"}) == {}


def test_chosen_flags_keep_their_order():
    given = {"secure-port": "1", "nonsense": "2", "bind-address": "3"}
    assert list(choose("kube-apiserver", "1.20.2", given)) == ["secure-port", "bind-address"]


def test_flannel_takes_the_newest_list_not_newer():
    assert "iface-can-reach" not in flags("flanneld", "0.17.0")
    assert "iface-can-reach" in flags("flanneld", "0.26.7")
    assert "use-multi-cluster-cidr" in flags("flanneld", "0.22.2")
    assert "use-multi-cluster-cidr" not in flags("flanneld", "0.24.0")
    with pytest.raises(LookupError):
        flags("flanneld", "0.5.5")


def test_kubernetes_needs_a_list_of_its_own():
    with pytest.raises(LookupError):
        flags("kubelet", "1.21.0")


@pytest.mark.parametrize("name", ["kubelet", "flanneld", "admission-plugins"])
def test_a_list_that_is_lost_is_an_error(name, tmp_path, monkeypatch):
    """Otherwise every argument would pass for a known one."""
    shutil.copytree(releases._LISTS, tmp_path / "flags")
    for path in tmp_path.glob(f"flags/*/{name}.txt"):
        path.unlink()
    monkeypatch.setattr(releases, "_LISTS", tmp_path / "flags")
    forget = (releases.listed.cache_clear, releases._read.cache_clear)
    for clear in forget:
        clear()
    try:
        with pytest.raises(FileNotFoundError, match=f"no list of {name} .* not complete"):
            load(data(extra_args={"kubelet": {"no-such": "x"}, "flanneld": {"no-such": "x"}}), groups())
    finally:
        for clear in forget:
            clear()


def test_every_flannel_release_reads_one_etcd_api():
    first, last = (release(end)[1] for end in (releases.FLANNEL.first, releases.FLANNEL.last))
    for minor in range(first, last + 1):
        assert sum(f"0.{minor}.0" in there for there in releases.FLANNEL_ETCD_API.values()) == 1


def test_security_context_deny_was_removed_in_1_30():
    assert plugin_known("SecurityContextDeny", "1.20.2")
    assert plugin_known("SecurityContextDeny", "1.29.0")
    assert not plugin_known("SecurityContextDeny", "1.30.0")
    assert not plugin_known("PodSecurity", "1.20.2")


@pytest.mark.parametrize("component", releases.DAEMONS)
def test_owned_arguments_exist(component):
    """Misspelt, an entry would protect nothing."""
    accepted = set().union(*(flags(component, "{}.{}".format(*line)) for line in releases.listed(component)))
    for table in (wiring.OWNED, wiring.NEEDED, wiring.SECURING):
        assert set(table.get(component, {})) - accepted == set()


def test_every_daemon_has_arguments_of_the_projects():
    assert set(wiring.OWNED) == set(wiring.NEEDED) == set(releases.DAEMONS)
