"""Lease arithmetic, by flannel's own rules."""

from ipaddress import IPv4Address, IPv4Network

import pytest

from cluster.addresses import Span, first_address, is_aligned, lease_at, lease_lengths, leases, span

GUIDE = IPv4Network("192.168.0.0/16")


def test_flannel_skips_the_networks_first_piece():
    found = leases(GUIDE, 24)
    assert str(found.first) == "192.168.1.0/24"
    assert str(found.last) == "192.168.255.0/24"
    assert len(found) == 255


def test_bounds_are_both_leased():
    found = leases(GUIDE, 24, IPv4Address("192.168.2.0"), IPv4Address("192.168.4.0"))
    assert [str(lease) for lease in found] == ["192.168.2.0/24", "192.168.3.0/24", "192.168.4.0/24"]
    assert len(found) == 3
    assert str(found.span) == "192.168.2.0-192.168.4.255"


def test_a_first_lease_at_the_networks_beginning_is_allowed():
    assert leases(GUIDE, 24, IPv4Address("192.168.0.0")).first.network_address == IPv4Address("192.168.0.0")


@pytest.mark.parametrize(
    ("length", "first", "last"),
    [
        (17, None, None),
        (31, None, None),
        (24, "192.168.2.1", None),
        (24, "10.0.0.0", None),
        (24, None, "192.169.0.0"),
        (24, "192.168.5.0", "192.168.4.0"),
    ],
)
def test_what_does_not_fit_is_a_value_error(length, first, last):
    with pytest.raises(ValueError):
        leases(GUIDE, length, first and IPv4Address(first), last and IPv4Address(last))


def test_a_network_holds_at_least_four_leases():
    assert lease_lengths(GUIDE) == range(18, 31)
    assert list(lease_lengths(IPv4Network("10.0.0.0/28"))) == [30]
    assert list(lease_lengths(IPv4Network("10.0.0.0/29"))) == []


def test_spans_overlap_at_a_single_address():
    low = Span(IPv4Address("10.0.0.0"), IPv4Address("10.0.0.9"))
    assert low.overlaps(Span(IPv4Address("10.0.0.9"), IPv4Address("10.0.0.20")))
    assert not low.overlaps(Span(IPv4Address("10.0.0.10"), IPv4Address("10.0.0.20")))
    assert span(GUIDE).overlaps(low) is False
    assert IPv4Address("10.0.0.9") in low
    assert IPv4Address("10.0.0.10") not in low


def test_the_first_address_of_the_services():
    assert first_address(IPv4Network("192.168.1.0/24")) == IPv4Address("192.168.1.1")


def test_alignment():
    assert is_aligned(IPv4Address("192.168.2.0"), 24)
    assert not is_aligned(IPv4Address("192.168.2.0"), 22)
    assert lease_at(IPv4Address("192.168.2.9"), 22) == IPv4Network("192.168.0.0/22")
