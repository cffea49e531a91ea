"""The network of its own that a test can have."""

import errno
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.network import own_network

pytestmark = pytest.mark.slow

ADDRESS = "192.31.196.77"


def network() -> str:
    """Return which network namespace the calling thread is in."""
    return str(Path("/proc/thread-self/ns/net").readlink())


def test_nothing_leaves_it() -> None:
    """In it and its threads, the given address is this machine's, and others are unreachable."""
    with own_network(ADDRESS), ThreadPoolExecutor(1) as thread:
        assert thread.submit(network).result() == network()
        with socket.create_server((ADDRESS, 0)) as server:
            socket.create_connection(server.getsockname()).close()
        with pytest.raises(OSError, match="unreachable") as failure:
            thread.submit(socket.create_connection, ("192.31.196.78", 443)).result()
        assert failure.value.errno == errno.ENETUNREACH


def test_it_is_left_after_a_failure() -> None:
    """After the block the thread is where it was, also when the block has failed."""
    before = network()
    inside: list[str] = []

    def fail() -> None:
        with own_network():
            inside.append(network())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert inside != [before]
    assert network() == before
