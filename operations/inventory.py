"""The inventory of this run as the settings' checks have left it: the cluster, its hosts, its certificate store."""

import runpy
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import click
from pyinfra import inventory, logger

from cluster.certificates import open_store
from cluster.settings import BadSettings, Cluster, Host, load
from operations.refusal import refuse_all
from pki import Store


@cache
def the_cluster() -> Cluster:
    """The checked settings and hosts of this run's inventory.

    Raises:
        SystemExit: when a setting is refused; every error has then been printed.
    """
    hosts = {h.name: h.data.dict() for h in inventory}
    try:
        cluster, warnings = load(hosts, _groups())
    except BadSettings as error:
        for warning in error.warnings:
            logger.warning(f"warning: {warning}")
        refuse_all([f"error: {p}" for p in error.problems], "refused; no host was contacted")
    for warning in warnings:
        logger.warning(f"warning: {warning}")
    return cluster


def this_host(name: str) -> Host:
    """The checked form of one of the inventory's hosts."""
    return the_cluster().host(name)


@cache
def store() -> Store:
    """The certificate store on this machine, as the settings describe it."""
    try:
        return open_store(the_cluster().settings)
    except ValueError as error:
        refuse_all([str(error)], "no key")


def _groups() -> Mapping[str, list[str]]:
    """The inventory's groups by name, with hosts listed twice still listed twice, which pyinfra's own no longer are."""
    groups = {name: [h.name for h in hosts] for name, hosts in inventory.groups.items() if name}
    context = click.get_current_context(silent=True)
    path = Path(str(context.params.get("inventory", ""))) if context else Path()
    if path.is_file():
        for name, value in runpy.run_path(str(path)).items():
            listed = value[0] if isinstance(value, tuple) else value
            if name in groups and isinstance(listed, list):
                groups[name] = [item[0] if isinstance(item, tuple) else item for item in listed]
    # pyinfra's own groups: every host, and one named after the inventory file.
    return {n: hosts for n, hosts in groups.items() if n not in ("all", path.stem)}
