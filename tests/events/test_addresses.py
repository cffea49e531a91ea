"""Addresses: webhooks go to the Internet, whatever a name or an address is made to look like."""

import ipaddress
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.internet import is_public

PRIVATE = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
]


def embeddings(address: int) -> dict[str, IPv6Address]:
    """Return the IPv6 addresses that carry an IPv4 address, by what they are called."""
    return {
        "IPv4-mapped (RFC 4291 §2.5.5.2)": IPv6Address(0xFFFF << 32 | address),
        "IPv4-compatible (RFC 4291 §2.5.5.1)": IPv6Address(address),
        "IPv4-translated (RFC 2765 §2.1)": IPv6Address(0xFFFF << 48 | address),
        "6to4 (RFC 3056)": IPv6Address(0x2002 << 112 | address << 80 | 1),
        "NAT64 (RFC 6052)": IPv6Address((0x64_FF9B << 96) | address),
        "local NAT64 (RFC 8215)": IPv6Address((0x64_FF9B_0001 << 80) | address),
        "Teredo server (RFC 4380)": IPv6Address((0x2001 << 112) | address << 64),
        "Teredo client (RFC 4380)": IPv6Address((0x2001 << 112) | (address ^ 0xFFFF_FFFF)),
    }


addresses_within = st.sampled_from(PRIVATE).flatmap(
    lambda text: st.integers(
        int(ipaddress.IPv4Network(text)[0]), int(ipaddress.IPv4Network(text)[-1])
    )
)


@given(addresses_within)
def test_no_private_address_is_public_in_any_form(address: int) -> None:
    """An IPv4 address that is not on the Internet is refused as such, and inside an IPv6 one."""
    assert not is_public(IPv4Address(address))
    assert not {form for form, one in embeddings(address).items() if is_public(one)}


@given(st.integers(0, 2**125 - 1), st.sampled_from([0, 2, 3, 4, 5, 6, 7]))
def test_nothing_beyond_global_unicast_is_public(rest: int, first: int) -> None:
    """IPv6 addresses outside 2000::/3 are refused, but for those that carry a public IPv4 one."""
    address = IPv6Address(first << 125 | rest)
    carried = address.ipv4_mapped or (
        IPv4Address(int(address) & 0xFFFF_FFFF)
        if address in ipaddress.IPv6Network("64:ff9b::/96")
        else None
    )
    assert is_public(address) == (carried is not None and is_public(carried))


@pytest.mark.parametrize(
    "text",
    [
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "192.88.99.1",
        "255.255.255.255",
        "::",
        "::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "100::1",
        "2001:db8::1",
        "2001:10::1",
        "3fff::1",
    ],
)
def test_special_addresses_are_refused(text: str) -> None:
    """Metadata services, and addresses that are local, reserved or of a group, are refused."""
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    "text",
    [
        "8.8.8.8",
        "93.184.215.14",
        "172.32.0.1",
        "2606:4700::1111",
        "2a00:1450:4001:81b::200e",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
    ],
)
def test_addresses_of_the_internet_pass(text: str) -> None:
    """Ordinary addresses pass, as do those that reach one of IPv4."""
    assert is_public(ipaddress.ip_address(text))
