"""`python -m release lock` against a server laid out as publishers do, and what settings make of what it locks."""

import hashlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.error import HTTPError
from urllib.request import Request

import pytest

from cluster import digests, lock
from cluster.downloads import NoDigest
from cluster.model import Settings
from cluster.needs import needs
from cluster.releases import RELEASE_FILES
from release import fetching, locking
from release.publishers import checksum_url, digest_in

with patch("gevent.monkey.patch_all"):  # pyinfra's command line would replace the threads that pytest-xdist waits in
    from release.__main__ import make_lock

REPOSITORY = Path(__file__).parents[2]
ALTERED = "/dl.k8s.io/release/v1.37.2/bin/linux/amd64/kubelet"
FLANNELD = "/github.com/flannel-io/flannel/releases/download/v0.28.10/flanneld-amd64"


def digest(content: bytes, kind: str = "sha256") -> str:
    return hashlib.new(kind, content).hexdigest()


class Publisher:
    """A web server on loopback.

    + files: content by path
    + breaks: by path, after how many bytes of each coming answer the connection breaks
    + fails: by path, a status in place of the file
    + tag: its ETag of everything; None: it has none, and no ranges
    + asked: path and Range of every request
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.breaks: dict[str, list[int]] = {}
        self.fails: dict[str, int] = {}
        self.tag: str | None = '"1"'
        self.asked: list[tuple[str, str | None]] = []
        self.accounts: list[str] = []
        self.moved: dict[str, str] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.place = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.place}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range")
        self.asked.append((request.path, wanted))
        self.accounts.append(request.headers.get("Authorization") or "")
        if request.path in self.moved:
            request.send_response(302)
            request.send_header("Location", self.moved[request.path])
            request.send_header("Content-Length", "0")
            return request.end_headers()
        content = self.files.get(request.path)
        status = self.fails.get(request.path, 200 if content is not None else 404)
        if status != 200 or content is None:
            return request.send_error(status)
        begin = 0
        if wanted and self.tag and request.headers.get("If-Range") in (None, self.tag):
            begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if begin >= len(content) > 0:
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(content)}")
            request.send_header("Content-Length", "0")
            return request.end_headers()
        request.send_response(206 if begin else 200)
        if begin:
            request.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        if self.tag:
            request.send_header("ETag", self.tag)
        request.send_header("Content-Length", str(len(content) - begin))
        request.end_headers()
        breaks = self.breaks.get(request.path)
        request.wfile.write(content[begin:][: breaks.pop(0)] if breaks else content[begin:])

    def ranges(self, path: str) -> list[str | None]:
        """What was asked for of one file."""
        return [wanted for asked, wanted in self.asked if asked == path]


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Publisher]:
    monkeypatch.setattr(fetching, "_PAUSE", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    made = Publisher()
    threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def settings(publisher: Publisher, tmp_path: Path) -> Settings:
    """The shipped settings with every file from the publisher, which has them all, with checksums as is usual."""
    made = mirrored(publisher, tmp_path)
    for need in needs(made, "amd64"):
        publish(publisher, need.name, need.url)
    return made


def mirrored(publisher: Publisher, tmp_path: Path, **changes: Any) -> Settings:
    files = {n: {"url": f.url.replace("https://", f"{publisher.url}/")} for n, f in Settings().release_files.items()}
    return Settings.model_validate({"release_files": files, "release_lock": str(tmp_path / "release.lock"), **changes})


def publish(publisher: Publisher, name: str, url: str) -> None:
    path = url.removeprefix(publisher.url)
    content = publisher.files[path] = f"this is {path}\n".encode() * 1000
    where, last = checksum_url(name, url), path.rpartition("/")[2]
    if where:
        alone = name.startswith("kube") or name == "crictl"
        publisher.files[where.removeprefix(publisher.url)] = (
            digest(content) if alone else f"{'0' * 64}  other\n{digest(content)}  {last}\n"
        ).encode()


def locked(settings: Settings) -> dict[str, lock.Entry]:
    """By path, what the lock file has."""
    return {re.sub(r"http://[^/]*", "", url): entry for url, entry in settings.lock.items()}


def cached(tmp_path: Path) -> list[str]:
    """The files kept for the next run, without what their address makes of their names."""
    directory = tmp_path / "cache/container-cloud/release"
    return sorted(p.name.partition("-")[2] for p in directory.glob("[!.]*"))


# --- Everything is as it shall be -----------------------------------------------------------------------------------


def test_every_file_is_locked_and_compared(settings: Settings, publisher: Publisher, tmp_path: Path) -> None:
    assert make_lock(settings, ["amd64"]) == 0
    found = locked(settings)
    assert len(found) == len(RELEASE_FILES) - 2, "all but Docker's, and runc's, whose digest is shipped"
    for path, entry in found.items():
        assert (entry.digest, entry.size) == (digest(publisher.files[path]), len(publisher.files[path]))
    assert {path for path, entry in found.items() if not entry.is_verified} == {FLANNELD}
    assert found[ALTERED].verified == f"{publisher.url}{ALTERED}.sha256"
    assert found[FLANNELD].verified == "nothing published"
    assert cached(tmp_path) == [], "what is locked is not kept"
    for name in ("kubelet", "etcd", "crictl"):
        download = settings.release_file(name)
        assert download.digest == settings.lock[download.url].digest


def test_a_second_run_fetches_nothing(settings: Settings, publisher: Publisher, capsys: Any) -> None:
    make_lock(settings, ["amd64"])
    before, asked = settings.lock_path.read_text(), len(publisher.asked)
    capsys.readouterr()
    assert make_lock(settings, ["amd64"]) == 0
    assert (settings.lock_path.read_text(), len(publisher.asked)) == (before, asked)
    assert "nothing to fetch" in capsys.readouterr().out


def test_one_file_more_is_all_that_is_fetched(settings: Settings, publisher: Publisher, tmp_path: Path) -> None:
    make_lock(settings, ["amd64"])
    publisher.asked.clear()
    publisher.files["/pause.tar"] = b"pause"
    more = mirrored(publisher, tmp_path, image_archives=[{"url": f"{publisher.url}/pause.tar"}])
    assert make_lock(more, ["amd64"]) == 0
    assert publisher.asked == [("/pause.tar", None)]
    assert locked(more)["/pause.tar"].verified == "nothing published" and ALTERED in locked(more)
    assert more.image_archive(more.image_archives[0]).digest == digest(b"pause")


def test_the_architecture_that_is_asked_for(settings: Settings, publisher: Publisher) -> None:
    for need in needs(settings, "arm64"):
        publish(publisher, need.name, need.url)
    assert make_lock(settings, ["arm64"]) == 0
    assert all("arm64" in path for path in locked(settings))
    with pytest.raises(NoDigest, match=r"kubelet: run `python -m release lock`"):
        settings.release_file("kubelet")
    assert settings.release_file("kubelet", "arm64").url.endswith("/linux/arm64/kubelet")


def test_what_has_a_digest_is_not_fetched(settings: Settings, publisher: Publisher, tmp_path: Path) -> None:
    given = {name: file.model_dump(exclude_unset=True) for name, file in settings.release_files.items()}
    given["kubelet"]["sha512"] = digest(b"", "sha512")
    own = mirrored(publisher, tmp_path, release_files=given, runc_version="1.4.3")
    names = [file.name for file in locking.missing(own, ["amd64"])]
    assert "kubelet" not in names and "runc" not in names and "etcd" in names
    assert own.release_file("kubelet").digest == digest(b"", "sha512")
    assert own.release_file("runc").digest == digests.shipped()[digests.File("runc.amd64", "1.4.3", "amd64")]


# --- Something is not -----------------------------------------------------------------------------------------------


def test_a_file_without_its_checksum_file_is_said_to_be(settings: Settings, publisher: Publisher, capsys: Any) -> None:
    del publisher.files[f"{ALTERED}.sha256"]
    assert make_lock(settings, ["amd64"]) == 0
    assert locked(settings)[ALTERED].verified == f"nothing published: {publisher.url}{ALTERED}.sha256: 404 Not Found"
    assert "of 2 nobody publishes a digest" in capsys.readouterr().out


def test_an_altered_file_is_refused_and_nothing_is_locked(
    settings: Settings, publisher: Publisher, tmp_path: Path, capsys: Any
) -> None:
    said = digest(publisher.files[ALTERED])
    publisher.files[ALTERED] = b"altered"
    settings.lock_path.write_text("# as it was\n")
    assert make_lock(settings, ["amd64"]) == 1
    (line, verdict) = capsys.readouterr().err.splitlines()
    url = f"{publisher.url}{ALTERED}"
    assert line == f"release: {url} has SHA-256 {digest(b'altered')}, {url}.sha256 says {said}: not locked"
    assert verdict == "release: 1 of 11 files: nothing was locked"
    assert settings.lock_path.read_text() == "# as it was\n"
    assert "kubelet" not in cached(tmp_path) and "kubectl" in cached(tmp_path), "what was good is kept"


def test_a_truncated_file_is_refused(settings: Settings, publisher: Publisher, capsys: Any) -> None:
    whole = publisher.files[ALTERED]
    publisher.files[ALTERED] = whole[:-1]
    assert make_lock(settings, ["amd64"]) == 1
    assert f"has SHA-256 {digest(whole[:-1])}" in (err := capsys.readouterr().err) and digest(whole) in err
    publisher.files[ALTERED] = whole
    publisher.asked.clear()
    assert make_lock(settings, ["amd64"]) == 0
    fetched = [path for path, _ in publisher.asked if path in locked(settings)]
    assert fetched == [ALTERED], "the others were kept"


def test_a_checksum_file_that_does_not_know_the_file(settings: Settings, publisher: Publisher, capsys: Any) -> None:
    publisher.files[f"{ALTERED}.sha256"] = b"<html>Please log in</html>"
    assert make_lock(settings, ["amd64"]) == 1
    assert f"{ALTERED}.sha256 has no digest of {publisher.url}{ALTERED}: not locked" in capsys.readouterr().err
    assert not settings.lock_path.exists()


def test_a_checksum_file_that_cannot_be_had_is_not_one_that_is_not_there(
    settings: Settings, publisher: Publisher, capsys: Any
) -> None:
    publisher.fails[f"{ALTERED}.sha256"] = 503
    assert make_lock(settings, ["amd64"]) == 1
    assert f"{ALTERED}.sha256: 503 Service Unavailable" in capsys.readouterr().err


def test_every_failure_is_said_at_once(settings: Settings, publisher: Publisher, capsys: Any) -> None:
    del publisher.files[ALTERED]
    publisher.files[FLANNELD + "x"] = publisher.files.pop(FLANNELD)
    assert make_lock(settings, ["amd64"]) == 1
    err = capsys.readouterr().err
    assert err.count("404 Not Found") == 2 and "2 of 11 files: nothing was locked" in err


# --- The connection breaks ------------------------------------------------------------------------------------------


def test_a_broken_connection_goes_on_where_it_was(settings: Settings, publisher: Publisher) -> None:
    publisher.breaks[FLANNELD] = [1000, 500]
    assert make_lock(settings, ["amd64"]) == 0
    assert publisher.ranges(FLANNELD) == [None, "bytes=1000-", "bytes=1500-"]
    assert locked(settings)[FLANNELD].digest == digest(publisher.files[FLANNELD])


def test_so_does_the_next_run(settings: Settings, publisher: Publisher, tmp_path: Path, capsys: Any) -> None:
    publisher.breaks[FLANNELD] = [100] * fetching._ATTEMPTS
    assert make_lock(settings, ["amd64"]) == 1
    assert "broke off 5 times, at 500 bytes: run it again, it goes on from there" in capsys.readouterr().err
    assert not settings.lock_path.exists()
    publisher.asked.clear()
    assert make_lock(settings, ["amd64"]) == 0
    assert publisher.ranges(FLANNELD) == ["bytes=500-"]
    assert locked(settings)[FLANNELD].digest == digest(publisher.files[FLANNELD])
    assert cached(tmp_path) == []


@pytest.mark.parametrize("tag", ['"2"', None], ids=["another file by now", "no telling"])
def test_what_may_be_another_file_begins_anew(settings: Settings, publisher: Publisher, tag: str | None) -> None:
    """No file is put together from two."""
    publisher.tag = '"1"' if tag else None
    publisher.breaks[FLANNELD] = [100] * fetching._ATTEMPTS
    make_lock(settings, ["amd64"])
    publisher.tag, publisher.files[FLANNELD] = tag, b"another\n" * 1000
    assert make_lock(settings, ["amd64"]) == 0
    assert locked(settings)[FLANNELD].digest == digest(b"another\n" * 1000)


def test_a_run_that_ended_after_the_last_byte(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files["/x"] = b"x" * 100
    to = tmp_path / "x"
    to.with_name("x.part").write_bytes(b"x" * 100)
    to.with_name("x.part.of").write_text('"1"')
    fetching.fetch(f"{publisher.url}/x", to, lambda there, whole: None)
    assert to.read_bytes() == b"x" * 100 and [p.name for p in tmp_path.iterdir()] == ["x"]
    to.unlink()
    to.with_name("x.part").write_bytes(b"x" * 101)
    to.with_name("x.part.of").write_text('"1"')
    fetching.fetch(f"{publisher.url}/x", to, lambda there, whole: None)
    assert to.read_bytes() == b"x" * 100


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(fetching.FetchError, match=r"http://127\.0\.0\.1:9/x: .*refused"):
        fetching.fetch("http://me:secret@127.0.0.1:9/x", tmp_path / "x", lambda there, whole: None)


def test_no_redirection_leads_from_https_to_http() -> None:
    redirect = fetching._OnlySafer().redirect_request
    there = redirect(Request("https://a.example/x"), None, 302, "Found", {}, "https://b.example/x")
    assert there is not None and there.full_url == "https://b.example/x"
    with pytest.raises(HTTPError, match="from https to http"):
        redirect(Request("https://a.example/x"), None, 302, "Found", {}, "http://b.example/x")


# --- Accounts, and the command itself -------------------------------------------------------------------------------


def test_an_account_in_an_address_is_used_and_not_written_down(
    publisher: Publisher, tmp_path: Path, capsys: Any
) -> None:
    publisher.files["/pause.tar"] = b"pause"
    archive = {"url": f"http://me:s%20cret@{publisher.place}/pause.tar"}
    packages = dict.fromkeys(("etcd", "flannel", "containerd", "kubernetes"), "packages")
    settings = mirrored(publisher, tmp_path, image_archives=[archive], install_methods=packages)
    assert make_lock(settings, ["amd64"]) == 0
    assert publisher.accounts == ["Basic bWU6cyBjcmV0"]
    said = settings.lock_path.read_text() + "".join(capsys.readouterr())
    assert "cret" not in said and f'url = "{publisher.url}/pause.tar"' in said
    assert settings.image_archive(settings.image_archives[0]) == (archive["url"], digest(b"pause"))


def test_an_account_is_for_no_server_that_the_first_one_points_to(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files["/there"], publisher.moved = b"x", {"/pause.tar": f"{publisher.url}/there"}
    fetching.fetch(publisher.url.replace("//", "//me:secret@") + "/pause.tar", tmp_path / "x", lambda *_: None)
    assert publisher.accounts == ["Basic bWU6c2VjcmV0", ""]


def test_the_command_reads_an_inventory_and_contacts_no_host(
    settings: Settings, publisher: Publisher, tmp_path: Path
) -> None:
    (tmp_path / "inventory.py").write_text((REPOSITORY / "inventory.py").read_text())
    (tmp_path / "group_data").mkdir()
    files = {name: file.model_dump(exclude_unset=True) for name, file in settings.release_files.items()}
    (tmp_path / "group_data/all.py").write_text(f"release_files = {files!r}\n")
    command = [sys.executable, "-m", "release", "lock", "--inventory", "inventory.py"]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(settings.lock) == 11 and "11 files locked" in done.stdout
    (tmp_path / "group_data/all.py").write_text("pod_network = 'nowhere'\n")
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and "pod_network" in done.stderr and "digest" not in done.stderr


# --- Checksum files, lock files, shipped digests --------------------------------------------------------------------

ONE, TWO = "a" * 64, "b" * 64
SIGNED = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{}  runc.amd64\n{}  runc.arm64\n-----BEGIN PGP SIGN…"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (ONE, ONE),
        (f"{ONE.upper()}\n", ONE),
        (f"{TWO}  runc.arm64\n{ONE} *runc.amd64\n", ONE),
        (f"{ONE}  ./dist/runc.amd64\n", ONE),
        (f"{'c' * 128}  runc.amd64\n", "c" * 128),
        (SIGNED.format(ONE, TWO), ONE),
        (f"{TWO}  runc.arm64\n", None),
        (f"{TWO}\n{ONE}\n", None),
        (f"{ONE[:-1]}  runc.amd64\n", None),
        ("", None),
    ],
)
def test_a_checksum_file_is_read(text: str, found: str | None) -> None:
    assert digest_in(text, "https://a.example/v1/runc.amd64") == found


ENTRY = f'[[file]]\nurl = "http://a/b"\nsha256 = "{ONE}"\nsize = 1\ndate = 2026-01-02\nverified = "x"\n'


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("[[file]]", "[file"), "is no lock file"),
        (("size = 1\n", ""), "an entry without size"),
        ((ONE, ONE[:-1]), "http://a/b has no digest"),
        (("sha256", "sha512"), "http://a/b has no digest"),
        (("sha256", "md5"), "http://a/b has no digest"),
        (("[[file]]", "[file]"), "is no lock file"),
    ],
)
def test_a_lock_that_somebody_broke_is_refused(change: tuple[str, str], words: str, tmp_path: Path) -> None:
    (path := tmp_path / "release.lock").write_text(ENTRY.replace(*change))
    with pytest.raises(ValueError, match=re.escape(words)):
        lock.read(path)


def test_a_lock_is_read_as_it_was_written(tmp_path: Path) -> None:
    (path := tmp_path / "release.lock").write_text(ENTRY)
    (entry,) = lock.read(path).values()
    locking.write(path, [entry])
    assert path.read_text().endswith(ENTRY) and lock.read(path) == {entry.url: entry}
    assert [p.name for p in tmp_path.iterdir()] == ["release.lock"]
    assert lock.read(tmp_path / "none") == {}


def test_the_settings_own_digest_goes_first_then_the_locks_then_the_shipped(tmp_path: Path) -> None:
    url = "https://mirror.example/{arch}/runc.{arch}"
    path = tmp_path / "release.lock"

    def known(**own: Any) -> str | None:
        files = {"runc": {"url": url, **own}}
        made = {"release_files": files, "runc_version": "1.4.3", "release_lock": str(path)}
        return Settings.model_validate(made).known(
            Settings.model_validate(made).release_files["runc"], "amd64", "1.4.3"
        )[1]

    shipped = digests.shipped()[digests.File("runc.amd64", "1.4.3", "amd64")]
    assert known() == shipped
    path.write_text(ENTRY.replace("http://a/b", "https://mirror.example/amd64/runc.amd64"))
    assert known() == ONE
    assert known(sha256=TWO) == known(sha256={"amd64": TWO}) == TWO
    assert known(sha256={"arm64": TWO}) == ONE
    assert known(sha512="c" * 128) == "c" * 128


def test_a_single_digest_is_that_of_the_only_file() -> None:
    def own(url: str, architecture: str) -> str | None:
        made = Settings.model_validate({"release_files": {"runc": {"url": url, "sha256": ONE}}})
        return made.release_files["runc"].own_digest(architecture)

    assert own("http://m.example/runc", "arm64") == ONE
    assert own("http://m.example/{arch}/runc", "amd64") == ONE
    assert own("http://m.example/{arch}/runc", "arm64") is None
    assert own("http://m.example/{machine}/runc", "arm64") is None


def test_shipped_digests_are_of_files_that_the_shipped_settings_fetch() -> None:
    settings = Settings()
    patterns = {file.url.rpartition("/")[2] for file in settings.release_files.values()}
    for known, found in digests.shipped().items():
        assert digests.is_digest(found)
        general = known.name.replace(known.version, "{version}").replace(known.architecture, "{arch}")
        assert general in patterns, known
    text = (REPOSITORY / "cluster/digests.txt").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith(("#", "["))]
    assert len(lines) == len(digests.shipped()), "each is there once"
    sources = re.findall(r"^\[(.*)\]$", text, re.MULTILINE)
    assert sources and all(re.fullmatch(r"https://github\.com/\S+/blob/[0-9a-f]{40}/\S+", each) for each in sources)
