"""`make openapi`: write the API's document to docs/openapi.json, for people and their tools.

With ``--released`` it becomes the promise as well, docs/openapi-released.json, against which later
changes are held.
"""

import json
import sys
from pathlib import Path

from app import document

DOCUMENT = Path(__file__).parent.parent / "docs" / "openapi.json"
RELEASED = DOCUMENT.with_name("openapi-released.json")


def text() -> str:
    """Return the document as the file has it: indented, with a line feed at its end."""
    return json.dumps(json.loads(bytes(document())), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    DOCUMENT.write_text(text(), encoding="utf-8")
    if "--released" in sys.argv[1:]:
        RELEASED.write_bytes(bytes(document()) + b"\n")
