"""Configuration: the one place that reads the environment.

Secrets come by reference: `…_PARAMETER` names an AWS Systems Manager parameter (SecureString)
that is read when the secret is first needed; the plain variable is for machines of one's own.
"""

import os
import re
from collections.abc import Mapping
from functools import cached_property

from chalicelib.parameter_store import read_parameter

# Keys travel over TLS; but for a provider on this machine, as tests run one.
_JWKS_URL = re.compile(
    r"(https://[A-Za-z0-9.-]+(:[0-9]{1,5})?|http://127\.0\.0\.1:[0-9]{1,5})(/[!-~]*)?"
)
# Written into a page and its Content-Security-Policy: nothing that could end either of them.
_RENDERER_URL = re.compile(r"(https://[A-Za-z0-9.-]+(:[0-9]{1,5})?)?(/[A-Za-z0-9._~@-]+)*")


class SettingsError(Exception):
    """A setting is missing or cannot be used; the text says which, and what to set."""


class Settings:
    """The settings that an environment holds, each checked when it is first read.

    Every property names its variable; docs/settings.md lists them all.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    @classmethod
    def of_process(cls) -> "Settings":
        """Return the settings of this process."""
        return cls(os.environ)

    @cached_property
    def is_lambda(self) -> bool:
        """Whether this process is a Lambda function."""
        return "AWS_LAMBDA_FUNCTION_NAME" in self._environment

    @cached_property
    def needs_storage(self) -> bool:
        """Whether this process is a Lambda function that reads or writes users and orders."""
        return self.is_lambda and self._environment.get("_HANDLER") != "app.tokens"

    @cached_property
    def is_chalice_command(self) -> bool:
        """Whether this process is a command of Chalice's, such as `chalice local`."""
        return "AWS_CHALICE_CLI_MODE" in self._environment

    @cached_property
    def storage_url(self) -> str:
        """Where users and orders are kept: a URL that `open_storage` understands."""
        return self._required("STORAGE_URL", "such as dynamodb://<table>")

    def storage_password(self) -> str | None:
        """Return the database's password as it is now, None where STORAGE_URL says everything.

        It is read anew for each connection, so that one that was changed is taken.
        """
        parameter = self._environment.get("STORAGE_PASSWORD_PARAMETER")
        return read_parameter(parameter) if parameter else None

    @cached_property
    def user_shards(self) -> int:
        """How many partitions of the DynamoDB index list the users; never lower it later."""
        return self._positive("USER_SHARDS", 1)

    @cached_property
    def cursor_secret(self) -> bytes:
        """The key that signs cursors."""
        return self._secret("CURSOR_SECRET")

    @cached_property
    def cors_origins(self) -> frozenset[str]:
        """The web origins that may call the API, separated by white space; none by default."""
        origins = frozenset(self._environment.get("CORS_ORIGINS", "").split())
        for origin in origins:
            if not origin.startswith(("https://", "http://")) or origin.count("/") != 2:  # noqa: PLR2004 - scheme://host
                raise SettingsError(
                    f"CORS_ORIGINS has {origin!r}; write origins as https://example.com,"
                    " without a path, separated by spaces."
                )
        return origins

    @cached_property
    def docs_renderer_url(self) -> str | None:
        """Where the page at /docs gets its renderer: a folder; None for the public one."""
        url = self._environment.get("DOCS_RENDERER_URL") or None
        if url is not None and not _RENDERER_URL.fullmatch(url):
            raise SettingsError(
                "DOCS_RENDERER_URL must be an https:// address or a path such as /docs/renderer,"
                f" not {url!r}."
            )
        return url

    @cached_property
    def auth_issuer(self) -> str:
        """The `iss` that tokens must carry."""
        return self._required("AUTH_ISSUER", "to the issuer that tokens carry in 'iss'")

    @cached_property
    def auth_audience(self) -> str:
        """The audience that tokens must be made for: `aud`, or Cognito's `client_id`."""
        return self._required("AUTH_AUDIENCE", "to the audience that tokens carry in 'aud'")

    @cached_property
    def auth_jwks_url(self) -> str | None:
        """Where the issuer publishes its public keys (RFC 7517), None with a shared secret."""
        url = self._environment.get("AUTH_JWKS_URL") or None
        if url is not None and not _JWKS_URL.fullmatch(url):
            raise SettingsError(
                f"AUTH_JWKS_URL must be an https:// address with a host name, not {url!r}."
            )
        return url

    @cached_property
    def auth_secret(self) -> bytes:
        """The secret that issuer and API share for HS256 tokens."""
        secret = self._secret("AUTH_SECRET")
        if secret.lstrip().startswith(b"-----BEGIN"):
            # A public key taken for a secret would let everybody sign (RFC 8725 §2.1).
            raise SettingsError(
                "AUTH_SECRET holds a PEM key or certificate; HS256 needs random bytes, and an"
                " identity provider's public keys belong to AUTH_JWKS_URL."
            )
        return secret

    @cached_property
    def auth_subject_claim(self) -> str:
        """The claim that names the caller, and is the user_id of a caller who is a user."""
        return self._environment.get("AUTH_SUBJECT_CLAIM") or "sub"

    @cached_property
    def auth_roles_claim(self) -> str:
        """The claim that names the bearer's roles."""
        return self._environment.get("AUTH_ROLES_CLAIM") or "roles"

    @cached_property
    def auth_admin_role(self) -> str:
        """The role that makes its bearer an administrator."""
        return self._environment.get("AUTH_ADMIN_ROLE") or "admin"

    def check(self) -> None:
        """Return when nothing is missing that a deployed function needs; no secret is read.

        Raises SettingsError.
        """
        self.check_authentication()
        # Each is checked by being read.
        _ = self.storage_url, self.user_shards, self.cors_origins
        if not self._names("CURSOR_SECRET"):
            raise self._no_secret("CURSOR_SECRET")

    def check_authentication(self) -> None:
        """Return when the settings say how to check tokens; no secret is read for that.

        Raises SettingsError, whose one sentence names everything that is missing.
        """
        missing = [
            hint
            for name, hint in (
                ("AUTH_ISSUER", "AUTH_ISSUER to the issuer that tokens carry in 'iss'"),
                ("AUTH_AUDIENCE", "AUTH_AUDIENCE to the audience that tokens carry in 'aud'"),
            )
            if not self._environment.get(name)
        ]
        secrets = self._names("AUTH_SECRET")
        if self.auth_jwks_url is not None and secrets:
            raise SettingsError(
                f"Set either AUTH_JWKS_URL or {secrets[0]}, not both: tokens are signed with the"
                " identity provider's keys or with a shared secret."
            )
        if self.auth_jwks_url is None and not secrets:
            missing.append(
                "either AUTH_JWKS_URL to the https:// address of the identity provider's keys or"
                " AUTH_SECRET_PARAMETER to the name of the SSM parameter with the shared secret"
            )
        if missing:
            raise SettingsError(f"Authentication is not configured: set {', and '.join(missing)}.")

    def _required(self, name: str, hint: str) -> str:
        value = self._environment.get(name, "")
        if not value:
            raise SettingsError(f"Set {name} {hint}.")
        return value

    def _positive(self, name: str, default: int) -> int:
        text = self._environment.get(name) or str(default)
        if not text.isascii() or not text.isdigit() or int(text) < 1:
            raise SettingsError(f"{name} must be a whole number from 1, not {text!r}.")
        return int(text)

    def _secret(self, name: str) -> bytes:
        """Return a secret of at least 32 bytes (RFC 7518 §3.2 asks that of HS256)."""
        reference = f"{name}_PARAMETER"
        parameter = self._environment.get(reference)
        value = read_parameter(parameter) if parameter else self._environment.get(name, "")
        if not value:
            raise self._no_secret(name)
        secret = value.encode()
        if len(secret) < 32:  # noqa: PLR2004 - the RFC's number
            raise SettingsError(f"The secret of {name} must have at least 32 bytes.")
        return secret

    def _names(self, secret: str) -> list[str]:
        """Return the variables that are set of those that say what `secret` is."""
        return [name for name in (f"{secret}_PARAMETER", secret) if self._environment.get(name)]

    @staticmethod
    def _no_secret(name: str) -> SettingsError:
        return SettingsError(
            f"Set {name}_PARAMETER to the name of an SSM parameter (SecureString) that holds"
            " at least 32 random bytes."
        )
