"""Values of the settings where they are read again: by a shell, which is run here, and by YAML."""

import hashlib
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.desired import Program
from cluster.formats import kubeconfig
from cluster.model import Archive
from operations.packages import install_programs
from tests.unit.example import cluster, roles

# What a shell would run or take apart if it stood there as text. "hostile" is a program that leaves a trace.
ALLOWED = ["$(hostile)", ";hostile;", "&hostile&", "(hostile)", "$HOME", "*", "a#b", "~", "!hostile"]
REFUSED = ["`hostile`", "'; hostile; '", '"; hostile; "', "a b", "\\", "\nhostile\n", "| hostile"]  # by the checks, too


@pytest.fixture
def shell(tmp_path: Path) -> Any:
    """Carries a program out with stubs, and everything it would write on a host below a directory."""
    stubs = tmp_path / "stubs"
    stubs.mkdir()
    for name, text in {
        "hostile": f"touch {tmp_path}/executed",
        "chown": "",
        "docker": f'printf "%s\\n" "$*" >>{tmp_path}/told',
        "curl": f'for a; do url=$a; done; [ "$url" = "$(cat {tmp_path}/url)" ] && cp {tmp_path}/source "$7" || exit 22',
    }.items():
        (stubs / name).write_text(f"#!/bin/sh\n{text}\n")
        (stubs / name).chmod(0o755)

    def run(script: str) -> subprocess.CompletedProcess[str]:
        moved = script.replace("/var/lib/container-cloud", str(tmp_path / "host"))
        env = {"PATH": f"{stubs}:/usr/bin:/bin", "HOME": str(tmp_path)}
        done = subprocess.run(["sh", "-c", moved], env=env, capture_output=True, text=True, cwd=tmp_path, check=False)
        assert not (tmp_path / "executed").exists(), "a part of a value was executed"
        return done

    return run


def source(tmp_path: Path, url: str) -> str:
    """A file that the stub of curl has at this URL; its SHA-256."""
    (tmp_path / "url").write_text(url)
    (tmp_path / "source").write_text("content\n")
    return hashlib.sha256(b"content\n").hexdigest()


@pytest.mark.parametrize("good", [True, False], ids=["", "another checksum"])
@pytest.mark.parametrize("part", [*ALLOWED, *REFUSED])
def test_an_images_address(part: str, good: bool, shell: Any, tmp_path: Path) -> None:
    url = f"http://mirror.example/{part}/pause.tar"
    digest = source(tmp_path, url)
    found = cluster()
    archive = Archive(url=url, sha256=digest if good else "0" * 64)
    settings = found.settings.model_copy(update={"pause_image_archive": archive})  # past the checks
    host = found.host("node1")
    role = roles(found.model_copy(update={"settings": settings}), host)["docker"]
    (step,) = [step for step in role.steps if step.name.startswith("load the image")]
    done = shell(step.repair)
    if good:
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "host/pause.sha256").read_text() == f"{digest}\n"
        assert (tmp_path / "told").read_text().startswith(f"load -q -i {tmp_path}/host/pause.tar\n")
    else:
        assert done.returncode == 1 and f"{url} has SHA-256 {digest}" in done.stderr
        assert not (tmp_path / "told").exists()


@pytest.mark.parametrize("part", ALLOWED)
@pytest.mark.parametrize("packed", [True, False], ids=["archive", "file"])
def test_a_release_files_address(part: str, packed: bool, shell: Any, tmp_path: Path) -> None:
    url = f"http://mirror.example/{part}/kubelet"
    digest = source(tmp_path, url)
    done = shell(install_programs([Program(f"{tmp_path}/bin/kubelet", url, digest, archive=packed)]))
    assert "cannot fetch" not in done.stderr, "another address was asked"
    assert done.returncode == (1 if packed else 0), "what was fetched is no archive"
    done = shell(install_programs([Program(f"{tmp_path}/bin/kubelet", url, "0" * 64, archive=packed)]))
    assert done.returncode == 1 and f"{url} has SHA-256 {digest}" in done.stderr


@pytest.mark.parametrize(
    "name", ["k8s-cluster", "123", "1.5", "1e3", "0x1f", "true", "No", "y", "null", "2026-01-02", "a.b"]
)
def test_a_clusters_name_is_text_to_yaml(name: str) -> None:
    text = kubeconfig(
        cluster=name, server="https://10.1.10.101:6443", authority="/a", user="u", certificate="/c", key="/k",
        context="x",
    )  # fmt: skip
    read = yaml.safe_load(text)
    assert read["clusters"][0]["name"] == read["contexts"][0]["context"]["cluster"] == name
    assert f"name: {name}\n" in text or f'name: "{name}"\n' in text
    assert ('"' in text) == (name not in ("k8s-cluster", "a.b"))
