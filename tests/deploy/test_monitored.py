"""What is monitored of a stage follows from the routes of its API."""

from pathlib import Path

import pytest

from deployment.burn_alarms import BURNS
from deployment.monitored import Monitored, monitored
from deployment.stages import Stage
from tests.deploy.project import Project

FUNCTIONS = ["user-management-prod-tokens", "user-management-prod"]
SECURED: dict[str, object] = {"security": [{"tokens": []}]}
SWAGGER = {
    "securityDefinitions": {"tokens": {}},
    "paths": {
        "/users/{user_id}": {"get": SECURED, "head": SECURED, "patch": SECURED},
        "/users": {"post": SECURED},
        "/health": {"get": {}},
        "/{proxy+}": {"get": {}, "options": {}},
    },
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Return the stage prod of a copy of the project."""
    return Stage("prod", Project(tmp_path_factory.mktemp("monitored")).folder)


def of(stage: Stage, *, per_route: bool) -> Monitored:
    """Return what is monitored of the API in SWAGGER."""
    return monitored(stage, SWAGGER, FUNCTIONS, per_route=per_route)


def test_routes_that_need_a_token_are_monitored(stage: Stage) -> None:
    """The routes that need a token are monitored, except HEAD, which is GET again."""
    found = of(stage, per_route=False)
    assert found.routes == dict.fromkeys(
        ["POST /users", "GET /users/{user_id}", "PATCH /users/{user_id}"], "user-management-prod"
    )
    assert found.called == ("user-management-prod",)
    assert found.authorizer == "user-management-prod-tokens"
    assert found.functions == ("user-management-prod", "user-management-prod-tokens")
    assert found.table == "user-management-prod"
    assert found.event_functions == (
        "user-management-prod-relayEvents",
        "user-management-prod-sendWebhooks",
    )
    assert found.queues == (
        "user-management-prod-webhooks",
        "user-management-prod-webhooks-failures",
        "user-management-prod-stream-failures",
    )


def test_routes_can_have_their_function(stage: Stage) -> None:
    """With per-route routing, a route is monitored at its own function, if it has one."""
    found = of(stage, per_route=True)
    assert found.routes == {
        "POST /users": "user-management-prod-createUserLambda",
        "GET /users/{user_id}": "user-management-prod-getUserLambda",
        "PATCH /users/{user_id}": "user-management-prod",
    }
    assert set(found.called) == set(found.routes.values())


def test_a_stage_on_postgresql_has_no_table(tmp_path: Path) -> None:
    """A stage on PostgreSQL has neither a table nor queues to monitor."""
    project = Project(tmp_path / "postgresql")
    project.configure("prod", STORAGE_URL="postgresql+psycopg://app@db.example/app")
    found = of(Stage("prod", project.folder), per_route=False)
    assert (found.table, found.queues) == (None, ())
    assert found.event_functions == ("user-management-prod-relayOutbox",)


def test_burn_rates_are_those_of_the_sre_workbook() -> None:
    """14.4 times the budget in an hour, and 6 times in six hours, of an objective of 99.9 %.

    https://sre.google/workbook/alerting-on-slos/ (table 5-8)
    """
    assert [(burn.threshold, dict(burn.windows)) for burn in BURNS] == [
        (0.0144, {"1h": 3_600, "5m": 300}),
        (0.006, {"6h": 21_600, "30m": 1_800}),
    ]
