"""The scripts that install, carried out by a real shell: programs from real archives, packages by stub managers."""

import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from cluster.desired import Package, Program
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
    digest, _, path = (tmp_path / "records/programs/kubelet").read_text().split()
    assert (digest, path) == (sha256(source), str(tmp_path / "bin/kubelet"))


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
    assert done.stderr == (
        f"file://{archive} has SHA-256 {sha256(archive)}, the settings say {'0' * 64}: not installed\n"
    )
    assert list((tmp_path / "bin").iterdir()) == []


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


TOOLS = ("sh", "mkdir", "flock", "sort", "uniq", "grep", "cat", "tail", "mv", "dirname")


@pytest.fixture
def rpm(tmp_path: Path) -> Any:
    """Carries out an installation where packages are installed and offered; returns it and what is installed then."""

    def carry_out(manager: str, packages: list[Package], *, installed: dict[str, str], offered: dict[str, str]) -> Any:
        for directory, content in (("db", installed), ("repository", offered), ("bin", {})):
            (tmp_path / directory).mkdir()
            for name, version in content.items():
                (tmp_path / directory / name).write_text(f"{version}\n")
        for name, text in ((manager, MANAGER), ("rpm", RPM), ("package-cleanup", MANAGER)):
            (tmp_path / "bin" / name).write_text(text)
            (tmp_path / "bin" / name).chmod(0o755)
        for name in TOOLS:  # and nothing else: this machine may have a dnf of its own
            (tmp_path / "bin" / name).symlink_to(shutil.which(name) or "")
        script = install_packages("rpm", packages).replace("/run/container-cloud", str(tmp_path / "run"))
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
