"""msgspec, imported without typing_extensions.

msgspec takes a few functions from typing_extensions where that is installed, and from typing
otherwise. They do the same on every Python that is supported here. SCIM's libraries need
typing_extensions, so a package has it, and importing it would make every cold start 5 ms longer.
"""

import sys
from types import ModuleType
from typing import cast

NAME = "typing_extensions"

if NAME not in sys.modules and "msgspec" not in sys.modules:
    # None makes an import fail (https://docs.python.org/3/reference/import.html#the-module-cache).
    sys.modules[NAME] = cast("ModuleType", None)
    try:
        import msgspec  # noqa: F401 - for those that import it afterwards
    finally:
        del sys.modules[NAME]
