"""The house keeps its shape: nothing imports upward, and importing does nothing else."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "chalicelib"
# From the top down; a module imports only from floors below its own, or from its own folder.
FLOORS = [
    {"app"},
    {"chalicelib.web.application", "chalicelib.security.authorizer", "chalicelib.openapi"},
    {
        "chalicelib.web.responses",
        "chalicelib.web.cors",
        "chalicelib.security.tokens",
        "chalicelib.security.jwks",
    },
    {"chalicelib.domain.users", "chalicelib.domain.orders", "chalicelib.legacy"},
    {"chalicelib.storage"},
    {
        "chalicelib.storage.dynamodb.engine",
        "chalicelib.storage.sql.engine",
        "chalicelib.storage.memory",
    },
    {"chalicelib.domain.idempotency", "chalicelib.domain.pagination", "chalicelib.web.conditional"},
    {"chalicelib.domain.storage"},
    {
        "chalicelib.security.permissions",
        "chalicelib.web.validation",
        "chalicelib.domain.model",
        "chalicelib.settings",
    },
    {"chalicelib.web.problem_details"},
    {
        "chalicelib.domain.errors",
        "chalicelib.domain.currencies",
        "chalicelib.domain.ids",
        "chalicelib.parameter_store",
    },
]
RULES = (
    "users",
    "orders",
    "model",
    "problems",
    "problem_details",
    "pagination",
    "idempotency",
    "auth",
    "ids",
)
FOREIGN = {"chalice", "boto3", "botocore", "sqlalchemy", "jwt", "requests"}


def imports(path: Path) -> set[str]:
    """Return the modules that a source file names in imports, type checking's not counted."""
    found = set()
    tree = ast.parse(path.read_text())
    for node in tree.body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            tree.body.remove(node)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("name", RULES)
def test_the_rules_know_no_framework_and_no_database(name: str) -> None:
    """What holds rules imports neither Chalice nor a database nor AWS."""
    roots = {module.partition(".")[0] for module in imports(PACKAGE / f"{name}.py")}
    assert not roots & FOREIGN


@pytest.mark.parametrize("floor", range(len(FLOORS)))
def test_nothing_imports_upward(floor: int) -> None:
    """A module imports from lower floors only."""
    above = set().union(*FLOORS[:floor])
    for name in FLOORS[floor]:
        path = ROOT / f"{name.replace('.', '/')}.py"
        if not path.exists():
            path = ROOT / name.replace(".", "/") / "__init__.py"
        # An engine's own package is above it only in name: it imports its siblings through it.
        allowed = {name.rpartition(".")[0]}
        if path.exists():
            assert not imports(path) & above - allowed, name


def test_there_are_no_cycles() -> None:
    """Each module can be imported first."""
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in PACKAGE.rglob("*.py")
        if path.name not in {"__main__.py", "__init__.py"}
    ]
    script = "import sys, importlib\nfor name in sys.argv[1:]:\n"
    script += "    [sys.modules.pop(m) for m in list(sys.modules) if m.startswith('chalicelib')]\n"
    script += "    importlib.import_module(name)\n"
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
