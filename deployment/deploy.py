"""`make deploy` and `make delete`: a personal stage, deployed with `chalice deploy`.

Chalice creates the API, the functions and their roles. The table, the queues and the secrets are
created before it. The roles are restricted, the event sources completed and API Gateway's own
responses set after it.
"""

import json
import secrets
from contextlib import suppress

from chalicelib.domain.registry import RESOURCES
from chalicelib.storage.dynamodb.table import create_table
from deployment import event_functions, event_sources
from deployment.account import Account
from deployment.chalice_command import chalice
from deployment.checks import check
from deployment.errors import DeploymentError
from deployment.gateway_responses import gateway_responses
from deployment.permissions import Arns, for_api, for_event_function
from deployment.policy import Resources, scoped
from deployment.stages import Stage


def deploy(stage: Stage) -> str:
    """Deploy or update the stage and return its URL. Raises DeploymentError."""
    check(stage)
    account = Account()
    _check_state(stage, account)
    _check_parameters(stage, account)
    _check_bus(stage, account)
    _create_data(stage, account)
    if stage.uses_dynamodb:
        queue_url = event_sources.create_queues(stage, account)
        stream = event_sources.stream_arn(stage, account)
        # app.py declares the functions' sources by these.
        chalice(stage, "deploy", TABLE_STREAM_ARN=stream, WEBHOOK_QUEUE_URL=queue_url)
        event_sources.complete(stage, account, queue_url)
    else:
        chalice(stage, "deploy")
    _scope_roles(stage, account)
    api = stage.deployed["rest_api"]
    _set_gateway_responses(stage, account, api["rest_api_id"])
    return api["rest_api_url"]


def delete(stage: Stage, *, with_data: bool) -> None:
    """Delete what `deploy` created; the data only if `with_data`. Raises DeploymentError.

    The queues are data: they name the deliveries in the table that are still to be sent.
    """
    account = Account()
    functions = _function_names(stage)
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


def _check_bus(stage: Stage, account: Account) -> None:
    """Raise DeploymentError if there is no such bus: EventBridge would drop events without a word.

    https://github.com/aws/aws-sdk/issues/186
    """
    events, name = account.client("events"), stage.event_bus
    if not name:
        return
    try:
        events.describe_event_bus(Name=name)
    except events.exceptions.ResourceNotFoundException:
        raise DeploymentError(
            f"There is no event bus {name!r}, which EVENT_BUS names: create it, or correct the"
            " name."
        ) from None
    except events.exceptions.ClientError:
        return  # Another account's, which allows to put events and nothing else.


def _create_data(stage: Stage, account: Account) -> None:
    if stage.uses_dynamodb:
        _create_table(stage, account)
    ssm = account.client("ssm")
    for name in (stage.cursor_parameter, stage.webhook_key_parameter):
        with suppress(ssm.exceptions.ParameterAlreadyExists):
            ssm.put_parameter(Name=name, Value=secrets.token_urlsafe(32), Type="SecureString")


def _create_table(stage: Stage, account: Account) -> None:
    try:
        create_table(
            account.client("dynamodb"),
            stage.table,
            RESOURCES,
            ttl=True,
            point_in_time_recovery=True,
            deletion_protection=True,
            stream=True,
        )
    except ValueError as error:
        raise DeploymentError(str(error)) from None


def _delete_data(stage: Stage, account: Account) -> None:
    if stage.uses_dynamodb:
        event_sources.delete_queues(stage, account)
        _delete_table(stage, account)
    names = [stage.cursor_parameter, stage.webhook_key_parameter]
    account.client("ssm").delete_parameters(Names=names)


def _delete_table(stage: Stage, account: Account) -> None:
    dynamodb = account.client("dynamodb")
    try:
        dynamodb.update_table(TableName=stage.table, DeletionProtectionEnabled=False)
        dynamodb.get_waiter("table_exists").wait(TableName=stage.table)
        dynamodb.delete_table(TableName=stage.table)
        dynamodb.get_waiter("table_not_exists").wait(TableName=stage.table)
    except dynamodb.exceptions.ResourceNotFoundException:
        return


def _scope_roles(stage: Stage, account: Account) -> None:
    table = account.arn("dynamodb", f"table/{stage.table}") if stage.uses_dynamodb else ""
    arns = Arns(
        table=table,
        index=f"{table}/index/*",
        stream=f"{table}/stream/*",
        queue=account.arn("sqs", stage.queue),
        stream_failures=account.arn("sqs", stage.stream_failures),
        named=account.arn,
        logs=lambda name: account.arn("logs", f"log-group:/aws/lambda/{name}:*"),
    )
    own = {f"{stage.full_name}-{name}": name for name in event_functions.names(stage)}
    others = [name for name in _function_names(stage) if name not in own]
    _scope(account, stage.full_name, for_api(stage, arns, others))
    for function, name in own.items():
        # Chalice calls a function's own role as the function.
        _scope(account, function, for_event_function(name, stage, arns, function))


def _scope(account: Account, role: str, resources: Resources) -> None:
    iam = account.client("iam")
    names = {"RoleName": role, "PolicyName": role}
    policy = scoped(iam.get_role_policy(**names)["PolicyDocument"], resources)
    iam.put_role_policy(**names, PolicyDocument=json.dumps(policy))


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


def _function_names(stage: Stage) -> list[str]:
    # Event sources have the ARN of their function too.
    arns = {values["lambda_arn"] for values in stage.deployed.values() if "lambda_arn" in values}
    return sorted(arn.rpartition(":")[2] for arn in arns)
