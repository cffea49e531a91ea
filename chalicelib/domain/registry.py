"""The resources of the API: storage keeps these, and the document describes them."""

from chalicelib.domain.groups import GROUPS
from chalicelib.domain.orders import ORDERS
from chalicelib.domain.resource import Resources
from chalicelib.domain.users import USERS
from chalicelib.domain.webhooks import WEBHOOKS

RESOURCES: Resources = (USERS, ORDERS, WEBHOOKS, GROUPS)
