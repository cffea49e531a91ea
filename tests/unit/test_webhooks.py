"""The rotation of secrets, by a clock that the test controls."""

import pytest

from chalicelib.domain.caller import Caller
from chalicelib.domain.webhooks import OVERLAP, TooManySecrets
from tests.events.webhook_storage import Webhooks

ADMIN = Caller("boss", is_admin=True)


def test_a_secret_can_be_rotated_again_once_one_has_expired() -> None:
    """After its day a secret makes room for one more rotation, and the others sign on."""
    webhooks = Webhooks()
    webhook_id = webhooks.add().webhook_id

    def rotate() -> list[int]:
        rotated = webhooks.service.rotate_secret(ADMIN, webhook_id, None)
        return [one.version for one in rotated.previous_secrets]

    for _ in range(4):
        rotate()
        webhooks.clock.pass_seconds(60)
    with pytest.raises(TooManySecrets):
        rotate()
    webhooks.clock.pass_seconds(OVERLAP - 4 * 60)
    assert rotate() == [2, 3, 4, 5]
    with pytest.raises(TooManySecrets):
        rotate()
