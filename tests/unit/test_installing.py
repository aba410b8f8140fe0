"""The scripts that install, carried out by a real shell: programs from real archives, packages by stub managers."""

import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from cluster.desired import Package, Program
from facts.role import read_programs
from operations.packages import install_packages, install_programs


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- Programs -------------------------------------------------------------------------------------------------------


@pytest.fixture
def host(tmp_path: Path) -> Any:
    """Carries a script out with everything it writes below a directory; who owns files is not looked at."""
    stubs = tmp_path / "stubs"
    stubs.mkdir()
    (stubs / "chown").write_text("#!/bin/sh\n")
    (stubs / "chown").chmod(0o755)

    def carry_out(script: str) -> subprocess.CompletedProcess[str]:
        moved = script.replace("/var/lib/container-cloud", str(tmp_path / "records"))
        env = {"PATH": f"{stubs}:/usr/bin:/bin"}
        return subprocess.run(["sh", "-c", moved], env=env, capture_output=True, text=True, timeout=60, check=False)

    return carry_out


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A release archive as publishers make them: everything in a directory of its own."""
    inside = tmp_path / "etcd-v3.4.23-linux-amd64"
    inside.mkdir()
    for name in ("etcd", "etcdctl", "README.md"):
        (inside / name).write_text(f"this is {name}\n")
    path = tmp_path / "etcd.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(inside, inside.name)
    return path


def programs(tmp_path: Path, source: Path, *names: str, archive: bool, digest: str | None = None) -> list[Program]:
    return [
        Program(str(tmp_path / "bin" / name), f"file://{source}", digest or sha256(source), archive) for name in names
    ]


def test_a_program_by_itself(host: Any, tmp_path: Path) -> None:
    (source := tmp_path / "kubelet").write_text("this is kubelet\n")
    done = host(install_programs(programs(tmp_path, source, "kubelet", archive=False)))
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "bin/kubelet").read_text() == "this is kubelet\n"
    assert (tmp_path / "bin/kubelet").stat().st_mode & 0o777 == 0o755
    digest, _, path, own = (tmp_path / "records/programs/kubelet").read_text().split()
    assert (digest, path, own) == (sha256(source), str(tmp_path / "bin/kubelet"), sha256(source))


def test_programs_of_an_archive(host: Any, tmp_path: Path, archive: Path) -> None:
    done = host(install_programs(programs(tmp_path, archive, "etcd", "etcdctl", archive=True)))
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("etcd", "etcdctl"):
        assert (tmp_path / "bin" / name).read_text() == f"this is {name}\n"
        assert (tmp_path / "records/programs" / name).read_text().split()[0] == sha256(archive), "the archive's own"
    assert sorted(p.name for p in (tmp_path / "bin").iterdir()) == ["etcd", "etcdctl"], "nothing is left over"


@pytest.mark.parametrize("packed", [False, True], ids=["alone", "in an archive"])
def test_a_wrong_checksum_installs_nothing(packed: bool, host: Any, tmp_path: Path, archive: Path) -> None:
    done = host(install_programs(programs(tmp_path, archive, "etcd", archive=packed, digest="0" * 64)))
    assert done.returncode == 1
    assert done.stderr == (f"file://{archive} has SHA-256 {sha256(archive)}, wanted is {'0' * 64}: not installed\n")
    assert list((tmp_path / "bin").iterdir()) == []


@pytest.mark.parametrize("packed", [False, True], ids=["alone", "in an archive"])
def test_a_sha512_is_as_good(packed: bool, host: Any, tmp_path: Path, archive: Path) -> None:
    digest = hashlib.sha512(archive.read_bytes()).hexdigest()
    done = host(install_programs(programs(tmp_path, archive, "etcd", archive=packed, digest=digest)))
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "records/programs/etcd").read_text().split()[0] == digest, "by which the next run knows it"
    assert host(read_programs([str(tmp_path / "bin/etcd")])).stdout.split()[1] == digest
    done = host(install_programs(programs(tmp_path, archive, "etcd", archive=packed, digest="0" * 128)))
    assert done.stderr == f"file://{archive} has SHA-512 {digest}, wanted is {'0' * 128}: not installed\n"


def test_an_archive_without_the_program(host: Any, tmp_path: Path, archive: Path) -> None:
    done = host(install_programs(programs(tmp_path, archive, "dockerd", archive=True)))
    assert done.returncode == 1
    assert done.stderr == f"file://{archive} has no dockerd in it\n"


def test_what_cannot_be_fetched_is_named(host: Any, tmp_path: Path) -> None:
    gone = Program(str(tmp_path / "bin/x"), f"file://{tmp_path}/gone", "0" * 64)
    done = host(install_programs([gone]))
    assert done.returncode == 1 and f"cannot fetch file://{tmp_path}/gone" in done.stderr


# --- Packages of the rpm family -------------------------------------------------------------------------------------

# The package database is a directory with a file a package, its version in it. As they are documented: yum's install
# leaves a newer version alone, dnf's takes the one asked for.
MANAGER = """\
#!/bin/sh
db=$(dirname "$0")/../db
case " $* " in *" --assumeno "*) cat $db/../table; exit 1;; esac
echo "${0##*/} $*" >> $db/../told
while :; do case $1 in -*) shift;; *) break;; esac; done
verb=${1:-remove}
[ $# = 0 ] || shift
[ $verb = remove ] && { for f in $db/*; do tail -n1 $f > $f.new; mv $f.new $f; done; exit 0; }
for spec; do
    name=${spec%%-[0-9]*} version=${spec#"$name"}; version=${version#-}
    [ $verb != clean ] || exit 0
    [ -e "$db/../repository/$name" ] || { echo "No match for argument: $spec" >&2; exit 1; }
    [ $verb = install ] && [ ${0##*/} = yum ] && [ -e $db/$name ] && continue
    echo ${version:-$(cat $db/../repository/$name)} > $db/$name
