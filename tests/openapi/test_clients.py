"""Clients generated from the document run the README's tour."""

import shutil
from pathlib import Path

import pytest

from tests.e2e.server import Server
from tests.openapi.external_tools import HERE, TOOLS, external_tools, run

pytestmark = pytest.mark.slow


def test_a_generated_python_client_runs_the_tour(
    open_server: Server, document_file: Path, tmp_path: Path
) -> None:
    """openapi-python-client reads the whole document, and its client works with the API."""
    python, generator = external_tools("python/bin/python", "python/bin/openapi-python-client")
    made = tmp_path / "user_api"

    # The generator formats its output with Ruff, which is installed next to it.
    ruff = {"PATH": f"{TOOLS / 'python' / 'bin'}:/usr/bin:/bin"}
    options: list[str | Path] = ["--path", document_file, "--output-path", made, "--meta", "none"]
    run(generator, "generate", *options, "--fail-on-warning", cwd=tmp_path, variables=ruff)

    client = {"PYTHONPATH": str(tmp_path)}
    run(python, HERE / "tour.py", open_server.url, cwd=tmp_path, variables=client)


def test_a_generated_typescript_client_runs_the_tour(
    open_server: Server, document_file: Path, tmp_path: Path
) -> None:
    """The tour compiles with the types of openapi-typescript, and runs on openapi-fetch."""
    generator, compiler, node = external_tools(
        "node_modules/.bin/openapi-typescript", "node_modules/.bin/tsc", "node"
    )
    (tmp_path / "node_modules").symlink_to(TOOLS / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copy(HERE / "tour.ts", tmp_path)

    # A field with a default is optional.
    options = ["--default-non-nullable=false", "--output", "schema.d.ts"]
    run(generator, document_file, *options, cwd=tmp_path)
    target = ["--module", "nodenext", "--target", "es2022", "--types", "node"]
    run(compiler, "--strict", *target, "tour.ts", cwd=tmp_path)

    run(node, "tour.js", open_server.url, cwd=tmp_path)
