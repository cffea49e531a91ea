"""Users over HTTP: create, read, replace, change, delete."""

from tests.support.served import Served, bearer

ADMIN = bearer("boss", roles=["admin"])
ANN = {"name": "Ann", "email": "Ann@Example.com"}


def test_creation_returns_the_whole_user(api: Served) -> None:
    """POST returns 201 with the message, the stored user and its Location."""
    new = {"name": "  Zoë 雪 ", "email": "Zoe@Example.com", "metadata": {"a": "", "clé": "ü"}}
    reply = api.call("POST", "/users", ADMIN, new)
    assert reply.status == 201
    user = reply.body
    assert user.pop("message") == "User created"
    assert user["user_id"].startswith("usr_")
    assert user["created_at"] == user["updated_at"]
    assert user["created_at"].endswith("Z")
    assert len(user["created_at"]) == len("2026-11-21T09:30:00.000Z")
    assert {name: user[name] for name in ("name", "email", "status", "metadata", "version")} == {
        "name": "Zoë 雪",
        "email": "Zoe@Example.com",
        "status": "active",
        "metadata": {"a": "", "clé": "ü"},
        "version": 1,
    }
    assert reply.headers["ETag"] == '"1"'
    assert reply.headers["Location"] == f"/api/users/{user['user_id']}"
    assert api.call("GET", f"/users/{user['user_id']}", ADMIN).body == user


def test_an_email_belongs_to_one_user_in_any_case(api: Served) -> None:
    """A taken address is 409 for creations and changes, and free again once released."""
    first = api.as_administrator("POST", "/users", ANN).body["user_id"]
    second = api.as_administrator("POST", "/users", {**ANN, "email": "bob@example.com"}).body
    taken = {"name": "B", "email": "aNN@example.COM"}
    for method, path in (
        ("POST", "/users"),
        ("PUT", f"/users/{second['user_id']}"),
        ("PATCH", f"/users/{second['user_id']}"),
    ):
        reply = api.call(method, path, ADMIN, taken)
        assert (reply.status, reply.body["type"]) == (409, "/problems/email-taken")
    assert api.call("GET", f"/users/{second['user_id']}", ADMIN).body["version"] == 1

    api.as_administrator("PATCH", f"/users/{first}", {"email": "ann@elsewhere.example"})
    api.as_administrator("PATCH", f"/users/{second['user_id']}", taken)
    api.as_administrator("PATCH", f"/users/{second['user_id']}", {"email": "ANN@EXAMPLE.COM"})
    assert api.call("POST", "/users", ADMIN, ANN).status == 409
    api.as_administrator("DELETE", f"/users/{second['user_id']}")
    assert api.call("POST", "/users", ADMIN, ANN).status == 201


def test_put_replaces_what_clients_may_set(api: Served) -> None:
    """PUT clears absent metadata, keeps an absent status, and requires name and e-mail."""
    new = {**ANN, "status": "suspended", "metadata": {"a": "1"}}
    user = api.as_administrator("POST", "/users", new).body
    path = f"/users/{user['user_id']}"
    replaced = api.as_administrator("PUT", path, {"name": "Bob", "email": "b@example.com"}).body
    assert replaced == {
        **{name: user[name] for name in ("user_id", "created_at", "status")},
        "name": "Bob",
        "email": "b@example.com",
        "metadata": {},
        "updated_at": replaced["updated_at"],
        "version": 2,
    }
    reply = api.call("PUT", path, ADMIN, {"name": "Bob"})
    assert (reply.status, [e["pointer"] for e in reply.body["errors"]]) == (422, ["/email"])


LINKED = {
    "user_name": " Ann.Example ",
    "external_id": "Ann-1@Provider",
    "given_name": "Ann",
    "family_name": "Example",
}


def test_what_a_provider_knows_a_user_by_is_optional(api: Served) -> None:
    """Members that are not set are absent; those that are set are kept, user names trimmed."""
    assert not set(LINKED) & set(api.as_administrator("POST", "/users", ANN).body)
    new = {"name": "Ann", "email": "ann@b.example", **LINKED}
    user = api.as_administrator("POST", "/users", new).body
    expected = {**LINKED, "user_name": "Ann.Example"}
    assert {name: user[name] for name in LINKED} == expected
    del user["message"]
    assert api.call("GET", f"/users/{user['user_id']}", ADMIN).body == user


def test_put_keeps_the_link_to_the_provider(api: Served) -> None:
    """PUT keeps what it leaves out of them, also that of an owner, and removes what is null."""
    user = api.as_administrator("POST", "/users", {**ANN, **LINKED}).body
    path, own = f"/users/{user['user_id']}", bearer(user["user_id"])

    kept = api.call("PUT", path, own, ANN).body
    assert {name: kept[name] for name in LINKED} == {name: user[name] for name in LINKED}
    renamed = api.call("PUT", path, own, {**ANN, "given_name": None, "family_name": "B"}).body
    assert (renamed["family_name"], "given_name" in renamed) == ("B", False)
    unlinked = api.call("PUT", path, ADMIN, {**ANN, "user_name": None, "external_id": None}).body
    assert not {"user_name", "external_id"} & set(unlinked)
    assert unlinked["family_name"] == "B"


