"""Where webhooks may be sent: public addresses only, as seen after the name is resolved.

Whoever registers a webhook could otherwise make the sender reach what only it can reach, such as
the metadata of its machine
(https://cheatsheetseries.owasp.org/cheatsheets/Server_Side_Request_Forgery_Prevention_Cheat_Sheet.html).
"""

import ipaddress
import queue
import socket
import threading
from collections.abc import Callable

from chalicelib.domain.internet import Address, is_public

Resolve = Callable[[str, int], list[str]]


class AddressRefused(Exception):  # noqa: N818 - a rule, not a fault
    """Nothing is sent to the host. The message says why, in a sentence for administrators."""


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host. Raises OSError, and UnicodeError for what is no name."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def checked_addresses(
    host: str, port: int, seconds: float, resolve: Resolve, *, allows_loopback: bool
) -> list[Address]:
    """Return the addresses to connect to for a host, the first one preferred.

    All addresses of the host must be public; loopback ones are where they are allowed. Raises
    AddressRefused, and TimeoutError after `seconds`.
    """
    # A scope, as in fe80::1%eth0, is only in addresses that are not public.
    addresses = [
        ipaddress.ip_address(text.partition("%")[0])
        for text in _resolved(host, port, seconds, resolve)
    ]
    if not addresses:
        raise AddressRefused("The host's name has no address.")
    for address in addresses:
        if not (is_public(address) or (allows_loopback and address.is_loopback)):
            raise AddressRefused("The host has an address that is not on the Internet.")
    return addresses


def _resolved(host: str, port: int, seconds: float, resolve: Resolve) -> list[str]:
    """Return what `resolve` does, if it does in time.

    The resolver of the C library has no timeout of its own, and cannot be ended.
    """
    answers: queue.SimpleQueue[list[str] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(resolve(host, port))
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            answers.put(error)

    # A daemon, since the end of the process must not wait for it.
    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(answer, OSError | UnicodeError):
        raise AddressRefused("The host's name cannot be resolved.") from None
    if isinstance(answer, Exception):
        raise answer
    return answer
