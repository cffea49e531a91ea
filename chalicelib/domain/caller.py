"""Who sends a request."""

from typing import Literal

from msgspec import Struct


class Caller(Struct, frozen=True):
    """Who sent a request.

    `subject` is unique to the caller: the token's `sub`, or another name that no `sub` can have.
    `expires_at` is when its token expires, in seconds since the Unix epoch; None without a token.
    `request_id` is the id of the request, as the response names it.
    """

    subject: str
    is_admin: bool
    expires_at: int | None = None
    request_id: str = ""

    @property
    def kind(self) -> Literal["administrator", "user", "iam", "system"]:
        """What kind of caller it is; ``iam`` is IAM_CALLER, and ``system`` WEBHOOK_SENDER."""
        if self.subject == IAM_CALLER.subject:
            return "iam"
        if self.subject == WEBHOOK_SENDER.subject:
            return "system"
        return "administrator" if self.is_admin else "user"

    def is_user(self, user_id: str) -> bool:
        """Return whether the caller is that user."""
        return self.subject == user_id


# IAM decides who may invoke a function directly; such a caller acts as an administrator. No
# user's subject begins with a space: the authorizer refuses such tokens.
IAM_CALLER = Caller(subject=" iam", is_admin=True)

# What the sender of webhooks does by itself.
WEBHOOK_SENDER = Caller(subject=" webhook-sender", is_admin=True)
