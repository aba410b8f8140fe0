"""The lab's registry: what its servers are told, and what is pushed into it."""

import contextlib
import gzip
import json
import os
import stat
import sys

import pytest

from lab import archive, cleanup, push, registry, service, settings
from lab.archive import Layer, Runs
from lab.process import LabError
from lab.registry import Server
from lab.state import DIRECTORY
from pki import KeyPair

PAIR = KeyPair("certificate\n", "key\n")


@pytest.fixture
def image(tmp_path):
    layer = Layer(programs={"bin/a": b"program"})
    archive.write(tmp_path / "a.tar", "lab/a:1", Runs(("/bin/a",)), layer)
    return push.read(tmp_path / "a.tar")


class Registry(push.Registry):
    """A registry in memory, which refuses what a real one would, and counts what it is sent."""

    def __init__(self):
        self.blobs, self.manifests, self.sent = {}, {}, 0

    def manifest(self, repository, tag):
        return json.loads(self.manifests[repository, tag]) if (repository, tag) in self.manifests else None

    def has(self, repository, digest):
        return (repository, digest) in self.blobs

    def upload(self, repository, content):
        self.blobs[repository, push.digest_of(content)] = content
        self.sent += 1

    def name(self, repository, tag, manifest):
        assert all(self.has(repository, digest) for digest in push.blobs(json.loads(manifest)))
        self.manifests[repository, tag] = manifest
        self.sent += 1


def test_an_archive_is_read_as_it_was_written(image):
    assert json.loads(image.config)["config"]["Cmd"] == ["/bin/a"]
    assert image.layers == (archive.pack(Layer(programs={"bin/a": b"program"})),)


def test_a_manifest_is_of_version_2_schema_2(image):
    layer = gzip.compress(image.layers[0], mtime=0)
    assert json.loads(push.manifest(image.config, [layer])) == {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "size": len(image.config),
            "digest": push.digest_of(image.config),
        },
        "layers": [
            {
                "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                "size": len(layer),
                "digest": push.digest_of(layer),
            }
        ],
    }


def test_pushing_brings_everything_and_pushing_again_nothing(image):
    there = Registry()
    assert push.push(there, "a", "1", image) is True
    assert there.sent == 3
    assert push.push(there, "a", "1", image) is False
    assert there.sent == 3


def test_an_image_changed_under_its_tag_is_pushed(image):
    there = Registry()
    push.push(there, "a", "1", image)
    changed = push.Image(image.config + b" ", image.layers)
    assert push.push(there, "a", "1", changed) is True
    assert there.sent == 5, "its configuration and its manifest; the layer is there"
    assert push.is_of(there.manifest("a", "1"), changed)


def test_a_blob_that_was_lost_is_pushed_again(image):
    there = Registry()
    push.push(there, "a", "1", image)
    lost = ("a", push.blobs(there.manifest("a", "1"))[1])
    del there.blobs[lost]
    assert push.push(there, "a", "1", image) is True
    assert lost in there.blobs


@pytest.mark.parametrize("stored", [None, {}, {"config": {"digest": "sha256:0"}, "layers": []}])
def test_another_manifest_is_not_the_images(stored, image):
    assert push.is_of(stored, image) is False


PLAIN = """\
version: 0.1
storage:
  filesystem:
    rootdirectory: LAB/registry
http:
  addr: 10.1.10.1:5000
""".replace("LAB", str(DIRECTORY))


def test_the_plain_registry_has_no_certificate():
    (text,) = Server("registry", registry.PORT).files.values()
    assert text == PLAIN


def test_the_other_has_one_and_the_same_storage():
    text, certificate, key = Server("registry-tls", registry.TLS_PORT, PAIR).files.values()
    assert text == PLAIN.replace(":5000", ":5443") + (
        f"  tls:\n    certificate: {DIRECTORY}/registry-tls.crt\n    key: {DIRECTORY}/registry-tls.key\n"
    )
    assert (certificate, key) == ("certificate\n", "key\n")


@pytest.fixture
def started(tmp_path, monkeypatch):
    """Starting a server puts its command line here, and it then counts as running."""
    commands = []
    monkeypatch.setattr(registry, "DIRECTORY", tmp_path)
    monkeypatch.setattr(registry, "_program", lambda: "docker-registry")
    monkeypatch.setattr(service.Service, "start", lambda self, command, env: commands.append(command))
    monkeypatch.setattr(service.Service, "stop", lambda self: None)
    monkeypatch.setattr(service.Service, "is_running", lambda self: bool(commands))
    return commands


def test_a_server_runs_with_the_files_it_was_started_with(started, tmp_path):
    server = Server("tls", 5443, PAIR)
    assert not server.is_current()
    server.start()
    assert started == [["docker-registry", "serve", tmp_path / "tls.yml"]]
    assert server.is_current()


@pytest.mark.parametrize("changed", [Server("tls", 5443, KeyPair("new\n", "key\n")), Server("tls", 5444, PAIR)])
def test_a_new_certificate_or_configuration_is_one_it_does_not_run_with(started, changed):
    Server("tls", 5443, PAIR).start()
    assert not changed.is_current()


def test_the_key_is_the_owners_alone(started, tmp_path):
    (tmp_path / "tls.key").write_text("left by others")
    (tmp_path / "tls.key").chmod(0o644)
    Server("tls", 5443, PAIR).start()
    assert stat.S_IMODE((tmp_path / "tls.key").stat().st_mode) == 0o600
    assert (tmp_path / "tls.key").read_text() == "key\n"


def test_nodes_are_given_the_registrys_two_names():
    assert settings.INSECURE_REGISTRY == "10.1.10.1:5000"
    assert settings.registry_image("nginx") == "10.1.10.1:5000/nginx"
    assert settings.registry_image("nginx", secure=True) == "10.1.10.1:5443/nginx"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Servers in the network of this test rather than the lab's."""
    monkeypatch.setattr(service, "DIRECTORY", tmp_path)
    monkeypatch.setattr(service.network, "enter", list)
    monkeypatch.setattr(service.Service, "_answers", lambda self: self._log.read_text() == "ready\n")
    return tmp_path


SERVER = [sys.executable, "-uc", "import time; print('ready'); time.sleep(60)  # a-server"]


def test_a_server_is_started_known_and_ended(here):
    server = service.Service("server", 1, "a-server")
    server.start(SERVER)
    assert server.is_running()
    server.stop()
    assert not server.is_running()


def test_a_server_that_ends_at_once_is_reported_with_its_last_words(here):
    with pytest.raises(LabError, match="the server does not serve: no port left"):
        service.Service("server", 1, "exit 3").start(["/bin/sh", "-c", "echo no port left >&2; exit 3"])


def test_a_server_that_cannot_be_recorded_never_runs(here, monkeypatch):
    """As when the lab is killed between starting it and writing its id down."""

    def killed(file, pid):
        waiting.append(pid)
        raise KeyboardInterrupt

    waiting = []
    monkeypatch.setattr(cleanup, "record_process", killed)
    with pytest.raises(KeyboardInterrupt):
        service.Service("server", 1, "a-server").start(SERVER)
    with contextlib.suppress(ChildProcessError):  # the garbage collector was quicker
        os.waitpid(waiting[0], 0)
    assert (here / "server.log").read_text() == ""
