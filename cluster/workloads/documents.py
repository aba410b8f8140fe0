"""YAML documents of files and templates, each with its line, read as Kubernetes reads them."""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2
import yaml

from cluster.problems import show

# What templates may ask of a text, beside Jinja's own: a Deployment whose pods carry the digest of what they read when
# they start is rolled with it.
_FILTERS = {
    "sha256": lambda text: hashlib.sha256(str(text).encode()).hexdigest(),
    "base64": lambda text: base64.b64encode(str(text).encode()).decode(),
}


class BadManifest(Exception):
    """Manifests that cannot be used; `problems` holds every reason, each naming the place."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


def documents(source: str | Path, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every YAML document of a file or template, with its place: "nginx.yaml, line 12".

    Raises:
        BadManifest: the file cannot be read or filled in, or its YAML is malformed.
    """
    path = Path(source)
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise BadManifest([f"{path}: cannot be read: {reason}"]) from None
    rendered = path.suffix == ".j2"
    if rendered:
        text = _render(path, text, values)
    try:
        loader = _Loader(text)
        while loader.check_node():
            node = loader.get_node()
            body = loader.construct_document(node)
            if node is not None and body is not None:
                yield f"{path}, line {node.start_mark.line + 1}", body
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        once = " once its template is filled in" if rendered else ""
        raise BadManifest([f"{path}{line}{once}: {error.problem or error.context}"]) from None
    except (yaml.YAMLError, ValueError) as error:
        raise BadManifest([f"{path}: {error}".replace("\n", " ")]) from None


def _render(path: Path, text: str, values: Mapping[str, Any]) -> str:
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, loader=jinja2.FileSystemLoader(path.parent), keep_trailing_newline=True
    )
    environment.filters |= _FILTERS
    try:
        return environment.from_string(text).render(values)
    except jinja2.TemplateSyntaxError as error:
        raise BadManifest([f"{path}, line {error.lineno}: {error.message}"]) from None
    except Exception as error:  # what a template computes may raise anything
        kind = "" if isinstance(error, jinja2.TemplateError) else f"{type(error).__name__}: "
        raise BadManifest([f"{path}: {kind}{error}; values has {', '.join(sorted(values)) or 'nothing'}"]) from None


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes reads it: dates and times are text. A key written twice is an error: one would be lost."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise yaml.MarkedYAMLError(
                        problem=f"{show(key.value)} is written twice", problem_mark=key.start_mark
                    )
                seen.add(key.value)
        return node


def _as_text(loader: _Loader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


def _number(loader: _Loader, node: yaml.ScalarNode) -> int | float | str:
    """A number; 22:22 is none, but was one in base 60 when YAML was young."""
    if ":" in node.value:
        return _as_text(loader, node)
    return loader.construct_yaml_int(node) if node.tag.endswith(":int") else loader.construct_yaml_float(node)


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _as_text)
_Loader.add_constructor("tag:yaml.org,2002:int", _number)
_Loader.add_constructor("tag:yaml.org,2002:float", _number)
