"""Fetching a file whole, however often the connection breaks: what has come stays, and the rest is asked for."""

import base64
import http.client
import re
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from cluster.downloads import public

_SECONDS = 30  # of silence, after which a connection is given up
_ATTEMPTS = 5
_PAUSE = 1.0  # seconds between two of them
_BLOCK = 1 << 18
_LARGEST = 1 << 20  # bytes of a checksum file
_BROKEN = (http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError)

Told = Callable[[int, int | None], None]  # bytes that are there, and of how many, if that is known


class FetchError(Exception):
    """A file cannot be had; the text says which and why."""


class NotThere(FetchError):
    """The server has no such file."""


class _OnlySafer(HTTPRedirectHandler):
    """Follows no redirection from https to http."""

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Request | None:
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise HTTPError(req.full_url, code, f"leads from https to {newurl.partition(':')[0]}", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = build_opener(_OnlySafer)
_OURS = {"User-Agent": "container-cloud"}


def read(url: str) -> str:
    """The text at an address, a small one. Raises NotThere, FetchError."""
    try:
        with _answer(url, {}) as answer:
            text: bytes = answer.read(_LARGEST)
    except _BROKEN as error:
        raise FetchError(f"{public(url)}: {error}") from None
    return text.decode(errors="replace")


def fetch(url: str, to: Path, told: Told) -> None:
    """Fetch a file.

    Args:
        url: where it is.
        to: where it is put once it is whole. What has come before lies beside it, as .part, and survives any end of
            this process; the next call goes on from there, if the server still has the same file.
        told: is called as it comes.

    Raises NotThere, FetchError.
    """
    part = to.with_name(f"{to.name}.part")
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE)
        if _more(url, part, told):
            part.replace(to)
            _kept(part).unlink(missing_ok=True)
            return
    broke = f"{public(url)} broke off {_ATTEMPTS} times, at {_size(part)} bytes"
    raise FetchError(f"{broke}: run it again, it goes on from there")


def _more(url: str, part: Path, told: Told) -> bool:
    """One attempt at the rest of a file; whether it is whole now."""
    there, state = _size(part), _kept(part)
    known = state.read_text() if there and state.is_file() else ""
    going_on = {"Range": f"bytes={there}-", "If-Range": known} if known else {}
    try:
        with _answer(url, going_on) as answer:
            if answer.status == 416:
                return _was_whole(answer, part)
            begins = _begins(answer)
            if begins not in (0, there):
                raise FetchError(f"{public(url)}: {answer.headers['Content-Range']} was not asked for")
            whole = _length(answer, begins)
            with part.open("ab" if begins else "wb") as file:
                if not begins:
                    state.write_text(_validator(answer))
                while block := answer.read(_BLOCK):
                    file.write(block)
                    told(file.tell(), whole)
            return whole is None or _size(part) == whole
    except _BROKEN:
        return False


@contextmanager
def _answer(url: str, headers: dict[str, str]) -> Iterator[Any]:
    address, own = _apart(url)
    try:
        request = Request(address, headers={**_OURS, **headers})
        for name, value in own.items():  # is for this server, and for none that it points to
            request.add_unredirected_header(name, value)
        answer = _OPENER.open(request, timeout=_SECONDS)
    except HTTPError as error:
        if error.code != 416:
            kind = NotThere if error.code in (404, 410) else FetchError
            raise kind(f"{public(url)}: {error.code} {error.reason}") from None
        answer = error
    except URLError as error:
        if isinstance(error.reason, ConnectionError | TimeoutError) and "Range" in headers:
            raise error.reason from None
        raise FetchError(f"{public(url)}: {error.reason}") from None
    with answer:
        yield answer


def _was_whole(answer: Any, part: Path) -> bool:
    """Nothing is left to be asked for: the part is the whole file, or none of this file's."""
    if answer.headers.get("Content-Range") == f"bytes */{_size(part)}":
        return True
    part.unlink()
    return False


def _begins(answer: Any) -> int:
    """At which byte of the file an answer begins."""
    match = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range") or "") if answer.status == 206 else None
    return int(match[1]) if match else 0


def _length(answer: Any, begins: int) -> int | None:
    """How long the whole file is; None: the server does not say."""
    length = answer.headers.get("Content-Length")
    return begins + int(length) if length else None


def _validator(answer: Any) -> str:
    """By what the server tells whether the file is still the same; "": it does not."""
    tag = answer.headers.get("ETag") or ""
    return tag if tag.startswith('"') else (answer.headers.get("Last-Modified") or "")


def _kept(part: Path) -> Path:
    return part.with_name(f"{part.name}.of")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _apart(url: str) -> tuple[str, dict[str, str]]:
    """An address without the account in it, and the header that carries it."""
    parts = urlsplit(url)
    account, at, place = parts.netloc.rpartition("@")
    if not at:
        return url, {}
    token = base64.b64encode(unquote(account).encode()).decode()
    return urlunsplit(parts._replace(netloc=place)), {"Authorization": f"Basic {token}"}
