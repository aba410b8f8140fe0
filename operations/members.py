"""etcd's members change: hosts that came into the group join, those that left it leave. One at a time."""

from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

import gevent
from pyinfra import host, logger, state
from pyinfra.api import StringCommand, operation
from pyinfra.context import ctx_host

from cluster import members
from cluster.desired import ASIDE
from cluster.members import Leaving, Standing
from cluster.membership import DATA, peer_urls
from cluster.roles.endpoints import told_of_members
from cluster.roles.etcd import joining_role, prepared, setting_aside, taking_out
from cluster.settings import Cluster, Host
from facts import etcd as facts
from facts.role import RoleState
from operations import etcd, preflight
from operations.elsewhere import ask_one
from operations.inventory import the_cluster, this_host
from operations.refusal import refuse
from operations.report import announce
from operations.role import converge
from operations.shell import shell
from operations.survey import of_operation
from operations.turns import await_turn


@operation()
def join() -> Iterator[StringCommand]:
    """Have a host that came into the group become a member: as a learner, promoted when it has caught up."""
    queue = preflight.etcd_joiners()
    if host.name not in queue:
        host.noop("it is no host that joins etcd's members")
        return
    if state.is_executing and (stopped := await_turn(queue=queue)):
        host.noop(f"{stopped} did not join")
        return
    role, cluster = etcd.role(), the_cluster()
    held = host.get_fact(facts.Held) if state.is_executing else preflight.etcd_held()[host.name]
    standing = _standing()
    if state.is_executing and not standing.members:  # perhaps because what asks is not there yet
        yield from converge(prepared(cluster, role))
        standing = _standing()
    if state.is_executing or standing.members:
        decided = members.joining(cluster, this_host(host.name), standing, has_data=bool(held.get("data")))
    else:
        decided = members.Joining(add=True)  # those that are stopped are started before
    if isinstance(decided, str):
        yield refuse(decided)
        return
    yield from converge(joining_role(cluster, this_host(host.name), role, decided, standing))
    if state.is_executing:
        etcd.remember(host.get_fact(facts.Held))


@operation()
def take_out() -> Iterator[StringCommand]:
    """Take members that left the group out one by one, on a member that stays."""
    cluster, found = the_cluster(), preflight.etcd_held()
    asked = [m.name for m in cluster.etcd_members if m.name in found]
    begins = not asked or preflight.etcd_begins()
    more = False if begins or host.name != members.first(cluster, found) else members.knows_strangers(cluster, found)
    if more is False or (more is None and not state.is_executing):
        host.noop("every etcd member is in the group, or others see to it")
        return
    told = _told(cluster)
    if away := _away(cluster):
        logger.warning(
            f"warning: etcd's former members stay until a run is about {', '.join(away)}, too, which use them"
        )
        host.noop("no etcd member leaves now")
        return
    if not state.is_executing:
        silent = bool(preflight.etcd_joiners())  # which are gone by then, before others join
        going = [m for m in members.strangers(cluster, _standing()) if m.answers or not silent]
        announce(host, [line for m in going for line in Leaving(m).lines(cluster)])
        yield StringCommand("true")
        return
    changed = False
    while (step := members.leaving(cluster, standing := _standing())).member:
        if not changed and (untold := _untold(told)):
            logger.warning(f"warning: etcd's former members stay, which are still called: run {untold} first")
            break
        announce(host, step.lines(cluster))
        yield shell(taking_out(cluster, standing, step))
        changed = True
    if step.refused:
        yield refuse(step.waits)
    elif step.waits:
        logger.warning(f"warning: {step.waits}")
    if changed:
        etcd.remember(host.get_fact(facts.Held))
    else:
        host.noop("no etcd member leaves now")


def _told(cluster: Cluster) -> list[Host]:
    """The hosts on which somebody calls etcd's members."""
    return [h for h in cluster.hosts if h.is_master or h in cluster.leased]


def _away(cluster: Cluster) -> list[str]:
    """Those of them that this run is not about: members that they may call stay."""
    return [h.name for h in _told(cluster) if h.name not in preflight.facts()]


def _lists(standing: Standing, peer: str) -> bool:
    """Whether etcd has a member at a URL."""
    return any(m.peer == peer for m in standing.members)


def _untold(hosts: Iterable[Host]) -> str:
    """What has to be run so that nobody on some hosts calls a member that goes, in words."""
    rights, conditions = of_operation(), {h.name: told_of_members(the_cluster(), h) for h in hosts}

    def ask(name: str) -> dict[str, bool]:
        there = state.inventory.get_host(name)
        with ctx_host.use(there):
            ready: dict[str, bool] = there.get_fact(RoleState, ready=conditions[name], **rights)["ready"]
            return ready

    asked = {name: gevent.spawn(ask, name) for name in conditions}
    found = {name: asking.get() for name, asking in asked.items()}
    places: dict[str, list[str]] = {}
    for name, deploy in ((n, d) for n, wanted in conditions.items() for d in wanted if not found[n].get(d)):
        places.setdefault(deploy, []).append(name)
    return ", ".join(f"{deploy} ({', '.join(names)})" for deploy, names in places.items())


@operation()
def set_aside() -> Iterator[StringCommand]:
    """Set aside what this host has of a member that was taken out."""
    cluster, found = the_cluster(), preflight.etcd_held()
    asked = any(m.name in found for m in cluster.etcd_members)
    if not asked or preflight.etcd_begins() or host.name not in members.remains(cluster, found):
        host.noop("it is a member, or was none")
        return
    held = found[host.name]
    own = f"https://{this_host(host.name).address}:{cluster.settings.etcd_peer_port}"
    if state.is_executing:
        standing = Standing.of(ask_one(cluster.etcd_members, facts.Standing, urls=_urls()))
        gone = standing.agrees() and not _lists(standing, own)
    else:
        standing = _standing()
        gone = not _away(cluster) or not _lists(standing, own)
    if not gone or (held.get("cluster") and standing.cluster_id and held["cluster"] != standing.cluster_id):
        host.noop("its etcd is a member still, or of another cluster")
        return
    kept = [f"set aside {DATA} (-> {ASIDE}{DATA}.TIME)"] if held.get("data") else []
    announce(
        host,
        ["stop etcd (it is no member any more)", *kept, "remove /etc/etcd and etcd's unit, which were written for it"],
    )
    yield shell(setting_aside())


def _standing() -> Standing:
    """etcd's members as they are now; in a dry run as a member tells, for whoever joins may have no certificate yet."""
    if state.is_executing:
        return Standing.of(host.get_fact(facts.Standing, urls=_urls()))
    answering = [this_host(name) for name, held in preflight.etcd_held().items() if held.get("members")]
    return Standing.of(ask_one(answering, facts.Standing, urls=_urls()))


def _urls() -> tuple[str, ...]:
    """Where members may answer: those of the group, and those that were seen or are remembered."""
    cluster, known = the_cluster(), preflight.record()
    peers = [*peer_urls(cluster).values(), *(known.members if known else ())]
    peers += [url for held in preflight.etcd_held().values() for url in held.get("members", {})]
    hosts = dict.fromkeys(urlsplit(url).hostname for listed in peers for url in listed.split(","))
    return tuple(f"https://{name}:{cluster.settings.etcd_client_port}" for name in hosts if name)
