"""The tour of the README, by a client that openapi-python-client made of the document.

Run by `test_clients`, in the generator's environment, with the address as its argument.
"""

import sys

from user_api import Client
from user_api.api.orders import create_order, get_order_details, get_user_orders, patch_order
from user_api.api.users import (
    create_user,
    delete_user,
    get_user,
    list_users,
    patch_user,
    update_user,
)
from user_api.models import (
    Currency,
    Item,
    NewOrder,
    NewUser,
    Order,
    OrderPatch,
    OrderStatus,
    ProblemDetails,
    User,
    UserCreated,
    UserList,
    UserPatch,
    UserReplacement,
)


def main(address: str) -> None:
    """Create a user, read, list and change it, deliver an order to it, and delete it."""
    with Client(base_url=address, raise_on_unexpected_status=True) as client:
        user_id = tour_users(client)
        tour_orders(client, user_id)

        assert delete_user.sync_detailed(user_id, client=client).status_code == 204
        gone = get_user.sync(user_id, client=client)
        assert isinstance(gone, ProblemDetails)
        assert gone.type_ == "/problems/user-not-found"


def tour_users(client: Client) -> str:
    """Return the id of a new user, after it was read, listed and changed."""
    new = NewUser(name="Ann Example", email="ann@example.com")
    created = create_user.sync(client=client, body=new, idempotency_key="ann")
    assert isinstance(created, UserCreated)
    assert created.message == "User created"
    taken = create_user.sync(client=client, body=NewUser("Bob", "ANN@EXAMPLE.COM"))
    assert isinstance(taken, ProblemDetails)
    assert taken.type_ == "/problems/email-taken"
    again = create_user.sync_detailed(client=client, body=new, idempotency_key="ann")
    assert again.headers["Idempotent-Replayed"] == "true"

    read = get_user.sync_detailed(created.user_id, client=client)
    assert isinstance(read.parsed, User)
    assert read.parsed.name == "Ann Example"
    listed = list_users.sync(client=client, email="ANN@example.com")
    assert isinstance(listed, UserList)
    assert [user.user_id for user in listed.users] == [created.user_id]

    replacement = UserReplacement(name="Ann Sample", email="ann@example.org")
    tag = read.headers["ETag"]
    changed = update_user.sync(created.user_id, client=client, body=replacement, if_match=tag)
    assert isinstance(changed, User)
    assert (changed.name, changed.version) == ("Ann Sample", 2)
    late = patch_user.sync(created.user_id, client=client, body=UserPatch(name="Ann"), if_match=tag)
    assert isinstance(late, ProblemDetails)
    assert late.status == 412
    return created.user_id


def tour_orders(client: Client, user_id: str) -> None:
    """Order two items, and walk the order to its delivery."""
    items = [
        Item(sku="TEA-250", quantity=2, unit_price=450),
        Item(sku="CUP", quantity=1, unit_price=1200),
    ]
    order = create_order.sync(user_id, client=client, body=NewOrder(Currency.EUR, items))
    assert isinstance(order, Order)
    assert (order.status, order.total) == (OrderStatus.PENDING, 2100)

    for step in (OrderStatus.PAID, OrderStatus.SHIPPED, OrderStatus.DELIVERED):
        stepped = patch_order.sync(
            user_id, order.order_id, client=client, body=OrderPatch(status=step)
        )
        assert isinstance(stepped, Order)
        assert stepped.status == step
    delivered = get_order_details.sync(user_id, order.order_id, client=client)
    assert isinstance(delivered, Order)
    listed = get_user_orders.sync(user_id, client=client, status=OrderStatus.DELIVERED)
    assert getattr(listed, "orders", None) == [delivered]


if __name__ == "__main__":
    main(sys.argv[1])
