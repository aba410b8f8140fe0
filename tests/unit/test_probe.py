"""The probe's verdict: what a history proves, and what it must not overlook."""

import pytest

from tests.lab.history import check

WRITES = 4


def wrote(n, version=None, outcome="ok", at=None):
    """A write of endpoint a's, a second after the one before, answered at once."""
    version = (100 + n if version is None else version) if outcome == "ok" else None
    at = float(n) if at is None else at
    return {"kind": "write", "at": at, "endpoint": "a", "name": f"a-{n}", "n": n, "took": 0.0, "outcome": outcome,
            "version": version}  # fmt: skip


def read(n, outcome="ok"):
    return {"kind": "read", "at": float(n), "endpoint": "a", "name": f"a-{n}", "n": n, "took": 0.0, "outcome": outcome}


def event(n, version=None, endpoint="a", what="ADDED"):
    version = 100 + n if version is None else version
    return {"kind": "event", "at": 0.0, "endpoint": endpoint, "type": what, "name": f"a-{n}", "version": version}


def listing(version, *numbers):
    names = [f"a-{n}" for n in numbers]
    return {"kind": "list", "at": 0.0, "endpoint": "a", "version": version, "names": names}


CUT = {"kind": "watch", "at": 0.0, "endpoint": "a", "outcome": "lost"}
FIRST = listing(100)
EVENTS = [FIRST, *map(event, range(1, WRITES + 1))]


def history(writes=None, told=None, there=None, ended=5.0):
    """A good one, unless something of it is given."""
    writes = [wrote(n) for n in range(1, WRITES + 1)] if writes is None else writes
    there = {f"a-{n}": 100 + n for n in range(1, WRITES + 1)} if there is None else there
    return [
        {"kind": "began", "at": 0.0, "endpoints": ["a"]},
        *writes,
        *(EVENTS if told is None else told),
        {"kind": "ended", "at": ended},
        {"kind": "final", "at": ended, "names": there},
    ]


def without(there, n):
    return {name: version for name, version in there.items() if name != f"a-{n}"}


ALL = {f"a-{n}": 100 + n for n in range(1, WRITES + 1)}


def test_a_good_history_has_no_faults_and_no_failures():
    verdict = check(history())
    assert verdict.faults == []
    assert not verdict.failures["a"]
    assert verdict.gaps == {"a": 1.0}
    assert verdict.requests == {"a": WRITES}


def test_a_watch_that_goes_on_where_it_stood_is_no_fault():
    assert check(history(told=[*EVENTS[:3], CUT, *EVENTS[3:]])).faults == []


def test_a_list_tells_of_what_the_watch_missed():
    assert check(history(told=[*EVENTS[:2], CUT, listing(103, 1, 2, 3), event(4)])).faults == []


def test_a_lost_write_is_found():
    assert check(history(there=without(ALL, 3))).missing == ["a-3: written as 103, at the end None"]


def test_a_write_that_is_there_as_another_is_found():
    assert check(history(there={**ALL, "a-3": 110})).missing == ["a-3: written as 103, at the end 110"]


def test_what_somebody_rewrote_is_there_and_a_watch_tells_of_it():
    told, there = [*EVENTS, event(3, 110, what="MODIFIED")], {**ALL, "a-3": 110}
    assert check(history(told=told, there=there), rewritten=True).faults == []
    assert len(check(history(told=told, there=there)).faults) == 2
    assert check(history(told=told, there=without(there, 2)), rewritten=True).missing == [
        "a-2: written as 102, at the end None"
    ]
    assert check(history(told=told, there={**there, "a-2": 101}), rewritten=True).missing == [
        "a-2: written as 102, at the end 101"
    ]
    assert check(history(told=[*EVENTS, event(3, what="MODIFIED")]), rewritten=True).unexpected != []


def test_an_acknowledged_write_that_cannot_be_read_is_found():
    writes = [wrote(n) for n in range(1, WRITES + 1)]
    assert check(history([*writes, read(2, "404")])).unread == ["a-2: a answered 404"]
    assert check(history([*writes, read(2, "timeout")])).faults == []


@pytest.mark.parametrize("outcome", ["lost", "timeout", "500"])
def test_a_write_of_unknown_outcome_may_be_there_or_not(outcome):
    writes = [wrote(1), wrote(2, outcome=outcome), wrote(3), wrote(4)]
    assert check(history(writes)).faults == []
    told = [each for each in EVENTS if each.get("name") != "a-2"]
    verdict = check(history(writes, told, without(ALL, 2)))
    assert verdict.faults == []
    assert verdict.failures["a"] == {outcome: 1}


def test_versions_that_do_not_rise_are_found():
    writes = [wrote(1), wrote(2), wrote(3, 105), wrote(4)]
    told = [FIRST, event(1), event(2), event(4), event(3, 105)]
    assert check(history(writes, told, {**ALL, "a-3": 105})).disorder == ["a-4: 104 after a-3: 105"]


def test_a_duplicated_event_is_found_also_across_a_reconnect():
    assert check(history(told=[*EVENTS, event(2)])).duplicates == ["a: ADDED a-2 102"]
    assert check(history(told=[*EVENTS[:3], CUT, *EVENTS[2:]])).duplicates == ["a: ADDED a-2 102"]
    assert check(history(told=[*EVENTS[:2], listing(102, 1, 2), *EVENTS[2:]])).duplicates == ["a: ADDED a-2 102"]


def test_a_reordered_event_is_found():
    assert check(history(told=[FIRST, event(1), event(3), event(2), event(4)])).disorder == [
        "a: ADDED a-2 102 after 103"
    ]


def test_an_event_of_another_version_than_the_write_is_found():
    told = [*EVENTS[:4], event(4, 109)]
    assert check(history(told=told)).disorder == ["a: ADDED a-4 109, written as 104"]


def test_a_list_that_goes_back_is_found():
    assert check(history(told=[*EVENTS[:4], listing(102, 1, 2), event(3), event(4)])).disorder == [
        "a: a list of 102 went back behind 103"
    ]


def test_an_event_that_never_came_is_found():
    assert check(history(told=EVENTS[:-1])).undelivered == ["a: a-4"]


def test_a_watch_that_never_began_is_found():
    assert check(history(told=[CUT])).undelivered == ["a: a-1", "a: a-2", "a: a-3", "a: a-4"]


def test_an_event_that_nobody_caused_is_found():
    assert check(history(told=[*EVENTS, event(2, 120, what="DELETED")])).unexpected == ["a: DELETED a-2 120"]


def test_the_longest_gap_counts_from_the_beginning_and_to_the_end():
    writes = [wrote(1, at=1.0), wrote(2, at=8.5), wrote(3, at=9.0), wrote(4, at=10.0)]
    assert check(history(writes, ended=11.0)).gaps == {"a": 7.5}
    assert check(history(writes, ended=30.0)).gaps == {"a": 20.0}
    assert check(history([], told=[], there={}, ended=9.0)).gaps == {"a": 9.0}


@pytest.mark.parametrize("lacking", ["began", "ended", "final"])
def test_a_history_without_an_end_proves_nothing(lacking):
    with pytest.raises(ValueError, match=lacking):
        check([each for each in history() if each["kind"] != lacking])
