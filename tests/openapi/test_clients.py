"""Clients that public generators make of the document go on the README's tour."""

import shutil
from pathlib import Path

import pytest

from tests.e2e.server import Server
from tests.openapi.outsiders import HERE, TOOLS, outsider, run

pytestmark = pytest.mark.slow


def test_a_generated_python_client_goes_on_the_tour(
    open_server: Server, document_file: Path, tmp_path: Path
) -> None:
    """openapi-python-client understands the whole document, and its client the API."""
    python, generator = outsider("python/bin/python", "python/bin/openapi-python-client")
    made = tmp_path / "user_api"

    # Ruff, beside the generator, tidies what it writes.
    path = f"{TOOLS / 'python' / 'bin'}:/usr/bin:/bin"
    options = ["--path", document_file, "--output-path", made, "--meta", "none"]
    run(generator, "generate", *options, "--fail-on-warning", cwd=tmp_path, PATH=path)

    run(python, HERE / "tour.py", open_server.url, cwd=tmp_path, PYTHONPATH=str(tmp_path))


def test_a_generated_typescript_client_goes_on_the_tour(
    open_server: Server, document_file: Path, tmp_path: Path
) -> None:
    """The tour compiles against the types of openapi-typescript, and runs on openapi-fetch."""
    generator, compiler, node = outsider(
        "node_modules/.bin/openapi-typescript", "node_modules/.bin/tsc", "node"
    )
    (tmp_path / "node_modules").symlink_to(TOOLS / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copy(HERE / "tour.ts", tmp_path)

    # A member with a default need not be sent.
    options = ["--default-non-nullable=false", "--output", tmp_path / "schema.d.ts"]
    run(generator, document_file, *options, cwd=tmp_path)
    target = ["--module", "nodenext", "--target", "es2022", "--types", "node"]
    run(compiler, "--strict", *target, "tour.ts", cwd=tmp_path)

    run(node, "tour.js", open_server.url, cwd=tmp_path)
