"""Rpm hosts: Debian's packages as rpms, the rpms of the lab's own, and the settings that name their repositories."""

import re
import subprocess
from pathlib import Path

import pytest

from lab import components, convert, mirror, rpmbase, rpmbuild, settings, yum
from lab.convert import Dependency, Package, dependency, rpm_version
from lab.process import LabError

STATUS = """\
Package: iproute2
Status: install ok installed
Version: 6.1.0-3
Depends: libc6 (>= 2.34), libselinux1 (>= 3.1~), libxtables12 (= 1.8.9-2), default-mta | mail-transport-agent
Pre-Depends: dpkg (>= 1.15.6~)
Conffiles:
 /etc/iproute2/rt_tables 0123456789abcdef
 /etc/iproute2/group fedcba9876543210
Description: networking tools
 More about them.

Package: postfix
Version: 3.7.11-0+deb12u1
Provides: mail-transport-agent, default-smtp (= 1)
Description: mail 100% delivered
"""


def test_a_status_file_is_read_field_by_field():
    first, second = convert.stanzas(STATUS)
    assert first["Package"] == "iproute2"
    assert [line.split()[0] for line in first["Conffiles"].split("\n")[1:]] == [
        "/etc/iproute2/rt_tables",
        "/etc/iproute2/group",
    ]
    assert second["Provides"] == "mail-transport-agent, default-smtp (= 1)"


def test_a_package_is_what_its_control_file_says():
    fields = convert.stanzas(STATUS)[0]
    package = convert.package(fields, ["./", "./bin/", "./bin/ip", "./var/lib/ip/"], ["/etc/x"])
    assert (package.name, package.version, package.summary) == ("iproute2", "6.1.0-3", "networking tools")
    assert package.depends[0] == (Dependency("dpkg", ">=", "1.15.6~"),)
    assert package.depends[-1] == (Dependency("default-mta"), Dependency("mail-transport-agent"))
    assert package.files == ("/usr/bin/ip", "/var/lib/ip/")
    assert package.settings == {"/etc/x"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" libc6 (>= 2.34)", Dependency("libc6", ">=", "2.34")),
        ("python3:any", Dependency("python3")),
        ("a (<< 2~)", Dependency("a")),
        ("b:amd64 (= 1:2-3)", Dependency("b", "=", "1:2-3")),
    ],
)
def test_a_dependency_keeps_the_bounds_that_matter(text, expected):
    assert dependency(text) == expected


def test_only_what_has_nothing_below_it_is_a_packages_own():
    listed = ["./", "./lib/", "./lib/systemd/", "./lib/systemd/a.service", "./etc/", "./etc/a.d/", "./usr/bin/"]
    assert convert.leaves(listed) == ("/etc/a.d/", "/usr/lib/systemd/a.service")


@pytest.mark.parametrize(
    ("debian", "rpm"),
    [
        ("1.8.9-2", ("1.8.9", "2")),
        ("1:1.4.7-1+b2", ("1.4.7", "1+b2")),
        ("20230311+deb12u1", ("20230311+deb12u1", "1")),
        ("1.6.20~ds1-1+deb12u3", ("1.6.20~ds1", "1+deb12u3")),
        ("1.0-rc1-3", ("1.0.rc1", "3")),
    ],
)
def test_versions_are_such_as_rpm_takes(debian, rpm):
    assert rpm_version(debian) == rpm


def _known(*packages):
    return convert.by_name(packages)


def test_rpms_need_each_other_by_the_rpm_familys_names():
    needing = convert.package(convert.stanzas(STATUS)[0], [])
    known = _known(
        Package("libc6", "2.36-9"), Package("libxtables12", "1.8.9-2"), convert.package(convert.stanzas(STATUS)[1], [])
    )
    assert convert.requires(needing, known) == ["glibc >= 2.34", "libxtables12 = 1.8.9-2", "postfix"]


def test_nothing_is_needed_that_no_host_has_and_no_package_needs_itself():
    package = Package("a", "1", depends=((Dependency("b"),), (Dependency("c"),)), provides=("c",))
    assert convert.requires(package, _known(package)) == []


