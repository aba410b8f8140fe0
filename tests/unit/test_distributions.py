"""Distributions by what their hosts say of themselves, and what each is given: packages, repositories, key owners."""

import configparser
import subprocess
from pathlib import Path
from typing import Any, get_args

import pytest

from cluster.distributions import TABLE, Distribution, distribution_of, relative_of
from cluster.installation import installation, package_names
from cluster.machine import Machine
from cluster.releases import Packaged
from cluster.roles.host import host_role, time_service
from tests.unit.example import DEBIAN, DEEPIN, PACKAGES, RELEASE_FILES, cluster, expected, roles

# ID, ID_LIKE and VERSION_ID as /etc/os-release has them, and the package managers there.
FEDORA = "rhel centos fedora"
KNOWN = [
    ("debian", "", "12", ["apt-get"], "Debian"),
    ("ubuntu", "debian", "22.04", ["apt-get"], "Ubuntu"),
    ("deepin", "rhel fedora centos deepin", "16", ["yum"], "Deepin Server"),
    ("centos", "rhel fedora", "7", ["yum"], "CentOS or RHEL 7"),
    ("rhel", "fedora", "7.9", ["yum"], "CentOS or RHEL 7"),
    ("centos", "rhel fedora", "8", ["dnf", "yum"], "CentOS, RHEL, Rocky or AlmaLinux 8"),
    ("rhel", "fedora", "9.4", ["dnf", "yum"], "CentOS, RHEL, Rocky or AlmaLinux 9"),
    ("rocky", FEDORA, "9.2", ["dnf", "yum"], "CentOS, RHEL, Rocky or AlmaLinux 9"),
    ("almalinux", FEDORA, "8.10", ["dnf", "yum"], "CentOS, RHEL, Rocky or AlmaLinux 8"),
    ("openEuler", "", "22.03", ["dnf", "yum"], "openEuler"),
    ("anolis", "rhel fedora centos", "7.9", ["yum"], "Anolis OS 7"),
    ("anolis", "rhel fedora centos", "8.6", ["dnf", "yum"], "Anolis OS 8"),
    ("kylin", "", "V10", ["dnf", "yum"], "Kylin Server V10"),
    ("uos", "", "20", ["dnf", "yum"], "UOS Server 20"),
]
RELATIVES = [
    ("linuxmint", "ubuntu debian", "21.3", ["apt-get"], "Ubuntu"),
    ("raspbian", "debian", "12", ["apt-get"], "Debian"),
    ("ol", "fedora", "9.3", ["dnf"], None),
    ("circle", FEDORA, "9.1", ["dnf"], "CentOS, RHEL, Rocky or AlmaLinux 9"),
    ("circle", FEDORA, "10", ["dnf"], None),
    ("fedora", "", "39", ["dnf"], None),
]
UNKNOWN = [
    ("centos", "rhel fedora", "6", ["yum"]),  # an older one of a known distribution is no relative of itself
    ("UOS", "", "20", ["apt-get"]),  # the desktop of that name is of the other family
    ("deepin", "", "23", ["apt-get"]),
    ("debian", "", "12", []),
    ("", "", "", ["dnf"]),
]


def facts(identifier: str, like: str, version: str, managers: list[str]) -> dict[str, Any]:
    return {"distribution": identifier, "like": like, "version": version, "managers": managers}


@pytest.mark.parametrize(("identifier", "like", "version", "managers", "name"), KNOWN)
def test_known(identifier: str, like: str, version: str, managers: list[str], name: str) -> None:
    found = distribution_of(facts(identifier, like, version, managers))
    assert found and found.name == name


@pytest.mark.parametrize(("identifier", "like", "version", "managers", "name"), RELATIVES)
def test_relatives(identifier: str, like: str, version: str, managers: list[str], name: str | None) -> None:
    asked = facts(identifier, like, version, managers)
    assert distribution_of(asked) is None
    found = relative_of(asked)
    assert (found and found.name) == name


@pytest.mark.parametrize(("identifier", "like", "version", "managers"), UNKNOWN)
def test_unknown(identifier: str, like: str, version: str, managers: list[str]) -> None:
    asked = facts(identifier, like, version, managers)
    assert distribution_of(asked) is None and relative_of(asked) is None


def test_every_row_is_tested() -> None:
    assert {name for *_, name in KNOWN} == {d.name for d in TABLE}


