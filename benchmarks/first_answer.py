"""From nothing to a first answer: ``python -m first_answer <module> <attribute> <event file>``.

Runs as a script of its own in a fresh interpreter, and prints the CPU time in milliseconds that
was spent until the module was loaded, and until the answer was there, the interpreter's own start
included.
"""

import importlib
import sys
import time
from types import SimpleNamespace


def main(module: str, attribute: str, path: str) -> None:
    """Load a contestant and let it answer once."""
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs an import
        event = eval(file.read(), {"__builtins__": {}})  # noqa: S307 - a literal of our own
    handler = getattr(importlib.import_module(module), attribute)
    loaded = time.process_time_ns()
    answer = handler(event, SimpleNamespace(aws_request_id="6f1c2a54", function_name="f"))
    answered = time.process_time_ns()
    if answer["statusCode"] != 200:  # noqa: PLR2004 - HTTP's OK
        raise RuntimeError(f"{module} answered {answer}")
    sys.stdout.write(f"{loaded / 1e6} {answered / 1e6}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
