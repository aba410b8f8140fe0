"""What a host reaches: containers elsewhere, and services; and the ways it has there."""

from collections.abc import Iterable
from itertools import pairwise

from facts.base import Fact
from facts.shell import words


class Reachable(Fact[dict]):
    """
    Which addresses answer a ping sent from this host's docker0, that is, from where containers are.

    + addresses: whom to ask, at once
    + seconds: how long to try

    Source: `ping`.

    .. code:: python

        {"192.168.14.1": True, "192.168.22.1": True}
    """

    default = dict

    def script(self, addresses: Iterable[str], seconds: int = 10) -> str:
        own = "own=$(ip -4 -o addr show docker0 2>/dev/null | sed -n 's/.*inet \\([^ /]*\\).*/\\1/p'); "
        return own + _each("a", addresses, seconds, "ping -q -c1 -W1 ${own:+-I} $own $a >/dev/null 2>&1")

    def read(self, lines: list[str]) -> dict:
        return _answers(lines)


class Ways(Fact[dict]):
    """
    How this host reaches the pod network's other parts: routes, and, with vxlan, which host has which device.

    + network: the pod network

    Source: `ip route`, `ip neigh` and `bridge fdb` of flannel.1. A host-gw route has no entry in the last two.

    .. code:: python

        {"routes": {"192.168.14.0/24": {"via": "192.168.14.0", "dev": "flannel.1"}},
         "neighbours": {"192.168.14.0": "d2:8e:44:0c:75:1f"}, "hosts": {"d2:8e:44:0c:75:1f": "10.1.10.103"}}
    """

    default = dict

    def script(self, network: str = "192.168.0.0/16") -> str:
        return (
            f"ip -4 route show root {words([network])} 2>/dev/null | sed 's/^/route /'; "
            "ip -4 neigh show dev flannel.1 2>/dev/null | sed 's/^/neighbour /'; "
            "bridge fdb show dev flannel.1 2>/dev/null | sed 's/^/host /'; echo end"
        )

    def read(self, lines: list[str]) -> dict:
        found: dict[str, dict] = {"routes": {}, "neighbours": {}, "hosts": {}}
        for line in lines:
            kind, *rest = line.split()
            pairs = dict(pairwise(rest[1:]))
            if kind == "route":
                found["routes"][rest[0]] = {"via": pairs.get("via", ""), "dev": pairs.get("dev", "")}
            elif kind == "neighbour" and "lladdr" in pairs:
                found["neighbours"][rest[0]] = pairs["lladdr"]
            elif kind == "host" and "dst" in pairs:
                found["hosts"][rest[0]] = pairs["dst"]
        return found


class Answers(Fact[dict]):
    """
    Which URLs answer this host with a success.

    + urls: whom to ask, at once
    + seconds: how long to try

    Source: `curl`.

    .. code:: python

        {"http://10.1.10.102:80/": True, "http://10.1.10.103:80/": False}
    """

    default = dict
    program = "curl"

    def script(self, urls: Iterable[str], seconds: int = 10) -> str:
        ask = 'curl -fsS -o /dev/null --noproxy "*" --max-time 5 "$u" 2>/dev/null'
        return _each("u", urls, seconds, ask, pause=" sleep 0.2;")

    def read(self, lines: list[str]) -> dict:
        return _answers(lines)


def _each(name: str, values: Iterable[str], seconds: int, ask: str, pause: str = "") -> str:
    """Shell that asks until it succeeds, for each value of a variable at once, and prints "yes VALUE" or "no VALUE"."""
    return (
        f"for {name} in {words(values)}; do ( end=$(($(date +%s) + {seconds})); until {ask}; do "
        f'[ $(date +%s) -lt $end ] || {{ echo "no ${name}"; exit; }};{pause} done; echo "yes ${name}" ) & done; wait'
    )


def _answers(lines: Iterable[str]) -> dict[str, bool]:
    """What `_each` printed, by value."""
    return {value: answer == "yes" for answer, _, value in (line.partition(" ") for line in lines)}
