"""Queries of CloudWatch Logs Insights about the lines that the functions write for each request.

They are saved with each stage, and the dashboard shows some of them. docs/operating.md explains the
fields; names with dots stand in backticks.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
"""

from collections.abc import Iterable, Mapping
from enum import Enum

from deployment.monitored import Monitored, log_group


class Logs(Enum):
    """Whose log groups a query reads."""

    FUNCTIONS = "functions"
    AUTHORIZER = "authorizer"
    API_GATEWAY = "API Gateway"

    def functions(self, stage: Monitored) -> tuple[str, ...]:
        """Return the functions whose log groups these are, none for API Gateway's access log."""
        match self:
            case Logs.FUNCTIONS:
                return stage.functions
            case Logs.AUTHORIZER:
                return (stage.authorizer,)
            case Logs.API_GATEWAY:
                return ()


FAULTS = "Faults with traceback"
CAPACITY = "Capacity by route"
REFUSED = "Refused tokens"
CLIENT_ERRORS = "Client errors by problem"

QUERIES: Mapping[str, tuple[Logs, str]] = {
    "Slowest requests": (
        Logs.FUNCTIONS,
        """\
fields @timestamp, duration_ms, message, `storage.duration_ms`, `storage.calls`, \
`faas.coldstart`, request_id, trace_id
| filter ispresent(duration_ms)
| sort duration_ms desc
| limit 50""",
    ),
    # The authorizer refuses tokens that it cannot verify, and its line has an exception too.
    FAULTS: (
        Logs.FUNCTIONS,
        """\
fields @timestamp, message, `error.type`, `exception.type`, `exception.message`, \
`exception.stacktrace`, request_id, trace_id
| filter `http.response.status_code` >= 500 or ispresent(`exception.type`)
| sort @timestamp desc
| limit 50""",
    ),
    "Requests of one caller": (
        Logs.FUNCTIONS,
        """\
fields @timestamp, message, `error.type`, duration_ms, `caller.kind`, request_id
| filter `user.hash` = "HASH"
| sort @timestamp desc
| limit 1000""",
    ),
    "One request": (
        Logs.FUNCTIONS,
        """\
fields @timestamp, @log, @logStream, @message
| filter request_id = "REQUEST_ID"
| sort @timestamp asc""",
    ),
    "Throttled or conflicting storage": (
        Logs.FUNCTIONS,
        """\
filter `storage.retries` > 0 or `storage.conflicts` > 0
| stats count(*) as requests, sum(`storage.retries`) as retries, \
sum(`storage.conflicts`) as conflicts, max(`storage.duration_ms`) as slowest_ms \
by `http.request.method`, `http.route`
| sort requests desc""",
    ),
    CAPACITY: (
        Logs.FUNCTIONS,
        """\
filter ispresent(`storage.calls`)
| stats sum(`storage.write_units`) as write_units, sum(`storage.read_units`) as read_units, \
count(*) as requests by `http.request.method`, `http.route`
| sort write_units desc, read_units desc""",
    ),
    # Lambda's own report, which also covers the time before the first line of code.
    "Cold starts": (
        Logs.FUNCTIONS,
        """\
filter @type = "REPORT" and ispresent(@initDuration)
| stats count(*) as cold_starts, avg(@initDuration) as average_ms, \
max(@initDuration) as longest_ms by @log, bin(1h)
| sort @log asc""",
    ),
    CLIENT_ERRORS: (
        Logs.FUNCTIONS,
        """\
filter `http.response.status_code` >= 400 and `http.response.status_code` < 500
| stats count(*) as requests, count_distinct(`user.hash`) as callers \
by `error.type`, `http.request.method`, `http.route`
| sort requests desc""",
    ),
    "Callers with most client errors": (
        Logs.FUNCTIONS,
        """\
filter `http.response.status_code` >= 400 and `http.response.status_code` < 500
| stats count(*) as requests, latest(request_id) as last_request_id \
by `user.hash`, `error.type`, message
| sort requests desc
| limit 50""",
    ),
    # The message ends with the reason.
    REFUSED: (
        Logs.AUTHORIZER,
        """\
filter `http.route` = "authorizer" and ispresent(`error.type`)
| stats count(*) as refused, latest(@timestamp) as last by message, `exception.type`
| sort refused desc""",
    ),
    # Throttled requests and missing tokens never reach a function.
    "Errors of API Gateway": (
        Logs.API_GATEWAY,
        """\
filter error != "-"
| stats count(*) as requests by error, status, method, route
| sort requests desc""",
    ),
}


def for_storage(stage: Monitored) -> dict[str, tuple[Logs, str]]:
    """Return the queries that have results on the stage's storage, by title."""
    unused = set() if stage.table else {CAPACITY}
    return {title: query for title, query in QUERIES.items() if title not in unused}


def with_source(functions: Iterable[str], query: str) -> str:
    """Return the query as a dashboard contains it, which names its log groups itself."""
    sources = [f"SOURCE '{log_group(name)}'" for name in functions]
    return " | ".join([*sources, query])
