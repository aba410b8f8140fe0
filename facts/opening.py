"""Opening an inventory file without pyinfra's command line."""

import os
from pathlib import Path

import pyinfra_cli  # noqa: F401 - makes gevent's way of waiting everybody's, before anything else waits
from pyinfra.api import Config, State
from pyinfra.api.inventory import Inventory
from pyinfra.context import ctx_config, ctx_state
from pyinfra_cli.inventory import make_inventory


def hosts_of(path: Path) -> Inventory:
    """The hosts of an inventory file, with their data. None of them is contacted.

    Raises FileNotFoundError when there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path}: give the inventory's path with --inventory")
    ctx_config.set(Config())
    ctx_state.set(State())  # pyinfra keeps there what file it reads
    return make_inventory(str(path), cwd=os.getcwd())
