"""What the document's own testers found, so that it stays found."""

import pytest

from tests.served import ORDER, bearer, served

ADMIN = bearer("boss", roles=["admin"])


def test_a_path_that_spells_the_catch_all_is_no_route() -> None:
    """The pattern of the catch-all is a path like any other: nothing is there."""
    with served() as api:
        assert api.call("DELETE", "/{proxy+}").status == 404


@pytest.mark.parametrize("email", ["ann@example.com\n", "ann@example.com\r"])
def test_an_address_ends_where_it_ends(email: str) -> None:
    """A line feed after an address is no part of it, in Python's patterns either."""
    with served() as api:
        reply = api.call("POST", "/users", ADMIN, {"name": "Ann", "email": email})

    assert [error["pointer"] for error in reply.body["errors"]] == ["/email"]


def test_an_article_number_ends_where_it_ends() -> None:
    """A line feed after an article's number is a control character like any other."""
    item = {**ORDER["items"][0], "sku": "TEA-250\n"}
    with served() as api:
        path = f"/users/{api.user()}/orders"
        reply = api.call("POST", path, ADMIN, {**ORDER, "items": [item]})

    assert [error["pointer"] for error in reply.body["errors"]] == ["/items/0/sku"]


def test_a_number_is_no_time() -> None:
    """Times are texts of RFC 3339: a bare number is refused, and so is the word null."""
    with served() as api:
        for value in ("0.5", "1790000000", "null"):
            reply = api.call("GET", f"/users?created_before={value}", ADMIN)
            assert reply.body["type"] == "/problems/invalid-parameter", value
