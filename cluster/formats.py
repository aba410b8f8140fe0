"""The file formats services read: environment files, systemd units, kubeconfigs."""

import json
from collections.abc import Iterable, Mapping

import yaml

_YAML_WORDS = ("y", "n", "yes", "no", "on", "off", "true", "false", "null")
HEADER = "# Written by container-cloud; a change made here is undone by its next run.\n"


def environment_file(variables: Mapping[str, str], *, notes: Iterable[str] = ()) -> str:
    """An environment file as systemd reads it; `notes` become comments above the variables."""
    lines = [f"# {note}\n" for note in notes]
    for name, value in variables.items():
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'{name}="{escaped}"\n')
    return HEADER + "".join(lines)


def arguments(flags: Mapping[str, str], *, dashes: str = "--") -> str:
    """Flags as a command line: {"v": "1"} is "--v=1"; an empty value stands for the bare flag."""
    return " ".join(f"{dashes}{name}={value}" if value != "" else f"{dashes}{name}" for name, value in flags.items())


def unit_file(sections: Mapping[str, Iterable[str]]) -> str:
    """A systemd unit: section name to its lines."""
    return HEADER + "\n".join(
        f"[{name}]\n" + "".join(f"{line}\n" for line in lines) for name, lines in sections.items()
    )


def kubeconfig(
    *, cluster: str, server: str, authority: str, user: str, certificate: str, key: str, context: str
) -> str:
    """A kubeconfig that names its certificate files, laid out as the guide's. All paths are on the host."""
    return HEADER + (
        "apiVersion: v1\n"
        "clusters:\n"
        "- cluster:\n"
        f"    certificate-authority: {authority}\n"
        f"    server: {server}\n"
        f"  name: {_scalar(cluster)}\n"
        "contexts:\n"
        "- context:\n"
        f"    cluster: {_scalar(cluster)}\n"
        f"    user: {user}\n"
        f"  name: {context}\n"
        f"current-context: {context}\n"
        "kind: Config\n"
        "preferences: {}\n"
        "users:\n"
        f"- name: {user}\n"
        "  user:\n"
        f"    client-certificate: {certificate}\n"
        f"    client-key: {key}\n"
    )


class _Plain(yaml.CSafeDumper):
    """YAML without anchors: what is said twice stands there twice."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def yaml_file(content: object) -> str:
    """A YAML file, keys in the order given."""
    return HEADER + yaml.dump(content, Dumper=_Plain, sort_keys=False, width=1000)


def _scalar(text: str) -> str:
    """Text in YAML: in quotes where YAML would take it for a number, a date or a truth."""
    plain = text[0].isalpha() and text.lower() not in _YAML_WORDS
    return text if plain else json.dumps(text)


def compact_json(value: object) -> str:
    """JSON in one line, keys in the order given."""
    return json.dumps(value, separators=(",", ":"))
