"""Whether the hosts can be used at all, asked before anything is changed."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from pyinfra import host, logger, state
from pyinfra.api import StringCommand, operation

from cluster import members, membership
from cluster.distributions import Distribution
from cluster.machine import Machine, machine
from cluster.needs import versions_by_digest
from cluster.ports import ports_of
from cluster.preflight import judge, secrets
from cluster.preflight.remarks import Remark, texts
from cluster.roles import UNITS
from cluster.roles.master import API_SERVER
from cluster.topology import ROLES
from facts.host import Preflight
from operations.inventory import command_line, store, the_cluster
from operations.refusal import refuse_all
from operations.survey import survey
from pki import StoreError

_GOOD_FOR = 10  # seconds for which hosts are what they were

_begun: set[str] = set()
_told: set[str] = set()
_starts_etcd: set[str] = set()
_judged: dict[int, list[Remark]] = {}  # once for all hosts, by the facts, which `survey` keeps


def has_role() -> bool:
    """Whether the host at hand is in one of the cluster's groups: nothing is done on one that is not."""
    return any(group in host.groups for group in ROLES)


def begin(*, etcd: bool = False) -> None:
    """Add the preflight to this host's run, once, before its first role.

    Args:
        etcd: whether the role is etcd's, which may begin a cluster.
    """
    if etcd:
        _starts_etcd.add(host.name)
    if host.name not in _begun:
        _begun.add(host.name)
        check(name="Preflight")


@operation()
def check() -> Iterator[StringCommand]:
    """Read what decides whether each host can be used, and end the run if one cannot; never changes anything."""
    found = facts()
    if id(found) not in _judged:
        _judged[id(found)] = judge(the_cluster(), found)
    remarks = _judged[id(found)]
    for remark in remarks:
        if remark.weight != "refusal" and remark.text not in _told:
            _told.add(remark.text)
            say = logger.warning if remark.weight == "warning" else logger.info
            say(f"{remark.weight}: {remark.text}")
    if refused := [*map(command_line().said_here, texts(remarks, "refusal")), *_lost(), *_secrets(found)]:
        refuse_all(refused, "nothing was changed")
    host.noop("the host can be used")
    return
    yield


def etcd_may_start() -> None:
    """End the run if etcd must not be started: while a run is read, its first question came before that was known."""
    if refused := [*_apart(), *_lost()]:
        refuse_all(refused, "nothing was changed")


def _apart() -> list[str]:
    """Why members cannot wait for each other: pyinfra would be at fewer hosts at a time."""
    together = [m.name for m in the_cluster().etcd_members if m.name in facts()]
    if len(together) <= state.config.PARALLEL:
        return []
    return [
        f"--parallel {state.config.PARALLEL}: etcd's members {', '.join(together)} wait for each other as they start: "
        f"write --parallel {len(together)} or more, or none"
    ]


def _lost() -> list[str]:
    starts, read = bool(_starts_etcd), state.is_executing
    known, directory = record(), store().directory
    return membership.problems(the_cluster(), etcd_held(), known, directory, begins=starts, read=read)


def etcd_held() -> dict[str, Any]:
    """What each host of this run held of etcd when this phase began."""
    return {name: answer["etcd"] for name, answer in facts().items() if answer}


def etcd_part() -> membership.Part:
    """What decides a member's part in etcd's cluster."""
    known, held = record(), etcd_held()
    return membership.Part(
        cluster_id=known.cluster_id if known else "",
        first=members.first(the_cluster(), held),
    )


def etcd_joiners() -> list[str]:
    """The hosts of this run that join etcd's cluster, in the order in which they do."""
    return [] if etcd_begins() else members.joiners(the_cluster(), etcd_held())


def etcd_begins() -> bool:
    """Whether the group's hosts begin a cluster together: nothing shows that one has lived."""
    return membership.begins(the_cluster(), etcd_held(), record())


def is_ours(name: str, unit: str) -> bool:
    """Whether a run had given a host a unit before this one."""
    ours: bool = facts()[name]["units"].get(unit, {}).get("ours", False)
    return ours


def former_masters() -> list[str]:
    """The hosts of this run that were masters before it, and shall be none."""
    cluster = the_cluster()
    return [h.name for h in cluster.hosts if not h.is_master and h.name in facts() and is_ours(h.name, API_SERVER)]


def key_spreads() -> bool:
    """Whether some API server did not know the key of Secrets when this phase began: all must, before one encrypts."""
    return secrets.key_spreads(the_cluster(), facts())


def _secrets(found: dict[str, Any]) -> list[str]:
    try:
        key = store().secrets_key(write=False)
    except StoreError as error:
        return [str(error)]
    return secrets.problems(the_cluster(), found, key.digest if key else None, store().directory)


def facts() -> dict[str, Any]:
    """The preflight facts of every active host that has a role, read once in each phase, or in the first just now."""
    return survey(Preflight, good_for=_GOOD_FOR, **_questions())


@cache
def _questions() -> dict[str, Any]:
    cluster = the_cluster()
    settings = cluster.settings
    ports = tuple(sorted({port.number for port in ports_of(cluster)}))
    return {"ports": ports, "units": UNITS, "known": versions_by_digest(settings)}


def record() -> membership.Record | None:
    """What the store remembers of this cluster's etcd."""
    try:
        return membership.Record.read(store().directory)
    except StoreError as error:
        refuse_all([str(error)], "nothing was changed")


def this_machine() -> Machine:
    """The host at hand as it is."""
    known = machine(facts()[host.name])
    assert known is not None, "the preflight refuses unknown distributions"
    return known


def distribution() -> Distribution:
    """The distribution of the host at hand, or the known one that it is a relative of."""
    return this_machine().distribution
