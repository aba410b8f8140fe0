"""Who of the nodes' pods reaches whom, which names they find, and what is in the way: `facts.network` in words."""

from collections.abc import Iterable, Mapping
from typing import Any

from cluster.ports import udp_ports
from cluster.settings import Settings

Found = Mapping[str, Mapping[str, Any]]  # by node, what Place or Reach told


def addresses(places: Found) -> dict[str, str]:
    """Where the nodes' places are, by node; of nodes that have one."""
    return {name: place["address"] for name, place in places.items() if "address" in place}


def silent(name: str, targets: Mapping[str, str], reaches: Found) -> dict[str, str]:
    """Whom a node's pods do not reach: by node, "no" or "small".

    Args:
        name: the node that asked.
        targets: the addresses it asked, by node.
        reaches: what each node's `Reach` told.
    """
    answers = reaches.get(name, {}).get("answers", {})
    told = {other: answers.get(address, "no") for other, address in targets.items() if other != name}
    return {other: answer for other, answer in told.items() if answer != "yes"}


def complaint(
    settings: Settings, name: str, lost: Mapping[str, str], targets: Mapping[str, str], reaches: Found
) -> str:
    """One line: whom a node's pods do not reach, and why as far as it can be told. Arguments as for `silent`."""
    gone = [f"{other} ({targets[other]})" for other, answer in lost.items() if answer == "no"]
    small = [f"{other} ({targets[other]})" for other, answer in lost.items() if answer == "small"]
    parts = [
        f"no container of {', '.join(gone)} answers one here, over the pod network ({settings.flannel_backend})"
    ] * bool(gone)
    parts += [f"containers of {', '.join(small)} get short packets from here, but none of full size"] * bool(small)
    return f"{'; '.join(parts)}: {reason(settings, (name, *lost), reaches, small=not gone)}"


def reason(settings: Settings, names: Iterable[str], reaches: Found, *, small: bool) -> str:
    """What some nodes found on themselves; where they found nothing, what else it can be."""
    causes = [f"on {name} {cause}" for name in names for cause in reaches.get(name, {}).get("causes", [])]
    if causes:
        return "; ".join(causes)
    if small:
        return "the network between the hosts carries less than flannel reckons with; flannel_backend_options has MTU"
    ports = udp_ports(settings)
    if ports:
        return f"does the network between the hosts let UDP port {ports[0].number} through, and a firewall on them?"
    return "are the hosts in one layer-2 network, and may a host send packets of its pods' addresses there?"


def service_name(settings: Settings) -> str:
    """The name of the API server's service, which every cluster has."""
    return f"kubernetes.default.svc.{settings.cluster_domain}"


def asked_names(settings: Settings) -> dict[str, str]:
    """The arguments by which `Reach` and `PodNetwork` ask for names; none without cluster DNS."""
    return {"dns": str(settings.dns_address), "service": service_name(settings)} if settings.cluster_dns else {}


def unnamed(settings: Settings, names: Mapping[str, Any]) -> dict[str, str]:
    """What a node's pods do not find by name, by where it is ("inside", "outside"): why, in words.

    Args:
        names: what the node's `Reach` or `PodNetwork` told of them.
    """
    asked, found = f"cluster DNS ({settings.dns_address})", {}
    if names.get("inside", "yes") != "yes":
        found["inside"] = _answered(asked, names["inside"], service_name(settings))
    silent = names.get("inside") == names.get("outside") == ""  # is the same trouble, said once
    if names.get("outside", "yes") != "yes" and names["resolvers"] and not silent:
        others = ", ".join(names["resolvers"])
        found["outside"] = f"{_answered(asked, names['outside'], 'outside names')}, though {others} answers this host"
    return found


def _answered(asked: str, answer: str, what: str) -> str:
    if answer == "unknown":
        return f"{asked} knows no {what}"
    if answer:
        code = answer.split()[-1]
        return f"{asked} answers for {what} with error {code} of RFC 1035"
    return f"{asked} does not answer, asked for {what}"