done
"""
RPM = """\
#!/bin/sh
db=$(dirname "$0")/../db rc=0
[ $1 = -q ] && shift
for n; do case $n in --qf) break;; esac
    name=${n%%-[0-9]*} version=${n#"$name"}; version=${version#-}
    grep -q "^${version:-.}" $db/$name 2>/dev/null || { echo "package $n is not installed"; rc=1; continue; }
    while read v; do echo $name; done < $db/$name
done
exit $rc
"""


TOOLS = ("sh", "mkdir", "flock", "sort", "uniq", "grep", "cat", "tail", "mv", "dirname", "awk")


@pytest.fixture
def rpm(tmp_path: Path) -> Any:
    """Carries out an installation where packages are installed and offered; returns it and what is installed then."""

    def carry_out(
        manager: str, packages: list[Package], *, installed: dict[str, str], offered: dict[str, str], table: str = "",
        removes: tuple[str, ...] = (),
    ) -> Any:  # fmt: skip
        (tmp_path / "table").write_text(table)
        for directory, content in (("db", installed), ("repository", offered), ("bin", {})):
            (tmp_path / directory).mkdir()
            for name, version in content.items():
                (tmp_path / directory / name).write_text(f"{version}\n")
        for name, text in ((manager, MANAGER), ("rpm", RPM), ("package-cleanup", MANAGER)):
            (tmp_path / "bin" / name).write_text(text)
            (tmp_path / "bin" / name).chmod(0o755)
        for name in TOOLS:  # and nothing else: this machine may have a dnf of its own
            (tmp_path / "bin" / name).symlink_to(shutil.which(name) or "")
        script = install_packages("rpm", packages, removes=removes).replace(
            "/run/container-cloud", str(tmp_path / "run")
        )
        env = {"PATH": f"{tmp_path}/bin"}
        done = subprocess.run(
            ["/bin/sh", "-c", script], env=env, capture_output=True, text=True, timeout=60, check=False
        )
        told = (tmp_path / "told").read_text().splitlines()
        return done, {p.name: p.read_text().split() for p in (tmp_path / "db").iterdir()}, told

    return carry_out


@pytest.mark.parametrize("manager", ["dnf", "yum"])
@pytest.mark.parametrize(
    ("wanted", "before", "after"),
    [
        (Package("etcd"), {}, "3.4.24-1"),
        (Package("etcd", "3.4.23-1"), {}, "3.4.23-1"),
        (Package("etcd", "3.4.23"), {"etcd": "3.4.24-1"}, "3.4.23"),
    ],
    ids=["as offered", "as pinned", "older than what is there"],
)
def test_packages_in_the_version_wanted(manager: str, wanted: Package, before: Any, after: str, rpm: Any) -> None:
    done, found, _ = rpm(manager, [wanted], installed=before, offered={"etcd": "3.4.24-1"})
    assert (done.returncode, done.stderr) == (0, "")
    assert found == {"etcd": [after]}


def test_lists_are_read_anew(rpm: Any) -> None:
    _, _, told = rpm("dnf", [Package("etcd")], installed={}, offered={"etcd": "3.4.24-1"})
    assert [line.split()[-2:] for line in told] == [["clean", "expire-cache"], [told[1].split()[-2], "etcd"]]


@pytest.mark.parametrize("manager", ["dnf", "yum"])
def test_what_a_killed_upgrade_left_twice_is_mended_first(manager: str, rpm: Any) -> None:
    twice = {"etcd": "3.4.23-1\n3.4.24-1"}
    done, found, told = rpm(manager, [Package("etcd", "3.4.24-1")], installed=twice, offered={"etcd": "3.4.24-1"})
    assert done.returncode == 0, done.stderr
    assert ("duplicates" in told[0]) if manager == "dnf" else told[0].startswith("package-cleanup")
    assert found == {"etcd": ["3.4.24-1"]}


def test_a_package_nobody_has_is_named(rpm: Any) -> None:
    done, found, _ = rpm("dnf", [Package("flannel", "0.26.7")], installed={}, offered={})
    assert done.returncode == 1 and "No match for argument: flannel-0.26.7" in done.stderr
    assert found == {}


# As dnf 4 shows it.
TABLE = """\
Dependencies resolved.
===========================================================================================================
 Package                    Architecture   Version                  Repository                        Size
===========================================================================================================
Installing:
 docker-engine              x86_64         20.10.24-1               base                              28 M
     replacing  docker-ce.x86_64 3:18.09.0-1
Installing dependencies:
 runc                       x86_64         1.1.5-1                  base                             2.7 M
Removing dependent packages:
 docker-compose             noarch         1.22.0-4                 @extras                          1.1 M

Transaction Summary
===========================================================================================================
Install  2 Packages
Remove   1 Package
"""


@pytest.mark.parametrize("manager", ["dnf", "yum"])
def test_packages_that_would_go_are_refused(manager: str, rpm: Any) -> None:
    wanted, there, offered = [Package("docker-engine")], {"docker-ce": "18.09.0-1"}, {"docker-engine": "20.10.24-1"}
    done, found, told = rpm(manager, wanted, installed=there, offered=offered, table=TABLE)
    assert done.returncode == 1
    assert done.stderr.startswith("nothing was installed, for it would remove docker-ce docker-compose: ")
    assert "replace_packages" in done.stderr
    assert found == {"docker-ce": ["18.09.0-1"]} and not [line for line in told if " install " in line]


def test_packages_that_may_go_are_no_reason(rpm: Any) -> None:
    removes = ("docker-ce", "docker-compose")
    done, found, _ = rpm(
        "dnf", [Package("docker-engine")], installed={}, offered={"docker-engine": "1"}, table=TABLE, removes=removes
    )
    assert (done.returncode, done.stderr) == (0, "") and "docker-engine" in found


# --- Packages of the deb family -------------------------------------------------------------------------------------

# Packages are offered in one version; what they are in conflict with would go.
APT_GET = """\
#!/bin/sh
here=$(dirname "$0")/..
case " $* " in
    *" -s "*) sed 's/^/Remv /' $here/conflicts;;
    *" update "*) ;;
    *" --no-remove "*) [ ! -s $here/conflicts ] || exit 100;;
