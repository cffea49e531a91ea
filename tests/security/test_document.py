"""docs/security.md and the tests that it names."""

import ast
import re

import pytest

from tests.support.served import ROOT

DOCUMENT = (ROOT / "docs" / "security.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", DOCUMENT)))


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_every_named_test_exists(path: str, name: str) -> None:
    """Every test that the document names exists."""
    tree = ast.parse((ROOT / path).read_text())

    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("risk", range(1, 11))
def test_every_risk_names_tests(risk: int) -> None:
    """Each of the ten risks has a section that names a test."""
    section = re.search(rf"\n### API{risk}:2023 (.+?)(\n##|$)", DOCUMENT, re.DOTALL)

    assert section is not None
    assert "::test_" in section[1]


def test_every_authentication_setting_is_documented() -> None:
    """Each setting for connecting a provider is in the document."""
    source = (ROOT / "chalicelib" / "settings.py").read_text()
    settings = set(re.findall(r'"(AUTH_\w+)"', source))

    assert settings
    assert {name for name in settings if f"`{name}`" not in DOCUMENT} == set()
