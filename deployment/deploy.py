"""`make deploy` and `make delete`: a personal stage, deployed with `chalice deploy`.

Chalice creates the API, the functions and their role. The table and the secret are created before
it. The role is restricted and API Gateway's own responses are set after it.
"""

import json
import secrets
from collections.abc import Iterator

from chalicelib.domain.registry import RESOURCES
from chalicelib.storage.dynamodb.table import create_table
from deployment.account import Account
from deployment.chalice_command import chalice
from deployment.checks import check
from deployment.errors import DeploymentError
from deployment.gateway_responses import gateway_responses
from deployment.policy import scoped
from deployment.stages import Stage


def deploy(stage: Stage) -> str:
    """Deploy or update the stage and return its URL. Raises DeploymentError."""
    check(stage)
    account = Account()
    _check_state(stage, account)
    _check_parameters(stage, account)
    _create_data(stage, account)
    chalice(stage, "deploy")
    _scope_role(stage, account)
    api = stage.deployed["rest_api"]
    _set_gateway_responses(stage, account, api["rest_api_id"])
    return api["rest_api_url"]


def delete(stage: Stage, *, with_data: bool) -> None:
    """Delete what `deploy` created; the data only if `with_data`. Raises DeploymentError."""
    account = Account()
    functions = list(_function_names(stage))
    chalice(stage, "delete")
    logs = account.client("logs")
    for name in functions:
        try:
            logs.delete_log_group(logGroupName=f"/aws/lambda/{name}")
        except logs.exceptions.ResourceNotFoundException:
            continue  # A function that was never invoked has no log group.
    if with_data:
        _delete_data(stage, account)


def _check_state(stage: Stage, account: Account) -> None:
    """Raise DeploymentError if Chalice would create a second API.

    It does where its state file is missing.
    """
    functions = account.client("lambda")
    if stage.deployed:
        return
    try:
        functions.get_function(FunctionName=stage.full_name)
    except functions.exceptions.ResourceNotFoundException:
        return
    raise DeploymentError(
        f"{stage.full_name!r} is deployed in this account already, but not from here: copy"
        f" .chalice/deployed/{stage.name}.json from where it was deployed, or rename your stage."
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
                f"There is no SSM parameter {name!r}, which {variable} names: create it with 'aws"
                f" ssm put-parameter --type SecureString --name {name} --value SECRET'."
            ) from None


def _create_data(stage: Stage, account: Account) -> None:
    if stage.uses_dynamodb:
        _create_table(stage, account)
    ssm = account.client("ssm")
    try:
        ssm.put_parameter(
            Name=stage.cursor_parameter, Value=secrets.token_urlsafe(32), Type="SecureString"
        )
    except ssm.exceptions.ParameterAlreadyExists:
        return


def _create_table(stage: Stage, account: Account) -> None:
    try:
        create_table(
            account.client("dynamodb"),
            stage.table,
            RESOURCES,
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
        return


def _scope_role(stage: Stage, account: Account) -> None:
    iam = account.client("iam")
    names = {"RoleName": stage.full_name, "PolicyName": stage.full_name}
    policy = iam.get_role_policy(**names)["PolicyDocument"]
    table = []
    if stage.uses_dynamodb:
        arn = account.arn("dynamodb", f"table/{stage.table}")
        table = [arn, f"{arn}/index/*"]
    scoped_policy = scoped(
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
    iam.put_role_policy(**names, PolicyDocument=json.dumps(scoped_policy))


def _set_gateway_responses(stage: Stage, account: Account, api: str) -> None:
    gateway = account.client("apigateway")
    for name, response in gateway_responses(stage.settings.cors_origins).items():
        gateway.put_gateway_response(
            restApiId=api,
            responseType=name,
            statusCode=str(response.status),
            responseParameters=response.parameters,
            responseTemplates=response.templates,
        )
    gateway.create_deployment(restApiId=api, stageName=stage.api_stage)


def _function_names(stage: Stage) -> Iterator[str]:
    for values in stage.deployed.values():
        if "lambda_arn" in values:
            yield values["lambda_arn"].rpartition(":")[2]
