"""The DynamoDB path: CPU time of a request and of a call, against a stub of DynamoDB over TLS."""

from benchmarks import dynamodb_stub
from benchmarks.bench import SETTINGS, Bench
from benchmarks.measure import Contestant, side_by_side
from benchmarks.report import Goal, Plot, Section, Table

PRODUCT = "this API"
_USUAL = "usual bundle"
_BOTO3 = "boto3 + TypeDeserializer + json"
_PYDYNOX = "pydynox + json"
_DOCUMENTS = "this client, items as one JSON document"
_LIMIT = "SigV4 over a plain socket"
_TEXT = """\
From an event to its response, with a stub of DynamoDB over TLS in another process: CPU time of the
process for one request, in microseconds. The usual bundle is Chalice with three middlewares and
CORS, PyJWT in the handler, pydantic and boto3's resource."""
_CALLS = """\
From a service call to JSON text, without a framework:"""
_DECISION = """\
**Items keep native attributes.** With one JSON document for each item, a get would cost {get:.2f}
and a page of 25 {page:.2f} of what they cost now. But the console, exports and streams show native
attributes, conditions and filters use them, and they allow a metadata patch in one request. Only
the lines of an order, which never change and are never searched, are a JSON string.

**The client is our own** (`chalicelib/aws`), for the six operations that storage uses. The lower
bound is a request that is signed by hand and sent over a socket, with neither retries nor errors:
{limit:.2f} of boto3's get, compared with {ours:.2f} for this client, which has both."""


def run(bench: Bench) -> Section:
    """Measure requests, then calls."""
    requests = ("get", "page", "create")
    calls = ("get", "page")
    rounds, count = bench.size.rounds, bench.size.dynamodb_requests
    with dynamodb_stub.running() as aws:
        storage = {**aws, **SETTINGS, "STORAGE_URL": f"dynamodb://{dynamodb_stub.PRODUCT_TABLE}"}
        usual = {**aws, "TABLE": dynamodb_stub.USUAL_TABLE}
        whole = side_by_side(
            {
                PRODUCT: Contestant("benchmarks.product", bench.python, storage),
                _USUAL: Contestant("benchmarks.peers.usual", bench.peers, usual),
            },
            requests,
            rounds,
            count,
        )
        called = side_by_side(
            {
                PRODUCT: Contestant("benchmarks.product_calls", bench.python, storage),
                _DOCUMENTS: Contestant("benchmarks.product_documents", bench.python, aws),
                _BOTO3: Contestant("benchmarks.peers.plain_boto3", bench.peers, aws),
                _PYDYNOX: Contestant("benchmarks.peers.pydynox_client", bench.peers, aws),
                _LIMIT: Contestant("benchmarks.peers.sigv4", bench.peers, aws),
            },
            calls,
            rounds,
            count,
        )
    ratios = {operation: spent[PRODUCT].to(spent[_USUAL]) for operation, spent in whole.items()}
    get, page = called["get"], called["page"]
    return Section(
        "DynamoDB path",
        [
            _TEXT,
            Table(
                ["µs", "get", "page of 25", "create"],
                [
                    [name, *(f"{whole[o][name].median:.0f}" for o in requests)]
                    for name in whole["get"]
                ],
            ),
            [
                Goal("get, to the usual bundle", 0.18, ratios["get"]),
                Goal("create, to the usual bundle", 0.22, ratios["create"]),
                Goal("page of 25, to the usual bundle", 0.15, ratios["page"]),
            ],
            Plot(
                "dynamodb",
                "GET of one user from DynamoDB, µs of CPU time",
                {name: spent.median for name, spent in whole["get"].items()},
            ),
            _CALLS,
            Table(
                ["µs", "get", "page of 25"],
                [[name, *(f"{it[name].median:.0f}" for it in (get, page))] for name in get],
            ),
            [
                Goal("get, to boto3", 0.18, get[PRODUCT].to(get[_BOTO3])),
                Goal("page of 25, to boto3", 0.15, page[PRODUCT].to(page[_BOTO3])),
                Goal("get, to pydynox", 1, get[PRODUCT].to(get[_PYDYNOX])),
                Goal("page of 25, to pydynox", 1, page[PRODUCT].to(page[_PYDYNOX])),
            ],
            _DECISION.format(
                get=get[_DOCUMENTS].to(get[PRODUCT]),
                page=page[_DOCUMENTS].to(page[PRODUCT]),
                limit=get[_LIMIT].to(get[_BOTO3]),
                ours=get[PRODUCT].to(get[_BOTO3]),
            ),
        ],
    )