def test_a_package_goes_before_one_that_stands_in_for_it():
    own, other = Package("mta", "1"), Package("postfix", "1", provides=("mta",))
    assert _known(own, other)["mta"] is own
    assert _known(other, own)["mta"] is own


def test_a_spec_has_a_package_for_each():
    package = Package(
        "iproute2",
        "6.1.0-3",
        "all % of it",
        depends=((Dependency("libc6", ">=", "2.34"),),),
        files=("/etc/a.conf", "/usr/bin/[", "/usr/bin/a b", "/usr/lib/x\\x2dy%", "/var/lib/a/"),
        settings=frozenset({"/etc/a.conf"}),
    )
    text = convert.spec([package], _known(package, Package("libc6", "2.36-9")), {"iproute": "%pre -n {name}\ntrue\n"})
    for line in (
        "%package -n iproute",
        "Version: 6.1.0",
        "Release: 3",
        "Summary: all %% of it",
        "Requires: glibc >= 2.34",
        "%pre -n iproute",
        '%config(noreplace) "/etc/a.conf"',
        '"/usr/bin/[[]"',
        '"/usr/bin/a b"',
        '"/usr/lib/x?x2dy%%"',
        '%dir "/var/lib/a"',
    ):
        assert line in text.splitlines(), line
    assert "ldconfig" not in text


def test_a_librarys_rpm_has_the_loader_told():
    text = convert.spec([Package("libx", "1-1", files=("/usr/lib/x86_64-linux-gnu/libx.so.1",))], {}, {})
    assert "%post -n libx -p /sbin/ldconfig" in text and "%postun -n libx -p /sbin/ldconfig" in text


@pytest.fixture
def disk(tmp_path):
    """A disk as debootstrap leaves one, small."""
    tree = tmp_path / "disk"
    info = tree / "var/lib/dpkg/info"
    info.mkdir(parents=True)
    (info.parent / "status").write_text(
        "Package: apt\nVersion: 2.6\nArchitecture: amd64\nDescription: a\n\n"
        "Package: libx\nVersion: 1-1\nArchitecture: amd64\nConffiles:\n /etc/x.conf 00\nDescription: x\n"
    )
    (info / "apt.list").write_text("/.\n/etc\n/etc/apt\n/etc/apt/a\n/usr\n/usr/bin\n/usr/bin/apt\n")
    (info / "libx:amd64.list").write_text("/.\n/etc\n/etc/x.conf\n/lib\n/lib/x.so\n/usr/share/man/x.1\n/var/lib/x\n")
    for path in ("etc/apt/a", "usr/bin/apt", "etc/x.conf", "usr/lib/x.so", "etc/debian_version"):
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text("")
    (tree / "var/lib/x").mkdir()
    wants = tree / "etc/systemd/system/timers.target.wants"
    wants.mkdir(parents=True)
    (wants / "apt-daily.timer").symlink_to("/usr/lib/systemd/system/apt-daily.timer")
    (wants / "x.timer").symlink_to("/usr/lib/x.so")
    return tree


def test_what_is_installed_is_what_is_there(disk):
    apt, libx = rpmbase.installed(disk)
    assert apt.files == ("/usr/bin/apt",)
    assert libx.files == ("/etc/x.conf", "/usr/lib/x.so", "/var/lib/x/")
    assert libx.settings == {"/etc/x.conf"}


def test_nothing_of_debians_package_manager_stays(disk):
    rpmbase._remove_debian(disk)
    left = {str(path.relative_to(disk)) for path in disk.rglob("*") if not path.is_dir()}
    assert left == {"etc/x.conf", "usr/lib/x.so", "etc/systemd/system/timers.target.wants/x.timer"}
    assert not (disk / "var/lib/dpkg").exists() and not (disk / "etc/apt").exists()


