"""What the lab has for each Kubernetes line: that it can be built, and is published as its publishers do."""

import tarfile

import pytest

from cluster.model import Settings
from lab import build, cache, components, mirror, publishers, sets, settings, state
from lab.build import debian, golang, modules
from lab.build.catalogue import MODULES
from lab.build.modules import Module, Siblings
from lab.process import LabError


@pytest.mark.parametrize("line", sets.LINES)
def test_all_of_a_line_can_be_had(line):
    wanted = [*sets.parts(line), *sets.in_pods(line)]
    assert {part for part, _ in wanted} >= {"kubernetes", "etcd", "flannel"}
    for part, version in wanted:
        assert all(build.key(name, version) for name in components.built(part, version)), part


def test_what_cannot_be_built_is_answered_with_what_can():
    with pytest.raises(LabError, match=r"the lab cannot build crictl 9\.9\.9; it knows 1\.37\.0"):
        build.programs("crictl", "9.9.9")


@pytest.mark.parametrize(("asked", "line"), [("1.36", "1.36"), ("1.36.3", "1.36"), ("1.20.2", "1.20")])
def test_a_line_is_known_by_its_version_too(asked, line):
    assert sets.known(asked) == line


def test_an_unknown_line_is_answered_with_those_there_are():
    with pytest.raises(LabError, match=r"no Kubernetes 1\.35; it has 1\.37\.2, 1\.36\.3, 1\.20\.2"):
        sets.known("1.35")


@pytest.mark.parametrize(
    ("asked", "flavour", "last_flavour", "last", "chosen"),
    [
        (None, "deb", "deb", None, "1.37"),
        (None, "rpm", "deb", "1.37", "1.20"),
        (None, "deb", "deb", "1.36", "1.36"),
        ("1.37", "rpm", "rpm", "1.20", "1.37"),
        (None, "deb", "deb", "1.19", "1.37"),
    ],
)
def test_hosts_are_for_what_was_asked_for_or_for_what_they_were(asked, flavour, last_flavour, last, chosen):
    assert sets.chosen(asked, flavour, last_flavour, last) == chosen


@pytest.mark.parametrize(
    ("text", "version"), [("1.26", (1, 26, 0)), ("1.26.8", (1, 26, 8)), ("go1.27rc1", (1, 27, 0)), ("devel", (0, 0, 0))]
)
def test_a_gos_version_is_read(text, version):
    assert golang.version_of(text) == version


def test_a_module_says_which_go_it_wants():
    assert golang.wanted_by("module a\n\ngo 1.26.6\n\ntoolchain go1.26.10\n") == (1, 26, 6)
    assert golang.wanted_by("module a\n") == (1, 0, 0)


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "go.mod").write_text("module a\n\ngo 1.22\n")
    return tmp_path


@pytest.mark.parametrize(
    ("packaged", "own", "taken"),
    [(["1.19"], [], "pinned"), (["1.19", "1.22"], ["1.26.8"], "1.22"), (["1.19"], ["1.26.8"], "1.26.8")],
)
def test_the_oldest_go_that_is_new_enough_builds(tree, monkeypatch, packaged, own, taken):
    monkeypatch.setattr(golang.machine, "require_programs", lambda *_: None)
    monkeypatch.setattr(golang, "_packaged", lambda: [(golang.version_of(one), one) for one in packaged])
    monkeypatch.setattr(golang, "_own", lambda: [(golang.version_of(one), one) for one in own])
    monkeypatch.setattr(golang, "_toolchain", lambda: "pinned")
    assert golang.for_module(tree)["GOROOT"] == taken


GO_MOD = """\
module k8s.io/kubernetes

require (
	k8s.io/api v0.0.0
	k8s.io/klog/v2 v2.1.0
	k8s.io/utils v0.0.0-20260101000000-0123456789ab
	example.com/cloud/tencent v1.0.0
)

replace (
	k8s.io/api => ./staging/src/k8s.io/api
)

replace k8s.io/sample => ./staging/sample
replace other => ./other
"""


