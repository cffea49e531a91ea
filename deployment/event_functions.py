"""The functions that pass on events and send webhooks, and what Chalice cannot say of them.

app.py declares those that a stage's storage needs; Chalice gives each the role whose policy
`.chalice/policies` has. This is the one place for the numbers that the template, the Terraform
directory and `make deploy` set.
"""

import json
from typing import Any

from chalicelib.domain.registry import RESOURCES
from chalicelib.storage.dynamodb.stream import patterns
from deployment.stages import Stage

RELAY = "relayEvents"
SEND = "sendWebhooks"
OUTBOX = "relayOutbox"

SOURCES = {RELAY: f"{RELAY}-dynamodb-event-source", SEND: f"{SEND}-sqs-event-source"}
"""Chalice's names of the event source mappings, by function."""

FOURTEEN_DAYS = 14 * 24 * 60 * 60
"""How long SQS keeps a message at most, in seconds."""

VISIBILITY_TIMEOUT = 6 * 60
"""After how many seconds a message comes back whose function died: AWS asks for six time-outs.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
"""

MAX_RECEIVES = 100
"""After how often a message goes to the dead letters: ten attempts, long waits, and failures."""

SLOW_STREAM = 15 * 60 * 1000
"""How old a record of the stream may be when it is passed on before an alarm, in milliseconds."""

OLD_OUTBOX = 15 * 60
"""How old an event in PostgreSQL's outbox may be before an alarm, in seconds."""


def names(stage: Stage) -> tuple[str, ...]:
    """Return the functions of events that the stage has, by Chalice's names."""
    return (RELAY, SEND) if stage.uses_dynamodb else (OUTBOX,)


def stream_options() -> dict[str, Any]:
    """Return the options of the stream's event source mapping, as Lambda's API names them.

    - A batch that fails is retried from the record that failed, which keeps the order, and is
      split, which finds a record that always fails.
    - The stream keeps records for 24 hours. In the last of them a record that still fails goes to
      the dead letters: what is behind an outage is not given up before, nor lost without a word.
    - Lambda keeps the order of each item's records, whatever the parallelization.
    https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html
    """
    return {
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "BisectBatchOnFunctionError": True,
        "MaximumRecordAgeInSeconds": 23 * 60 * 60,
        "MaximumRetryAttempts": -1,
        "ParallelizationFactor": 4,
        "FilterCriteria": {"Filters": [{"Pattern": text} for text in filters()]},
    }


def queue_options() -> dict[str, Any]:
    """Return the options of the queue's event source mapping, as Lambda's API names them."""
    return {"FunctionResponseTypes": ["ReportBatchItemFailures"]}


def filters() -> list[str]:
    """Return the patterns of the records that the stream's function gets, as JSON."""
    return [json.dumps(pattern) for pattern in patterns(RESOURCES)]
