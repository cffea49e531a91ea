"""The commands of deployment: ``python -m deployment <command> <stage>``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from deployment import bundle, deploy, packages
from deployment.errors import DeploymentError
from deployment.migration import migrate
from deployment.stages import Stage


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except DeploymentError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deployment")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("deploy", help="deploy or update a personal stage")
    _add_stage(command)
    command.set_defaults(run=_deploy)

    command = commands.add_parser("delete", help="delete a personal stage")
    _add_stage(command)
    command.add_argument(
        "--table",
        choices=["keep", "delete"],
        default="keep",
        help="what to do with the table, its queues and the secrets",
    )
    command.set_defaults(run=_delete)

    command = commands.add_parser("package", help="generate a CloudFormation template")
    _add_stage(command)
    _add_routing(command)
    command.add_argument("--snapstart", action="store_true", help="enable SnapStart")
    command.set_defaults(run=_package)

    command = commands.add_parser("terraform", help="generate a Terraform directory")
    _add_stage(command)
    _add_routing(command)
    command.set_defaults(run=_terraform)

    command = commands.add_parser("migrate", help="upgrade the schema of a stage's PostgreSQL")
    _add_stage(command)
    command.set_defaults(run=_migrate)

    command = commands.add_parser("size", help="show the size of a deployment package")
    command.add_argument("path", type=Path)
    command.set_defaults(run=_size)
    return parser


def _add_stage(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("stage", metavar="STAGE", help="a stage of .chalice/config.json")


def _add_routing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--routing",
        choices=["single", "per-route"],
        default="single",
        help="one function for all routes, or one each for the main routes",
    )


def _deploy(options: argparse.Namespace) -> None:
    url = deploy.deploy(Stage(options.stage)).rstrip("/")
    _print(
        f"The API is at {url}. Try it:",
        f"  curl {url}/health",
        f'  curl {url}/users -H "Authorization: Bearer $TOKEN"',
    )


def _delete(options: argparse.Namespace) -> None:
    stage = Stage(options.stage)
    deploy.delete(stage, with_data=options.table == "delete")
    if options.table == "keep" and stage.uses_dynamodb:
        _print(
            f"The table {stage.table!r} is kept, and so are the queues of what is still to be sent"
            " from it; TABLE=delete deletes them with all their data."
        )


def _package(options: argparse.Namespace) -> None:
    stage = Stage(options.stage)
    directory = packages.make_cloudformation(
        stage, per_route=options.routing == "per-route", snapstart=options.snapstart
    )
    template = directory.relative_to(stage.root) / packages.TEMPLATE
    _print(
        f"Wrote {template}. Deploy it through an S3 bucket of yours:",
        f"  aws cloudformation package --template-file {template} --s3-bucket BUCKET \\",
        f"    --output-template-file {template.with_stem('packaged')}",
        f"  aws cloudformation deploy --template-file {template.with_stem('packaged')} \\",
        f"    --s3-bucket BUCKET --stack-name {stage.full_name} --capabilities CAPABILITY_IAM",
    )


def _terraform(options: argparse.Namespace) -> None:
    stage = Stage(options.stage)
    directory = packages.make_terraform(stage, per_route=options.routing == "per-route")
    path = directory.relative_to(stage.root)
    _print(
        f"Wrote {path}. Deploy it with Terraform 1.5 or later:",
        f"  terraform -chdir={path} init",
        f"  terraform -chdir={path} apply",
    )


def _migrate(options: argparse.Namespace) -> None:
    migrate(Stage(options.stage))


def _size(options: argparse.Namespace) -> None:
    _print(*bundle.describe(options.path))


def _print(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
