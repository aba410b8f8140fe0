"""Release files where and as their publishers have them: names, archives, checksum files beside.

The lab's mirror has them below their publishers' names: http://10.1.10.1/dl.k8s.io/release/v1.37.2/…
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab import cache
from lab.process import CONTAINED, run
from lab.progress import step

KEY = cache.key_of(Path(__file__).read_text())
ARCHITECTURE, MACHINE = "amd64", "x86_64"
_GITHUB = "github.com/{}/releases/download/v{{version}}/{{file}}"


@dataclass(frozen=True)
class Publisher:
    """How a part is published; {version}, {program}, {file} and {arch} stand for what they say.

    + place: where its file is, without https://
    + file: what it is called
    + checksums: what the file with its checksum beside it is called; None: its publisher has none
    + alone: that file holds nothing but the checksum
    + signed: that file is signed, around its lines
    + inside: what stands before a program's name in the archive; None: each program is a file
    """

    place: str
    file: str
    checksums: str | None
    alone: bool = False
    signed: bool = False
    inside: str | None = None


PUBLISHERS = {
    "kubernetes": Publisher(
        "dl.k8s.io/release/v{version}/bin/linux/{arch}/{file}", "{program}", "{file}.sha256", alone=True
    ),
    "etcd": Publisher(
        _GITHUB.format("etcd-io/etcd"),
        "etcd-v{version}-linux-{arch}.tar.gz",
        "SHA256SUMS",
        inside="etcd-v{version}-linux-{arch}/",
    ),
    "flannel": Publisher(_GITHUB.format("flannel-io/flannel"), "{program}-{arch}", None),
    "docker": Publisher(
        f"download.docker.com/linux/static/stable/{MACHINE}/{{file}}", "docker-{version}.tgz", None, inside="docker/"
    ),
    "containerd": Publisher(
        _GITHUB.format("containerd/containerd"),
        "containerd-{version}-linux-{arch}.tar.gz",
        "{file}.sha256sum",
        inside="bin/",
    ),
    "runc": Publisher(_GITHUB.format("opencontainers/runc"), "runc.{arch}", "runc.sha256sum", signed=True),
    "cni-plugins": Publisher(
        _GITHUB.format("containernetworking/plugins"),
        "cni-plugins-linux-{arch}-v{version}.tgz",
        "{file}.sha256",
        inside="./",
    ),
    "crictl": Publisher(
        _GITHUB.format("kubernetes-sigs/cri-tools"),
        "crictl-v{version}-linux-{arch}.tar.gz",
        "{file}.sha256",
        alone=True,
        inside="",
    ),
}


def files(part: str, version: str, programs: Mapping[str, Path]) -> dict[str, Path]:
    """A part's release files: their place on the mirror -> the file.

    Args:
        part: one of PUBLISHERS.
        version: which one.
        programs: its programs, by name.

    Raises:
        LabError: an archive could not be made.
    """
    publisher = PUBLISHERS[part]
    if publisher.inside is None:
        return {place(part, version, name): source for name, source in programs.items()}
    archive = _archive(part, version, programs, publisher.inside.format(version=version, arch=ARCHITECTURE))
    return {place(part, version): archive}


def place(part: str, version: str, program: str = "") -> str:
    """Where a release file is on the mirror."""
    known = {"version": version, "arch": ARCHITECTURE, "program": program}
    publisher = PUBLISHERS[part]
    return publisher.place.format(**known, file=publisher.file.format(**known))


def checksum_file(part: str, file: str, digest: str, sign: Callable[[str], str]) -> tuple[str, str] | None:
    """A checksum file's name and content as the publisher writes them; None where there is none.

    Args:
        part: one of PUBLISHERS.
        file: the name of the file it is about.
        digest: that one's SHA-256.
        sign: puts a signature around a text.
    """
    publisher = PUBLISHERS[part]
    if not publisher.checksums:
        return None
    text = digest if publisher.alone else f"{digest}  {file}\n"
    return publisher.checksums.format(file=file), sign(text) if publisher.signed else text


def _archive(part: str, version: str, programs: Mapping[str, Path], inside: str) -> Path:
    """The cache entry's compressed tar of programs; the same bytes every time."""
    always = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"]
    digests = [f"{name} {cache.sha256(source)}" for name, source in sorted(programs.items())]
    name = Path(place(part, version)).name

    def make(files: Path, scratch: Path) -> None:
        with step(f"putting {name} together"):
            (scratch / inside).mkdir(exist_ok=True)
            for program, source in programs.items():
                (scratch / inside / program).symlink_to(source)
            what = [inside] if inside.strip("./") else [f"{inside}{program}" for program in sorted(programs)]
            run(*CONTAINED, "tar", *always, "-I", "gzip -1n", "-chf", files / name, "-C", scratch, *what)

    return cache.get(f"archive-{part}", f"{version}-{cache.key_of(inside, *digests)}", make) / name
