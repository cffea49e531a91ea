"""The commands of deployment: ``python -m deployment <command> <stage>``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from deployment import bundle, own_stage, packages
from deployment.errors import DeploymentError
from deployment.migration import migrate
from deployment.stages import Stage


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command and return the exit status."""
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

    deploy = commands.add_parser("deploy", help="deploy a stage of one's own, or update it")
    _add_stage(deploy)
    deploy.set_defaults(run=_deploy)

    delete = commands.add_parser("delete", help="delete a stage of one's own")
    _add_stage(delete)
    delete.add_argument(
        "--table",
        choices=["keep", "delete"],
        default="keep",
        help="what to do with the table and the key of its cursors",
    )
    delete.set_defaults(run=_delete)

    package = commands.add_parser("package", help="make a CloudFormation template")
    _add_stage(package)
    _add_routing(package)
    package.add_argument("--snapstart", action="store_true", help="start functions from snapshots")
    package.set_defaults(run=_package)

    terraform = commands.add_parser("terraform", help="make a Terraform directory")
    _add_stage(terraform)
    _add_routing(terraform)
    terraform.set_defaults(run=_terraform)

    migration = commands.add_parser("migrate", help="bring a stage's PostgreSQL up to date")
    _add_stage(migration)
    migration.set_defaults(run=_migrate)

    size = commands.add_parser("size", help="tell what a zip file with code weighs")
    size.add_argument("path", type=Path)
    size.set_defaults(run=_size)
    return parser


def _add_stage(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("stage", metavar="STAGE", help="a stage of .chalice/config.json")


def _add_routing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--routing",
        choices=["single", "per-route"],
        default="single",
        help="one function for every route, or each founding route on its own",
    )


def _deploy(options: argparse.Namespace) -> None:
    url = own_stage.deploy(Stage(options.stage)).rstrip("/")
    _say(
        f"The API is at {url}. Its first calls:",
        f"  curl {url}/health",
        f'  curl {url}/users -H "Authorization: Bearer $TOKEN"',
    )


def _delete(options: argparse.Namespace) -> None:
    stage = Stage(options.stage)
    own_stage.delete(stage, with_data=options.table == "delete")
    if options.table == "keep" and stage.uses_dynamodb:
        _say(f"The table {stage.table!r} stays; TABLE=delete deletes it with all its data.")


def _package(options: argparse.Namespace) -> None:
    stage = Stage(options.stage)
    directory = packages.make_cloudformation(
        stage, per_route=options.routing == "per-route", snapstart=options.snapstart
    )
    template = directory.relative_to(stage.root) / packages.TEMPLATE
    _say(
        f"Made {template}. Deploy it with a bucket of yours:",
        f"  aws cloudformation package --template-file {template} --s3-bucket BUCKET \\",
        f"    --output-template-file {template.with_stem('packaged')}",
        f"  aws cloudformation deploy --template-file {template.with_stem('packaged')} \\",
        f"    --s3-bucket BUCKET --stack-name {stage.full_name} --capabilities CAPABILITY_IAM",
    )


def _terraform(options: argparse.Namespace) -> None:
    stage = Stage(options.stage)
    directory = packages.make_terraform(stage, per_route=options.routing == "per-route")
    place = directory.relative_to(stage.root)
    _say(
        f"Made {place}. Deploy it with Terraform 1.5 or later:",
        f"  terraform -chdir={place} init",
        f"  terraform -chdir={place} apply",
    )


def _migrate(options: argparse.Namespace) -> None:
    migrate(Stage(options.stage))


def _size(options: argparse.Namespace) -> None:
    _say(*bundle.describe(options.path))


def _say(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
