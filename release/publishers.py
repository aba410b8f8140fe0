"""The checksum files that publishers lay beside their release files: where they are, and how they are read."""

import re
from urllib.parse import unquote, urlsplit

from cluster import digests, releases

# By release file: where its checksums are, by its own address or by its directory. flannel and Docker publish none.
_OF_COMPONENT = {"kubernetes": "{url}.sha256", "etcd": "{directory}/SHA256SUMS"}
_OF_FILE = {
    "containerd": "{url}.sha256sum",
    "runc": "{directory}/runc.sha256sum",
    "cni-plugins": "{url}.sha256",
    "crictl": "{url}.sha256",
}


def checksum_url(name: str, url: str) -> str | None:
    """Where the publisher of a release file has its digest; None: nowhere.

    Args:
        name: as in `release_files`, or IMAGES of `cluster.needs`: those have no publisher.
        url: the file's own address. A mirror is taken to be laid out like the publisher's own server.
    """
    pattern = _OF_FILE.get(name) or _OF_COMPONENT.get(releases.RELEASE_FILES.get(name, ""))
    return pattern.format(url=url, directory=url.rpartition("/")[0]) if pattern else None


def digest_in(text: str, url: str) -> str | None:
    """The digest of the file at `url` in the text of its checksum file; None: it is not in there.

    The text is lines of a digest and a name, as `sha256sum` writes them, or nothing but the digest.
    """
    wanted = unquote(urlsplit(url).path.rpartition("/")[2])
    for line in text.splitlines():
        match = re.fullmatch(r"\s*([0-9A-Fa-f]+)(?:\s+\*?(\S+))?\s*", line)
        if not match or not digests.is_digest(match[1].lower()):
            continue
        alone = match[2] is None and len(text.split()) == 1
        if alone or (match[2] and match[2].rpartition("/")[2] == wanted):
            return match[1].lower()
    return None
