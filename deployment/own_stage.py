"""`make deploy` and `make delete`: a stage of one's own, by `chalice deploy`.

Chalice makes the API, the functions and their role. Before that the data has to have a place, and
after it the role is narrowed and API Gateway's own answers are set, for which Chalice has no words.
"""

import json
import secrets
from collections.abc import Iterator

from chalicelib.storage.dynamodb.table import create_table
from deployment.account import Account
from deployment.chalice_command import chalice
from deployment.checks import check
from deployment.errors import DeploymentError
from deployment.gateway_responses import gateway_responses
from deployment.policy import scoped
from deployment.stages import Stage


def deploy(stage: Stage) -> str:
    """Deploy the stage or update it, and return its URL. Raises DeploymentError."""
    check(stage)
    account = Account()
    _check_state(stage, account)
    _check_parameters(stage, account)
    _make_data(stage, account)
    chalice(stage, "deploy")
    _narrow_role(stage, account)
    api = stage.deployed["rest_api"]
    _set_gateway_responses(stage, account, api["rest_api_id"])
    return api["rest_api_url"]


def delete(stage: Stage, *, with_data: bool) -> None:
    """Delete what `deploy` made, the data only `with_data`. Raises DeploymentError."""
    account = Account()
    functions = list(_function_names(stage))
    chalice(stage, "delete")
    logs = account.client("logs")
    for name in functions:
        try:
            logs.delete_log_group(logGroupName=f"/aws/lambda/{name}")
        except logs.exceptions.ResourceNotFoundException:
            continue  # A function that was never called has none.
    if with_data:
        _delete_data(stage, account)


def _check_state(stage: Stage, account: Account) -> None:
    """Chalice knows what it has made from a file; without it, it would make a second API."""
    functions = account.client("lambda")
    if stage.deployed:
        return
    try:
        functions.get_function(FunctionName=stage.full_name)
    except functions.exceptions.ResourceNotFoundException:
        return
    raise DeploymentError(
        f"{stage.full_name!r} is deployed in this account already, but not from here: copy"
        f" .chalice/deployed/{stage.name}.json from where it was, or give your stage another name."
    )


def _check_parameters(stage: Stage, account: Account) -> None:
    ssm = account.client("ssm")
    for variable, name in (
        ("AUTH_SECRET_PARAMETER", stage.auth_parameter),
        ("STORAGE_PASSWORD_PARAMETER", stage.password_parameter),
    ):
        if name is None:
            continue
        try:
            ssm.get_parameter(Name=name)
        except ssm.exceptions.ParameterNotFound:
            raise DeploymentError(
                f"There is no SSM parameter {name!r}, which {variable} names: make it with 'aws ssm"
                f" put-parameter --type SecureString --name {name} --value SECRET'."
            ) from None


def _make_data(stage: Stage, account: Account) -> None:
    if stage.uses_dynamodb:
        _make_table(stage, account)
    ssm = account.client("ssm")
    try:
        ssm.put_parameter(
            Name=stage.cursor_parameter, Value=secrets.token_urlsafe(32), Type="SecureString"
        )
    except ssm.exceptions.ParameterAlreadyExists:
        return


def _make_table(stage: Stage, account: Account) -> None:
    try:
        create_table(
            account.client("dynamodb"),
            stage.table,
            ttl=True,
            point_in_time_recovery=True,
            deletion_protection=True,
        )
    except ValueError as error:
        raise DeploymentError(str(error)) from None


def _delete_data(stage: Stage, account: Account) -> None:
    if stage.uses_dynamodb:
        _delete_table(stage, account)
    account.client("ssm").delete_parameters(Names=[stage.cursor_parameter])


def _delete_table(stage: Stage, account: Account) -> None:
    dynamodb = account.client("dynamodb")
    try:
        dynamodb.update_table(TableName=stage.table, DeletionProtectionEnabled=False)
        dynamodb.get_waiter("table_exists").wait(TableName=stage.table)
        dynamodb.delete_table(TableName=stage.table)
        dynamodb.get_waiter("table_not_exists").wait(TableName=stage.table)
    except dynamodb.exceptions.ResourceNotFoundException:
        return  # It was deleted before.


def _narrow_role(stage: Stage, account: Account) -> None:
    iam = account.client("iam")
    named = {"RoleName": stage.full_name, "PolicyName": stage.full_name}
    policy = iam.get_role_policy(**named)["PolicyDocument"]
    table = []
    if stage.uses_dynamodb:
        arn = account.arn("dynamodb", f"table/{stage.table}")
        table = [arn, f"{arn}/index/*"]
    narrowed = scoped(
        policy,
        {
            "dynamodb": table,
            "ssm": [
                account.arn("ssm", f"parameter/{name.removeprefix('/')}")
                for name in stage.parameters
            ],
            "logs": [
                account.arn("logs", f"log-group:/aws/lambda/{name}:*")
                for name in _function_names(stage)
            ],
        },
    )
    iam.put_role_policy(**named, PolicyDocument=json.dumps(narrowed))


def _set_gateway_responses(stage: Stage, account: Account, api: str) -> None:
    gateway = account.client("apigateway")
    for kind, response in gateway_responses(stage.settings.cors_origins).items():
        gateway.put_gateway_response(
            restApiId=api,
            responseType=kind,
            statusCode=str(response.status),
            responseParameters=response.parameters,
            responseTemplates=response.templates,
        )
    gateway.create_deployment(restApiId=api, stageName=stage.api_stage)


def _function_names(stage: Stage) -> Iterator[str]:
    for values in stage.deployed.values():
        if "lambda_arn" in values:
            yield values["lambda_arn"].rpartition(":")[2]
