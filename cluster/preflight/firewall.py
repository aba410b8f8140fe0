"""Rules of firewalls that keep the cluster's hosts from each other: those a run does not stop itself."""

import re
import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from cluster.ports import Port, tcp_ports, udp_ports
from cluster.preflight.remarks import Remark, refusal, warning
from cluster.settings import Cluster, Host
from cluster.topology import ETCD, MASTERS, ROLES

# Who calls a port, where that is not everybody; what listens on loopback alone nobody calls.
_CALLERS = {"etcd's members": (ETCD,), "the kubelet": (MASTERS,)}
_CALLED = ("etcd's clients", "the API server", *_CALLERS)
_FINAL = ("accept", "drop")
_VERDICTS = {"ACCEPT": "accept", "DROP": "drop", "REJECT": "drop", "RETURN": "return"}


@dataclass(frozen=True)
class Packet:
    """The first packet of a conversation that another host begins."""

    protocol: str
    port: int
    source: IPv4Address


@dataclass(frozen=True)
class Rule:
    """A rule as far as it is understood.

    + text: as the host has it
    + verdict: accept, drop, return, or the chain it goes on in; "" for none
    + protocols, ports, sources: what it is about; None: anything
    + never: it is not about such packets: those of a conversation that has begun, or the host's own
    + sure: there is no further condition, which nobody here understands
    """

    text: str
    verdict: str = ""
    protocols: tuple[str, ...] | None = None
    ports: tuple[range, ...] | None = None
    sources: tuple[IPv4Network, ...] | None = None
    never: bool = False
    sure: bool = True

    def is_about(self, packet: Packet) -> bool:
        """Whether the packet may meet the conditions."""
        return (
            not self.never
            and (self.protocols is None or packet.protocol in self.protocols)
            and (self.ports is None or any(packet.port in ports for ports in self.ports))
            and (self.sources is None or any(packet.source in source for source in self.sources))
        )


@dataclass
class Chain:
    """Rules in their order; `policy` of one that packets enter by themselves. `title` is for messages."""

    title: str
    policy: str | None = None
    rules: list[Rule] = field(default_factory=list)


Chains = dict[str, Chain]


def remarks(cluster: Cluster, host: Host, facts: Mapping[str, Any]) -> Iterator[Remark]:
    """Each rule that drops what the host's roles are called for; firewalld's and ufw's are their owners' affair."""
    stopped = "firewalld" in facts["firewalls"] or any(" -j ufw-" in line for line in facts["iptables"])
    if stopped:
        return
    dropped: dict[tuple[str, bool], list[str]] = defaultdict(list)
    for chains in (_iptables(facts["iptables"]), *_nft(facts["nft"])):
        for port, packets in _packets(cluster, host):
            for found in filter(None, (_dropped(chains, packet) for packet in packets)):
                dropped[found].append(f"{port.number}/{packets[0].protocol} ({port.what})")
    for (rule, sure), ports in dropped.items():
        says = refusal if sure else warning
        drops = "drops" if sure else "may drop"
        what = f"its firewall {drops} what other hosts of the cluster send to {', '.join(dict.fromkeys(ports))}"
        yield says(host.name, f"{what}: {rule}; let it in before that rule, where that firewall's rules are kept")


def _packets(cluster: Cluster, host: Host) -> Iterator[tuple[Port, list[Packet]]]:
    for port in tcp_ports(cluster.settings):
        callers = _CALLERS.get(port.what, ROLES)
        others = [h for h in cluster.hosts if h != host and h.groups.intersection(callers)]
        if port.group in host.groups and port.what in _CALLED and others:
            yield port, [Packet("tcp", port.number, other.address) for other in others]
    others = [h for h in cluster.leased if h != host]
    for port in udp_ports(cluster.settings) if host in cluster.leased and others else ():
        yield port, [Packet("udp", port.number, other.address) for other in others]


