"""Images and programs the lab puts together, and how its mirror names them."""

import hashlib
import io
import json
import tarfile

import pytest

from lab import archive, images, mirror
from lab.archive import Layer, Runs
from lab.images import Picture

LAYER = Layer(
    programs={"usr/sbin/a": b"program"},
    files={"etc/a.conf": b"listen"},
    links={"lib/c": "../usr/sbin/a", "lib/b": "c"},
    directories=("var/lib/a",),
)


def _read(path):
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar.getmembers()}


def _unpacked(layer):
    return tarfile.open(fileobj=io.BytesIO(archive.pack(layer)))


def test_an_image_is_what_docker_save_writes(tmp_path):
    archive.write(tmp_path / "a.tar", "lab/a:1", Runs(("/usr/sbin/a",)), LAYER)
    parts = _read(tmp_path / "a.tar")
    (entry,) = json.loads(parts["manifest.json"])
    config = json.loads(parts[entry["Config"]])
    layer = parts[entry["Layers"][0]]

    assert entry["RepoTags"] == ["lab/a:1"]
    assert entry["Config"] == hashlib.sha256(parts[entry["Config"]]).hexdigest() + ".json"
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
    assert config["config"] == {"Cmd": ["/usr/sbin/a"], "Env": [archive._PATH], "WorkingDir": "/"}
    assert layer == archive.pack(LAYER)


def test_an_image_says_how_it_wants_to_be_run_and_stopped():
    runs = Runs(entrypoint=("/a",), user="65532:65532", stop_signal="SIGQUIT")
    config = json.loads(archive.configuration(["0" * 64], runs))["config"]
    assert config["Entrypoint"] == ["/a"] and "Cmd" not in config
    assert (config["User"], config["StopSignal"]) == ("65532:65532", "SIGQUIT")


def test_a_layer_holds_programs_files_and_links():
    with _unpacked(LAYER) as tar:
        assert tar.extractfile("usr/sbin/a").read() == b"program"
        assert tar.extractfile("etc/a.conf").read() == b"listen"
        assert tar.getmember("lib/c").linkname == "../usr/sbin/a"
        assert {name: tar.getmember(name).mode for name in ("usr/sbin/a", "etc/a.conf", "usr", "tmp")} == {
            "usr/sbin/a": 0o755,
            "etc/a.conf": 0o644,
            "usr": 0o755,
            "tmp": 0o1777,
        }


def test_every_directory_comes_before_what_is_in_it():
    with _unpacked(LAYER) as tar:
        names = tar.getnames()
    assert len(names) == len(set(names))
    assert {"usr/sbin", "etc", "lib", "var/lib/a", "bin", "tmp"} <= set(names)
    for name in names:
        parent = name.rpartition("/")[0]
        assert not parent or names.index(parent) < names.index(name)


def test_the_same_image_has_the_same_bytes(tmp_path):
    turned = Layer(LAYER.programs, LAYER.files, dict(reversed(LAYER.links.items())), LAYER.directories)
    for name, layer in (("one.tar", LAYER), ("two.tar", turned)):
        archive.write(tmp_path / name, "lab/a:1", Runs(("/a",)), layer)
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


@pytest.mark.parametrize("version", images.NGINX_VERSIONS)
def test_nginx_answers_with_its_version_and_its_hosts_name(version):
    text = images.nginx_configuration(version)
    assert f'return 200 "{version} $hostname\\n";' in text
    assert {"daemon off;", "worker_processes 1;"} <= set(text.splitlines())
    assert text.count("{") == text.count("}")


def test_the_manifest_has_each_files_checksum_and_what_is_pushed(tmp_path):
    for path in ("dl.k8s.io/kubelet", "images/pause-3.2.tar", "images/nginx-v1.tar"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(path)
    pictures = [Picture(tmp_path / "pause-3.2.tar"), Picture(tmp_path / "nginx-v1.tar", "nginx:v1")]

    written = mirror._manifest(tmp_path, ["1.37"], ["dl.k8s.io/kubelet"], pictures)

    def digest(path):
        return hashlib.sha256(path.encode()).hexdigest()

    assert written["lines"] == ["1.37"]
    assert written["files"] == {"dl.k8s.io/kubelet": digest("dl.k8s.io/kubelet")}
    assert written["images"]["pause-3.2"] == {
        "url": "http://10.1.10.1/images/pause-3.2.tar",
        "sha256": digest("images/pause-3.2.tar"),
    }
    assert written["registry"] == {"nginx:v1": "nginx-v1.tar"}


def test_publishing_does_not_copy_where_a_link_will_do(tmp_path):
    (tmp_path / "source").write_text("program")
    mirror.place(tmp_path / "source", tmp_path / "release/program")
    assert (tmp_path / "release/program").samefile(tmp_path / "source")
