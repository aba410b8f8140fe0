"""Checks of the inventory: names, addresses, groups."""

import re
from collections import Counter
from collections.abc import Iterator

from cluster.checks.registry import Draft, check
from cluster.fields import is_label
from cluster.problems import Problem, nearest, show
from cluster.topology import ETCD, MASTERS, NODES, ROLES

_SYNONYMS = {"workers": NODES, "worker": NODES, "minions": NODES, "control_plane": MASTERS, "controllers": MASTERS}


@check()
def names_are_dns_labels(draft: Draft) -> Iterator[Problem]:
    for name in draft.names:
        if not is_label(name):
            fixed = re.sub(r"[^a-z0-9]+", "-", name.lower().partition(".")[0]).strip("-")
            example = fixed if is_label(fixed) else "node1"
            advice = f"is no DNS label; write up to 63 of a-z, 0-9 and inner dashes, for example {show(example)}"
            yield Problem("host name", name, advice)
        elif name == "localhost":
            yield Problem("host name", name, 'is every host\'s own name; write another, for example "node1"')


@check()
def names_differ_by_more_than_case(draft: Draft) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for name in draft.names:
        if name.lower() in seen:
            advice = f"is the same name as {show(seen[name.lower()])}; every host needs its own"
            yield Problem("host name", name, advice)
        seen.setdefault(name.lower(), name)


@check()
def hosts_are_once_in_a_group(draft: Draft) -> Iterator[Problem]:
    for group in ROLES:
        for name, count in Counter(draft.groups.get(group, ())).items():
            if count > 1:
                advice = f"stands there {count} times; write each host once, with its own name"
                yield Problem(group, name, advice)


@check()
def members_are_hosts(draft: Draft) -> Iterator[Problem]:
    for group in ROLES:
        for name in draft.members(group):
            if name not in draft.names:
                near = nearest(name, draft.names)
                advice = "is no host of the inventory" + (f"; did you mean {show(near)}?" if near else "")
                yield Problem(group, name, advice)


@check()
def groups_are_spelt_right(draft: Draft) -> Iterator[Problem]:
    for group in draft.groups:
        near = _SYNONYMS.get(group) or nearest(group, ROLES)
        if group not in ROLES and near:
            yield Problem("group", group, f"has no meaning here; did you mean {show(near)}?", severity="warning")


@check()
def there_is_a_master(draft: Draft) -> Iterator[Problem]:
    if not draft.members(MASTERS):
        yield Problem(MASTERS, [], "the cluster needs a master; name a host in this group of inventory.py")


@check()
def there_is_an_etcd_member(draft: Draft) -> Iterator[Problem]:
    if not draft.members(ETCD):
        yield Problem(ETCD, [], "the cluster needs an etcd member; write etcd = masters in inventory.py")


@check()
def there_is_a_node(draft: Draft) -> Iterator[Problem]:
    if not draft.members(NODES):
        advice = "without a node no pod runs; name the hosts that shall run pods in this group of inventory.py"
        yield Problem(NODES, [], advice, severity="warning")


@check()
def etcd_members_are_odd(draft: Draft) -> Iterator[Problem]:
    members = draft.members(ETCD)
    if members and len(members) % 2 == 0:
        advice = (
            f"{len(members)} members survive no more failures than {len(members) - 1}; "
            f"write {len(members) - 1} or {len(members) + 1}"
        )
        yield Problem(ETCD, members, advice, severity="warning")


@check()
def every_host_has_a_role(draft: Draft) -> Iterator[Problem]:
    used = {name for group in ROLES for name in draft.members(group)}
    for name in draft.names:
        if name not in used:
            advice = "is in none of the groups masters, nodes and etcd: nothing is done there"
            yield Problem("host name", name, advice, severity="warning")


@check()
def addresses_are_unique(draft: Draft) -> Iterator[Problem]:
    owners: dict[object, str] = {}
    for host in draft.hosts:
        if host.address in owners:
            advice = f"is the address of {owners[host.address]} too; every host needs its own"
            yield Problem("address", str(host.address), advice, host=host.name)
        owners.setdefault(host.address, host.name)


@check("api_server_address")
def several_masters_share_an_address(draft: Draft) -> Iterator[Problem]:
    masters = draft.members(MASTERS)
    if len(masters) > 1 and draft.settings.api_server_address is None:
        advice = (
            f"the masters {', '.join(masters)} need one address that reaches them all; "
            "write a balancer's, or keep one master"
        )
        yield Problem("api_server_address", None, advice)
