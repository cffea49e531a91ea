"""Roles by groups: the members of the groups that ADMIN_GROUPS names are administrators."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chalicelib.settings import Settings
from chalicelib.settings_error import SettingsError
from tests.scim.provisioner import Provisioner, assert_error
from tests.support.served import Served, bearer, served

NO_GROUP = f"grp_{'0' * 32}"


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return the URL of an empty database."""
    return f"sqlite:///{tmp_path / 'users.db'}"


@pytest.fixture
def people(url: str) -> dict[str, str]:
    """Return the ids of a user in the group `group`, one in another group, and the groups."""
    with served(STORAGE_URL=url) as api:
        provider = Provisioner(api)
        inside, outside = (
            provider.create("Users", userName=f"{name}@example.com")["id"] for name in "ab"
        )
        group = provider.create("Groups", displayName="Admins", members=[{"value": inside}])
        other = provider.create("Groups", displayName="Staff", members=[{"value": outside}])
        return {
            "inside": inside,
            "outside": outside,
            "group": group["id"],
            "other": other["id"],
        }


@contextmanager
def administered(url: str, *groups: str) -> Iterator[Served]:
    """Serve the API with these groups of administrators."""
    with served(STORAGE_URL=url, ADMIN_GROUPS=" ".join(groups)) as api:
        yield api


def listing(api: Served, subject: str) -> int:
    """Return the status of the list of users, which is for administrators."""
    return api.call("GET", "/users", bearer(subject)).status


def test_members_are_administrators(url: str, people: dict[str, str]) -> None:
    """A member may do what administrators may, which the history says; nobody else may."""
    with administered(url, NO_GROUP, people["group"]) as api:
        assert listing(api, people["inside"]) == 200
        assert listing(api, people["outside"]) == 403
        assert listing(api, "somebody whom no user is") == 403
        path = f"/users/{people['outside']}"
        body = {"status": "suspended"}
        assert api.call("PATCH", path, bearer(people["inside"]), body).status == 200
        entry = api.as_administrator("GET", f"{path}/history").body["history"][0]
        assert (entry["by"], entry["by_role"]) == (people["inside"], "administrator")


def test_groups_grant_nothing_unless_a_setting_says_so(url: str, people: dict[str, str]) -> None:
    """Without ADMIN_GROUPS, members of groups are users like others."""
    with served(STORAGE_URL=url) as api:
        assert listing(api, people["inside"]) == 403


def test_a_role_ends_at_once(url: str, people: dict[str, str]) -> None:
    """Whoever leaves the group, is deactivated or deleted is no administrator any more."""
    with administered(url, people["group"], people["other"]) as api:
        provider = Provisioner(api)
        assert {listing(api, people[one]) for one in ("inside", "outside")} == {200}
        removal = {"op": "remove", "path": f'members[value eq "{people["inside"]}"]'}
        assert provider.patch(f"/Groups/{people['group']}", removal).status == 200
        off = {"op": "replace", "path": "active", "value": False}
        assert provider.patch(f"/Users/{people['outside']}", off).status == 200
        assert {listing(api, people[one]) for one in ("inside", "outside")} == {403}
        on = {"op": "replace", "path": "active", "value": True}
        assert provider.patch(f"/Users/{people['outside']}", on).status == 200
        assert listing(api, people["outside"]) == 200
        provider.send("DELETE", f"/Users/{people['outside']}")
        assert listing(api, people["outside"]) == 403


def test_members_may_provision(url: str, people: dict[str, str]) -> None:
    """SCIM too is for the members of such a group, and for no other users."""
    with administered(url, people["group"]) as api:
        member = Provisioner(api, bearer(people["inside"]))
        assert member.get("/Users")["totalResults"] == 2
        assert_error(Provisioner(api, bearer(people["outside"])).send("GET", "/Users"), 403)


@pytest.mark.parametrize("value", ["Admins", "grp_1", f"{NO_GROUP},{NO_GROUP}"])
def test_groups_are_named_by_their_ids(value: str) -> None:
    """A setting that names no groups is refused, rather than to grant nothing silently."""
    with pytest.raises(SettingsError, match="ADMIN_GROUPS must be ids of groups"):
        _ = Settings({"ADMIN_GROUPS": value}).admin_groups
