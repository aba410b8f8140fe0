"""What pydantic finds wrong with a value, said as a Problem."""

from collections.abc import Iterator, Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from cluster.problems import HIDDEN, Problem, either, instead, nearest, show

_KINDS = {
    "string_type": "must be text; write it in quotes",
    "int_type": "must be a whole number; write it without quotes",
    "bool_type": "must be True or False",
    "list_type": "must be a list; write [...]",
    "dict_type": "must be a mapping; write {...}",
    "model_type": "must be a mapping; write {...}",
    "model_attributes_type": "must be a mapping; write {...}",
}


def problems(error: ValidationError, model: type[BaseModel], names: Mapping[str, str] | None = None) -> list[Problem]:
    """One Problem for each value `model` refused.

    `names` gives the setting's name where the model's field is called otherwise.
    """
    return [_problem(detail, model, names or {}) for detail in error.errors()]


def _problem(detail: ErrorDetails, model: type[BaseModel], names: Mapping[str, str]) -> Problem:
    path, value, kind = detail["loc"], detail["input"], detail["type"]
    first = str(path[0])
    setting = names.get(first, first) + "".join(f"[{show(part)}]" for part in path[1:])
    if kind == "extra_forbidden":
        known = _owner(model, path).model_fields
        return Problem(setting, HIDDEN, f"is not known here; {instead(str(path[-1]), known)}")
    if kind == "missing":
        return Problem(setting, HIDDEN, "is missing; write it")
    if kind == "value_error":
        return Problem(setting, value, str(detail["ctx"]["error"]))
    return Problem(setting, value, _advice(kind, value, model, path))


def _advice(kind: str, value: object, model: type[BaseModel], path: Sequence[int | str]) -> str:
    if kind == "literal_error":
        known = choices(model.model_fields[str(path[0])].annotation)
        near = nearest(value, [c for c in known if isinstance(c, str)]) if isinstance(value, str) else None
        return f"unknown; write {either(known)}" + (f" (did you mean {show(near)}?)" if near else "")
    if kind in ("greater_than_equal", "less_than_equal"):
        lowest, highest = bounds(model.model_fields[str(path[0])].metadata)
        return (
            f"out of range; write a number from {lowest} to {highest}"
            if highest is not None
            else (f"too small; write {lowest} or more")
        )
    if kind == "string_type" and isinstance(value, bool):
        return f"must be text; write {show(str(value).lower())}"
    if kind == "string_type" and isinstance(value, (int, float)):
        return f"must be text; write {show(str(value))}"
    if kind == "int_type" and isinstance(value, str) and value.strip().isdigit():
        return f"must be a whole number; write {int(value)} without quotes"
    return _KINDS.get(kind, "is not what this setting takes; see docs/settings.md")


def choices(annotation: object) -> list[object]:
    """The values a Literal, or a Literal or None, allows; empty for any other kind."""
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    if get_origin(annotation) in (Union, UnionType):
        found = [choice for part in get_args(annotation) for choice in choices(part)]
        return [*found, None] if found and NoneType in get_args(annotation) else found
    return []


def bounds(metadata: Sequence[Any]) -> tuple[int | None, int | None]:
    """The lowest and the highest number a field takes, from its metadata."""
    lowest = next((item.ge for item in metadata if hasattr(item, "ge")), None)
    highest = next((item.le for item in metadata if hasattr(item, "le")), None)
    return lowest, highest


def _owner(model: type[BaseModel], path: Sequence[int | str]) -> type[BaseModel]:
    """The model whose unknown key the path ends in."""
    if len(path) == 1:
        return model
    return next(models(model.model_fields[str(path[0])].annotation), model)


def models(annotation: object) -> Iterator[type[BaseModel]]:
    """The models an annotation contains."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) is not Literal:
        for part in get_args(annotation)[: 1 if get_origin(annotation) is Annotated else None]:
            yield from models(part)
