"""What applying a manifest would change in an object, as the server itself says it would be."""

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
