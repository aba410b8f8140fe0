"""Images and programs the lab puts together, and how its mirror names them."""

import hashlib
import io
import json
import tarfile

from lab import build, images, mirror


def _read(path):
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar.getmembers()}


def test_an_image_is_what_docker_save_writes(tmp_path):
    images.write(tmp_path / "a.tar", "lab/a:1", {"bin/a": b"program"}, {"bin/b": "a"}, ["/bin/a"])
    parts = _read(tmp_path / "a.tar")
    (entry,) = json.loads(parts["manifest.json"])
    config = json.loads(parts[entry["Config"]])
    layer = parts[entry["Layers"][0]]

    assert entry["RepoTags"] == ["lab/a:1"]
    assert entry["Config"] == hashlib.sha256(parts[entry["Config"]]).hexdigest() + ".json"
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
    assert config["config"]["Cmd"] == ["/bin/a"]
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        assert tar.getmember("bin/a").mode == 0o755
        assert tar.getmember("bin/b").linkname == "a"
        assert tar.extractfile("bin/a").read() == b"program"


def test_the_same_image_has_the_same_bytes(tmp_path):
    for name in ("one.tar", "two.tar"):
        images.write(tmp_path / name, "lab/a:1", {"a": b"program"}, {"c": "a", "b": "a"}, ["/a"])
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_kubernetes_is_told_its_version_under_both_import_paths():
    flags = build.kubernetes_ldflags("1.20.2")
    assert "-X k8s.io/component-base/version.gitVersion=v1.20.2" in flags
    assert "-X k8s.io/kubernetes/vendor/k8s.io/component-base/version.gitVersion=v1.20.2" in flags
    assert "-X k8s.io/component-base/version.gitMinor=20" in flags
    assert flags.startswith("-s -w ")


def test_the_manifest_has_each_files_checksum_by_version(tmp_path):
    for path in ("release/flanneld-0.26.7", "release/flanneld-0.15.1", "images/pause.tar"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(path)
    digest = {
        path: hashlib.sha256(path.encode()).hexdigest() for path in ("release/flanneld-0.15.1", "images/pause.tar")
    }

    written = mirror._manifest(tmp_path, [("flanneld", "0.26.7"), ("flanneld", "0.15.1")])

    assert written["release"]["flanneld"]["0.15.1"] == digest["release/flanneld-0.15.1"]
    assert list(written["release"]["flanneld"]) == ["0.26.7", "0.15.1"]
    assert written["images"]["pause"] == {
        "url": "http://10.1.10.1/images/pause.tar",
        "sha256": digest["images/pause.tar"],
    }


def test_publishing_does_not_copy_where_a_link_will_do(tmp_path):
    (tmp_path / "source").write_text("program")
    mirror.place(tmp_path / "source", tmp_path / "release/program")
    assert (tmp_path / "release/program").samefile(tmp_path / "source")
