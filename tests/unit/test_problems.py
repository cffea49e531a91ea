"""Problems: every exception has its type, and reveals nothing internal."""

import msgspec
import pytest

from chalicelib.domain import errors, registry
from chalicelib.domain.errors import FieldError, Invalid, Problem, problem_types
from chalicelib.domain.users import EmailTaken
from chalicelib.web.problem_details import describe, type_of


def classes(base: type[Problem]) -> list[type[Problem]]:
    """Return all subclasses of a class."""
    assert registry.RESOURCES, "their modules declare problems too"
    return [cls for sub in base.__subclasses__() for cls in (sub, *classes(sub))]


@pytest.mark.parametrize("cls", classes(Problem))
def test_every_exception_has_a_problem_type(cls: type[Problem]) -> None:
    """Each class has a name, a status and texts, and an example that can be described."""
    body = describe(cls.example() if cls is not errors.TooManyPairs else cls(), "r")
    assert body.kind == type_of(cls)
    assert all(text for text in (cls.name, cls.title, cls.explanation, body.detail))


def test_the_exception_tree_is_documented() -> None:
    """The tree at the top of the module names each of its classes once."""
    tree = (errors.__doc__ or "").split()
    for cls in classes(Problem):
        if cls.__module__ == errors.__name__:
            assert tree.count(cls.__name__) == 1, cls


def test_problem_types_are_distinct() -> None:
    """No two types share a name, and all have error statuses."""
    types = list(problem_types())
    assert len({problem.name for problem in types}) == len(types)
    assert all(400 <= problem.status < 600 for problem in types)


def test_an_internal_error_is_described_without_its_cause() -> None:
    """An exception that is not a Problem is a 500 with a fixed text."""
    body = describe(KeyError("SELECT secret FROM users"), "r")
    assert body == describe(RuntimeError("other"), "r")
    assert (body.status, body.kind) == (500, "/problems/internal-error")


def test_problem_details_have_one_shape() -> None:
    """The body has RFC 9457's members, the message, the request id, and the errors."""
    error = Invalid([FieldError("/a", "Must be b.")])
    assert msgspec.json.decode(msgspec.json.encode(describe(error, "r-1"))) == {
        "type": "/problems/invalid-body",
        "title": "Invalid body",
        "status": 422,
        "detail": "Correct /a: 'errors' says how.",
        "message": "Correct /a: 'errors' says how.",
        "request_id": "r-1",
        "errors": [{"pointer": "/a", "detail": "Must be b."}],
    }


def test_many_errors_are_summarized() -> None:
    """The detail names the first five fields and counts the rest."""
    error = Invalid([FieldError(f"/{n}", "x") for n in range(7)])
    assert error.detail == "Correct /0, /1, /2, /3, /4 and 2 more: 'errors' says how."


def test_a_problem_type_is_inherited() -> None:
    """A class without its own problem type has its ancestor's."""

    class Special(EmailTaken):
        """A special case."""

    assert describe(Special(), "r") == describe(EmailTaken(), "r")
