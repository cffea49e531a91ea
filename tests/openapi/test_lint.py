"""An external linter checks the document."""

from pathlib import Path

from tests.openapi.external_tools import HERE, external_tools, run


def test_the_linter_finds_nothing(document_file: Path) -> None:
    """All of Spectral's OpenAPI rules pass, except those whose exception is explained."""
    spectral, _ = external_tools("node_modules/.bin/spectral", "node")

    run(
        spectral,
        "lint",
        "--fail-severity=hint",
        f"--ruleset={HERE / 'spectral.yaml'}",
        document_file,
        cwd=HERE,
    )
