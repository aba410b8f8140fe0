"""The lab's name server: what it knows, and that it knows nothing else."""

import pytest

from lab.resolve import NAME, answer

ROOT_SERVER = b"\x01a\x0croot-servers\x03net\x00"


def asked(name: str, kind: int) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label)
    return b"ab\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + labels + b"\x00" + kind.to_bytes(2, "big") + b"\x00\x01"


@pytest.mark.parametrize(
    ("name", "kind", "code", "data"),
    [
        (NAME, 1, 0, b"\x0a\x01\x0a\x01"),
        (NAME.upper(), 1, 0, b"\x0a\x01\x0a\x01"),
        (NAME, 28, 0, None),
        ("", 2, 0, ROOT_SERVER),
        ("other.example", 1, 3, None),
        (f"{NAME}.lab", 1, 3, None),
    ],
)
def test_one_name_is_known(name: str, kind: int, code: int, data: bytes | None) -> None:
    question = asked(name, kind)
    said = answer(question, "10.1.10.1")
    assert said[:2] == question[:2] and said[3] & 15 == code and said[7] == int(data is not None)
    assert said[12 : len(question)] == question[12:]
    assert said.endswith(data if data is not None else question[12:])


def test_what_stands_behind_the_question_is_not_repeated() -> None:
    """As an EDNS record, which who asks may add."""
    said = answer(asked("other.example", 1) + b"\x00\x00\x29\x10\x00\x00\x00\x00\x00\x00\x00", "10.1.10.1")
    assert len(said) == len(asked("other.example", 1))
