"""Regressions: bugs that external testing tools of the document found."""

import pytest

from tests.support.served import ORDER, bearer, served

ADMIN = bearer("boss", roles=["admin"])


def test_a_path_spelled_like_the_catch_all_is_404() -> None:
    """The catch-all's pattern is an unknown path like any other."""
    with served() as api:
        assert api.call("DELETE", "/{proxy+}").status == 404


@pytest.mark.parametrize("email", ["ann@example.com\n", "ann@example.com\r"])
def test_an_email_cannot_end_with_a_line_feed(email: str) -> None:
    """A trailing line feed is invalid, although `$` of Python's patterns allows it."""
    with served() as api:
        reply = api.call("POST", "/users", ADMIN, {"name": "Ann", "email": email})

    assert [error["pointer"] for error in reply.body["errors"]] == ["/email"]


def test_a_sku_cannot_end_with_a_line_feed() -> None:
    """A trailing line feed in a SKU is a control character like any other."""
    item = {**ORDER["items"][0], "sku": "TEA-250\n"}
    with served() as api:
        path = f"/users/{api.user()}/orders"
        reply = api.call("POST", path, ADMIN, {**ORDER, "items": [item]})

    assert [error["pointer"] for error in reply.body["errors"]] == ["/items/0/sku"]


def test_a_number_is_not_a_time() -> None:
    """Times are RFC 3339 strings: a bare number is refused, and so is null."""
    with served() as api:
        for value in ("0.5", "1790000000", "null"):
            reply = api.call("GET", f"/users?created_before={value}", ADMIN)
            assert reply.body["type"] == "/problems/invalid-parameter", value