def _dropped(chains: Chains, packet: Packet) -> tuple[str, bool] | None:
    """The rule that drops a packet, and whether it is certain that it does; None: it is let in."""
    for name, chain in chains.items():
        if chain.policy is None:
            continue
        walk = _Walk(chains, packet)
        verdict = walk.through(name, sure=True)
        if verdict == "drop" or (verdict is None and chain.policy == "drop"):
            return (walk.rule if verdict else f"{chain.title} has the policy DROP", not walk.doubt)
        if walk.suspect:
            return walk.suspect, False
    return None


@dataclass
class _Walk:
    """A packet's way through chains."""

    chains: Chains
    packet: Packet
    doubt: bool = False  # whether a rule that is not understood may have let it in before
    suspect: str = ""  # the first rule that may drop it, and may not
    rule: str = ""  # the one that does

    def through(self, name: str, *, sure: bool) -> str | None:
        """The verdict of a chain's rules; None: they have none."""
        for rule in self.chains[name].rules:
            if not rule.is_about(self.packet):
                continue
            certain = sure and rule.sure
            if rule.verdict in self.chains:
                verdict = self.through(rule.verdict, sure=certain)
                if verdict:
                    return verdict
            elif rule.verdict == "return":
                if certain:
                    return None
                sure = False
            elif rule.verdict not in _FINAL:
                continue  # it notes or marks the packet (LOG, MARK), or leads to a chain of the cluster's own
            elif certain:
                self.rule = rule.text
                return rule.verdict
            elif rule.verdict == "accept":
                self.doubt = True
            elif rule.ports:  # else a list of addresses, or a limit, for all
                self.suspect = self.suspect or rule.text
        return None


def _iptables(lines: Iterable[str]) -> Chains:
    """The chains of `iptables-save`: ":INPUT DROP [0:0]", "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT"."""
    chains: Chains = {}
    for line in lines:
        if line.startswith(":"):
            name, policy, *_ = line[1:].split()
            chains[name] = Chain(f"iptables {name}", _VERDICTS.get(policy) if name == "INPUT" else None)
        elif line.startswith("-A "):
            name = line.split()[1]
            chains.setdefault(name, Chain(name)).rules.append(_iptables_rule(line))
    return chains


def _iptables_rule(line: str) -> Rule:
    rule = Rule(f"iptables {line}")
    words = iter(shlex.split(line)[2:])
    for word in words:
        if word in ("-j", "-g"):
            target = next(words)
            return replace(rule, verdict=_VERDICTS.get(target, target))
        rule = _but(rule, next(words), words) if word == "!" else _narrowed(rule, word, words)
    return rule


def _but(rule: Rule, word: str, words: Iterator[str]) -> Rule:
    """A rule with one more condition that must not be met."""
    if word == "--tcp-flags":
        next(words)
        return replace(rule, never=rule.never or next(words) == "SYN")
    if word == "-i" and next(words) == "lo":
        return rule
    return replace(rule, sure=False)


def _narrowed(rule: Rule, word: str, words: Iterator[str]) -> Rule:
    """A rule with one more of its conditions."""
    if word in ("-m", "--comment"):
        next(words)
        return rule
    if word == "--dst-type":  # of an address, as those of hosts are
        return replace(rule, never=rule.never or not {"LOCAL", "UNICAST"}.intersection(next(words).split(",")))
    if word == "--tcp-flags":  # a first packet has SYN alone
        next(words)
        return replace(rule, never=rule.never or next(words) != "SYN")
    if word == "-p":
        return replace(rule, protocols=(next(words),))
    if word == "-s":
        try:
            return replace(rule, sources=(IPv4Network(next(words), strict=False),))
        except ValueError:  # a mask that is no prefix
            return replace(rule, sure=False)
    if word in ("--dport", "--dports"):
        return replace(rule, ports=tuple(_range(part, ":") for part in next(words).split(",")))
    if word in ("--sport", "--sports"):
        return _from_ports(rule, next(words).split(","), ":")
    if word in ("--state", "--ctstate"):
        return replace(rule, never=rule.never or "NEW" not in next(words))
    if word == "-i":
        return replace(rule, never=rule.never or next(words) == "lo", sure=False)
    return replace(rule, sure=False)


def _from_ports(rule: Rule, listed: Iterable[str], between: str) -> Rule:
    """A rule about packets from some ports: nobody calls the cluster's from those below 1024."""
    low = all(_range(part, between).stop <= 1024 for part in listed)
    return replace(rule, never=rule.never or low, sure=False)


