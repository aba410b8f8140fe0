"""Files that hosts fetch, as the settings write them: an address with what is filled in, and digests."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from cluster import fields
from cluster.distributions import AMD64, ARCHITECTURES

LOCK = "python -m release lock"  # who makes digests known
_MACHINES = {name: machine for machine, name in ARCHITECTURES.items()}


class NoDigest(LookupError):
    """Nobody has a digest of a file for an architecture; the text says what to do."""

    def __init__(self, url: str, architecture: str) -> None:
        other = "" if architecture == AMD64 else f" --arch {architecture}"
        super().__init__(f"nobody has a digest of {public(url)}: run `{LOCK}{other}`")


def public(url: str) -> str:
    """An address without the account that may be in it."""
    return re.sub(r"//[^/@\s]*@", "//", url)


class Download(NamedTuple):
    """A file to fetch and its digest in hex, SHA-256 or SHA-512."""

    url: str
    digest: str


class Archive(BaseModel):
    """A file to fetch; {arch} and {machine} in its address are filled in."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    url: str = Field(
        description="where each host fetches it: http or https; {arch} is amd64 or arm64 there, {machine} x86_64 or "
        "aarch64"
    )
    sha256: fields.ByArchitecture | None = Field(
        default=None,
        description="its SHA-256, 64 hex digits, or one by architecture; a single one for an address with {arch} or "
        "{machine} is amd64's; None: as in `release_lock`, else as shipped",
    )
    sha512: fields.ByArchitecture | None = Field(
        default=None, description="its SHA-512, 128 hex digits, in place of `sha256`"
    )

    def address(self, architecture: str, version: str = "") -> str:
        """Where hosts of an architecture fetch it."""
        filled = self.url.replace("{version}", version) if version else self.url
        return filled.replace("{arch}", architecture).replace("{machine}", _MACHINES[architecture])

    def own_digest(self, architecture: str) -> str | None:
        """The digest that the settings themselves give of the file for an architecture."""
        written = self.sha256 if self.sha256 is not None else self.sha512
        if isinstance(written, Mapping):
            return written.get(architecture)
        varies = self.address(AMD64) != self.address("arm64")
        return written if architecture == AMD64 or not varies else None


class ReleaseFile(Archive):
    """A program, or an archive of programs, to fetch; {version} in its address is filled in, too."""
