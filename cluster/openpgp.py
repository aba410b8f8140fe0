"""Public keys of repositories: text, as gpg --armor writes it, of files in either form (RFC 4880)."""

import base64
import textwrap
from pathlib import Path

_BEGIN, _END = "-----BEGIN PGP PUBLIC KEY BLOCK-----", "-----END PGP PUBLIC KEY BLOCK-----"
_PUBLIC_KEY, _SECRET_KEY = 6, 5  # tags of packets
_EXPORT = "write the file that `gpg --export --armor KEY` prints"


def public_key(path: str) -> str:
    """The public key in a file on this machine, armoured; a binary one, as of `gpg --dearmor`, becomes so.

    Raises ValueError, saying what to write instead, for a file that cannot be read or holds no public key.
    """
    try:
        content = Path(path).expanduser().read_bytes()
    except OSError as error:
        raise ValueError(f"cannot be read on this machine ({error.strerror}); write the path of a public key") from None
    if _BEGIN.encode() in content:
        return _text(content)
    if b"-----BEGIN PGP PRIVATE KEY BLOCK-----" in content or _tag(content) == _SECRET_KEY:
        raise ValueError(f"is a private key, which no host may have; {_EXPORT}")
    if content[8:12] == b"KBXf":
        raise ValueError(f"is a keybox, which neither apt nor rpm reads; {_EXPORT}")
    if _tag(content) != _PUBLIC_KEY:
        raise ValueError(f"holds no public key; {_EXPORT}")
    return armoured(content)


def armoured(key: bytes) -> str:
    """A binary key as text."""
    body = textwrap.fill(base64.b64encode(key).decode(), 64)
    check = base64.b64encode(_crc24(key).to_bytes(3, "big")).decode()
    return f"{_BEGIN}\n\n{body}\n={check}\n{_END}\n"


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ValueError(f"has other bytes around a key's text; {_EXPORT}") from None


def _tag(content: bytes) -> int | None:
    """The kind of the first packet; None when there is none."""
    if not content or not content[0] & 0x80:
        return None
    return content[0] & 0x3F if content[0] & 0x40 else (content[0] & 0x3C) >> 2


def _crc24(data: bytes) -> int:
    crc = 0xB704CE
    for byte in data:
        crc ^= byte << 16
        for _ in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= 0x1864CFB
    return crc
