"""The SQS queue of deliveries that are to be sent.

A message only names a delivery; what is sent, and when, is in the table. A message stays in the
queue until its delivery is settled: between attempts it is invisible.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec
from msgspec import Struct

from chalicelib.aws.client import Service
from chalicelib.events.batches import MAX_ENTRIES, BatchClient, Refusal

SERVICE = Service("sqs", "AmazonSQS", "1.0")

# A message is invisible for at most 12 hours after it was received, and some have passed.
_MAX_SECONDS = 12 * 60 * 60 - 5 * 60


class QueuedDelivery(Struct, frozen=True):
    """What a message says: which delivery is to be sent, and when that was asked for."""

    webhook_id: str
    delivery_id: str
    requested_at: str


class WebhookQueue:
    """The queue at this URL."""

    def __init__(self, url: str, client: BatchClient) -> None:
        self._url = url
        self._client = client

    def send(self, deliveries: Sequence[QueuedDelivery]) -> None:
        """Queue deliveries.

        Each is in the group of its webhook, so that the queue gives none of them more than its
        share (fair queues). Raises AWSError, and NotTaken if the queue has not taken all of them.
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html
        """
        for batch in _batches(deliveries):
            entries = [
                {
                    "MessageBody": msgspec.json.encode(one).decode(),
                    "MessageGroupId": one.webhook_id,
                }
                for one in batch
            ]
            self._client.send("SendMessageBatch", entries, self._parameters, _refusals)

    def hide(self, receipt: str, seconds: float) -> None:
        """Let a received message come back after `seconds`, or after about 12 hours if sooner.

        Raises AWSError.
        """
        self._client.call(
            "ChangeMessageVisibility",
            {
                "QueueUrl": self._url,
                "ReceiptHandle": receipt,
                "VisibilityTimeout": min(max(1, math.ceil(seconds)), _MAX_SECONDS),
            },
        )

    def _parameters(self, entries: list[dict[str, Any]]) -> dict[str, Any]:
        numbered = [{"Id": str(place), **entry} for place, entry in enumerate(entries)]
        return {"QueueUrl": self._url, "Entries": numbered}


def _batches(deliveries: Sequence[QueuedDelivery]) -> Iterator[list[QueuedDelivery]]:
    remaining = iter(deliveries)
    while batch := list(islice(remaining, MAX_ENTRIES)):
        yield batch


def _refusals(response: Mapping[str, Any]) -> dict[int, Refusal]:
    return {
        int(entry["Id"]): Refusal(entry["Code"], entry["SenderFault"])
        for entry in response.get("Failed", ())
    }
