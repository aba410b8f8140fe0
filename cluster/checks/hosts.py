"""Checks of the inventory: names, addresses, groups."""

import re
from collections import Counter
from collections.abc import Iterator

from cluster.checks.registry import Draft, check
from cluster.fields import is_domain
from cluster.problems import Problem, nearest, show
from cluster.topology import ETCD, MASTERS, NODE_USER, NODES, ROLES, is_balanced
from pki import LONGEST_NAME

_SYNONYMS = {"workers": NODES, "worker": NODES, "minions": NODES, "control_plane": MASTERS, "controllers": MASTERS}

_LONGEST = LONGEST_NAME - len(NODE_USER)  # a node's certificate holds both


@check()
def names_are_dns_names(draft: Draft) -> Iterator[Problem]:
    for name in draft.names:
        if reason := _no_name(name):
            yield Problem("host name", name, reason)


def _no_name(name: str) -> str | None:
    """Why a host cannot be called so."""
    labels = [re.sub(r"[^a-z0-9]+", "-", label).strip("-") for label in name.lower().split(".")]
    fixed = ".".join(labels)
    if re.fullmatch(r"[0-9.]+", name):
        return 'is an address; write a name, for example "node1", and the address after it'
    if not is_domain(name):
        example = fixed if is_domain(fixed) else "node1"
        return (
            "is no DNS name; write labels of a-z, 0-9 and inner dashes, up to 63 each, with dots between, for example "
            f"{show(example)}"
        )
    if len(name) > _LONGEST:
        advice = f"; write its first label, {show(labels[0])}" if len(labels) > 1 and len(labels[0]) <= _LONGEST else ""
        return (
            f"has {len(name)} characters, and a certificate of the node holds {_LONGEST}{advice or '; write a shorter'}"
        )
    if labels[0] == "localhost":
        return 'is every host\'s own name; write another, for example "node1"'
    if labels[-1] == "pem":
        return "ends in .pem, as the certificate store's own files do; write another"
    return None


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


@check("api_server_address", "api_server_balancer")
def several_masters_are_reached(draft: Draft) -> Iterator[Problem]:
    masters = draft.members(MASTERS)
    balanced = is_balanced(draft.settings, len(masters))
    if len(masters) > 1 and not balanced and draft.settings.api_server_address is None:
        advice = (
            f"the masters {', '.join(masters)} then need one address that reaches them all: write a balancer's into "
            "api_server_address, or api_server_balancer = None, and each host has a balancer of its own"
        )
        yield Problem("api_server_balancer", False, advice)


@check("api_server_address", "api_server_balancer")
def the_outer_address_leads_to_the_masters(draft: Draft) -> Iterator[Problem]:
    """A host in no group may be a balancer."""
    address, masters = draft.settings.api_server_address, draft.members(MASTERS)
    host = next((h for h in draft.hosts if address in (h.name, str(h.address))), None)
    if address and address.split(".")[-1] == "localhost":
        advice = "is every host itself; write a name or an address that leads to the API servers from everywhere"
        yield Problem("api_server_address", address, advice)
    elif host and host.is_node and not host.is_master:
        advice = f"is {host.name}, a node, where no API server answers; write None, or what leads to all masters"
        yield Problem("api_server_address", address, advice)
    elif host and host.is_master and len(masters) > 1 and not is_balanced(draft.settings, len(masters)):
        advice = (
            f"is {host.name} alone: without it no node reaches an API server; write an address that leads to all of "
            f"{', '.join(masters)}, or api_server_balancer = None, and each host has a balancer of its own"
        )
        yield Problem("api_server_address", address, advice, severity="warning")
