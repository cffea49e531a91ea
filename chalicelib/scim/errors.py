"""Problems as SCIM errors (RFC 7644 §3.12)."""

from collections.abc import Iterator
from contextlib import contextmanager

from scim2_models import SCIMException

from chalicelib.domain.errors import Invalid, Problem
from chalicelib.domain.external_ids import ExternalIdTaken
from chalicelib.domain.groups import GroupNameTaken
from chalicelib.domain.users import EmailTaken, UserNameTaken

_UNIQUENESS = (EmailTaken, ExternalIdTaken, GroupNameTaken, UserNameTaken)
# Members of the API's resources that SCIM calls otherwise.
_ATTRIBUTES = {
    "/name": "displayName",
    "/email": "emails.value",
    "/user_name": "userName",
    "/external_id": "externalId",
    "/given_name": "name.givenName",
    "/family_name": "name.familyName",
    "/display_name": "displayName",
}
_BAD_REQUEST = 400


class ScimProblem(SCIMException):
    """A problem that the services found."""

    def __init__(self, problem: Problem) -> None:
        invalid = isinstance(problem, Invalid)
        super().__init__(detail=_invalid(problem) if invalid else problem.detail)
        self.problem = problem
        # SCIM has no 422.
        self.status = _BAD_REQUEST if invalid else problem.status
        if invalid:
            self.scim_type = "invalidValue"
        elif isinstance(problem, _UNIQUENESS):
            self.scim_type = "uniqueness"


@contextmanager
def scim_problems() -> Iterator[None]:
    """Raise problems as SCIM errors."""
    try:
        yield
    except Problem as problem:
        raise ScimProblem(problem) from problem


def _invalid(problem: Problem) -> str:
    """Return what is wrong with each attribute."""
    return " ".join(
        f"{_ATTRIBUTES.get(error.pointer, error.pointer)}: {error.detail}"
        for error in problem.errors
    )
