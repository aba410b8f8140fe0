"""The guide's own family: a yum repository, packages, their units, users and versions."""

import json

import pytest

from cluster.model import INSTALL_METHODS
from lab import settings
from tests.lab.conftest import HOSTS, NODES, UNITS, Lab

pytestmark = [pytest.mark.usefixtures("cluster"), pytest.mark.flavours("rpm", "mixed")]

PACKAGES = {
    "master": ("etcd", "kubernetes-master", "kubernetes-client", "kubernetes-common"),
    **dict.fromkeys(NODES, ("flannel", "docker", "kubernetes-node", "kubernetes-common")),
}
RELEASED = ("--data", f"install_methods={json.dumps(dict.fromkeys(INSTALL_METHODS, 'release files'))}")


@pytest.fixture
def hosts(lab: Lab) -> list[str]:
    """The hosts of the rpm family."""
    return [host for host in HOSTS if lab.is_rpm(host)]


def pinned(version: str) -> tuple[str, ...]:
    """Settings that ask for one version of the etcd package, with the repository that has the newer one."""
    repositories = [*settings.yum_repositories(), settings.updates_repository()]
    return (
        "--data", f"yum_repositories={json.dumps(repositories)}",
        "--data", f"package_versions={json.dumps({'etcd': {'rpm': version}})}",
    )  # fmt: skip


def test_the_repository_file_is_the_guides(lab: Lab, hosts: list[str]) -> None:
    for host in hosts:
        text = lab.ssh(host, "cat /etc/yum.repos.d/deepin.repo")
        sections = [line for line in text.splitlines() if line.startswith("[")]
        assert sections == ["[base]", "[extras]"]
        assert text.count("gpgcheck=1") == 2, "on, unless it is switched off"


def test_everything_comes_from_packages(lab: Lab, hosts: list[str]) -> None:
    for host in hosts:
        lab.ssh(host, f"rpm -q {' '.join(PACKAGES[host])}")
        assert lab.ssh(host, "ls /usr/local/bin") == ""


def test_packages_are_signed(lab: Lab, hosts: list[str]) -> None:
    """With the key that the settings name, which the package manager took from there."""
    for host in hosts:
        known = lab.ssh(host, "rpm -q --qf '%{VERSION}\\n' gpg-pubkey").split()
        for package in PACKAGES[host]:
            signature = lab.ssh(host, f"rpm -q --qf '%{{RSAHEADER:pgpsig}}' {package}")
            assert signature.rpartition("Key ID ")[2][-8:] in known, signature


def test_nothing_of_a_package_is_changed_but_its_configuration(lab: Lab, hosts: list[str]) -> None:
    """No packaged unit is edited."""
    for host in hosts:
        changed = lab.attempt(host, f"rpm -V {' '.join(PACKAGES[host])}").stdout.splitlines()
        others = [line for line in changed if " c /etc/" not in line]
        assert others == [], f"{host}: {changed}"


def test_units_are_the_packages_with_a_drop_in(lab: Lab, hosts: list[str]) -> None:
    for host in hosts:
        for unit in UNITS[host]:
            shown = dict(
                line.split("=", 1)
                for line in lab.ssh(host, f"systemctl show -p FragmentPath,DropInPaths {unit}").splitlines()
            )
            assert shown["FragmentPath"].removeprefix("/usr") == f"/lib/systemd/system/{unit}.service"
            assert f"/etc/systemd/system/{unit}.service.d/container-cloud.conf" in shown["DropInPaths"]


def test_services_run_as_their_packages_have_it(lab: Lab, hosts: list[str]) -> None:
    accounts = {"etcd": "etcd", "kube-apiserver": "kube", "kube-controller-manager": "kube", "kube-scheduler": "kube"}
    for host in hosts:
        for unit in UNITS[host]:
            pid = lab.ssh(host, f"systemctl show -p MainPID --value {unit}")
            assert lab.ssh(host, f"stat -c %U /proc/{pid}") == accounts.get(unit, "root"), unit


