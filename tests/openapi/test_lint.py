"""A linter of others reads the document."""

from pathlib import Path

from tests.openapi.outsiders import HERE, outsider, run


def test_the_linter_has_nothing_to_say(document_file: Path) -> None:
    """All rules of Spectral for OpenAPI hold, examples and all, but for those that it explains."""
    spectral, _ = outsider("node_modules/.bin/spectral", "node")

    run(
        spectral,
        "lint",
        "--fail-severity=hint",
        f"--ruleset={HERE / 'spectral.yaml'}",
        document_file,
        cwd=HERE,
    )
