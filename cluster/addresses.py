"""Arithmetic on IPv4 networks, in flannel's terms: leases of one size between a first and a last."""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

LONGEST_LEASE = 30  # flannel: a lease must have room for a tunnel and a bridge
LEASES_AT_LEAST = 4  # flannel refuses a network with fewer


@dataclass(frozen=True)
class Span:
    """The addresses from `first` to `last`, both included."""

    first: IPv4Address
    last: IPv4Address

    def __contains__(self, address: IPv4Address) -> bool:
        return self.first <= address <= self.last

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"

    def overlaps(self, other: "Span") -> bool:
        """Whether an address lies in both."""
        return self.first <= other.last and other.first <= self.last


def span(network: IPv4Network) -> Span:
    """Every address of a network."""
    return Span(network.network_address, network.broadcast_address)


def first_address(network: IPv4Network) -> IPv4Address:
    """The first address a network gives away: of the services' network, the API server's."""
    return network.network_address + 1


def lease_lengths(network: IPv4Network) -> range:
    """Prefix lengths flannel accepts for leases of this network, the shortest first; empty when it is too small."""
    return range(network.prefixlen + LEASES_AT_LEAST.bit_length() - 1, LONGEST_LEASE + 1)


def is_aligned(address: IPv4Address, length: int) -> bool:
    """Whether a lease of this prefix length can begin here."""
    return lease_at(address, length).network_address == address


def lease_at(address: IPv4Address, length: int) -> IPv4Network:
    """The lease of this prefix length that holds the address."""
    return IPv4Network((address, length), strict=False)


@dataclass(frozen=True)
class Leases:
    """The pieces of a network that flannel may lease: all of one prefix length, from `first` to `last`."""

    first: IPv4Network
    last: IPv4Network

    @property
    def span(self) -> Span:
        """The addresses containers may get."""
        return Span(self.first.network_address, self.last.broadcast_address)

    def __len__(self) -> int:
        return (int(self.last.network_address) - int(self.first.network_address)) // self.first.num_addresses + 1

    def __iter__(self) -> Iterator[IPv4Network]:
        for number in range(len(self)):
            base = self.first.network_address + number * self.first.num_addresses
            yield IPv4Network((base, self.first.prefixlen))


def leases(
    network: IPv4Network, length: int, first: IPv4Address | None = None, last: IPv4Address | None = None
) -> Leases:
    """The leases of prefix length `length`, in bits, that flannel may hand out from a network.

    `first` and `last` are the network addresses of the first and the last one. Without them flannel begins with the
    network's second piece (the first would contain the network's own address) and ends with its last.

    Raises ValueError when the length does not fit the network, or a bound is outside it, not at the beginning of a
    lease, or after the other.
    """
    if length not in lease_lengths(network):
        raise ValueError(f"no leases of /{length} in {network}")
    size = 1 << (32 - length)
    lowest = first if first is not None else network.network_address + size
    highest = last if last is not None else network.broadcast_address - (size - 1)
    for bound in (lowest, highest):
        if bound not in network or not is_aligned(bound, length):
            raise ValueError(f"{bound} is not the beginning of a /{length} of {network}")
    if lowest > highest:
        raise ValueError(f"the first lease {lowest} is after the last {highest}")
    return Leases(IPv4Network((lowest, length)), IPv4Network((highest, length)))