@pytest.mark.parametrize("distribution", TABLE, ids=lambda d: d.name)
def test_a_row_names_components_and_packages_once(distribution: Distribution) -> None:
    assert set(distribution.components) <= set(get_args(Packaged))
    for names in (distribution.host, distribution.node, *distribution.components.values()):
        assert names and len(set(names)) == len(names)


def test_the_document_has_the_table() -> None:
    document = (Path(__file__).parents[2] / "docs/distributions.md").read_text()
    for d in TABLE:
        cells = [d.name, d.family.name, ", ".join(d.ids), ", ".join(d.versions) or "any"]
        cells += [", ".join(d.components.get(component, ())) or "none" for component in get_args(Packaged)]
        assert f"| {' | '.join(cells)} |" in document


# --- How a component is installed -----------------------------------------------------------------------------------


def test_packages_of_the_guides_distribution() -> None:
    """Those that the guide's table lists for a master and for a node."""
    settings = cluster(install_methods=PACKAGES).settings
    listed = {c: [p.name for p in installation(settings, DEEPIN, c).packages] for c in get_args(Packaged)}
    assert listed == {
        "etcd": ["etcd"],
        "flannel": ["flannel"],
        "docker": ["docker"],
        "containerd": ["tar", "gzip"],  # the guide has none: release files
        "kubernetes-master": ["kubernetes-master", "kubernetes-common", "kubernetes-client"],
        "kubernetes-node": ["kubernetes-node", "kubernetes-common"],
    }


def test_versions_of_packages() -> None:
    """Of Kubernetes and flannel the settings always say one; what they say by family goes before it."""
    own = {"etcd": {"rpm": "3.4.23-1"}, "kubernetes": "1.20.2-7"}
    settings = cluster(install_methods=PACKAGES, package_versions=own).settings
    found = {c: installation(settings, DEEPIN, c).packages[0].version for c in get_args(Packaged)}
    assert found == {
        "etcd": "3.4.23-1", "flannel": "0.26.7", "docker": None, "containerd": None,
        "kubernetes-master": "1.20.2-7", "kubernetes-node": "1.20.2-7",
    }  # fmt: skip
    assert installation(settings, DEBIAN, "etcd").packages[0].version is None


def test_versions_of_one_package_go_before_its_components() -> None:
    """docs/distributions.md's own example: the vendor's packages have a version each."""
    names = {"docker": {"rpm": ["docker-ce", "docker-ce-cli", "containerd.io"]}}
    pinned = {"docker-ce": {"rpm": "3:24.0.7-1.el9"}, "containerd.io": "1.6.26-3.1.el9", "docker": "1:24.0.7-1.el9"}
    settings = cluster(install_methods=PACKAGES, package_names=names, package_versions=pinned).settings
    assert {p.name: p.version for p in installation(settings, DEEPIN, "docker").packages} == {
        "docker-ce": "3:24.0.7-1.el9", "docker-ce-cli": "1:24.0.7-1.el9", "containerd.io": "1.6.26-3.1.el9",
    }  # fmt: skip
    own = cluster(install_methods=PACKAGES, package_versions={"kubernetes-client": "1.20.2-9.el7_9"}).settings
    versions = {p.name: p.version for p in installation(own, DEEPIN, "kubernetes-master").packages}
    assert versions == {
        "kubernetes-master": "1.20.2",
        "kubernetes-common": "1.20.2",
        "kubernetes-client": "1.20.2-9.el7_9",
    }
    assert (
        cluster(package_versions={"etcd-client": {"deb": "3.4.23+dfsg-4"}}).settings.package_version("etcd", "deb")
        is None
    )


def test_names_of_the_settings_go_before_the_distributions() -> None:
    settings = cluster(package_names={"docker": {"rpm": ["docker-ce"]}}).settings
    assert package_names(settings, DEEPIN, "docker") == ("docker-ce",)
    assert package_names(settings, DEBIAN, "docker") == ("docker.io",)
    with pytest.raises(LookupError):
        package_names(settings, DEBIAN, "flannel")


def test_archives_bring_what_unpacks_them() -> None:
    settings = cluster(install_methods=RELEASE_FILES).settings
    etcd = installation(settings, DEEPIN, "etcd")
    assert [p.path for p in etcd.programs] == ["/usr/local/bin/etcd", "/usr/local/bin/etcdctl"]
    assert {p.url.rpartition("/")[2] for p in etcd.programs} == {"etcd-v3.4.23-linux-amd64.tar.gz"}
    assert [p.name for p in etcd.packages] == ["tar", "gzip"] and all(p.archive for p in etcd.programs)
    assert installation(settings, DEEPIN, "flannel").packages == ()


