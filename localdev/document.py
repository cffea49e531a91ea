"""`make openapi`: write the OpenAPI document to docs/openapi.json.

With ``--released``, freeze it as the compatibility baseline too, docs/openapi-released.json.
"""

import json
import sys
from pathlib import Path

from app import document

DOCUMENT = Path(__file__).parent.parent / "docs" / "openapi.json"
RELEASED = DOCUMENT.with_name("openapi-released.json")


def text() -> str:
    """Return the content of docs/openapi.json: the document, indented."""
    return json.dumps(json.loads(bytes(document())), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    DOCUMENT.write_text(text(), encoding="utf-8")
    if "--released" in sys.argv[1:]:
        RELEASED.write_bytes(bytes(document()) + b"\n")
