"""What applying a manifest would change in an object, as the server itself says it would be."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

# What the server keeps for itself: it differs without anybody's having changed anything.
_BOOKKEEPING = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")
# The fields whose values are shown. Any other may hold what is nobody's business, as a container's environment.
_SHOWN = re.compile(
    r"spec\.(replicas|type|ports\[\d+\]\.(port|nodePort|targetPort))"
    r"|spec\.(template\.spec\.)?(initContainers|containers)\[\d+\]\.image"
)
_MOST = 4  # fields named in one announcement


def differences(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """The fields that differ between an object and what it would become, a phrase each: "spec.replicas 3 -> 4"."""
    return list(_compare(_content(live), _content(wanted), ""))


def as_applied(live: Mapping[str, Any], wanted: Mapping[str, Any], manager: str) -> bool:
    """Whether applying an object is known to change nothing, without asking the server what it would make of it.

    Nobody but `manager` has written it, all that it applied is wanted still, and all that is wanted is there. False
    where that cannot be seen: then the server knows.
    """
    written = [m for m in live.get("metadata", {}).get("managedFields", ()) if m.get("subresource") != "status"]
    if [(m.get("manager"), m.get("operation"), m.get("apiVersion")) for m in written] != [
        (manager, "Apply", wanted["apiVersion"])
    ]:
        return False
    return _has(live, wanted) and _owned(written[0].get("fieldsV1", {}), live, wanted)


def _has(live: Any, wanted: Any) -> bool:
    """Whether an object has all that is wanted, whatever else the server has filled in."""
    if isinstance(live, Mapping) and isinstance(wanted, Mapping):
        return all(key in live and _has(live[key], value) for key, value in wanted.items())
    if isinstance(live, list) and isinstance(wanted, list):
        return len(live) == len(wanted) and all(map(_has, live, wanted))
    return type(live) is type(wanted) and bool(live == wanted)


def _owned(fields: Mapping[str, Any], live: Any, wanted: Any) -> bool:
    """Whether all that was applied is wanted still: "f:NAME", "k:{KEYS}" and "v:VALUE", as the server notes it.

    What it notes without parts is one value to it, a whole list or mapping, too: of that nothing may be there but what
    is wanted.
    """
    for key, parts in fields.items():
        if key == ".":
            continue
        pairs = [_part(key, side) for side in (live, wanted)]
        if not all(pairs):
            return False
        (one,), (other,) = pairs
        if not (_owned(parts, one, other) if parts else one == other):
            return False
    return True


def _part(key: str, whole: Any) -> list[Any]:
    """What a field's key stands for in a mapping or a list, one value; nothing where it is not there."""
    kind, _, rest = key.partition(":")
    if kind == "f" and isinstance(whole, Mapping):
        return [whole[rest]] if rest in whole else []
    if kind == "v" and isinstance(whole, list):
        return [value for value in whole if value == json.loads(rest)][:1]
    if kind == "k" and isinstance(whole, list):
        keys = json.loads(rest).items()
        return [each for each in whole if isinstance(each, Mapping) and keys <= each.items()][:1]
    return []


def summary(found: list[str]) -> str:
    """The same on one line, the first few named."""
    rest = len(found) - _MOST
    return ", ".join(found[:_MOST]) + (f" and {rest} more" if rest > 0 else "")


def _content(whole: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {k: v for k, v in whole.get("metadata", {}).items() if k not in _BOOKKEEPING}
    return {**{k: v for k, v in whole.items() if k != "status"}, "metadata": metadata}


def _compare(old: Any, new: Any, path: str) -> Iterator[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            yield from _compare(old.get(key), new.get(key), f"{path}.{key}" if path else key)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, pair in enumerate(zip(old, new, strict=True)):
            yield from _compare(*pair, f"{path}[{index}]")
    elif old != new:
        yield f"{path} {old} -> {new}" if _SHOWN.fullmatch(path) else path
