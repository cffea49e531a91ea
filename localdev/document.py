"""`make openapi`: write the API's documents to docs/openapi.json and docs/asyncapi.json.

With ``--released``, freeze the OpenAPI document as the compatibility baseline too,
docs/openapi-released.json.
"""

import json
import sys
from pathlib import Path

from msgspec import Raw

from app import document, events_document

DOCUMENT = Path(__file__).parent.parent / "docs" / "openapi.json"
EVENTS = DOCUMENT.with_name("asyncapi.json")
RELEASED = DOCUMENT.with_name("openapi-released.json")


def text(document: Raw) -> str:
    """Return the content of a document's file: the document, indented."""
    return json.dumps(json.loads(bytes(document)), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    DOCUMENT.write_text(text(document()), encoding="utf-8")
    EVENTS.write_text(text(events_document()), encoding="utf-8")
    if "--released" in sys.argv[1:]:
        RELEASED.write_bytes(bytes(document()) + b"\n")