def test_siblings_come_from_the_module_proxy_and_what_is_left_out_goes():
    module = Module("a", "a", "1.37.2", "", {}, siblings=Siblings("k8s.io/[a-z-]+", "0.37.2", ""), without="tencent")
    assert modules.from_proxy(GO_MOD, module).splitlines() == [
        "module k8s.io/kubernetes",
        "",
        "require (",
        "\tk8s.io/api v0.37.2",
        "\tk8s.io/klog/v2 v2.1.0",
        "\tk8s.io/utils v0.0.0-20260101000000-0123456789ab",
        ")",
        "",
        "replace (",
        ")",
        "",
        "replace other => ./other",
    ]


@pytest.mark.parametrize("module", MODULES.values(), ids=str)
def test_siblings_checksums_are_of_their_version(module):
    assert not module.siblings or module.sums
    for line in module.sums.splitlines():
        path, version, checksum = line.split()
        assert version.removesuffix("/go.mod") == f"v{module.siblings.version}", path
        assert checksum.startswith("h1:")


def test_another_way_of_building_is_another_entry():
    module = MODULES["coredns", sets.version("1.37", "coredns")]
    changed = Module(module.name, module.path, module.version, module.checksum, module.programs, cgo=True)
    assert changed.key != module.key


def test_programs_are_told_their_version():
    flags = modules.linker_flags(MODULES["kubernetes", "1.37.2"])
    assert flags.startswith("-s -w ")
    assert "-X k8s.io/component-base/version.gitVersion=v1.37.2" in flags
    assert "-X k8s.io/component-base/version.gitMinor=37" in flags
    old = debian.linker_flags("1.20.2")
    assert "-X k8s.io/component-base/version.gitVersion=v1.20.2" in old
    assert "-X k8s.io/kubernetes/vendor/k8s.io/component-base/version.gitVersion=v1.20.2" in old


@pytest.mark.parametrize("line", sets.LINES)
def test_the_mirror_has_release_files_where_the_shipped_settings_look_for_them(line, monkeypatch):
    """Below their publishers' names, all that a line needs."""
    versions = {"kubernetes_version": sets.LINES[line], **sets.OTHERWISE}
    looked_for = {
        name: Settings(**versions).release_url(name).removeprefix("https://") for name in Settings().release_files
    }
    placed = {}
    for part, version in sets.parts(line):
        publisher = publishers.PUBLISHERS[part]
        programs = {"kubernetes": debian.PROGRAMS, "flannel": ("flanneld",)}.get(part, ("",))
        placed |= {publishers.place(part, version, program): publisher for program in programs}
    needed = {"kube-apiserver", "kubelet", "kubectl", "kube-proxy", "flanneld", "etcd"}
    needed |= {"docker"} if line == sets.GUIDES else {"containerd", "runc", "cni-plugins", "crictl"}
    assert {name for name, place in looked_for.items() if place in placed} >= needed


@pytest.fixture
def programs(tmp_path, monkeypatch):
    monkeypatch.setenv("CONTAINER_CLOUD_CACHE", str(tmp_path / "cache"))
    (tmp_path / "programs").mkdir()
    for name in ("one", "two"):
        (tmp_path / "programs" / name).write_text(name)
        (tmp_path / "programs" / name).chmod(0o755)
    return {name: tmp_path / "programs" / name for name in ("one", "two")}


@pytest.mark.parametrize(
    ("part", "place", "members"),
    [
        (
            "etcd",
            "github.com/etcd-io/etcd/releases/download/v1.2.3/etcd-v1.2.3-linux-amd64.tar.gz",
            ["etcd-v1.2.3-linux-amd64", "etcd-v1.2.3-linux-amd64/one", "etcd-v1.2.3-linux-amd64/two"],
        ),
        (
            "cni-plugins",
            "github.com/containernetworking/plugins/releases/download/v1.2.3/cni-plugins-linux-amd64-v1.2.3.tgz",
            ["./one", "./two"],
        ),
        (
            "crictl",
            "github.com/kubernetes-sigs/cri-tools/releases/download/v1.2.3/crictl-v1.2.3-linux-amd64.tar.gz",
            ["one", "two"],
        ),
        (
            "containerd",
            "github.com/containerd/containerd/releases/download/v1.2.3/containerd-1.2.3-linux-amd64.tar.gz",
            ["bin", "bin/one", "bin/two"],
        ),
    ],
)
def test_an_archive_is_laid_out_as_its_publisher_does(programs, part, place, members):
    ((found, archive),) = publishers.files(part, "1.2.3", programs).items()
    assert found == place
    with tarfile.open(archive) as tar:
        assert tar.getnames() == members
        assert tar.extractfile(members[-1]).read() == b"two"
        assert tar.getmember(members[-1]).mode == 0o755
    before = cache.sha256(archive)
    archive.unlink()
    assert cache.sha256(next(iter(publishers.files(part, "1.2.3", programs).values()))) == before


