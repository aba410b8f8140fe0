"""What docs/facts.md shows of long answers."""

from typing import Any

import pytest

from lab.record import shortened


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ({"a": 1, "b": "x"}, {"a": 1, "b": "x"}),
        (["a", "b"], ["a", "b"]),
        (["a", "b", "c"], ["a", "b", "…"]),
        ({str(n): {} for n in range(5)}, {"0": {}, "1": {}, "…": "…"}),
        ({"x": {str(n): "s" for n in range(5)}}, {"x": {"0": "s", "1": "s", "…": "…"}}),
        ({"a": 1, "b": "x", "c": [], "d": True, "e": None}, {"a": 1, "b": "x", "c": [], "d": True, "e": None}),
        ("x" * 61, "x" * 60 + "…"),
    ],
)
def test_what_repeats_itself_is_cut(answer: Any, shown: Any) -> None:
    assert shortened(answer) == shown