def test_what_hosts_are_asked_for_is_in_the_repositories():
    renamed = {convert.rpm_name(name) for name in yum.PACKAGES}
    assert {"iptables", "conntrack-tools", "ebtables", "ethtool", "ipset", "socat", "chrony"} <= renamed
    assert {"ca-certificates", "curl", "iproute", "kmod", "procps-ng", "util-linux"} <= set(yum.INSTALLED)


def test_a_package_is_told_from_its_rpms_name():
    assert yum.name_of(Path("conntrack-tools-1.4.7-1+b2.x86_64.rpm")) == "conntrack-tools"


@pytest.mark.parametrize("name", ["etcd", "flannel", "docker", "kubernetes", "ca-certificates", "deepin-release"])
def test_every_file_a_spec_takes_is_beside_it(name):
    spec = rpmbuild.spec(name).read_text()
    for taken in re.findall(r"%\{_sourcedir\}/([\w.-]+)(?=\s)", spec):
        assert (rpmbuild.SPECS / name / taken).is_file(), taken


@pytest.mark.parametrize("name", ["etcd", "flannel", "docker", "kubernetes"])
def test_no_package_starts_or_enables_anything(name):
    text = rpmbuild.spec(name).read_text() + (rpmbuild.SPECS / "macros").read_text()
    assert not re.search(r"systemctl( --\S+)* (start|enable|preset|restart)\b", text)


def test_a_changed_spec_makes_other_rpms(tmp_path, monkeypatch):
    before = rpmbuild.key("etcd")
    assert rpmbuild.key("flannel") != before
    (tmp_path / "etcd").mkdir()
    for file in (rpmbuild.SPECS / "etcd").iterdir():
        (tmp_path / "etcd" / file.name).write_text(file.read_text())
    monkeypatch.setattr(rpmbuild, "SPECS", tmp_path)
    assert rpmbuild.key("etcd") == before
    (tmp_path / "etcd/etcd.conf").write_text("ETCD_NAME=other\n")
    assert rpmbuild.key("etcd") != before


LEASE = "FLANNEL_NETWORK=10.0.0.0/8\nFLANNEL_SUBNET=10.1.2.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ={}\n"


@pytest.mark.parametrize(("flannel", "docker"), [("true", "false"), ("false", "true")])
def test_docker_is_put_on_flannels_lease(tmp_path, flannel, docker):
    (tmp_path / "subnet.env").write_text(LEASE.format(flannel))
    script = (rpmbuild.SPECS / "flannel/mk-docker-opts.sh").read_text()
    script = script.replace("/run/flannel/subnet.env", str(tmp_path / "subnet.env"))
    to = tmp_path / "d/docker.env"
    subprocess.run(["sh", "-s", "--", "-k", "DOCKER_NETWORK_OPTIONS", "-d", to], input=script, text=True, check=True)
    options = f" --bip=10.1.2.1/24 --ip-masq={docker} --mtu=1450"
    assert to.read_text().splitlines()[-1] == f'DOCKER_NETWORK_OPTIONS="{options}"'


def test_a_package_of_another_version_is_refused(tmp_path):
    (tmp_path / "docker.io_20.10.24+dfsg1-1_amd64.deb").touch()
    (tmp_path / "etcd-server_3.5.16-4_amd64.deb").touch()
    assert components._package(tmp_path, "docker.io").name.startswith("docker.io_20.10.24")
    with pytest.raises(LabError, match=r"Debian has etcd-server_3.5.16-4_amd64.deb now, .* counts on 3.4.23"):
        components._package(tmp_path, "etcd-server")
    with pytest.raises(LabError, match="runc is not among"):
        components.programs("runc", components.RUNC, tmp_path)


def test_the_guides_repositories_are_named():
    base, extras = settings.yum_repositories()
    assert base == {
        "file": "deepin",
        "id": "base",
        "name": "Deepin Server 16 Base",
        "baseurl": "http://10.1.10.1/yum/base/",
        "gpgcheck": True,
        "key": str(mirror.KEY),
    }
    assert (extras["file"], extras["id"], extras["name"]) == ("deepin", "extras", "Deepin Server 16 Extras")
    assert settings.updates_repository()["baseurl"] == "http://10.1.10.1/yum/updates/"
