"""What declarations of handlers say; the handlers here raise NotImplementedError, never called."""

from typing import Annotated, Any

import pytest
from msgspec import Meta

from chalicelib.domain.caller import Caller
from chalicelib.domain.idempotency import Created, IdempotencyKey
from chalicelib.domain.pagination import ListQuery
from chalicelib.domain.resource import ExpectedVersions
from chalicelib.domain.storage import Page
from chalicelib.domain.users import NewUser, User, UserId, UserListQuery, UserNotFound
from chalicelib.security.permissions import Access
from chalicelib.settings import Settings
from chalicelib.web.application import Api
from chalicelib.web.operation import BasePath, Handler, Operation, RoutePath, Source

PATH = "/users/{user_id}"


def whole(  # noqa: PLR0913, PLR0917 - every source
    user_id: UserId,
    body: NewUser,
    query: UserListQuery,
    caller: Caller,
    versions: ExpectedVersions,
    key: IdempotencyKey | None,
    route: RoutePath,
    base: BasePath,
) -> Created[User]:
    """Take every argument that there is."""
    raise NotImplementedError


def a_struct(user_id: UserId, body: User) -> User:
    """Take an entity, which clients do not send."""
    raise NotImplementedError


def a_required_key(user_id: UserId, key: IdempotencyKey) -> User:
    """Take a key, although clients may leave it out."""
    raise NotImplementedError


def a_text(user_id: UserId, name: str) -> User:
    """Take a text from nowhere."""
    raise NotImplementedError


def a_body_or_none(user_id: UserId, body: NewUser | None) -> User:
    """Take a body that may be absent."""
    raise NotImplementedError


def another_parameter(user_id: UserId, order_id: UserId) -> User:
    """Take an id that is not in the path."""
    raise NotImplementedError


def a_plain_parameter(user_id: str) -> User:
    """Take an id as a text."""
    raise NotImplementedError


def a_parameter_without_problem(
    user_id: Annotated[str, Meta(pattern="^a$", extra={"prefix": "a"})],
) -> User:
    """Take an id without a problem for malformed ones."""
    raise NotImplementedError


def no_parameter(body: NewUser) -> User:
    """Take no id, although the path has one."""
    raise NotImplementedError


def a_list(query: ListQuery) -> Page[User]:
    """Return a page."""
    raise NotImplementedError


def test_every_source_is_known() -> None:
    """Each argument has its source, path parameters have their check, and the result its type."""
    operation = Operation(whole, PATH, Access.OWNER)

    sources = {name: source for name, (source, _) in operation.arguments.items()}
    assert sources == {
        "body": Source.BODY,
        "query": Source.QUERY,
        "caller": Source.CALLER,
        "versions": Source.VERSIONS,
        "key": Source.KEY,
        "route": Source.ROUTE_PATH,
        "base": Source.BASE_PATH,
    }
    assert operation.hint(Source.BODY) is NewUser
    assert (operation.result, operation.content) == (Created, User)
    with pytest.raises(UserNotFound):
        operation.path_parameters["user_id"].check("usr_" + "0" * 3000)
    operation.path_parameters["user_id"].check("usr_" + "0" * 32)


def test_what_is_absent_has_no_source() -> None:
    """A handler without a body has no hint for one."""
    operation = Operation(a_list, "/users", Access.ADMINISTRATORS)

    assert operation.hint(Source.BODY) is None
    assert operation.path_parameters == {}


@pytest.mark.parametrize(
    ("handler", "name"),
    [
        (a_struct, "body"),
        (a_required_key, "key"),
        (a_text, "name"),
        (a_body_or_none, "body"),
        (another_parameter, "order_id"),
    ],
)
def test_an_argument_that_nothing_supplies_is_refused(handler: Handler, name: str) -> None:
    """A handler with such an argument cannot be declared, and the error names both."""
    with pytest.raises(TypeError, match=f"'{name}' of {handler.__name__}"):
        Operation(handler, PATH, Access.OWNER)


@pytest.mark.parametrize("handler", [a_plain_parameter, a_parameter_without_problem, no_parameter])
def test_a_path_parameter_without_its_not_found_is_refused(handler: Handler) -> None:
    """Each parameter of the path has an annotation that names the problem of malformed values."""
    with pytest.raises(TypeError, match=f"'user_id' of {handler.__name__} .* not_found"):
        Operation(handler, PATH, Access.OWNER)


def test_an_argument_without_annotation_is_refused() -> None:
    """An argument that is not annotated cannot be supplied either."""

    def bare(user_id: UserId, surprise) -> User:  # type: ignore[no-untyped-def]  # noqa: ANN001
        raise NotImplementedError

    with pytest.raises(TypeError, match="'surprise' of bare"):
        Operation(bare, PATH, Access.OWNER)


def test_a_page_without_its_query_is_refused() -> None:
    """A handler that returns a page takes the query, to which the cursors are bound."""

    def pages() -> Page[User]:
        raise NotImplementedError

    with pytest.raises(TypeError, match="pages returns a Page"):
        Operation(pages, "/users", Access.ADMINISTRATORS)


@pytest.mark.parametrize("handler", [a_text, a_plain_parameter])
def test_a_wrong_handler_declares_no_route(handler: Any) -> None:
    """The application refuses the route itself, before any request."""
    app = Api("of-a-test", Settings.from_environment)

    with pytest.raises(TypeError):
        app.route(PATH)(handler)
    assert app.operations == {}
    assert PATH not in app.routes
