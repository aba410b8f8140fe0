"""Keys of repositories: what gpg exports, in either form, becomes the text that apt and rpm read."""

import base64
import re
from pathlib import Path

import pytest

from cluster.openpgp import public_key
from cluster.settings import load
from tests.unit.example import DEBIAN, DEEPIN, cluster, roles
from tests.unit.test_settings import data, groups, refused

APT = {"name": "mirror", "uri": "http://mirror.example/debian", "suite": "bookworm", "components": ["main"]}
YUM = {"file": "x", "id": "x", "name": "X", "baseurl": "http://mirror.example/x/"}
# `gpg --export --armor` of a key made for this test.
TEXT = """\
-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEawfmqBYJKwYBBAHaRw8BAQdAwS6XAU+PpGHGf7+q+G2WAUNXwpVNC/Asj9Is
JD3i2Gi0IFJlcG9zaXRvcnkgPHJlcG9AbWlycm9yLmV4YW1wbGU+iJAEExYIADgW
IQRmgN1mkKqKQ4YhRLDthdThc8sMvAUCawfmqAIbAwULCQgHAgYVCgkICwIEFgID
AQIeAQIXgAAKCRDthdThc8sMvNZUAQC9tSsOL1KFDX7aOWA5DfEdY0eRzpApQObd
EaXTAula5QD/SJ7OYoJ/V/SEu6H46Fpr8fquVcl1xYDy6CeWdugbgww=
=cyhV
-----END PGP PUBLIC KEY BLOCK-----
"""
BINARY = base64.b64decode("".join(re.findall(r"^[A-Za-z0-9+/]+=*$", TEXT, re.M)))


@pytest.fixture(params=["text", "binary", "two at once"])
def key(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    path = tmp_path / "repository key"
    path.write_bytes({"text": TEXT.encode(), "binary": BINARY, "two at once": BINARY * 2}[request.param])
    return str(path)


def test_a_key_is_the_text_that_gpg_itself_exports(key: str) -> None:
    text = public_key(key)
    if Path(key).read_bytes() != BINARY * 2:
        assert text == TEXT
    else:
        assert base64.b64decode("".join(re.findall(r"^[A-Za-z0-9+/]{1,64}=*$", text, re.M))) == BINARY * 2


def test_a_key_of_either_form_is_placed_as_text(key: str) -> None:
    found = cluster(apt_repositories=[{**APT, "key": key}], yum_repositories=[{**YUM, "key": key}])
    for on, path in (
        (DEBIAN, "/etc/apt/keyrings/container-cloud-mirror.asc"),
        (DEEPIN, "RPM-GPG-KEY-container-cloud-x-x"),
    ):
        (file,) = [f for f in roles(found, found.host("node1"), on=on)["host"].sources if f.path.endswith(path)]
        assert file.content == public_key(key)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no public key"),
        (b"<html>not found</html>", "holds no public key"),
        (b"\x00\x00\x00\x20\x01\x01\x00\x02KBXf\x00", "is a keybox"),
        (b"\x95\x03\xc5\x04", "is a private key"),
        (b"\xc5\x03\xc5\x04", "is a private key"),
        (b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n", "is a private key"),
        (b"\xff\xfe" + TEXT.encode("utf-16-le"), "holds no public key"),
        (b"\xff\n" + TEXT.encode(), "has other bytes around"),
        (b"\x89PNG\r\n", "holds no public key"),
    ],
)
def test_what_is_no_public_key_is_refused_before_any_host_is_contacted(
    content: bytes, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    for setting, entry in (("apt_repositories", APT), ("yum_repositories", YUM)):
        (problem,) = refused(data(**{setting: [{**entry, "key": str(path)}]}))
        assert problem.setting == f'{setting}[0]["key"]'
        assert words in problem.advice and "gpg --export --armor" in problem.advice


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (problem,) = refused(data(apt_repositories=[{**APT, "key": str(tmp_path)}]))
    assert "cannot be read on this machine (Is a directory)" in problem.advice


def test_a_key_in_ones_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "x.gpg").write_bytes(BINARY)
    load(data(yum_repositories=[{**YUM, "key": "~/x.gpg"}]), groups())
