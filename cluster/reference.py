"""Prints docs/settings.md: `python -m cluster.reference > docs/settings.md`."""

from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from cluster.downloads import Archive, ReleaseFile
from cluster.fields import Takes
from cluster.model import AptRepository, Settings, YumRepository
from cluster.problems import either, show
from cluster.releases import FLANNEL_BACKENDS
from cluster.translate import bounds

_INTRODUCTION = """# Settings

Made from the model by `python -m cluster.reference`; a test compares the two.

Settings of the whole cluster are written in `group_data/all.py`, as Python: text in quotes, `True`, `False` and
`None` as they are. They are checked, all at once, before any host is touched, and each refusal says what to write
instead. Paths on "this machine" are on the one that runs pyinfra; `~` is its user's home.
"""

_HOST = """## One host

These belong to a host in `inventory.py`, as further arguments of `_host`:

| Name | Takes | Meaning |
|---|---|---|
| `address` | an IPv4 address | the host's address, used for everything in the cluster |
| `host_extra_args` | as `extra_args` | arguments for this host only; they win over `extra_args` |
| `ssh_user`, `ssh_port`, `ssh_key`, … | pyinfra's | how pyinfra reaches the host |

Names that begin with `_` (`_sudo`, `_su_user`, …) are pyinfra's too, in either file. Any other name is data of your
own, and left alone; one that is almost a setting's is refused.

A host is called by one label or by a fully qualified domain name, in lower case, of up to 52 characters: so much a
certificate's name has room for. /etc/hosts then has its first label, too, unless another host's is the same.
"""

_KINDS: dict[object, str] = {str: "text", int: "a whole number", bool: "`True` or `False`", object: "a value"}
_ENTRIES: dict[str, type[BaseModel]] = {
    "apt_repositories": AptRepository,
    "yum_repositories": YumRepository,
    "release_files": ReleaseFile,
    "pause_image_archive": Archive,
}


def document() -> str:
    """docs/settings.md: a table a section, in the order of group_data/all.py."""
    parts = [_INTRODUCTION]
    for section in dict.fromkeys(_extra(field)["section"] for field in Settings.model_fields.values()):
        rows = {name: field for name, field in Settings.model_fields.items() if _extra(field)["section"] == section}
        parts.append("\n".join([f"## {section}", "", *_table(rows), ""]))
        if section == "flannel":
            parts.append("\n".join(["### The options of a backend", "", *_backends(), ""]))
        for name in rows:
            if name in _ENTRIES:
                parts.append("\n".join([f"### An entry of `{name}`", "", *_entry(_ENTRIES[name]), ""]))
    return "\n".join([*parts, _HOST]).rstrip() + "\n"


def _table(fields: dict[str, FieldInfo]) -> Iterator[str]:
    yield "| Setting | Takes | Default | Unit | Meaning |"
    yield "|---|---|---|---|---|"
    for name, field in fields.items():
        cells = [f"`{name}`", _takes_of(field), _default(field), _extra(field)["unit"], field.description or ""]
        yield _row(cells)


def _entry(model: type[BaseModel]) -> Iterator[str]:
    yield "| Key | Takes | Default | Meaning |"
    yield "|---|---|---|---|"
    for name, field in model.model_fields.items():
        default = "required" if field.is_required() else _default(field)
        yield _row([f'`"{name}"`', _takes_of(field), default, field.description or ""])


def _backends() -> Iterator[str]:
    yield "| Backend | Option | Takes | flannel |"
    yield "|---|---|---|---|"
    for backend, options in FLANNEL_BACKENDS.items():
        for name, option in options.items():
            takes = "`True` or `False`" if option.highest is None else f"{option.lowest} to {option.highest}"
            since = f"from {option.known.first}" if option.known.first else "every release"
            yield _row([f"`{backend}`", f"`{name}`", takes, since])
        if not options:
            yield _row([f"`{backend}`", "none", "", ""])


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _extra(field: FieldInfo) -> dict[str, str]:
    extra = field.json_schema_extra
    return {key: str(value) for key, value in extra.items()} if isinstance(extra, dict) else {}


def _takes_of(field: FieldInfo) -> str:
    told = next((item.text for item in field.metadata if isinstance(item, Takes)), None)
    lowest, highest = bounds(field.metadata)
    if highest is not None:
        return f"{lowest} to {highest}"
    if lowest is not None:
        return f"{lowest} or more"
    return told or _takes(field.annotation)


def _takes(annotation: object) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return f"`{either(parts)}`".replace(", ", "`, `").replace(" or ", "` or `")
    if origin is Annotated:
        return next((part.text for part in parts if isinstance(part, Takes)), "") or _takes(parts[0])
    if origin in (Union, UnionType):
        kinds = [_takes(part) for part in parts if part is not NoneType]
        return " or ".join([*kinds, "`None`"] if NoneType in parts else kinds)
    if origin is list:
        return "a list of entries" if _is_model(parts[0]) else f"a list of {_takes(parts[0])}s".replace("texts", "text")
    if origin is dict:
        return "a mapping of names to " + ("entries" if _is_model(parts[1]) else _plural(parts[1]))
    return "an entry" if _is_model(annotation) else _KINDS.get(annotation, "a value")


def _plural(annotation: object) -> str:
    return "mappings" if get_origin(annotation) is dict else "values"


def _is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _default(field: FieldInfo) -> str:
    default: Any = field.get_default(call_default_factory=True) if not field.is_required() else PydanticUndefined
    if isinstance(default, dict) and default:
        return f"{', '.join(f'`{name}`' for name in default)}: see `group_data/all.py`"
    if isinstance(default, list) and default and isinstance(default[0], BaseModel):
        return "the guide's: see `group_data/all.py`"
    if isinstance(default, list) and default:
        return ", ".join(f"`{show(item)}`" for item in default)
    return f"`{show(default)}`"


if __name__ == "__main__":
    print(document(), end="")