@pytest.mark.parametrize(
    ("part", "file", "name", "text"),
    [
        ("kubernetes", "kubelet", "kubelet.sha256", "abc"),
        ("etcd", "etcd.tar.gz", "SHA256SUMS", "abc  etcd.tar.gz\n"),
        ("containerd", "c.tar.gz", "c.tar.gz.sha256sum", "abc  c.tar.gz\n"),
        ("cni-plugins", "c.tgz", "c.tgz.sha256", "abc  c.tgz\n"),
        ("crictl", "c.tar.gz", "c.tar.gz.sha256", "abc"),
        ("runc", "runc.amd64", "runc.sha256sum", "signed abc  runc.amd64\n"),
    ],
)
def test_a_checksum_file_is_as_its_publisher_writes_it(part, file, name, text):
    assert publishers.checksum_file(part, file, "abc", lambda text: f"signed {text}") == (name, text)


@pytest.mark.parametrize("part", ["flannel", "docker"])
def test_some_publish_no_checksum(part):
    assert publishers.checksum_file(part, "file", "abc", str) is None


@pytest.fixture
def published(monkeypatch, tmp_path):
    """A mirror with two lines, on hosts for one."""
    kubelet = "dl.k8s.io/release/v{}/bin/linux/amd64/kubelet"
    manifest = {
        "lines": ["1.20", "1.37"],
        "files": {kubelet.format("1.37.2"): "new", kubelet.format("1.20.2"): "old"},
        "images": {name: {"url": name} for name in ("pause-3.2", "pause-3.10.2")},
    }
    monkeypatch.setattr(state, "line", lambda: "1.37")
    monkeypatch.setattr(mirror, "manifest", lambda: manifest)
    monkeypatch.delenv("CONTAINER_CLOUD_LAB_KUBERNETES", raising=False)
    settings.line.cache_clear()
    yield
    settings.line.cache_clear()


@pytest.mark.usefixtures("published")
def test_settings_are_of_the_line_the_hosts_are_for():
    assert settings.versions() == {"kubernetes_version": "1.37.2", "runc_version": components.RUNC}
    assert settings.release_files()["kubelet"]["sha256"] == "new"
    assert settings.release_files()["kubelet"]["url"].startswith("http://10.1.10.1/dl.k8s.io/release/v{version}/bin/")
    assert settings.pause_archive() == {"url": "pause-3.10.2"}
    assert not settings.guides()


@pytest.mark.usefixtures("published")
def test_a_run_may_choose_another_line(monkeypatch):
    monkeypatch.setenv("CONTAINER_CLOUD_LAB_KUBERNETES", "1.20.2")
    assert settings.versions()["kubernetes_version"] == "1.20.2"
    assert settings.release_files()["kubelet"]["sha256"] == "old"
    assert settings.pause_archive() == {"url": "pause-3.2"}
    assert settings.guides()["cluster_dns"] is False


@pytest.mark.usefixtures("published")
def test_a_line_that_the_mirror_lacks_is_answered_with_what_to_type(monkeypatch):
    monkeypatch.setenv("CONTAINER_CLOUD_LAB_KUBERNETES", "1.36")
    with pytest.raises(SystemExit, match=r"no Kubernetes 1\.36: python -m lab up --kubernetes 1\.36"):
        settings.line()
