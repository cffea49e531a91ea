"""Prepare storage before the first request: ``python -m chalicelib.storage <command>``.

- ``create-table NAME`` makes the DynamoDB table; the standard AWS variables decide where.
"""

import argparse
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m chalicelib.storage")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    table = commands.add_parser(
        "create-table", help="make the DynamoDB table; does nothing where it is there already"
    )
    table.add_argument("name", metavar="NAME", help="the table's name")
    table.add_argument(
        "--no-ttl",
        dest="ttl",
        action="store_false",
        help="do not let DynamoDB remove idempotency records that have expired",
    )
    table.add_argument(
        "--point-in-time-recovery", action="store_true", help="keep continuous backups"
    )
    table.add_argument(
        "--deletion-protection", action="store_true", help="refuse to delete the table"
    )
    table.set_defaults(run=_create_table)

    options = parser.parse_args(arguments)
    options.run(options)
    return 0


def _create_table(options: argparse.Namespace) -> None:
    import boto3  # noqa: PLC0415 - only this command needs it

    from chalicelib.domain.registry import RESOURCES  # noqa: PLC0415
    from chalicelib.storage.dynamodb.table import create_table  # noqa: PLC0415

    create_table(
        boto3.client("dynamodb"),
        options.name,
        RESOURCES,
        ttl=options.ttl,
        point_in_time_recovery=options.point_in_time_recovery,
        deletion_protection=options.deletion_protection,
    )
    sys.stdout.write(f"The table {options.name!r} is ready.\n")


if __name__ == "__main__":
    sys.exit(main())
