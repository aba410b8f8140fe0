"""A constant load of requests, each on a connection of its own: `python load.py URL…` until its standard input ends.

Every URL is asked in turn, so many times a second in all, and each answer is waited for. What came of it is printed as
JSON at the end: {"requests": 812, "answers": {"v1": 600, "v2": 212}, "failures": ["http://…: timed out"]}.
"""

import collections
import concurrent.futures
import itertools
import json
import sys
import threading
import time
import urllib.request

RATE = 40  # requests a second
LONGEST = 600  # seconds it goes on at most, whatever happens to who began it
PATIENCE = 10  # seconds an answer may take


def ask(url: str) -> tuple[str, str]:
    """What a request came to: the answer's first word, or why there was none."""
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers={"Connection": "close"}), timeout=PATIENCE
        ) as r:
            return "answer", r.read().decode().split()[0]
    except Exception as error:
        return "failure", f"{time.strftime('%T')} {url}: {error!r}"


def main(urls: list[str]) -> None:
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(RATE * PATIENCE) as pool:
        asked = []
        for number, url in enumerate(itertools.cycle(urls)):
            if ended.wait(max(0, began + number / RATE - time.monotonic())) or time.monotonic() > began + LONGEST:
                break
            asked.append(pool.submit(ask, url))
    results = [future.result() for future in asked]
    answers = collections.Counter(text for kind, text in results if kind == "answer")
    failures = [text for kind, text in results if kind == "failure"]
    print(json.dumps({"requests": len(results), "answers": answers, "failures": failures}))


if __name__ == "__main__":
    main(sys.argv[1:])
