"""The architecture: what may import what, that there are no cycles, and that importing is free."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "chalicelib"

# Each package or module of chalicelib, and those that it may import beside itself. A module that
# is in none of them fails.
MAY_IMPORT = {
    "domain": set(),
    "settings_error": set(),
    "aws": {"settings_error"},
    "parameter_store": {"aws"},
    "lean_msgspec": set(),
    "legacy": set(),
    "settings": {"parameter_store", "settings_error"},
    "telemetry": set(),
    "storage": {"aws", "domain", "settings_error", "telemetry"},
    "events": {"aws", "domain", "settings", "settings_error", "telemetry"},
    "security": {"domain", "settings", "telemetry"},
    "web": {"domain", "security", "settings", "telemetry"},
    "scim": {"domain", "telemetry", "web"},
    "service_info": set(),
    "docs_page": {"domain", "web"},
    "asyncapi": {"domain", "openapi", "service_info"},
    "openapi": {"domain", "security", "service_info", "web"},
}
# What serves any resource, and therefore knows none.
GENERAL = {
    "annotations",
    "caller",
    "errors",
    "events",
    "external_ids",
    "fields",
    "history",
    "idempotency",
    "ids",
    "metadata",
    "pagination",
    "resource",
    "service",
    "storage",
}
# Neither general nor a resource: what storage keeps beside resources may be known to its engines.
SPECIAL = {"currencies", "deliveries", "external_ids", "webhook_secrets"}
# The layers of the domain that must stay free of frameworks and of I/O.
FRAMEWORKS = {"chalice", "boto3", "botocore", "sqlalchemy", "jwt", "requests", "http", "socket"}
# The one module of storage that opens it, and its command, may know all engines and resources.
ENTRANCES = {"chalicelib.storage.factory", "chalicelib.storage.__main__"}


def modules() -> Iterator[tuple[str, Path]]:
    """Yield the name and the path of each module of chalicelib."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name != "__init__.py":
            yield ".".join(path.relative_to(ROOT).with_suffix("").parts), path


MODULES = dict(modules())


def imports(path: Path) -> set[str]:
    """Return the modules that a source file imports, those for type checking not counted."""
    found = set()
    tree = ast.parse(path.read_text())
    runtime = [
        node
        for node in tree.body
        if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))
    ]
    for top in runtime:
        for node in ast.walk(top):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                whole = {f"{node.module}.{alias.name}" for alias in node.names}
                found |= {node.module, *whole & MODULES.keys()}
    return found


def room(module: str) -> str:
    """Return the package or module below chalicelib that a module belongs to."""
    return module.split(".")[1]


def resources() -> set[str]:
    """Return the modules that hold one resource each: those of the domain that are not general."""
    names = {name.rpartition(".")[2] for name in MODULES if room(name) == "domain"}
    return names - GENERAL - SPECIAL


def test_every_module_has_a_room() -> None:
    """Each module is in a package that has rules, and each rule is about something."""
    assert {room(name) for name in MODULES} == MAY_IMPORT.keys()
    assert {name.rpartition(".")[2] for name in MODULES if room(name) == "domain"} >= GENERAL


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_its_room_may(module: str) -> None:
    """Nothing imports upward: dependencies go one way, from app.py down to the domain."""
    allowed = MAY_IMPORT[room(module)] | {room(module)}
    own = {name for name in imports(MODULES[module]) if name.startswith("chalicelib.")}
    assert {room(name) for name in own} <= allowed


@pytest.mark.parametrize(
    "module",
    [
        name
        for name in MODULES
        if room(name) in {"web", "openapi", "security", "storage", "settings", "aws", "telemetry"}
        and name not in ENTRANCES
    ]
    + [f"chalicelib.domain.{name}" for name in sorted(GENERAL)],
)
def test_what_serves_any_resource_imports_none(module: str) -> None:
    """HTTP, OpenAPI, security, the engines and the domain's base know no resource."""
    known = {f"chalicelib.domain.{name}" for name in resources()}
    assert known
    assert not imports(MODULES[module]) & known


@pytest.mark.parametrize("module", [name for name in MODULES if room(name) == "domain"])
def test_the_domain_knows_no_framework(module: str) -> None:
    """The rules can be read, tested and reused without Chalice, a database or AWS."""
    assert not {name.partition(".")[0] for name in imports(MODULES[module])} & FRAMEWORKS


@pytest.mark.parametrize(
    ("engine", "others"),
    [
        ("dynamodb", {"sql", "memory"}),
        ("sql", {"dynamodb", "memory"}),
        ("memory", {"dynamodb", "sql"}),
    ],
)
def test_engines_do_not_know_each_other(engine: str, others: set[str]) -> None:
    """An engine can be removed without touching another."""
    paths = [
        path for name, path in MODULES.items() if name.startswith(f"chalicelib.storage.{engine}")
    ]
    assert paths
    for path in paths:
        known = {name.split(".")[2] for name in imports(path) if name.startswith("chalicelib.st")}
        assert not known & others, path


def test_package_files_are_empty() -> None:
    """Importing one module loads no other."""
    assert not [path for path in PACKAGE.rglob("__init__.py") if path.read_text()]


def test_there_are_no_cycles() -> None:
    """Each module can be imported first."""
    script = "import sys, importlib\nfor name in sys.argv[1:]:\n"
    script += "    [sys.modules.pop(m) for m in list(sys.modules) if m.startswith('chalicelib')]\n"
    script += "    importlib.import_module(name)\n"
    names = [name for name in MODULES if not name.endswith("__main__")]
    subprocess.run([sys.executable, "-c", script, *names], check=True, cwd=ROOT)


def test_importing_opens_nothing(tmp_path: Path) -> None:
    """Importing the application opens no socket and writes no file, whatever is configured."""
    script = """
import sys
def refuse(event, arguments):
    if event in {"socket.connect", "socket.bind", "subprocess.Popen", "sqlite3.connect"}:
        raise SystemExit(f"{event} {arguments}")
    if event == "open" and arguments[1] and set(arguments[1]) & set("wax+"):
        raise SystemExit(f"{event} {arguments}")
sys.dont_write_bytecode = True
sys.addaudithook(refuse)
import app
"""
    environment = {"STORAGE_URL": f"sqlite:///{tmp_path}/x.db", "PATH": ""}
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT, env=environment)
    assert not list(tmp_path.iterdir())