esac
case " $* " in *" -s "* | *" update "*) exit;; esac
echo "$*" >> $here/installed
"""
APT_CACHE = """\
#!/bin/sh
echo " $2 | 1:3.4.23+dfsg-4 | http://mirror bookworm/main amd64 Packages"
echo " $2 | 1:3.4.20-1 | http://mirror bookworm/main amd64 Packages"
"""


@pytest.fixture
def deb(tmp_path: Path) -> Any:
    """Carries out an installation that is in conflict with packages; returns it and what apt was told to install."""

    def carry_out(*packages: Package, conflicts: str = "", removes: tuple[str, ...] = ()) -> Any:
        (tmp_path / "conflicts").write_text(conflicts)
        (tmp_path / "bin").mkdir()
        for name, text in (("apt-get", APT_GET), ("apt-cache", APT_CACHE)):
            (tmp_path / "bin" / name).write_text(text)
            (tmp_path / "bin" / name).chmod(0o755)
        script = install_packages("deb", packages, removes=removes).replace("/run/container-cloud", f"{tmp_path}/run")
        script = script.replace("/var/lib/dpkg/updates", f"{tmp_path}/bin")  # nothing is half installed
        env = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin"}
        done = subprocess.run(
            ["/bin/sh", "-c", script.replace(f"ls -A {tmp_path}/bin", "true")],
            env=env, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        installed = tmp_path / "installed"
        return done, installed.read_text().splitlines() if installed.exists() else []

    return carry_out


CHRONY = "chrony [4.3-2+deb12u1]\n"


def test_a_package_that_would_go_is_refused(deb: Any) -> None:
    done, installed = deb(Package("systemd-timesyncd"), conflicts=CHRONY)
    assert (done.returncode, installed) == (1, [])
    assert done.stderr.startswith("nothing was installed, for it would remove chrony: ")


def test_a_package_that_may_go_is_no_reason(deb: Any) -> None:
    done, installed = deb(Package("systemd-timesyncd"), conflicts=CHRONY, removes=("chrony",))
    assert (done.returncode, done.stderr) == (0, "")
    assert installed[0].split()[-1] == "systemd-timesyncd" and "--no-remove" not in installed[0]


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ("3.4.23+dfsg", "etcd-server=1:3.4.23+dfsg-4"),
        ("1:3.4.20", "etcd-server=1:3.4.20-1"),
        ("3.4.20-1", "etcd-server=1:3.4.20-1"),
        ("3.4.99", "etcd-server=3.4.99"),
    ],
)
def test_a_version_is_told_as_the_repositories_write_it(wanted: str, told: str, deb: Any) -> None:
    """One that none of them has is left to apt to name."""
    done, installed = deb(Package("etcd-server", wanted))
    assert done.returncode == 0, done.stderr
    assert installed[0].split()[-1] == told
