"""pyinfra's own settings for this repository."""

import inspect
import pathlib
import sys

from pyinfra import config, state

sys.dont_write_bytecode = False  # pyinfra's command turns that off, and every run would compile every module again

import facts  # noqa: E402
import operations  # noqa: E402
from operations.guard import guard  # noqa: E402

config.REQUIRE_PYINFRA_VERSION = ">=3.10,<3.11"
config.FAIL_PERCENT = 0  # one failed host stops the run: nodes are not built on an etcd that did not start

for module in (facts, operations):
    if pathlib.Path(module.__file__).resolve().parents[1] != pathlib.Path(__file__).resolve().parent:
        raise RuntimeError(
            f"{module.__name__} is shadowed by {module.__file__}: run from the repository, in its own venv"
        )

# pyinfra has Python find the source of whatever calls an operation. A deploy file is no module, so that Python looks
# through all modules, every time: a tenth of a second, unless it has been told.
for deploy in pathlib.Path(__file__).resolve().parent.glob("deploys/*.py"):
    getattr(inspect, "modulesbyfile", {}).setdefault(str(deploy), "")

guard(state)