def _range(text: str, between: str) -> range:
    first, _, last = text.partition(between)
    return range(int(first), int(last or first) + 1)


def _nft(lines: Iterable[str]) -> Iterator[Chains]:
    """The chains of each table of `nft list table`, whose lines are "table inet filter {", "chain input {", rules."""
    chains: Chains = {}
    chain: Chain | None = None
    table, depth = "", 0
    for line in lines:
        words = line.split()
        if depth == 0 and words[:1] == ["table"]:
            table = f"nft {' '.join(words[1:3])}"
            chains = {}
        elif depth == 1 and words[:1] == ["chain"]:
            chain = chains.setdefault(words[1], Chain(f"{table} {words[1]}"))
        elif depth == 2 and chain is not None and words[:1] == ["type"]:
            if " hook input " in line:
                chain.policy = "drop" if "policy drop" in line else "accept"
        elif depth == 2 and chain is not None and words and words[0] != "}":
            chain.rules.append(_nft_rule(line, table))
        depth += line.count("{") - line.count("}")
        if depth == 1:
            chain = None
        if depth == 0 and chains:
            yield chains
            chains = {}


_SILENT = re.compile(
    r'comment "[^"]*"|log( prefix "[^"]*")?( level \w+)?( flags \w+)*|counter( packets \d+ bytes \d+)?'
    r"|meta nfproto ipv4|(?<=reject) with [\w -]+"
)
_VERDICT = re.compile(r"\s*\b(?:(accept|drop|reject|return)|(?:jump|goto) (\S+))$")
_VALUE = r"(\{[^}]*\}|\S+)"
_CONDITIONS = re.compile(
    rf"ct state (?P<state>\{{[^}}]*\}}|\S+)|(?:iifname|iif) (?P<interface>\S+)"
    rf"|(?:meta l4proto|ip protocol) (?P<protocol>{_VALUE})"
    rf"|(?P<kind>tcp|udp|th) dport (?P<ports>{_VALUE})"
    rf"|(?:tcp|udp|th) sport (?P<from>{_VALUE})|ip saddr (?P<sources>{_VALUE})"
    r"|(?P<other>ip6 |icmp|meta nfproto ipv6)"
)


def _nft_rule(line: str, table: str) -> Rule:
    rule = Rule(f"{table}: {line}")
    text = _SILENT.sub("", line).strip()
    verdict = _VERDICT.search(text)
    if verdict:
        rule = replace(rule, verdict=verdict[2] or {"reject": "drop"}.get(verdict[1], verdict[1]))
        text = text[: verdict.start()]
    elif "vmap" in text:  # a verdict for each value; of states only those of a conversation that has begun
        return replace(rule, verdict="accept", sure=False, never=text.startswith("ct state") and "new" not in text)
    for found in _CONDITIONS.finditer(text):
        try:
            rule = _nft_narrowed(rule, found)
        except ValueError:  # a set's name, or "!="
            rule = replace(rule, sure=False)
    return replace(rule, sure=rule.sure and not _CONDITIONS.sub("", text).strip())


def _nft_narrowed(rule: Rule, found: re.Match[str]) -> Rule:
    if found["state"]:
        return replace(rule, never=rule.never or "new" not in found["state"])
    if found["interface"]:
        return replace(rule, never=rule.never or found["interface"].strip('"') == "lo", sure=False)
    if found["protocol"]:
        return replace(rule, protocols=_values(found["protocol"]))
    if found["ports"]:
        kinds = rule.protocols if found["kind"] == "th" else (found["kind"],)
        return replace(rule, protocols=kinds, ports=tuple(_range(v, "-") for v in _values(found["ports"])))
    if found["from"]:
        return _from_ports(rule, _values(found["from"]), "-")
    if found["sources"]:
        return replace(rule, sources=tuple(IPv4Network(v) for v in _values(found["sources"])))
    return replace(rule, never=True)


def _values(text: str) -> tuple[str, ...]:
    return tuple(value.strip() for value in text.strip("{} ").split(","))