@pytest.mark.parametrize("methods", [PACKAGES, RELEASE_FILES], ids=["packages", "release files"])
def test_the_other_kinds_units_go(methods: dict[str, str]) -> None:
    """A whole unit in /etc would hide the package's."""
    found = cluster(install_methods=methods)
    for name in ("master", "node1"):
        listed = roles(found, found.host(name), on=DEEPIN)
        for role in (role for name, role in listed.items() if name != "unbalanced"):
            assert len(role.gone) == len(role.units)
            assert not {f.path for f in role.files} & set(role.gone)
            for path in role.gone:
                assert path.endswith(".service" if methods is PACKAGES else ".service.d/container-cloud.conf")


def test_a_package_of_another_name_gets_its_command_line_written() -> None:
    """Only the distribution's own unit is known to pass on what /etc/sysconfig/docker says."""
    for names, overridden in (({}, False), ({"docker": {"rpm": ["docker-ce"]}}, True)):
        found = cluster(install_methods=PACKAGES, package_names=names)
        drop_in = roles(found, found.host("node1"), on=DEEPIN)["docker"].files[1].content or ""
        assert ("ExecStart=/usr/bin/dockerd $OPTIONS $DOCKER_NETWORK_OPTIONS\n" in drop_in) is overridden


# --- Keys that packaged services read -------------------------------------------------------------------------------


def test_keys_of_packaged_services_are_their_groups_too() -> None:
    found = cluster(install_methods=PACKAGES)
    keys = {
        f.path.rpartition("/")[2]: f for f in expected(found, found.host("master"), DEEPIN) if f.path.endswith(".key")
    }
    shared = {name for name, f in keys.items() if (f.mode, f.owner) == ("640", "root:kube")}
    assert shared == {
        "server.key", "etcd-client.key", "kubelet-client.key", "front-proxy-client.key", "controller-manager.key",
        "scheduler.key", "signing-ca.key", "sa.key",
    }  # fmt: skip
    assert (keys["client.key"].mode, keys["client.key"].owner) == ("600", "root:root"), "the administrator's"
    assert {f.mode for f in expected(found, found.host("node1"), DEEPIN) if f.path.endswith(".key")} == {"600"}


def test_etcds_keys_stay_roots() -> None:
    found = cluster(install_methods=PACKAGES)
    for file in expected(found, found.host("master"), DEEPIN):
        if file.path.startswith("/etc/etcd") and file.path.endswith(".key"):
            assert (file.mode, file.owner) == ("600", "root:root")


# --- Repositories ---------------------------------------------------------------------------------------------------


def repository_files(distribution: Distribution, identifier: str, **changes: Any) -> dict[str, str]:
    role = host_role(cluster(**changes), Machine(distribution, identifier))
    return {f.path: f.content or "" for f in role.sources}


def test_the_guides_repositories_on_the_guides_distribution() -> None:
    """As the guide has the file, but for gpgcheck."""
    found = repository_files(DEEPIN, "deepin")
    assert set(found) == {"/etc/yum.repos.d/deepin.repo"}
    parsed = configparser.ConfigParser()
    parsed.read_string(found["/etc/yum.repos.d/deepin.repo"])
    assert {name: dict(parsed[name]) for name in parsed.sections()} == {
        "base": {
            "name": "Deepin Server 16 Base",
            "baseurl": "https://packages.deepin.com/server/amd64/os/",
            "gpgcheck": "1",
            "enabled": "1",
        },
        "extras": {
            "name": "Deepin Server 16 Extras",
            "baseurl": "https://packages.deepin.com/server/amd64/extras/x86_64/",
            "gpgcheck": "1",
            "enabled": "1",
        },
    }


def test_the_guides_repositories_are_no_other_distributions() -> None:
    assert repository_files(next(d for d in TABLE if d.name == "openEuler"), "openEuler") == {}
    assert repository_files(DEEPIN, "relative-of-deepin") == {}


def test_repositories_of_ones_own(tmp_path: Path) -> None:
    written = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n…\n"
    (tmp_path / "key.asc").write_text(written)
    own = {"file": "own", "name": "Own", "baseurl": "http://mirror.example/a/"}
    found = repository_files(
        DEEPIN, "deepin",
        yum_repositories=[
            {**own, "id": "a", "key": str(tmp_path / "key.asc")},
            {**own, "id": "b", "gpgcheck": False, "enabled": False},
            {**own, "file": "elsewhere", "id": "c", "distributions": ["rocky"]},
        ],
    )  # fmt: skip
    key = "/etc/pki/rpm-gpg/RPM-GPG-KEY-container-cloud-own-a"
    assert set(found) == {"/etc/yum.repos.d/own.repo", key}
    assert found[key] == written
    parsed = configparser.ConfigParser()
    parsed.read_string(found["/etc/yum.repos.d/own.repo"])
    assert (parsed["a"]["gpgcheck"], parsed["a"]["gpgkey"]) == ("1", f"file://{key}")
    assert (parsed["b"]["gpgcheck"], parsed["b"]["enabled"]) == ("0", "0")


