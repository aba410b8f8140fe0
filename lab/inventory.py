"""The shipped inventory, with the hosts that the lab has; LAB_ROLES says who does what, otherwise their names do."""

import os
import runpy
import sys
from pathlib import Path

_repository = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(_repository))

from lab import roles, state  # noqa: E402
from lab.process import LabError  # noqa: E402

_shipped = runpy.run_path(str(_repository / "inventory.py"))

try:
    _hosts = state.hosts()
    _in_group = roles.of([host.name for host in _hosts], os.environ.get("LAB_ROLES", ""))
except LabError as error:
    sys.exit(f"lab: {error}")

_known = dict(_shipped["masters"] + _shipped["nodes"])
_all = {host.name: _known.get(host.name) or _shipped["_host"](host.name, host.address)[1] for host in _hosts}

masters, nodes, etcd = ([(name, _all[name]) for name in _in_group[group]] for group in roles.GROUPS)
