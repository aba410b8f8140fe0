"""What a host reaches: containers elsewhere, and services; and the ways it has there."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from cluster.release_sets import Runtime
from cluster.roles.lease import ADDRESSES, bridge
from cluster.shell import program
from facts.base import Fact
from facts.shell import words

PORT = 8080  # of a place among pods: there, nobody else listens


class Place(Fact[dict[str, Any]]):
    """
    Whether pods start on a node, and a place among them from which others can be asked (see `Reach`).

    The place is a network namespace plugged into the pods' bridge, with an address of the lease that no container has.
    What is sent to its port comes back. It goes by itself.

    + image: of every pod's first container; after each start of the runtime, one is started from it and removed
    + runtime: docker or containerd
    + life: seconds for which the place stands
    + port: where it answers

    Source: /run/flannel/subnet.env, the kubelet's command line, `docker run` or `crictl runp`, `ip`, `socat`. {} before
    the first lease.

    .. code:: python

        {"lease": "192.168.13.1/24", "address": "192.168.13.254", "pid": 4711, "troubles": []}
    """

    default = dict

    def script(self, image: str = "", runtime: Runtime = "containerd", life: int = 120, port: int = PORT) -> str:
        asked = "resolvers; containers_start; open_place" if image else "resolvers; open_place"
        return f"{_probe(image, runtime, life, port)}\n{asked}"

    def read(self, lines: list[str]) -> dict[str, Any]:
        return _place(lines)


class Reach(Fact[dict[str, Any]]):
    """
    Whom a place among a node's pods reaches (see `Place`), with packets as large as pods' are, and which names are
    answered there.

    + pid: the place's process
    + places: other nodes' places: what they are sent must come back whole
    + listeners: addresses with ports, of which only an answer is asked
    + network: the pod network
    + backend: flannel's
    + device: flannel's
    + port: where places answer
    + patience: seconds to try
    + dns: cluster DNS' address; "": no names are asked
    + service: the name of one
    + names_patience: seconds to try names

    Source: `socat`; where somebody does not answer, `iptables`, `ip` and `bridge` for what on this node may be why.
    An answer is "yes", "no", or "small": what fills packets gets lost. Of names, inside and outside the cluster, "yes",
    "unknown", "failed" with a code of RFC 1035, or "" where nobody answered; `resolvers` are the host's own that do
    answer where cluster DNS knows nothing of what is outside.

    .. code:: python

        {"answers": {"192.168.14.254": "yes", "192.168.22.254": "no"},
         "causes": ["there is no route to 192.168.22.254"],
         "names": {"inside": "yes", "outside": "failed 2", "resolvers": ["10.1.10.1"]}}
    """

    default = dict

    def script(
        self,
        pid: int,
        places: Iterable[str] = (),
        listeners: Iterable[str] = (),
        network: str = "192.168.0.0/16",
        backend: str = "vxlan",
        device: str = "flannel.1",
        port: int = PORT,
        patience: int = 10,
        dns: str = "",
        service: str = "kubernetes.default.svc.cluster.local",
        names_patience: int = 10,
    ) -> str:
        return "\n".join(
            (
                program("ways", BACKEND=backend, DEVICE=device, NETWORK=network),
                program("reach", PID=pid, PORT=port, PATIENCE=patience),
                *_names(dns, service, names_patience),
                f"ask_all {words([' '.join(places), ' '.join(listeners)])}{_AND_NAMES * bool(dns)}",
                "leave",
            )
        )

    def read(self, lines: list[str]) -> dict[str, Any]:
        return _reach(lines)


class PodNetwork(Fact[dict[str, Any]]):
    """
    Whether pods can start on a node, and which other leases they reach, when all nodes are asked this at once.

    Each opens a place among its pods (see `Place`) and asks those in the other leases that it has routes to (see
    `Reach`). With the udp backend there is one route for all leases, and nobody is asked.

    + network: the pod network
    + backend: flannel's
    + device: flannel's
    + runtime: docker or containerd
    + podless: addresses of hosts that have a lease and no pods
    + life: seconds for which the place stands
    + port: where places answer
    + patience: seconds to try
    + dns, service: as of `Reach`

    Source: as of `Place` and `Reach`, without a container. {} before the first lease.

    .. code:: python

        {"lease": "192.168.13.1/24", "address": "192.168.13.254", "pid": 4711, "troubles": [],
         "answers": {"192.168.14.0/24": "yes"}, "causes": [],
         "names": {"inside": "yes", "outside": "yes", "resolvers": []}}
    """

    default = dict

    def script(
        self,
        network: str = "192.168.0.0/16",
        backend: str = "vxlan",
        device: str = "flannel.1",
        runtime: Runtime = "containerd",
        podless: Iterable[str] = (),
        life: int = 20,
        port: int = PORT,
        patience: int = 6,
        dns: str = "",
        service: str = "kubernetes.default.svc.cluster.local",
    ) -> str:
        return "\n".join(
            (
                _probe("", runtime, life, port),
                program("ways", BACKEND=backend, DEVICE=device, NETWORK=network),
                program("reach", PORT=port, PATIENCE=patience, PODLESS=" ".join(podless)),
                'place=$(resolvers; open_place); printf "%s\\n" "$place"',
                'PID=$(printf "%s\\n" "$place" | sed -n "s/^pid //p"); [ -n "$PID" ] || exit 0',
                *_names(dns, service, patience),
                f'ask_all "" "" "$(leases)"{_AND_NAMES * bool(dns)}',
                "leave",
            )
        )

    def read(self, lines: list[str]) -> dict[str, Any]:
        place = _place(lines)
        return {**place, **_reach(lines)} if place else {}


class Ways(Fact[dict[str, Any]]):
    """
    How this host reaches the pod network's other parts: routes, and, with vxlan, which host has which device.

    + network: the pod network
    + device: flannel's

    Source: `ip route`, `ip neigh` and `bridge fdb` of the device. A host-gw route has no entry in the last two.

    .. code:: python

        {"routes": {"192.168.14.0/24": {"via": "192.168.14.0", "dev": "flannel.1"}},
         "neighbours": {"192.168.14.0": "d2:8e:44:0c:75:1f"}, "hosts": {"d2:8e:44:0c:75:1f": "10.1.10.103"}}
    """

    default = dict

    def script(self, network: str = "192.168.0.0/16", device: str = "flannel.1") -> str:
        return (
            f"echo routes; ip -4 route show root {words([network])} 2>/dev/null; "
            f"echo neighbours; ip -4 neigh show dev {words([device])} 2>/dev/null; "
            f"echo hosts; bridge fdb show dev {words([device])} 2>/dev/null; true"
        )

    def read(self, lines: list[str]) -> dict[str, Any]:
        found: dict[str, dict[str, Any]] = {"routes": {}, "neighbours": {}, "hosts": {}}
        kind = ""
        for line in lines:
            if line in found:
                kind = line
                continue
            of, *rest = line.split()
            pairs = dict(pairwise(rest))
            if kind == "routes":
                found["routes"][of] = {"via": pairs.get("via", ""), "dev": pairs.get("dev", "")}
            elif kind == "neighbours" and "lladdr" in pairs:
                found["neighbours"][of] = pairs["lladdr"]
            elif kind == "hosts" and "dst" in pairs:
                found["hosts"][of] = pairs["dst"]
        return found


class Answers(Fact[dict[str, Any]]):
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
        return (
            f"end=$(($(date +%s) + {seconds})); for u in {words(urls)}; do ( until {ask}; do "
            '[ $(date +%s) -lt $end ] || { echo "no $u"; exit; }; sleep 0.2; done; echo "yes $u" ) & done; wait'
        )

    def read(self, lines: list[str]) -> dict[str, Any]:
        return _answers(lines)


class Reached(Fact[dict[str, Any]]):
    """
    Which TCP addresses somebody answers this host at, be it only to refuse what was said.

    + addresses: IPv4, with ports
    + seconds: how long to try

    Source: `curl`, whose exit code tells one who does not listen or does not answer from all others.

    .. code:: python

        {"192.168.14.254:8080": True, "192.168.22.254:8080": False}
    """

    default = dict
    program = "curl"

    def script(self, addresses: Iterable[str], seconds: int = 10) -> str:
        return program("reached", ADDRESSES=" ".join(addresses), PATIENCE=seconds)

    def read(self, lines: list[str]) -> dict[str, Any]:
        return _answers(lines)


def _answers(lines: Iterable[str]) -> dict[str, bool]:
    """Lines "yes VALUE" and "no VALUE", by value."""
    return {value: answer == "yes" for answer, _, value in (line.partition(" ") for line in lines)}


_AND_NAMES = " && ask_names"  # where the pod network itself fails, names are not waited for


def _names(dns: str, service: str, patience: int) -> tuple[str, ...]:
    """Shell that can ask for names."""
    return (program("names", DNS=dns, NAME=service, NAMES_PATIENCE=patience),) if dns else ()


def _probe(image: str, runtime: Runtime, life: int, port: int) -> str:
    """probe.sh, for a runtime."""
    addresses = "" if runtime == "docker" else ADDRESSES
    values = {"IMAGE": image, "RUNTIME": runtime, "BRIDGE": bridge(runtime), "ADDRESSES": addresses}
    return program("probe", **values, LIFE=life, PORT=port)


def _place(lines: list[str]) -> dict[str, Any]:
    """What probe.sh printed of the place it opened."""
    found = _pairs(lines)
    if "lease" not in found:
        return {}
    place = {"address": found["address"][0], "pid": int(found["pid"][0])} if "pid" in found else {}
    return {"lease": found["lease"][0], **place, "troubles": found.get("trouble", [])}


def _reach(lines: list[str]) -> dict[str, Any]:
    """What reach.sh printed of whom it asked."""
    found = _pairs(lines)
    answers = {asked: answer for answer in ("yes", "small", "no") for asked in found.get(answer, [])}
    names = {where: found[where][0] for where in ("inside", "outside") if where in found}
    told: dict[str, Any] = {"answers": answers, "causes": found.get("cause", [])}
    return {**told, "names": {**names, "resolvers": found.get("resolver", [])}} if names else told


def _pairs(lines: Iterable[str]) -> dict[str, list[str]]:
    """What stands behind each line's first word, by that word."""
    found: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(" ")
        found.setdefault(name, []).append(value)
    return found
