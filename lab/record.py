"""docs/facts.md: every fact's docstring, with what it answers on the lab's cluster."""

import importlib
import inspect
import json
import os
import pkgutil
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cluster.release_sets import SETS
from lab import network, settings, state
from lab.process import LabError, run
from lab.progress import step

DOCUMENT = state.REPOSITORY / "docs/facts.md"
_INTRODUCTION = """# Facts

Made by `python -m lab record` from the facts' docstrings and from what they answered on the lab's cluster, with nginx
on it; long answers are cut (`…`).

Ask a fact as `pyinfra inventory.py fact facts.flannel.Leases`; `--limit` takes a group or a host, and `--json` before
the inventory makes the answer JSON on standard output. Arguments are written `api=v2` behind the fact, lists and
mappings as JSON. What a host has no answer to is `{}`.
"""
# Whom to ask, and with which arguments, where a fact does not answer anywhere and without any.
_NODE, _MASTER = "node1", "master"
_HOSTS = {"flannel.SubnetEnv": _NODE, "containerd": _NODE, "docker": _NODE, "network": _NODE}
_ARGUMENTS = {
    "host.Preflight": ["ports=[2379, 6443]", 'units=["etcd"]'],
    "etcd.Standing": ['urls=["https://10.1.10.101:2379"]'],
    "packages.Offers": ['packages=["curl"]'],
    "packages.Altered": ['packages=["curl"]'],
    "packages.Removals": ['packages=["curl"]'],
    "network.Place": ["life=5"],
    "network.Reach": ["pid=1", 'listeners=["10.1.10.103:10250"]'],
    "network.Reached": ['addresses=["10.1.10.102:10250"]'],
    "network.Answers": ['urls=["http://10.1.10.102:30080/"]'],
    "role.RoleState": ['packages=["curl"]', 'files=["/etc/hosts"]', 'units=["etcd"]', 'steps={"swap is off": "true"}'],
    "units.Units": ['units=["etcd"]'],
    "units.CommandLines": ['units=["etcd", "kube-scheduler"]'],
    "workloads.Controllers": ['labels={"app": "nginx"}'],
    "workloads.Objects": ['paths=["api/v1/namespaces/kube-system/services/kube-dns"]'],
    "workloads.OnNode": ["node=node1"],
    "workloads.Pods": ['labels={"app": "nginx"}'],
    "workloads.Present": ['resources=["rc/nginx-v1", "service/other"]'],
}
_NOT_ASKED = ("workloads.Differences",)  # reads a manifest on standard input: only deploys ask it
_MAY_BE_EMPTY = ("etcd.Alarms", "packages.Altered", "packages.Removals", "kubernetes.NodeMetrics")  # where all is well
_MOST = 2  # entries of a list or mapping that are shown, of an answer that has more
_LONGEST = 60  # characters of a text that are shown


def record() -> None:
    """Ask every fact on the lab's hosts, and write the document.

    Raises:
        LabError: there is no lab, or a fact did not answer.
    """
    state.hosts()
    sys.path.insert(0, str(state.REPOSITORY))
    with step("asking every fact"):
        parts = [_INTRODUCTION, *(_section(name, fact) for name, fact in facts())]
    DOCUMENT.write_text("\n".join(parts))


def facts() -> Iterator[tuple[str, type]]:
    """Every fact of the project, by module and name: "etcd.Members"."""
    from pyinfra.api import FactBase, ShortFactBase

    package = importlib.import_module("facts")
    for module in sorted(
        found.name for found in pkgutil.iter_modules(package.__path__) if found.name not in ("base", "bundle")
    ):
        loaded = importlib.import_module(f"facts.{module}")
        for name, item in vars(loaded).items():
            if (
                inspect.isclass(item)
                and issubclass(item, FactBase | ShortFactBase)
                and item.__module__ == loaded.__name__
            ):
                yield f"{module}.{name}", item


def description(fact: type) -> str:
    """A fact's docstring without its example."""
    return inspect.cleandoc(fact.__doc__ or "").partition(".. code::")[0].rstrip()


def shortened(value: Any, depth: int = 0) -> Any:
    """An answer with less of what repeats itself: the first entries of each long list and mapping, the rest as "…"."""
    if isinstance(value, str):
        return value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"
    if isinstance(value, list):
        return [*(shortened(item, depth + 1) for item in value[:_MOST]), *(["…"] if len(value) > _MOST else [])]
    if isinstance(value, dict):
        alike = len({type(item) for item in value.values()}) == 1 and len(value) > 2 * _MOST and depth < 2
        chosen = list(value.items())[: _MOST if alike else None]
        return {key: shortened(item, depth + 1) for key, item in chosen} | ({"…": "…"} if alike else {})
    return value


def _section(name: str, fact: type) -> str:
    if name.partition(".")[0] in {"docker", "containerd"} - {SETS[settings.line()].container_runtime}:
        return _as_before(name)
    text = f"## `facts.{name}`\n\n{description(fact)}\n"
    if name in _NOT_ASKED:
        example = textwrap.dedent(inspect.cleandoc(fact.__doc__ or "").partition(".. code:: python")[2]).strip()
        return f"{text}\n```python\n{example}\n```\n"
    host = _HOSTS.get(name) or _HOSTS.get(name.partition(".")[0], _MASTER)
    arguments = _ARGUMENTS.get(name, [])
    command = " ".join(["pyinfra", "--limit", host, "inventory.py", "fact", f"facts.{name}", *map(_quoted, arguments)])
    shown = json.dumps(shortened(_answer(name, host, arguments)), indent=2, ensure_ascii=False)
    return f"{text}\n```sh\n{command}\n```\n\n```json\n{shown}\n```\n"


def _as_before(name: str) -> str:
    """A section of the document as it stands: of the runtime that this cluster does not have."""
    heading = f"## `facts.{name}`\n"
    return heading + DOCUMENT.read_text().partition(heading)[2].partition("\n## ")[0].rstrip("\n") + "\n"


def _quoted(argument: str) -> str:
    return f"'{argument}'" if any(character in argument for character in ' "[{') else argument


def _answer(name: str, host: str, arguments: list[str]) -> Any:
    program = Path(sys.executable).with_name("pyinfra")
    command = [*network.enter(), program, "--json", "--limit", host, "lab/inventory.py", "fact", f"facts.{name}"]
    answered = json.loads(
        run(*command, *arguments, cwd=state.REPOSITORY, env={**os.environ, "PYINFRA_PROGRESS": "off"})
    )
    found = next(iter(answered.values())).get(host)
    if not found and name not in _MAY_BE_EMPTY:
        raise LabError(f"facts.{name} has no answer on {host}: deploy the cluster and the workload first")
    return found
