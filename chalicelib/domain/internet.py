"""Which addresses are on the Internet: what webhooks may name, and what is sent to."""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# An IPv4 address is in the last 32 bits (RFC 6052): a host with IPv6 alone reaches IPv4 by these.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# All addresses of the Internet so far (RFC 4291 §2.4). Beyond are, among others, local prefixes of
# NAT64 (RFC 8215) and addresses that are an IPv4 address (§2.5.5.1).
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
# What depends on the version of Python, or counts as global there although nothing is to be sent to
# it: protocol assignments (RFC 6890), the relays of 6to4 (RFC 7526), documentation (RFC 9637).
_SPECIAL_IPV4 = (ipaddress.IPv4Network("192.0.0.0/24"), ipaddress.IPv4Network("192.88.99.0/24"))
_SPECIAL_IPV6 = (ipaddress.IPv6Network("2001::/23"), ipaddress.IPv6Network("3fff::/20"))


def is_public(address: Address) -> bool:
    """Return whether an address is one of the Internet, also if it carries another one inside.

    https://www.iana.org/assignments/iana-ipv4-special-registry/
    https://www.iana.org/assignments/iana-ipv6-special-registry/
    """
    if isinstance(address, ipaddress.IPv4Address):
        is_special = any(address in network for network in _SPECIAL_IPV4)
        return address.is_global and not address.is_multicast and not is_special
    if address in _NAT64:
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    inside = address.ipv4_mapped or address.sixtofour
    if inside is not None:
        return is_public(inside)
    is_special = any(address in network for network in _SPECIAL_IPV6)
    return address in _GLOBAL_UNICAST and address.is_global and not is_special
