"""The local server's line for each request."""

import io

import pytest

from localdev.request_lines import is_coloured, problem_of, request_line


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


def line(method: str = "GET", path: str = "/users", status: int = 200, **options: object) -> str:
    """Return a line, by default of a successful request and without colours."""
    settings: dict[str, object] = {"problem": "", "coloured": False, **options}
    return request_line(method, path, status, 1.25, **settings)  # type: ignore[arg-type]


def test_a_line_has_the_facts() -> None:
    """Method, path, status, time and problem are in the line, in this order."""
    assert line(path="/users/x", status=404, problem="user-not-found").split() == [
        "GET",
        "/users/x",
        "404",
        "1.2",
        "ms",
        "user-not-found",
    ]


def test_lines_are_aligned() -> None:
    """The statuses of short and longer paths are below each other."""
    places = {
        line(method, path).index(" 200 ")
        for method in ("GET", "DELETE")
        for path in ("/", "/users/1")
    }
    assert len(places) == 1


@pytest.mark.parametrize(("status", "colour"), [(200, 32), (304, 36), (404, 33), (503, 31)])
def test_colours_tell_the_kind_of_status(status: int, colour: int) -> None:
    """Success is green, redirection cyan, a client's error yellow and a fault red."""
    assert f"\033[{colour}m{status}\033[0m" in line(status=status, coloured=True)


def test_without_colours_there_is_no_escape_sequence() -> None:
    """A line for a file has plain text alone."""
    assert line(status=500, problem="internal-error").isprintable()


@pytest.mark.parametrize("path", ["/\033[31mred", "/line\nfeed", "/" + "x" * 5000, "/\x9b31m"])
def test_a_path_cannot_act_on_the_terminal(path: str) -> None:
    """Control characters of a path are escaped, and a long path is cut."""
    text = line(path=path)
    assert text.isprintable()
    assert len(text) < 300


def test_colours_are_for_terminals() -> None:
    """A terminal gets colours unless NO_COLOR is set; a file never does."""
    assert is_coloured(Terminal(), {})
    assert not is_coloured(Terminal(), {"NO_COLOR": "1"})
    assert not is_coloured(io.StringIO(), {})


def test_the_problem_is_read_from_the_response() -> None:
    """The name of a problem is the last part of its type; other responses have none."""
    headers: dict[str, str | list[str]] = {"Content-Type": "application/problem+json"}
    assert problem_of(headers, '{"type": "/problems/user-not-found"}') == "user-not-found"
    assert problem_of(headers, "") == ""
    assert problem_of({"Content-Type": "application/json"}, "{}") == ""
