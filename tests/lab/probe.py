"""Writers, readers and watches of a cluster's API: `python probe.py SETTINGS HISTORY` until its standard input ends.

SETTINGS is a JSON file: {"run": "a name", "endpoints": {name: {"url":, "ca":, "certificate":, "kind":}}, "services":
[url, …], "final": {an endpoint, asked for what is there at the end}}. Each endpoint has one writer, which makes an
object of its kind ("configmaps" or "secrets") and reads it back, ten requests a second, never twice under one name;
and one watch. HISTORY gets a line of JSON for each record that history.py describes, at once: what a killed probe has
seen is there.
"""

import base64
import contextlib
import http.client
import json
import select
import ssl
import sys
import threading
import time
import urllib.parse
from pathlib import Path
from typing import Any

PAUSE = 0.1  # seconds from one request to the next
# Seconds a request may take: longer than anybody who hangs is asked. One that was under way to an etcd leader that is
# gone is answered by nobody, and costs all of them.
TIMEOUT = 4.5
SILENCE = 10  # seconds until a watch that says nothing is begun anew
LONGEST = 1800  # seconds it goes on at most, whatever happens to who began it
SETTLE = 20  # seconds the watches have at the end to tell of the last writes
OBJECTS = "/api/v1/namespaces/default/"