def test_patch_sets_and_removes_the_link_to_the_provider(api: Served) -> None:
    """PATCH changes what it names of them; null removes it, and the value is free at once."""
    user = api.as_administrator("POST", "/users", {**ANN, **LINKED}).body
    path = f"/users/{user['user_id']}"

    patched = api.as_administrator("PATCH", path, {"user_name": None, "external_id": None}).body
    assert not {"user_name", "external_id"} & set(patched)
    assert patched["given_name"] == "Ann"
    other = api.as_administrator(
        "POST", "/users", {"name": "B", "email": "b@example.com", **LINKED}
    ).body
    for member, kind in (("user_name", "user-name-taken"), ("external_id", "external-id-taken")):
        reply = api.call("PATCH", path, ADMIN, {member: other[member]})
        assert (reply.status, reply.body["type"]) == (409, f"/problems/{kind}")
    upper = {"user_name": "ANN.EXAMPLE", "external_id": "ANN-1@PROVIDER"}
    assert api.call("PATCH", path, ADMIN, {"user_name": upper["user_name"]}).status == 409
    assert api.call("PATCH", path, ADMIN, {"external_id": upper["external_id"]}).status == 200


def test_users_are_found_by_what_the_provider_knows_them_by(api: Served) -> None:
    """A user name is found in any case, an external id only in its own."""
    user_id = api.as_administrator("POST", "/users", {**ANN, **LINKED}).body["user_id"]
    api.as_administrator("POST", "/users", {"name": "B", "email": "b@example.com"})

    def found(query: str) -> list[str]:
        page = api.call("GET", f"/users?{query}", ADMIN).body
        assert page["next_cursor"] is None
        return [user["user_id"] for user in page["users"]]

    assert found("user_name=aNN.eXAMPLE") == [user_id]
    assert found("external_id=Ann-1%40Provider") == [user_id]
    assert found("external_id=Ann-1%40Provider&user_name=ann.example&status=active") == [user_id]
    assert found("external_id=ann-1%40provider") == []
    assert found("external_id=Ann-1%40Provider&status=suspended") == []
    assert api.call("GET", f"/users?user_name={'u' * 201}", ADMIN).status == 400


def test_put_does_not_create(api: Served) -> None:
    """PUT of a user that does not exist is 404."""
    path = "/users/usr_" + "0" * 32
    assert api.call("PUT", path, ADMIN, ANN).status == 404


def test_patch_changes_what_it_names(api: Served) -> None:
    """PATCH merges metadata, removes pairs set to null, and keeps the rest."""
    user = api.as_administrator("POST", "/users", {**ANN, "metadata": {"a": "1", "b": "2"}}).body
    path = f"/users/{user['user_id']}"
    patched = api.as_administrator("PATCH", path, {"metadata": {"b": None, "c": "3"}}).body
    assert (patched["metadata"], patched["name"]) == ({"a": "1", "c": "3"}, "Ann")
    patched = api.as_administrator("PATCH", path, {"name": " Anna "}).body
    assert (patched["metadata"], patched["name"]) == ({"a": "1", "c": "3"}, "Anna")
    assert api.as_administrator("PATCH", path, {"metadata": None}).body["metadata"] == {}


def test_patch_never_exceeds_the_limit_of_pairs(api: Served) -> None:
    """A merge that would leave more than fifty pairs is 422 at /metadata and changes nothing."""
    pairs = {f"k{n}": "v" for n in range(50)}
    user = api.as_administrator("POST", "/users", {**ANN, "metadata": pairs}).body
    path = f"/users/{user['user_id']}"
    reply = api.call("PATCH", path, ADMIN, {"metadata": {"one more": "v"}})
    assert (reply.status, reply.body["errors"][0]["pointer"]) == (422, "/metadata")
    assert api.call("PATCH", path, ADMIN, {"metadata": {"one more": "v", "k0": None}}).status == 200


def test_null_is_refused_for_required_fields(api: Served) -> None:
    """PATCH with null for a required field is 422 at that field."""
    path = f"/users/{api.user()}"
    reply = api.call("PATCH", path, ADMIN, {"name": None, "email": None, "status": None})
    pointers = [error["pointer"] for error in reply.body["errors"]]
    assert (reply.status, pointers) == (422, ["/name", "/email", "/status"])


def test_merge_patches_have_their_own_media_type(api: Served) -> None:
    """PATCH accepts both JSON media types; other methods only application/json."""
    path = f"/users/{api.user()}"
    merge = {"Content-Type": "Application/Merge-Patch+JSON; charset=utf-8"}
    assert api.call("PATCH", path, ADMIN, {"name": "B"}, merge).status == 200
    assert (
        api.call("PATCH", path, ADMIN, {"name": "B"}, {"Content-Type": "text/json"}).status == 415
    )
    assert api.call("PUT", path, ADMIN, ANN, merge).status == 415


def test_delete_erases_the_user_and_keeps_closed_orders(api: Served) -> None:
    """A deleted user is gone and no retry recreates it; its closed orders stay."""
    keyed = {"Idempotency-Key": "k"}
    user_id = api.call("POST", "/users", ADMIN, ANN, keyed).body["user_id"]
    order_id = api.order(user_id)
    path = f"/users/{user_id}"
    reply = api.call("DELETE", path, ADMIN)
    assert (reply.status, reply.body["type"]) == (409, "/problems/user-has-open-orders")
    for step in ("paid", "shipped", "delivered"):
        api.as_administrator("PATCH", f"{path}/orders/{order_id}", {"status": step})
    reply = api.call("DELETE", path, ADMIN)
    assert (reply.status, reply.body) == (204, None)
    for method in ("GET", "DELETE"):
        assert api.call(method, path, ADMIN).body["type"] == "/problems/user-not-found"
    assert api.call("GET", f"{path}/orders/{order_id}", ADMIN).status == 200
    assert len(api.call("GET", f"{path}/orders", ADMIN).body["orders"]) == 1
    retry = api.call("POST", "/users", ADMIN, ANN, keyed)
    assert (retry.status, "Idempotent-Replayed" in retry.headers) == (410, False)
    again = api.call("POST", "/users", ADMIN, ANN)
    assert again.status == 201
    assert again.body["user_id"] != user_id
