"""The inventory of this run as the settings' checks have left it: the cluster, its hosts, its certificate store."""

from functools import cache

from pyinfra import inventory, logger

from cluster.certificates import open_store
from cluster.settings import BadSettings, Cluster, Host, load
from facts.inventory import groups
from operations.command_line import CommandLine, typed
from operations.refusal import refuse_all
from pki import Store, StoreError


@cache
def command_line() -> CommandLine:
    """What was typed. The settings' check asks first, while that can be told."""
    return typed()


@cache
def the_cluster() -> Cluster:
    """The checked settings and hosts of this run's inventory.

    Raises:
        SystemExit: when a setting is refused; every error has then been printed.
    """
    hosts = {h.name: h.data.dict() for h in inventory}
    try:
        cluster, warnings = load(hosts, groups(inventory, command_line().inventory))
    except BadSettings as error:
        for warning in error.warnings:
            logger.warning(f"warning: {warning}")
        problems = [command_line().said_here(f"error: {p}") for p in error.problems]
        refuse_all(problems, "refused; no host was contacted")
    except FileNotFoundError as error:
        refuse_all([str(error)], "no host was contacted")
    for warning in warnings:
        logger.warning(f"warning: {warning}")
    return cluster


def this_host(name: str) -> Host:
    """The checked form of one of the inventory's hosts."""
    return the_cluster().host(name)


@cache
def store() -> Store:
    """The certificate store on this machine, as the settings describe it.

    Raises:
        SystemExit: when it is open to others, or not to this passphrase; the reason has then been printed.
    """
    try:
        found = open_store(the_cluster().settings)
        found.check()
    except (ValueError, StoreError) as error:
        refuse_all([str(error)], "the certificate store on this machine cannot be used")
    return found
