"""The local server's line for each request, for people: aligned, and coloured on a terminal."""

import json
import sys
from collections.abc import Mapping
from typing import TextIO

_RESET = "\033[0m"
_DIM = "\033[2m"
# By the first digit of the status.
_COLOURS = {"2": "\033[32m", "3": "\033[36m", "4": "\033[33m", "5": "\033[31m"}
_PATH_WIDTH = 44
_MAX_PATH = 200
_PROBLEM = "application/problem+json"


def is_coloured(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Return whether lines on `stream` have colours: on a terminal, unless NO_COLOR is set.

    https://no-color.org
    """
    return stream.isatty() and not environment.get("NO_COLOR")


def request_line(  # noqa: PLR0913 - a line's parts
    method: str, path: str, status: int, milliseconds: float, *, problem: str, coloured: bool
) -> str:
    """Return the line of one request; `problem` is the name of its problem, or empty.

    Characters that a terminal would act on are escaped.
    """
    shown = "".join(
        character if character.isprintable() else f"\\x{ord(character):02x}"
        for character in f"{method:7} {path[:_MAX_PATH]}".rstrip()
    )
    colour, dim, reset = (
        (_COLOURS.get(str(status)[0], ""), _DIM, _RESET) if coloured else ("", "", "")
    )
    parts = [
        f"{shown:{_PATH_WIDTH + 8}}",
        f"{colour}{status}{reset}",
        f"{dim}{milliseconds:7.1f} ms{reset}",
        f"{colour}{problem}{reset}" if problem else "",
    ]
    return "  ".join(part for part in parts if part)


def problem_of(headers: Mapping[str, str | list[str]], body: str) -> str:
    """Return the name of the problem in a response, "" if there is none."""
    if headers.get("Content-Type") != _PROBLEM or not body:
        return ""
    kind: str = json.loads(body)["type"]
    return kind.rpartition("/")[2]


def print_line(line: str) -> None:
    """Print a line at once, in one piece."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
