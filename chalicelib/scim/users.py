"""Users: between SCIM's representation (RFC 7643 §4.1) and the service's."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace
from scim2_models import InvalidValueException, Reference, ResponseParameters, ScimFilter
from scim2_models.path import CompareOperator

from chalicelib.domain import users as domain
from chalicelib.domain.caller import Caller
from chalicelib.domain.groups import GroupService
from chalicelib.scim.filters import Required, refuse, required
from chalicelib.scim.metadata import asks_for, every, is_storable, meta, validated, versions
from chalicelib.scim.schemas import Email, Group, GroupMembership, Name, User

_EQUAL = CompareOperator.eq
_LATER = {CompareOperator.gt, CompareOperator.ge}
_EARLIER = {CompareOperator.lt, CompareOperator.le}
# Ids, which bound the reads, have times in milliseconds; the filter itself compares exactly.
_MARGIN = timedelta(milliseconds=1)
_EARLIEST, _LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


class Users:
    """The users as `caller` provisions them."""

    def __init__(self, users: domain.UserService, groups: GroupService, caller: Caller) -> None:
        self._users = users
        self._groups = groups
        self._caller = caller

    def get(self, user_id: str, parameters: ResponseParameters[Any] | None) -> User:
        """Return a user. Raises UserNotFound."""
        return self.show(self._get(user_id), parameters)

    def create(self, resource: User) -> User:
        """Create a user. Raises Invalid, EmailTaken, UserNameTaken, ExternalIdTaken."""
        values = kept_of_user(resource)
        self._check_user_name(values.get("user_name"))
        set_values = {name: value for name, value in values.items() if value is not None}
        new = validated(set_values, domain.NewUser)
        return _user(self._users.create(self._caller, new, None).entity)

    def update(self, resource: User, version: str | None) -> User:
        """Give a user the state of `resource`; metadata stays.

        Raises Invalid, UserNotFound, VersionMismatch, EmailTaken, UserNameTaken, ExternalIdTaken.
        """
        user_id = resource.id or ""
        values = kept_of_user(resource)
        self._check_user_name(values.get("user_name"), user_id)
        body = validated(values, domain.UserPatch)
        changed = self._users.patch(self._caller, user_id, body, versions(version))
        return self.show(changed, None)

    def delete(self, user_id: str, version: str | None) -> None:
        """Delete a user. Raises UserNotFound, VersionMismatch, UserHasOpenOrders."""
        self._users.delete(self._caller, user_id, versions(version))

    def search(self, scim_filter: ScimFilter[Any] | None) -> Iterator[tuple[domain.User, bool]]:
        """Yield the users that a filter may match, and whether it does."""
        refuse(
            scim_filter, "groups", "Users cannot be filtered by groups; read the group's members."
        )
        for user in self._candidates(required(scim_filter)):
            yield user, scim_filter is None or scim_filter.match(_user(user))

    def show(self, user: domain.User, parameters: ResponseParameters[Any] | None) -> User:
        """Return a user with its groups, unless these are not asked for."""
        shown = _user(user)
        if asks_for(parameters, "groups"):
            shown.groups = [
                GroupMembership(
                    value=group.group_id,
                    ref=Reference[Group](f"Groups/{group.group_id}"),
                    display=group.display_name,
                    type="direct",
                )
                for group in self._groups.groups_of(user.user_id)
            ] or None
        return shown

    def _get(self, user_id: str) -> domain.User:
        if not domain.USERS.is_id(user_id):
            raise domain.UserNotFound
        return self._users.get(user_id)

    def _candidates(self, comparisons: Required) -> Iterator[domain.User]:
        """Yield the users that an index finds, all if none serves."""
        equal = {name: value for name, operator, value in comparisons if operator == _EQUAL}
        if "id" in equal:
            yield from self._by_id(equal["id"])
        elif "username" in equal:
            yield from self._by_user_name(equal["username"])
        elif "externalid" in equal:
            external_id = equal["externalid"]
            yield from self._by(domain.UserListQuery(external_id=external_id), external_id)
        elif "emails.value" in equal or "emails" in equal:
            email = equal.get("emails.value", equal.get("emails"))
            yield from self._by(domain.UserListQuery(email=email), email)
        else:
            yield from every(self._users.list, _range(comparisons, equal.get("active")))

    def _by_id(self, value: object) -> Iterator[domain.User]:
        try:
            yield self._get(str(value))
        except domain.UserNotFound:
            return

    def _by(self, query: domain.UserListQuery, value: object) -> Iterator[domain.User]:
        if is_storable(value):
            yield from self._users.list(query).items

    def _by_user_name(self, value: Any) -> Iterator[domain.User]:  # noqa: ANN401 - of a filter
        """Yield who has this name, or this e-mail address and no name."""
        yield from self._by(domain.UserListQuery(user_name=value), value)
        for user in self._by(domain.UserListQuery(email=value), value):
            if user.user_name is UNSET:
                yield user

    def _check_user_name(self, user_name: str | None, user_id: str = "") -> None:
        """Raise UserNameTaken if a user name is another user's address, which nothing else does."""
        if user_name is not None and "@" in user_name:
            for user in self._by_user_name(user_name):
                if user.user_id != user_id:
                    raise domain.UserNameTaken


def _user(user: domain.User) -> User:
    """Return SCIM's representation of a user, without groups."""
    given, family = _or_none(user.given_name), _or_none(user.family_name)
    return User(
        id=user.user_id,
        external_id=_or_none(user.external_id),
        user_name=user.email if user.user_name is UNSET else user.user_name,
        name=Name(formatted=user.name, given_name=given, family_name=family),
        display_name=user.name,
        active=user.status == "active",
        emails=[Email(value=user.email, type="work")],
        meta=meta("User", user),
    )


def kept_of_user(resource: User) -> dict[str, Any]:
    """Return the members of the service's user; None removes one.

    Raises InvalidValueException without an address.
    """
    email = _email(resource)
    user_name = (resource.user_name or "").strip()
    name = resource.name or Name()
    return {
        "name": resource.display_name,
        "email": email,
        "external_id": resource.external_id or None,
        "user_name": None if user_name.casefold() == email.casefold() else user_name,
        "given_name": name.given_name or None,
        "family_name": name.family_name or None,
        "status": "active" if resource.active else "suspended",
    }


def _email(resource: User) -> str:
    """Return the address that is kept, the first one."""
    address = next((one.value for one in resource.emails or () if one.value), None)
    if address is None:
        raise InvalidValueException(detail="emails: Give one address.")
    return address


def _or_none(value: Any) -> str | None:  # noqa: ANN401 - a text or UNSET
    return None if value is UNSET else value


def _range(comparisons: Required, active: object) -> domain.UserListQuery:
    """Return what selects the users that can match, by their status and their time of creation."""
    query = domain.UserListQuery()
    if isinstance(active, bool):
        query = replace(query, status="active" if active else "suspended")
    for name, operator, value in comparisons:
        time = _time(value) if name == "meta.created" else None
        if time is not None and operator in _LATER:
            query = replace(query, created_after=time - _MARGIN)
        elif time is not None and operator in _EARLIER:
            query = replace(query, created_before=time + _MARGIN)
    return query


def _time(value: object) -> datetime | None:
    """Return the time that a filter compares with, None for one that bounds no read.

    It bounds none without a zone, nor where ids have no such time.
    """
    try:
        time = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return time if time.tzinfo and _EARLIEST < time < _LATEST else None
