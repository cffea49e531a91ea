"""`make token`: print a token for the closed local server."""

import argparse
import os
import time

import jwt

from localdev.environment import AUDIENCE, ISSUER, local_secrets

_LIFETIME_SECONDS = 60 * 60


def main() -> None:
    """Print a token for the subject and roles on the command line."""
    parser = argparse.ArgumentParser(prog="python -m localdev.token", description=__doc__)
    parser.add_argument("--sub", default="local-admin", help="the subject, such as a user_id")
    parser.add_argument("--role", action="append", default=[], help="a role, such as admin")
    arguments = parser.parse_args()
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": arguments.sub,
        "roles": arguments.role,
        "iat": now,
        "exp": now + _LIFETIME_SECONDS,
    }
    print(jwt.encode(claims, local_secrets(os.environ)["auth"], algorithm="HS256"))  # noqa: T201


if __name__ == "__main__":
    main()
