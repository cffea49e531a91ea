"""Fixtures of the SCIM tests."""

import pytest

from tests.api.conftest import api
from tests.scim.provisioner import Provisioner
from tests.support.served import Served

__all__ = ["api"]


@pytest.fixture
def provider(api: Served) -> Provisioner:
    """Return an identity provider for a new application on an empty database."""
    return Provisioner(api)
