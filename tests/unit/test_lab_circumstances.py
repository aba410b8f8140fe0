"""The lab's stand-in for runc: negative scores become 0, everything else reaches the real runc untouched."""

import json
import subprocess

import pytest

from lab.base import CIRCUMSTANCES

REAL = '#!/bin/sh\nprintf "%s\\n" "$@"\n'


@pytest.fixture
def wrapper(tmp_path, monkeypatch):
    """The wrapper, and behind it on PATH a real runc that prints its arguments."""
    for directory, text in (("wrapper", (CIRCUMSTANCES / "runc").read_text()), ("real", REAL)):
        (tmp_path / directory).mkdir()
        (tmp_path / directory / "runc").write_text(text)
        (tmp_path / directory / "runc").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/nothing:{tmp_path}/wrapper:{tmp_path}/real:/usr/bin:/bin")
    return tmp_path / "wrapper/runc"


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


def test_it_is_found_by_name_and_finds_the_next(wrapper):
    done = subprocess.run(["runc", "a b", "*"], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["a b", "*"]


def test_without_a_real_one_it_says_so(wrapper, monkeypatch):
    monkeypatch.setenv("PATH", f"{wrapper.parent}:/bin")
    done = subprocess.run([wrapper, "--version"], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (127, "runc: there is none on PATH but the lab's wrapper\n")
