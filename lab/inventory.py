"""The shipped inventory, with as many nodes as the lab has."""

import runpy
import sys
from pathlib import Path

_repository = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(_repository))

from lab import state  # noqa: E402
from lab.process import LabError  # noqa: E402

_shipped = runpy.run_path(str(_repository / "inventory.py"))

try:
    _hosts = state.hosts()
except LabError as error:
    sys.exit(f"lab: {error}")

_known = dict(_shipped["masters"] + _shipped["nodes"])
_all = [(host.name, _known.get(host.name) or _shipped["_host"](host.name, host.address)[1]) for host in _hosts]

masters = [entry for entry in _all if entry[0] == "master"]
nodes = [entry for entry in _all if entry[0] != "master"]
etcd = masters