def test_each_family_has_its_own_repositories() -> None:
    apt = {"name": "x", "uri": "http://mirror.example/debian", "suite": "./", "trusted": True}
    assert list(repository_files(DEBIAN, "debian", apt_repositories=[apt])) == [
        "/etc/apt/sources.list.d/container-cloud-x.sources"
    ]
    assert list(repository_files(DEEPIN, "deepin", apt_repositories=[apt])) == ["/etc/yum.repos.d/deepin.repo"]


# --- Time and SELinux -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "distribution", "package", "unit"),
    [
        ("distribution", DEBIAN, "systemd-timesyncd", "systemd-timesyncd"),
        ("distribution", DEEPIN, "chrony", "chronyd"),
        ("chrony", DEBIAN, "chrony", "chrony"),
        ("chrony", DEEPIN, "chrony", "chronyd"),
        (None, DEEPIN, None, None),
    ],
)
def test_what_keeps_the_clock(wanted: str | None, distribution: Distribution, package: str, unit: str) -> None:
    found = cluster(time_service=wanted)
    assert time_service(found.settings, distribution) == package
    role = host_role(found, Machine(distribution, distribution.ids[0]))
    assert (package in [p.name for p in role.packages]) is (package is not None)
    assert [s.name for s in role.steps if s.name.startswith("start ")] == ([f"start {unit}"] if unit else [])


@pytest.mark.parametrize("wanted", ["distribution", "chrony"])
def test_what_keeps_the_clock_already_goes_on(wanted: str) -> None:
    """Unless the settings name one."""
    role = host_role(cluster(time_service=wanted), Machine(DEBIAN, "debian", ("openntpd",)))
    named = wanted == "chrony"
    assert ("chrony" in [p.name for p in role.packages]) is named
    assert "systemd-timesyncd" not in [p.name for p in role.packages]
    assert [s.name for s in role.steps if s.name.startswith("start ")] == (["start chrony"] if named else [])


SELINUX_CONFIG = """\
# This file controls the state of SELinux on the system.
# SELINUX= can take one of these three values:
#     enforcing - SELinux security policy is enforced.
#     permissive - SELinux prints warnings instead of enforcing.
#     disabled - No SELinux policy is loaded.
SELINUX={}
# SELINUXTYPE= can take one of three values:
#     targeted - Targeted processes are protected,
SELINUXTYPE=targeted
"""


@pytest.mark.parametrize(
    ("now", "at_boot", "due"),
    [
        (1, "enforcing", True),
        (0, "enforcing", True),
        (1, "permissive", True),
        (0, "permissive", False),
        (None, "disabled", False),
        (None, None, False),
    ],
    ids=["enforcing", "until the next boot", "until now", "permissive", "disabled", "no SELinux"],
)  # fmt: skip
def test_selinux_becomes_permissive_now_and_at_boot(
    now: int | None, at_boot: str | None, due: bool, tmp_path: Path
) -> None:
    """On the files as an EL 7 host has them: this kernel has no SELinux."""
    (step,) = [s for s in host_role(cluster(), Machine(DEEPIN, "deepin")).steps if "SELinux" in s.name]
    enforce, config = tmp_path / "enforce", tmp_path / "config"
    if now is not None:
        enforce.write_text(f"{now}\n")
    if at_boot:
        config.write_text(SELINUX_CONFIG.format(at_boot))
    (tmp_path / "setenforce").write_text(f"#!/bin/sh\necho $1 > {enforce}\n")
    (tmp_path / "setenforce").chmod(0o755)

    def run(script: str) -> int:
        moved = script.replace("/sys/fs/selinux/enforce", str(enforce)).replace("/etc/selinux/config", str(config))
        return subprocess.run(["sh", "-c", moved], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=False).returncode

    assert (run(step.check) != 0) is due
    if due:
        assert run(step.repair) == 0 and run(step.check) == 0
        assert config.read_text() == SELINUX_CONFIG.format("permissive"), "its comments stay as they are"
