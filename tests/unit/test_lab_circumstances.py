"""The lab's stand-in for runc: negative scores become 0, everything else reaches the real runc untouched."""

import json
import subprocess

import pytest

from lab.base import CIRCUMSTANCES


@pytest.fixture
def wrapper(tmp_path):
    """The wrapper, with a real runc that prints its arguments."""
    real = tmp_path / "runc.real"
    real.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    real.chmod(0o755)
    script = tmp_path / "runc"
    script.write_text((CIRCUMSTANCES / "runc").read_text().replace("/usr/sbin/runc.real", str(real)))
    script.chmod(0o755)
    return script


def _spec(path, score):
    path.parent.mkdir(exist_ok=True)
    # Written as Docker does: without spaces.
    path.write_text(json.dumps({"process": {"args": ["/pause"], "oomScoreAdj": score}}, separators=(",", ":")))
    return path


@pytest.mark.parametrize(("asked", "given"), [(-998, 0), (-1, 0), (0, 0), (1000, 1000)])
@pytest.mark.parametrize("form", [["--bundle", "{}"], ["-b", "{}"], ["--bundle={}"]])
def test_a_containers_score_is_not_negative(wrapper, tmp_path, asked, given, form):
    config = _spec(tmp_path / "bundle/config.json", asked)
    subprocess.run([wrapper, "create", *[part.format(config.parent) for part in form], "id"], check=True)
    assert json.loads(config.read_text()) == {"process": {"args": ["/pause"], "oomScoreAdj": given}}


def test_nor_is_an_exec_processs(wrapper, tmp_path):
    process = _spec(tmp_path / "p/process.json", -998)
    subprocess.run([wrapper, "exec", "--process", process, "id"], check=True)
    assert json.loads(process.read_text())["process"]["oomScoreAdj"] == 0


def test_arguments_reach_the_real_runc_as_they_are(wrapper):
    arguments = ["--root", "/a b", "start", "$HOME", "*"]
    done = subprocess.run([wrapper, *arguments], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == arguments
