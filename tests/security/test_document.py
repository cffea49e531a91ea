"""docs/security.md and the tests that it names."""

import ast
import re

import pytest

from tests.served import ROOT

DOCUMENT = (ROOT / "docs" / "security.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", DOCUMENT)))


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_every_named_test_exists(path: str, name: str) -> None:
    """A claim of the document leads to the test that holds it."""
    tree = ast.parse((ROOT / path).read_text())

    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("risk", range(1, 11))
def test_every_risk_is_shown_by_tests(risk: int) -> None:
    """Each of the ten risks has its section, with a test in it."""
    section = re.search(rf"\n### API{risk}:2023 (.+?)(\n##|$)", DOCUMENT, re.DOTALL)

    assert section is not None
    assert "::test_" in section[1]


def test_every_setting_of_authentication_is_told() -> None:
    """Whoever connects a provider finds each setting in the document."""
    source = (ROOT / "chalicelib" / "settings.py").read_text()
    settings = set(re.findall(r'"(AUTH_\w+)"', source))

    assert settings
    assert {name for name in settings if f"`{name}`" not in DOCUMENT} == set()
