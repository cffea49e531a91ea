"""Addresses: where a user's orders can be sent to."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from chalicelib.domain.caller import Caller
from chalicelib.domain.errors import Conflict, NotFound
from chalicelib.domain.fields import Line, id_field, rule
from chalicelib.domain.history import HistoryEntry
from chalicelib.domain.idempotency import Created, IdempotencyKey
from chalicelib.domain.pagination import ListQuery, PageQuery
from chalicelib.domain.resource import Counter, Entity, ExpectedVersions, Input, Resource
from chalicelib.domain.service import ResourceService
from chalicelib.domain.storage import Page
from chalicelib.domain.users import USERS, UserId


class AddressNotFound(NotFound):
    """The user has no such address, or the caller must not know about it."""

    name = "address-not-found"
    title = "Address not found"
    explanation = "The user has no address with this id, or the caller is not allowed to see it."
    detail = "This user has no address with this id."


class TooManyAddresses(Conflict):
    """The user has as many addresses as it may have."""

    name = "too-many-addresses"
    title = "Too many addresses"
    explanation = "A user has at most 20 addresses."
    detail = "The user has 20 addresses already; delete one to make room."


AddressId = Annotated[
    str, id_field("adr_", "address", "019a9d3c7f2a7c4d8e9f0a1b2c3d4e5f", AddressNotFound)
]
Country = Annotated[
    str,
    Meta(
        pattern=r"^[A-Z]{2}$(?!\n)",
        description="An ISO 3166-1 alpha-2 code.",
        examples=["PT"],
        extra=rule("an ISO 3166-1 country code of two capitals, such as PT"),
    ),
]
PostalCode = Annotated[Line, Meta(description="As the country writes it.", examples=["1200-195"])]


class Address(Entity, frozen=True):
    """An address as clients read it."""

    address_id: AddressId
    user_id: UserId
    recipient: Line
    street: Line
    city: Line
    country: Country
    postal_code: PostalCode | UnsetType = UNSET


class NewAddress(Input, frozen=True):
    """The body of a request that creates an address."""

    recipient: Line
    street: Line
    city: Line
    country: Country
    postal_code: PostalCode | UnsetType = UNSET


class AddressPatch(Input, frozen=True):
    """The body of a request that changes the named members of an address (RFC 7396)."""

    recipient: Line | UnsetType = UNSET
    street: Line | UnsetType = UNSET
    city: Line | UnsetType = UNSET
    country: Country | UnsetType = UNSET
    postal_code: PostalCode | UnsetType | None = UNSET


ADDRESSES = Resource(
    "addresses",
    Address,
    description="Where a user's orders can be sent to.",
    parent=USERS,
    counter=Counter(name="addresses", maximum=20, exceeded=TooManyAddresses),
)


class AddressService(ResourceService[Address]):
    """Creates, reads, changes, lists and deletes the addresses of users."""

    resource = ADDRESSES

    def create(
        self, caller: Caller, user_id: str, new: NewAddress, key: IdempotencyKey | None
    ) -> Created[Address]:
        """Create an address.

        Raises UserNotFound, TooManyAddresses, CreationUndone, KeyReused.
        """
        return self._create(caller, new, key, user_id=user_id)

    def get(self, user_id: str, address_id: str) -> Address:
        """Return a user's address. Raises AddressNotFound."""
        return self._get(user_id, address_id)

    def patch(
        self,
        caller: Caller,
        user_id: str,
        address_id: str,
        body: AddressPatch,
        versions: ExpectedVersions,
    ) -> Address:
        """Change the named members. Raises AddressNotFound, VersionMismatch."""
        return self._patch(caller, (user_id, address_id), body, versions)

    def delete(
        self, caller: Caller, user_id: str, address_id: str, versions: ExpectedVersions
    ) -> None:
        """Delete an address. Raises AddressNotFound, VersionMismatch."""
        self._delete(caller, (user_id, address_id), versions)

    def list(self, user_id: str, query: ListQuery) -> Page[Address]:
        """Return a page of a user's addresses. Raises UserNotFound."""
        return self._list((user_id,), query)

    def history(self, user_id: str, address_id: str, query: PageQuery) -> Page[HistoryEntry]:
        """Return a page of what was done to an address. Raises AddressNotFound."""
        return self._history((user_id, address_id), query)
