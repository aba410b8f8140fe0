"""The project as a wheel, installed where its checkout is not: it has everything it reads, and refuses as here."""

import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("audit", "cluster", "facts", "operations", "pki", "release")

SHOW = """
from datetime import UTC, datetime
from audit import __main__ as command
from audit.model import Report
report = Report("made up", datetime.now(UTC), 0.0, (), (), ())
command.show(report, command.parser().parse_args(["--html", "page.html"]))
"""


class Installed:
    """The installed wheel, and a directory from which it is used."""

    def __init__(self, site: Path, elsewhere: Path) -> None:
        self.site, self.elsewhere = site, elsewhere

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Python that knows this wheel and what it depends on, but no checkout."""
        dependencies = sysconfig.get_path("purelib")
        # -S: the checkout is in the environment by a .pth file, which then is not read.
        return subprocess.run(
            [sys.executable, "-S", *arguments],
            cwd=self.elsewhere, capture_output=True, text=True, timeout=60, check=False,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.elsewhere), "PYTHONPATH": f"{self.site}:{dependencies}"},
        )  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built of a copy: a build leaves things behind, and finds those of the one before."""
    directory = tmp_path_factory.mktemp("wheel")
    for name in PACKAGES:
        shutil.copytree(REPOSITORY / name, directory / "source" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, directory / "source")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", directory, directory / "source")
    (built,) = directory.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    made = Installed(tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("elsewhere"))
    pip("install", "--no-deps", "--target", made.site, wheel)
    shutil.copy(REPOSITORY / "inventory.py", made.elsewhere)
    shutil.copytree(REPOSITORY / "group_data", made.elsewhere / "group_data")
    return made


def pip(command: str, *arguments: object) -> None:
    line = [sys.executable, "-m", "pip", command, "--quiet", "--no-index", "--disable-pip-version-check"]
    done = subprocess.run([*line, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_the_wheel_has_every_file_of_the_packages(wheel: Path) -> None:
    there = {
        str(path.relative_to(REPOSITORY))
        for name in PACKAGES
        for path in (REPOSITORY / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == there


def test_it_is_not_the_checkout_that_runs(installed: Installed) -> None:
    done = installed.python("-c", "import audit, cluster; print(audit.__file__, cluster.__file__)")
    assert done.stdout.split() == [str(installed.site / name / "__init__.py") for name in ("audit", "cluster")]


def test_an_argument_that_no_release_has_is_refused(installed: Installed) -> None:
    with (installed.elsewhere / "group_data" / "all.py").open("a") as settings:
        settings.write("\nextra_args = {'kubelet': {'no-such-argument': 'x'}}\n")
    done = installed.python("-m", "audit", "--inventory", "inventory.py")
    assert done.returncode == 1
    assert "kubelet 1.37.2 has no such argument" in done.stderr, done.stderr


def test_the_audits_page_is_made(installed: Installed) -> None:
    done = installed.python("-c", SHOW)
    assert done.returncode == 0, done.stderr
    page = (installed.elsewhere / "page.html").read_text()
    assert "made up" in page and "</html>" in page and "<style>" in page


@pytest.mark.parametrize(("command", "words"), [("audit", "--html"), ("release", "lock")])
def test_the_commands_are_there(installed: Installed, command: str, words: str) -> None:
    done = installed.python(str(installed.site / "bin" / f"container-cloud-{command}"), "--help")
    assert done.returncode == 0 and words in done.stdout, done.stderr


def test_the_shipped_digests_are_there(installed: Installed) -> None:
    done = installed.python("-c", "from cluster import digests; print(len(digests.shipped()))")
    assert int(done.stdout) > 100, done.stderr
