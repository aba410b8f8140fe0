"""A service's unit: whole where the program is a release file, beside the package's own where it is packaged."""

from collections.abc import Iterable

from cluster.desired import SYSTEMD, File
from cluster.formats import unit_file
from cluster.installation import Installation


def unit_path(name: str, how: Installation) -> str:
    """Where this project's lines of a unit are."""
    return _drop_in(name) if how.packaged else _whole(name)


def foreign_path(name: str, how: Installation) -> str:
    """Where they would be if the program were installed the other way; a whole unit would hide the package's."""
    return _whole(name) if how.packaged else _drop_in(name)


def service_file(
    name: str, how: Installation, *, own: Iterable[str], unit: Iterable[str], service: Iterable[str]
) -> File:
    """A service's unit, or the drop-in for the package's.

    Args:
        name: the service, without ".service".
        how: how its program is installed.
        own: lines of [Service] that a packaged unit has itself: what runs, as whom, with which limits.
        unit: further lines of [Unit].
        service: further lines of [Service].
    """
    always = ["Restart=always", "RestartSec=2", "StartLimitInterval=0"]  # in [Service]: there every systemd reads it
    if how.packaged:
        return File(_drop_in(name), unit_file({"Unit": unit, "Service": [*service, *always]}))
    sections = {
        "Unit": [f"Description={name}", *unit],
        "Service": [*own, *service, *always],
        "Install": ["WantedBy=multi-user.target"],
    }
    return File(_whole(name), unit_file(sections))


def _whole(name: str) -> str:
    return f"{SYSTEMD}/{name}.service"


def _drop_in(name: str) -> str:
    return f"{SYSTEMD}/{name}.service.d/container-cloud.conf"
