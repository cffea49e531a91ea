"""A network that ends at this machine, for tests that need an address of the Internet."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.needs import missing, program


@contextmanager
def own_network(*addresses: str) -> Iterator[None]:
    """Move the calling thread to a new network namespace, whose only interface is the loopback.

    It has 127.0.0.1, ::1 and `addresses`. The threads and processes that are started in the block
    are in it too, and no packet of theirs can leave the machine, whatever fails. What ran before is
    not, so its servers cannot be reached from there. Skips the test where this is not possible.
    https://man7.org/linux/man-pages/man7/network_namespaces.7.html
    """
    if sys.platform != "linux" or sys.version_info < (3, 12):
        missing("A network namespace needs Linux, and Python 3.12 or later")
    ip = program("ip")
    with open("/proc/thread-self/ns/net") as before:  # noqa: PTH123 - only its descriptor is used
        try:
            os.unshare(os.CLONE_NEWNET)
        except PermissionError:
            missing("A network namespace needs root: run the tests as root, or in a container")
        try:
            subprocess.run([ip, "link", "set", "lo", "up"], check=True)
            for address in addresses:
                subprocess.run([ip, "address", "add", f"{address}/32", "dev", "lo"], check=True)
            yield
        finally:
            os.setns(before.fileno(), os.CLONE_NEWNET)
