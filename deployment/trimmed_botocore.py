"""botocore, reduced to what calls to two AWS services need.

Every cold start reads these files, so smaller ones shorten it: see docs/performance.md.
"""

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

SERVICES = frozenset({"dynamodb", "ssm"})

# The root certificates of all AWS endpoints: https://www.amazontrust.com/repository/
_AMAZON = re.compile(r"^# Subject: .*\bO=(Amazon|Starfield Technologies)", re.MULTILINE)
_END = "-----END CERTIFICATE-----\n"

# botocore's documentation of clients and urllib3's HTTP/2 are never used, but would load thirty
# modules, most of them of the standard library, at every cold start.
_STUBS = {
    "botocore/docs/__init__.py": '"""Removed from this package, except what clients import."""\n',
    "botocore/docs/docstring.py": '''"""Changed for this package: methods have no docstrings."""


def ClientMethodDocstring(**_):
    """Return None instead of a method's docstring."""


PaginatorDocstring = WaiterDocstring = ClientMethodDocstring
''',
    "urllib3/http2/__init__.py": '"""Removed from this package, except what clients import."""\n',
}
_KEPT = {"botocore/docs/utils.py", "urllib3/http2/probe.py"}


def trim(folder: Path) -> None:
    """Trim the copies of botocore and urllib3 in this folder."""
    _remove_modules(folder)
    botocore = folder / "botocore"
    certificates = botocore / "cacert.pem"
    certificates.write_text(_amazon_certificates(certificates.read_text()))
    _rewrite(botocore / "data" / "endpoints.json", _trim_endpoints)
    for model in sorted(botocore.glob("data/*/*/service-2.json*")):
        _rewrite(model, _without_documentation)


def _remove_modules(folder: Path) -> None:
    for source in [*folder.glob("botocore/docs/**/*.py"), *folder.glob("urllib3/http2/*.py")]:
        path = str(source.relative_to(folder))
        if path in _STUBS:
            source.write_text(_STUBS[path])
        elif path not in _KEPT:
            source.unlink()


def _amazon_certificates(bundle: str) -> str:
    blocks = bundle.split(_END)[:-1]
    return "".join(block + _END for block in blocks if _AMAZON.search(block))


def _rewrite(path: Path, change: Callable[[Any], Any]) -> None:
    """Change a JSON file; a compressed one becomes uncompressed, which is faster to read."""
    content = path.read_bytes()
    if path.suffix == ".gz":
        path.unlink()
        path, content = path.with_suffix(""), gzip.decompress(content)
    path.write_text(json.dumps(change(json.loads(content)), separators=(",", ":")))


def _trim_endpoints(endpoints: dict[str, Any]) -> dict[str, Any]:
    for partition in endpoints["partitions"]:
        services = partition["services"]
        partition["services"] = {
            name: services[name] for name in sorted(SERVICES & services.keys())
        }
    return endpoints


def _without_documentation(node: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a part of a service's model without its documentation."""
    if isinstance(node, list):
        return [_without_documentation(member) for member in node]
    if not isinstance(node, dict):
        return node
    return {
        name: _without_documentation(member)
        for name, member in node.items()
        # A member of a shape may have this name too, but then it is not a string.
        if name != "documentation" or not isinstance(member, str)
    }
