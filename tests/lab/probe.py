"""Somebody who uses the cluster all the while: `python probe.py` with what to do as JSON on standard input, a line.

Through each way to the API servers it writes numbered ConfigMaps, reads each back, and keeps a watch on them; and it
asks URLs. It goes on until standard input ends, then prints what came of everything as a line of JSON: {"requests": […],
"events": […], "asked": […], "kept": […]} (`tests/lab/history.py` judges it).
"""

import http.client
import itertools
import json
import ssl
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

PATIENCE = 5  # seconds an answer may take
EACH = 0.1  # seconds from one write to the next, and from one asked URL to the next
LONGEST = 900  # seconds it goes on at most, whatever happens to who began it
MAPS = "/api/v1/namespaces/default/configmaps"


class Api:
    """One way to the API servers, on a connection that is kept, as clients do."""

    def __init__(self, url: str, authority: str, pair: str) -> None:
        self.host = url.removeprefix("https://")
        self._context = ssl.create_default_context(cafile=authority)
        self._context.load_cert_chain(pair)
        self._kept: http.client.HTTPSConnection | None = None

    def connect(self, seconds: float) -> http.client.HTTPSConnection:
        """A connection of its own."""
        return http.client.HTTPSConnection(self.host, timeout=seconds, context=self._context)

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and answer. What keeps it from answering is raised, and the connection given up."""
        self._kept = self._kept or self.connect(PATIENCE)
        try:
            text = None if body is None else json.dumps(body)
            self._kept.request(method, path, text, {"Content-Type": "application/json"})
            answer = self._kept.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        except BaseException:
            self._kept.close()
            self._kept = None
            raise


class Probe:
    """Everything it does, and what came of it."""

    def __init__(self, run: str, ways: dict[str, str], urls: list[str], authority: str, pair: str) -> None:
        self.run, self.ways, self.urls, self.authority, self.pair = run, ways, urls, authority, pair
        self.began, self.ended = time.time(), threading.Event()
        self.requests: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []

    def go(self) -> dict[str, Any]:
        """Until standard input ends."""
        threads = [threading.Thread(target=self._ask_urls)] if self.urls else []
        for way in self.ways:
            threads += [threading.Thread(target=do, args=(way,), daemon=True) for do in (self._write, self._watch)]
        for thread in threads:
            thread.start()
        threading.Timer(LONGEST, self.ended.set).start()
        sys.stdin.read()
        time.sleep(2)  # what was written last is heard of
        self.ended.set()
        for thread in threads:
            thread.join(2 * PATIENCE)
        return {"requests": self.requests, "events": self.events, "asked": self.asked, "kept": self._kept()}

    def _api(self, way: str) -> Api:
        return Api(self.ways[way], self.authority, self.pair)

    def _note(self, notes: list[dict[str, Any]], do: Callable[[], dict[str, Any]], **known: Any) -> dict[str, Any]:
        """Note what came of something: what it returns, or what kept it from answering."""
        begin = time.time()
        try:
            outcome = do()
        except Exception as error:
            outcome = {"ok": False, "error": f"{type(error).__name__}: {error}"[:200]}
        noted = {**known, "at": round(begin - self.began, 3), "took": round(time.time() - begin, 3), **outcome}
        notes.append(noted)
        return noted

    def _ticks(self) -> Iterator[int]:
        begin = time.monotonic()
        for number in itertools.count():
            if self.ended.wait(max(0, begin + number * EACH - time.monotonic())):
                return
            yield number

    def _write(self, way: str) -> None:
        api = self._api(way)

        def create(number: int) -> dict[str, Any]:
            name = f"{self.run}-{way}-{number}"
            body = {"metadata": {"name": name, "labels": {"probe": self.run}}, "data": {"number": str(number)}}
            status, answer = api.ask("POST", MAPS, body)
            version = answer["metadata"].get("resourceVersion") if status == 201 else None
            return {"ok": status == 201, "error": "" if status == 201 else f"status {status}", "version": version}

        def read(number: int) -> dict[str, Any]:
            status, answer = api.ask("GET", f"{MAPS}/{self.run}-{way}-{number}")
            good = status == 200 and answer["data"] == {"number": str(number)}
            return {"ok": good, "error": "" if good else f"status {status}"}

        for number in self._ticks():
            noted = self._note(self.requests, lambda n=number: create(n), way=way, what="write", number=number)
            if noted["ok"]:
                self._note(self.requests, lambda n=number: read(n), way=way, what="read", number=number)

    def _watch(self, way: str) -> None:
        """From where it broke off, as clients do."""
        seen = [""]
        while not self.ended.is_set():
            try:
                if not seen[0]:
                    _, answer = self._api(way).ask("GET", f"{MAPS}?limit=1&labelSelector=probe%3D{self.run}")
                    seen[0] = answer["metadata"]["resourceVersion"]
                self._watch_from(way, seen)
            except (OSError, http.client.HTTPException, ValueError) as error:
                self.events.append({"way": way, "type": "broken", "error": f"{type(error).__name__}: {error}"[:200]})
                self.ended.wait(0.2)

    def _watch_from(self, way: str, seen: list[str]) -> None:
        connection = self._api(way).connect(3 * PATIENCE)
        try:
            selector = f"labelSelector=probe%3D{self.run}"
            connection.request("GET", f"{MAPS}?watch=1&allowWatchBookmarks=true&{selector}&resourceVersion={seen[0]}")
            answer = connection.getresponse()
            while not self.ended.is_set() and (line := answer.readline()):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    self.events.append({"way": way, "type": "forgotten", "error": str(event["object"].get("message"))})
                    seen[0] = ""
                    return
                seen[0] = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    name = event["object"]["metadata"]["name"]
                    self.events.append({"way": way, "type": event["type"], "name": name, "version": seen[0]})
        finally:
            connection.close()

    def _ask_urls(self) -> None:
        for number in self._ticks():
            url = self.urls[number % len(self.urls)]

            def get(url: str = url) -> dict[str, Any]:
                asked = urllib.request.Request(url, headers={"Connection": "close"})
                with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:
                    return {"ok": bool(answer.read()), "error": ""}

            self._note(self.asked, get, url=url)

    def _kept(self) -> list[dict[str, str]]:
        """What there is in the end, asked until somebody answers."""
        for way in itertools.cycle(self.ways):
            try:
                _, answer = self._api(way).ask("GET", f"{MAPS}?labelSelector=probe%3D{self.run}")
                return [{"name": m["metadata"]["name"], "number": m["data"]["number"]} for m in answer["items"]]
            except OSError:
                time.sleep(1)
        raise AssertionError("no way")


if __name__ == "__main__":
    print(json.dumps(Probe(**json.loads(sys.stdin.readline())).go()))
