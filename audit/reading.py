"""Reading all hosts at once: two commands a host, one where it cannot be told what it runs."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import gevent
from paramiko import SSHException
from pyinfra import state
from pyinfra.api import Config, StringCommand
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS, pop_global_arguments
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.inventory import Inventory
from pyinfra.context import ctx_inventory

from audit.answers import Reading
from cluster.certificates import certificate_files
from cluster.desired import Role
from cluster.downloads import NoDigest
from cluster.machine import Machine, machine
from cluster.ports import ports_of
from cluster.problems import Problem
from cluster.roles.master import MASTERS_OWN
from cluster.roles.of_host import all_roles
from cluster.settings import Cluster, Host, load
from facts import bundle
from facts.audit import READER, questions, reader
from facts.bundle import Questions, Several
from facts.host import Preflight
from facts.inventory import groups
from facts.opening import hosts_of
from pki import Store

SECONDS = 90  # that all of a host's answers may take; without etcd a master's take nearly a minute


def open_inventory(path: Path, store: Path | None = None) -> tuple[Inventory, Cluster, list[Problem]]:
    """The hosts of an inventory file, the checked cluster they are, and what is worth a warning.

    Args:
        path: the inventory.
        store: what is read as the certificate store; None: what the settings say.

    Raises BadSettings with everything that is wrong, FileNotFoundError when there is no such file.
    """
    inventory = hosts_of(path)
    instead = {"pki_directory": str(store.resolve()), "pki_passphrase_file": None} if store else {}
    cluster, warnings = load({h.name: {**h.data.dict(), **instead} for h in inventory}, groups(inventory, path))
    return inventory, cluster, warnings


def read(inventory: Inventory, cluster: Cluster, store: Store) -> list[Reading]:
    """Ask every host everything, all at once.

    Args:
        inventory: its hosts.
        cluster: what they shall be.
        store: the certificate store on this machine; nothing is written to it.
    """
    state.init(inventory, Config(CONNECT_TIMEOUT=10))
    ctx_inventory.set(inventory)
    jobs = {h.name: gevent.spawn(_read_host, inventory.get_host(h.name), h, cluster, store) for h in cluster.hosts}
    gevent.joinall(list(jobs.values()))
    return [jobs[h.name].get() for h in cluster.hosts]


def _read_host(there: Any, host: Host, cluster: Cluster, store: Store) -> Reading:
    reading = Reading(host)
    state.activate_host(there)
    try:
        there.connect(show_errors=False, raise_exceptions=True)
    except ConnectError as error:
        reading.trouble = str(error)
        return reading
    try:
        _ask_all(there, reading, cluster, store)
    except (OSError, EOFError, SSHException) as error:
        reading.trouble = f"it stopped answering: {error}" if str(error) else f"no answer in {SECONDS} s"
    finally:
        there.disconnect()
    return reading


def _ask_all(there: Any, reading: Reading, cluster: Cluster, store: Store) -> None:
    ports = tuple(dict.fromkeys(p.number for p in ports_of(cluster)))
    first: Questions = {"preflight": (Preflight, {"ports": ports, "units": MASTERS_OWN})}
    preflight = Several()
    reading.facts |= preflight.process(_run(there, preflight.command(first)))
    facts = reading.fact("preflight")
    if not facts:
        reading.trouble = f"it could not be read: {reading.facts.pop('preflight')}"
        return
    known = machine(facts)
    if known is None:
        reading.trouble = "its distribution or its architecture is not known"
        return
    reading.distribution = known.distribution
    try:
        reading.roles = _roles(cluster, reading.host, known, store)
        # What an account may ask does not change with what is at work on the host.
        every = _roles(cluster, reading.host, replace(known, time_services=()), store)
    except NoDigest as error:
        reading.trouble = str(error)
        return
    except LookupError:
        reading.trouble = "install_methods asks for packages that its distribution does not have (deploys/host.py)"
        return
    rest = questions(cluster, reading.host, reading.distribution.family.name, every)
    if facts["root"]:
        reading.facts |= bundle.answers(rest, _run(there, bundle.command(rest)))
    else:
        _ask_as_account(there, reading, rest)


def _ask_as_account(there: Any, reading: Reading, rest: Questions) -> None:
    """Where nobody is root, the file that deploys/audit.py has placed is run: sudo allows that and nothing else."""
    wanted = sha256(reader(rest).encode()).hexdigest()
    # What sudo says when it refuses, pyinfra would take for a question to the person at the keyboard.
    run = f'[ "$(sha256sum < {READER} | cut -c1-64)" = {wanted} ] && sudo -n {READER}'
    lines = _run(there, f"{{ {run}; }} 2>/dev/null; true")
    if lines:
        reading.facts |= bundle.answers(rest, lines)
    else:
        reading.trouble = f"not root, and may not run {READER} as these settings make it: run deploys/audit.py as root"


def _roles(cluster: Cluster, host: Host, known: Machine, store: Store) -> list[Role]:
    files = certificate_files(cluster, host, known.distribution, store, write=False)
    return all_roles(cluster, host, known, files)


def _run(there: Any, script: str) -> list[str]:
    """The lines a command prints on a host."""
    arguments, _ = pop_global_arguments(state, there, {})
    own = {key: value for key, value in arguments.items() if key in CONNECTOR_ARGUMENT_KEYS}
    own["_timeout"] = SECONDS
    _, output = there.run_shell_command(StringCommand(script), print_output=False, print_input=False, **own)
    return list(output.stdout_lines)