class History:
    """The records, written as they come."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", buffering=1)
        self._lock = threading.Lock()

    def add(self, kind: str, at: float | None = None, **values: Any) -> None:
        """Write one record; `at` is when the request began (default: now)."""
        with self._lock:
            self._file.write(json.dumps({"kind": kind, "at": time.time() if at is None else at, **values}) + "\n")


class Client:
    """One kept connection to an API server, made anew when it is lost, or was closed while nothing was asked."""

    def __init__(self, url: str, ca: str = "", certificate: str = "", kind: str = "", timeout: float = TIMEOUT) -> None:
        self.objects = OBJECTS + kind
        parts = urllib.parse.urlsplit(url)
        self._where = parts.hostname or "", parts.port
        self._timeout = timeout
        self._context = None
        if parts.scheme == "https":
            self._context = ssl.create_default_context(cafile=ca)
            self._context.load_cert_chain(certificate)
        self._connection: http.client.HTTPConnection | None = None

    def open(self, method: str, path: str, body: Any = None) -> http.client.HTTPResponse:
        """Ask, and return the answer with its body still to be read."""
        if self._connection and self._is_closed():
            self.close()
        if self._connection is None:
            if self._context:
                self._connection = http.client.HTTPSConnection(
                    *self._where, timeout=self._timeout, context=self._context
                )
            else:
                self._connection = http.client.HTTPConnection(*self._where, timeout=self._timeout)
        text = None if body is None else json.dumps(body)
        self._connection.request(method, path, text, {"Content-Type": "application/json"} if text else {})
        return self._connection.getresponse()

    def ask(self, method: str, path: str, body: Any = None) -> tuple[str, bytes]:
        """What came of a request, as history.py names it, and the answer."""
        kept = self._connection is not None
        try:
            try:
                response = self.open(method, path, body)
            except (ConnectionError, http.client.HTTPException):
                if not kept or method != "GET":
                    raise
                self.close()  # it was closed just then: clients ask again what changes nothing
                response = self.open(method, path, body)
            answer = response.read()
            # As Kubernetes' own clients do where they are asked to: nothing was done yet.
            for _ in range(10):
                if response.status not in (429, 503) or not response.getheader("Retry-After"):
                    break
                time.sleep(int(response.getheader("Retry-After", "1")))
                response = self.open(method, path, body)
                answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            return outcome_of(error), b""
        return ("ok" if response.status < 300 else str(response.status)), answer

    def _is_closed(self) -> bool:
        """Whether the server has closed the kept connection: clients look before they ask on it again."""
        kept = self._connection.sock if self._connection else None
        return kept is not None and bool(select.select([kept], [], [], 0)[0])

    def close(self) -> None:
        """Begin the next request on a new connection."""
        if self._connection:
            self._connection.close()
        self._connection = None


def outcome_of(error: Exception) -> str:
    """What history.py calls a request that got no answer."""
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, (ConnectionError, http.client.HTTPException, ssl.SSLError)):
        return "lost"
    return "unreachable"


def write(name: str, client: Client, run: str, history: History, ended: threading.Event) -> None:
    """Make objects one after the other and read each back."""
    number = 0
    while not ended.is_set():
        number += 1
        called = f"{run}-{name}-{number}"
        new = {
            "metadata": {"name": called, "labels": {"probe": run}},
            "data": {"n": base64.b64encode(str(number).encode()).decode()},
        }
        at = time.time()
        outcome, answer = client.ask("POST", client.objects, new)
        version = int(json.loads(answer)["metadata"]["resourceVersion"]) if outcome == "ok" else None
        about = {"endpoint": name, "name": called, "n": number}
        history.add("write", at, took=time.time() - at, outcome=outcome, version=version, **about)
        ended.wait(max(0, at + PAUSE - time.time()))
        if outcome != "ok":  # it may be there or not
            continue
        at = time.time()
        outcome, answer = client.ask("GET", f"{client.objects}/{called}")
        took = time.time() - at
        if outcome == "ok" and json.loads(answer)["data"] != new["data"]:
            outcome = "other"
        history.add("read", at, took=took, outcome=outcome, **about)
        ended.wait(max(0, at + PAUSE - time.time()))


def listed(client: Client, run: str) -> tuple[str, int, dict[str, int]]:
    """What there is: the outcome, the list's version, and each object's."""
    outcome, answer = client.ask("GET", f"{client.objects}?labelSelector=probe%3D{run}")
    if outcome != "ok":
        return outcome, 0, {}
    found = json.loads(answer)
    names = {each["metadata"]["name"]: int(each["metadata"]["resourceVersion"]) for each in found["items"]}
    return outcome, int(found["metadata"]["resourceVersion"]), names


class Watch:
    """A watch that goes on from where it stood whenever it ends, and lists again only when it is told to."""

    def __init__(self, name: str, client: Client, run: str, history: History) -> None:
        self._name, self._client, self._run, self._history = name, client, run, history
        self._version = 0  # 0: list first
        self.seen: set[str] = set()

    def follow(self, ended: threading.Event) -> None:
        """Watch until the end."""
        while not ended.is_set():
            outcome = self._watch(ended) if self._version else self._list()
            if outcome != "ok":
                self._history.add("watch", endpoint=self._name, outcome=outcome)
                self._client.close()
                ended.wait(0.2)

    def _list(self) -> str:
        outcome, version, names = listed(self._client, self._run)
        if outcome == "ok":
            self._history.add("list", endpoint=self._name, version=version, names=sorted(names))
            self._version = version
            self.seen |= set(names)
        return outcome

    def _watch(self, ended: threading.Event) -> str:
        asked = f"watch=1&allowWatchBookmarks=true&resourceVersion={self._version}&labelSelector=probe%3D{self._run}"
        try:
            response = self._client.open("GET", f"{self._client.objects}?{asked}")
            if response.status != 200:
                self._version = 0 if response.status == 410 else self._version
                return str(response.status)
            while not ended.is_set():
                line = response.readline()
                if not line.endswith(b"\n"):
                    return "closed"
                if (outcome := self._take(json.loads(line))) != "ok":
                    return outcome
        except (OSError, http.client.HTTPException) as error:
            return outcome_of(error)
        return "ok"

    def _take(self, event: Any) -> str:
        thing = event["object"]
        if event["type"] == "ERROR":
            self._version = 0 if thing.get("code") == 410 else self._version
            return str(thing.get("code"))
        self._version = int(thing["metadata"]["resourceVersion"])
        if event["type"] != "BOOKMARK":
            name = thing["metadata"]["name"]
            self._history.add("event", endpoint=self._name, type=event["type"], name=name, version=self._version)
            self.seen.add(name)
        return "ok"


def visit(url: str, history: History, ended: threading.Event) -> None:
    """Ask a service five times a second, each time on a connection of its own."""
    path = urllib.parse.urlsplit(url).path or "/"
    while not ended.is_set():
        at = time.time()
        client = Client(url)
        outcome, _ = client.ask("GET", path)
        client.close()
        history.add("service", at, endpoint=url, took=time.time() - at, outcome=outcome)
        ended.wait(max(0, at + 2 * PAUSE - time.time()))


def finish(final: Client, run: str, history: History, watches: list[Watch]) -> None:
    """Record what is there, once it can be read, and let the watches tell of it."""
    deadline = time.monotonic() + SETTLE
    while (outcome := listed(final, run))[0] != "ok":
        if time.monotonic() > deadline:
            raise SystemExit(f"probe: no final list: {outcome[0]}")
        time.sleep(0.2)
    names = outcome[2]
    while time.monotonic() < deadline and not all(watch.seen >= set(names) for watch in watches):
        time.sleep(0.1)
    history.add("final", names=names)


def main(settings: dict[str, Any], path: Path) -> None:
    history, run = History(path), settings["run"]
    over, all_told = threading.Event(), threading.Event()
    endpoints: dict[str, dict[str, str]] = settings["endpoints"]
    watches = [Watch(n, Client(**e, timeout=SILENCE), run, history) for n, e in endpoints.items()]
    following = [threading.Thread(target=w.follow, args=(all_told,), daemon=True) for w in watches]
    asking = [threading.Thread(target=write, args=(n, Client(**e), run, history, over)) for n, e in endpoints.items()]
    asking += [threading.Thread(target=visit, args=(url, history, over)) for url in settings["services"]]
    history.add("began", endpoints=[*endpoints, *settings["services"]])
    for thread in [*following, *asking]:
        thread.start()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    over.wait(LONGEST)
    over.set()
    for thread in asking:
        thread.join()
    history.add("ended")
    finish(Client(**settings["final"]), run, history, watches)
    all_told.set()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
