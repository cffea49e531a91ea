"""Where webhooks may be sent: public addresses only, as seen after the name is resolved.

Whoever registers a webhook could otherwise make the sender reach what only it can reach, such as
the metadata of its machine
(https://cheatsheetseries.owasp.org/cheatsheets/Server_Side_Request_Forgery_Prevention_Cheat_Sheet.html).
"""

import ipaddress
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], list[str]]

# Prefixes whose last 32 bits are an IPv4 address (RFC 6052, RFC 8215).
_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
# The relays of 6to4, which are no longer in use (RFC 7526).
_6TO4_RELAYS = ipaddress.IPv4Network("192.88.99.0/24")
_SITE_LOCAL = ipaddress.IPv6Network("fec0::/10")


class AddressRefused(Exception):  # noqa: N818 - a rule, not a fault
    """Nothing is sent to the host. The message says why, in a sentence for administrators."""


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def checked_addresses(
    host: str, port: int, seconds: float, resolve: Resolve, *, allows_loopback: bool
) -> list[str]:
    """Return the addresses to connect to for a host, the first one preferred.

    All addresses of the host must be public; loopback ones are where they are allowed. Raises
    AddressRefused, and TimeoutError after `seconds`.
    """
    # The resolver of the C library has no timeout of its own.
    pool = ThreadPoolExecutor(1)
    try:
        addresses = pool.submit(resolve, host, port).result(seconds)
    except FutureTimeoutError:
        raise TimeoutError from None
    except (OSError, UnicodeError):
        raise AddressRefused("The host's name cannot be resolved.") from None
    finally:
        pool.shutdown(wait=False)
    if not addresses:
        raise AddressRefused("The host's name has no address.")
    for text in addresses:
        # A scope, as in fe80::1%eth0, is only in addresses that are not public.
        address = ipaddress.ip_address(text.partition("%")[0])
        if not (is_public(address) or (allows_loopback and address.is_loopback)):
            raise AddressRefused("The host has an address that is not on the Internet.")
    return addresses


def is_public(address: Address) -> bool:
    """Return whether an address is one of the Internet, also if it carries another one inside.

    https://www.iana.org/assignments/iana-ipv4-special-registry/
    https://www.iana.org/assignments/iana-ipv6-special-registry/
    """
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast and address not in _6TO4_RELAYS
    if any(address in network for network in _NAT64):
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    inside = address.ipv4_mapped or address.sixtofour
    if inside is not None:
        return is_public(inside)
    return (
        address.is_global
        and not address.is_multicast
        and address.teredo is None
        and address not in _SITE_LOCAL
    )
