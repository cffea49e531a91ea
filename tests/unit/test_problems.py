"""Problems: every exception has its kind, and says nothing that is not for clients."""

import msgspec
import pytest

from chalicelib.domain import errors as problems
from chalicelib.domain.errors import FieldError, Invalid, Problem
from chalicelib.web.problem_details import KINDS, describe, kind_of


def classes(base: type[Problem]) -> list[type[Problem]]:
    """Return a class and all that derive from it."""
    return [base, *(cls for sub in base.__subclasses__() for cls in classes(sub))]


@pytest.mark.parametrize("cls", classes(Problem))
def test_every_exception_has_a_kind(cls: type[Problem]) -> None:
    """Each class is in the table, itself or by an ancestor that is more than Problem."""
    if cls is not Problem:
        assert any(base in KINDS for base in cls.__mro__ if base is not Exception)


def test_the_tree_is_drawn() -> None:
    """The tree at the top of the module names every class once."""
    tree = (problems.__doc__ or "").split()
    for cls in classes(Problem):
        assert tree.count(cls.__name__) == 1, cls


def test_kinds_are_told_apart() -> None:
    """No two kinds share a name, and statuses are those of errors."""
    assert len({kind.name for kind in KINDS.values()}) == len(KINDS)
    assert all(400 <= kind.status < 600 for kind in KINDS.values())


def test_a_fault_is_described_without_its_cause() -> None:
    """An exception that is no problem is a 500 whose text is always the same."""
    body = describe(KeyError("SELECT secret FROM users"), "r")
    assert body == describe(RuntimeError("other"), "r")
    assert (body.status, body.kind) == (500, "/problems/internal-error")


def test_a_problem_is_described_in_the_one_shape() -> None:
    """The body has RFC 9457's members, the message again, the request's id, and the errors."""
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


def test_many_errors_are_summed_up() -> None:
    """The sentence names the first five places and counts the rest."""
    error = Invalid([FieldError(f"/{n}", "x") for n in range(7)])
    assert error.detail == "Correct /0, /1, /2, /3, /4 and 2 more: 'errors' says how."


def test_a_kind_is_looked_up_along_the_ancestry() -> None:
    """A class without a kind of its own has its ancestor's."""

    class Special(problems.EmailTaken):
        """A special case."""

    assert kind_of(Special()) is KINDS[problems.EmailTaken]
