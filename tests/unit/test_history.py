"""A probe's history is judged: what was lost, told twice or out of order is found, and what failed is counted."""

from typing import Any

import pytest

from tests.lab.history import judge


def good(writes: int = 4) -> dict[str, list[dict[str, Any]]]:
    """Two ways, each with its writes one tenth of a second apart, and its watch."""
    ways = ("one", "two")
    versions = {(w, n): str(10 + 2 * n + ways.index(w)) for n in range(writes) for w in ways}
    requests = [
        {"way": w, "what": what, "number": n, "at": n / 10, "took": 0.01, "ok": True, "error": "", "version": v}
        for (w, n), v in versions.items()
        for what in ("write", "read")
    ]
    events = [
        {"way": way, "type": "ADDED", "name": f"run-{w}-{n}", "version": v}
        for way in ways
        for (w, n), v in versions.items()
    ]
    kept = [{"name": f"run-{w}-{n}", "number": str(n)} for w, n in versions]
    asked = [{"url": "http://node1/", "at": 0.1, "took": 0.01, "ok": True, "error": ""}]
    return {"requests": requests, "events": events, "asked": asked, "kept": kept}


def test_a_quiet_time() -> None:
    verdict = judge(good())
    assert (verdict.written, verdict.failures, verdict.untrue, verdict.unanswered) == (8, 0, [], [])
    assert verdict.gap == pytest.approx(0.1)


def of(history: dict[str, list[dict[str, Any]]], kind: str, way: str, number: int) -> dict[str, Any]:
    return next(r for r in history[kind] if r["way"] == way and r.get("number") == number)


def test_failures_are_counted_and_the_gap_is_measured() -> None:
    history = good()
    for number in (1, 2):
        for each in history["requests"]:
            if each["way"] == "one" and each["number"] == number:
                each |= {"ok": False, "error": "timed out"}
    verdict = judge(history)
    assert verdict.failed == {
        "one": [
            "0.1 s: write 1: timed out",
            "0.1 s: read 1: timed out",
            "0.2 s: write 2: timed out",
            "0.2 s: read 2: timed out",
        ]
    }
    assert verdict.gap == pytest.approx(0.3)
    assert verdict.untrue == [], "what was not acknowledged may be there or not"


def test_an_acknowledged_write_that_is_gone_is_found() -> None:
    history = good()
    history["kept"] = [k for k in history["kept"] if k["name"] != "run-two-1"]
    assert judge(history).untrue == ["write 1 of two was acknowledged and is gone"]


def test_a_write_of_nobody_is_found() -> None:
    history = good()
    history["kept"].append({"name": "run-two-9", "number": "9"})
    assert judge(history).untrue == ["write 9 of two is there, and nobody wrote it"]


def test_another_content_is_found() -> None:
    history = good()
    history["kept"][0] |= {"number": "3"}
    assert judge(history).untrue == ["run-one-0 holds another number"]


def test_two_histories_are_found() -> None:
    history = good()
    of(history, "requests", "one", 3)["version"] = "11"
    assert judge(history).untrue == ["write 3 of one is older than 2, by their revisions"]


def test_a_watch_that_tells_twice_out_of_order_or_not_at_all_is_found() -> None:
    history = good()
    (first, *rest) = [e for e in history["events"] if e["way"] == "one"]
    others = [e for e in history["events"] if e["way"] == "two"]
    assert judge(history | {"events": [first, first, *rest, *others]}).untrue == [
        "the watch of one tells of run-one-0 2 times"
    ]
    assert judge(history | {"events": [*rest, first, *others]}).untrue == [
        "the watch of one tells of writes in another order than that of their revisions"
    ]
    assert judge(history | {"events": [*rest, *others]}).untrue == ["the watch of one does not tell of write 0 of one"]


def test_a_watch_that_cannot_go_on_is_found() -> None:
    history = good()
    history["events"].append({"way": "one", "type": "forgotten", "error": "too old resource version"})
    assert judge(history).untrue == ["the watch of one: too old resource version"]


def test_urls_that_do_not_answer_are_told() -> None:
    history = good()
    history["asked"][0] |= {"ok": False, "error": "refused"}
    assert judge(history).unanswered == ["0.1 s: http://node1/: refused"]
