"""The inventory file, where pyinfra's own reading of it has lost something."""

import runpy
from pathlib import Path
from typing import Any

from pyinfra.api.inventory import Inventory


def groups(inventory: Inventory, path: Path | None) -> dict[str, list[str]]:
    """The names of the hosts of each group, as somebody has written them.

    A host that is listed twice still is, which pyinfra hides; the groups that pyinfra adds, of all hosts and of the
    file's own name, are left out, unless the file itself has one of that name.

    Args:
        inventory: as pyinfra has made it.
        path: the file it was made of, None if of none.
    """
    found = {name: [h.name for h in hosts] for name, hosts in inventory.groups.items() if name}
    written = _written(path) if path and path.is_file() else {}
    added = {"all"} | ({path.stem} - set(written) if path else set())
    return {name: written.get(name, hosts) for name, hosts in found.items() if name not in added}


def _written(path: Path) -> dict[str, list[str]]:
    """The lists of hosts in an inventory file, by name."""
    lists: dict[str, list[Any]] = {}
    for name, value in runpy.run_path(str(path)).items():
        listed = value[0] if isinstance(value, tuple) and value else value
        if isinstance(listed, list) and not name.startswith("_"):
            lists[name] = listed
    return {name: [item[0] if isinstance(item, tuple) else item for item in hosts] for name, hosts in lists.items()}
