"""What Lambda functions do beside the API, in threads of the local server: sending webhooks."""

import threading
from collections.abc import Iterable

from chalicelib.events.functions import Loop


def run_in_background(loops: Iterable[Loop]) -> None:
    """Run loops from now on, each in a thread, until the main thread ends."""
    stop = threading.Event()
    for loop in loops:
        threading.Thread(target=loop, args=(stop,)).start()
    # However the server ends, by Ctrl-C or for a restart, its main thread does; the interpreter
    # then waits for the loops.
    threading.Thread(target=_set_at_the_end, args=(stop,), daemon=True).start()


def _set_at_the_end(stop: threading.Event) -> None:
    threading.main_thread().join()
    stop.set()