def test_the_authority_is_in_the_familys_trust_store(lab: Lab, hosts: list[str]) -> None:
    for host in hosts:
        lab.ssh(host, "cmp /etc/pki/ca-trust/source/anchors/container-cloud.crt /etc/kubernetes/ca/ca.crt")
        body = lab.ssh(host, "sed -n 2p /etc/kubernetes/ca/ca.crt")
        lab.ssh(host, f"grep -qF {body} /etc/pki/tls/certs/ca-bundle.crt")


@pytest.mark.flavours("rpm")
def test_a_newer_package_is_shown_and_not_taken(lab: Lab) -> None:
    """Then taken when the settings say so, and given back."""
    before = lab.started_at()
    repository = lab.deploy("host", "--limit", "master", *pinned("3.4.23-1"))
    assert set(repository.changes["master"]) == {
        "write /etc/pki/rpm-gpg/RPM-GPG-KEY-container-cloud-updates-updates",
        "write /etc/yum.repos.d/updates.repo",
    }
    offers = lab.fact("facts.packages.Offers", 'packages=["etcd"]', "refresh=true", limit="master")
    assert offers["master"] == {"etcd": {"installed": "3.4.23-1", "newer": "3.4.23-2"}}
    unpinned = (
        "--data",
        f"yum_repositories={json.dumps([*settings.yum_repositories(), settings.updates_repository()])}",
    )
    assert lab.deploy("cluster", "--json", "--limit", "master", *unpinned).totals["success"] == 0
    assert lab.started_at() == before
    for version in ("3.4.23-2", "3.4.23-1"):
        dry = lab.pyinfra("--dry", *pinned(version), "lab/inventory.py", "deploys/etcd.py")
        done = lab.deploy("etcd", *pinned(version))
        assert done.changes == dry.changes == {
            "master": [f"install etcd {version}", "restart etcd (/usr/bin/etcd was replaced)"]
        }  # fmt: skip
        assert lab.ssh("master", "rpm -q etcd") == f"etcd-{version}.x86_64"
        assert lab.deploy("etcd", "--json", *pinned(version)).totals["success"] == 0
    gone = [line.replace("write ", "remove ") for line in repository.changes["master"]]
    assert sorted(lab.deploy().changes["master"]) == sorted(gone), "a repository goes with its setting"
    assert lab.deploy("cluster", "--json").totals["success"] == 0


def test_a_version_that_no_repository_has_is_named(lab: Lab, hosts: list[str]) -> None:
    node = hosts[-1]
    before = lab.started_at()
    wanted = ("--data", f"package_versions={json.dumps({'flannel': {'rpm': '0.99.0'}})}")
    failed = lab.pyinfra("-y", "--limit", node, *wanted, "lab/inventory.py", "deploys/flannel.py")
    assert failed.code == 1 and "flannel-0.99.0" in failed.err
    assert lab.started_at() == before


@pytest.mark.named
@pytest.mark.flavours("rpm")
def test_release_files_in_place_of_packages_and_back(lab: Lab) -> None:
    """On the living cluster: etcd and Docker from their publishers' archives, the rest as single programs."""
    leases = lab.leases()
    done = lab.deploy("cluster", *RELEASED)
    for host in HOSTS:
        removed = {line for line in done.changes[host] if line.startswith("remove ")}
        packaged = [*(f"{u}.service" for u in UNITS[host]), *(["docker.socket"] if "docker" in UNITS[host] else [])]
        assert removed == {f"remove /etc/systemd/system/{u}.d/container-cloud.conf" for u in packaged}
        for unit in UNITS[host]:
            program = {"docker": "dockerd"}.get(unit, unit)
            pid = lab.ssh(host, f"systemctl show -p MainPID --value {unit}")
            assert lab.ssh(host, f"readlink /proc/{pid}/exe") == f"/usr/local/bin/{program}"
    assert lab.leases() == leases
    assert lab.deploy("cluster", "--json", *RELEASED).totals["success"] == 0
    with lab.containers() as addresses:
        lab.ssh("node1", f"docker exec plain ping -c1 -W3 {addresses['node2']}")
    back = lab.deploy("cluster")
    for host in HOSTS:
        assert {f"remove /etc/systemd/system/{u}.service" for u in UNITS[host]} <= set(back.changes[host])
        lab.ssh(host, "rm -f /usr/local/bin/*")
    assert lab.deploy("cluster", "--json").totals["success"] == 0
