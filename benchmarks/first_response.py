"""Time to the first response: ``python -m first_response <module> <attribute> <event file>``.

Runs as a script in a fresh interpreter. Prints the CPU time in milliseconds until the module was
loaded and until it had responded, both including the interpreter's own start.
"""

import importlib
import sys
import time
from types import SimpleNamespace


def main(module: str, attribute: str, path: str) -> None:
    """Load a contestant and let it respond once."""
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs an import
        event = eval(file.read(), {"__builtins__": {}})  # noqa: S307 - our own literal
    handler = getattr(importlib.import_module(module), attribute)
    loaded = time.process_time_ns()
    response = handler(event, SimpleNamespace(aws_request_id="6f1c2a54", function_name="f"))
    responded = time.process_time_ns()
    if response["statusCode"] != 200:  # noqa: PLR2004 - HTTP's OK
        raise RuntimeError(f"{module} responded with {response}")
    sys.stdout.write(f"{loaded / 1e6} {responded / 1e6}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
