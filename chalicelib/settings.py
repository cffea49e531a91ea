"""Configuration: the only place that reads the variables of this application.

On AWS, secrets are given by reference: `…_PARAMETER` names an AWS Systems Manager parameter
(SecureString), which is read when the secret is first needed. Elsewhere, plain variables hold them.
"""

import os
import re
from collections.abc import Mapping
from functools import cached_property
from urllib.parse import urlsplit

from chalicelib.parameter_store import read_parameter
from chalicelib.settings_error import SettingsError

# Keys are fetched over TLS, except from this machine, where tests run a provider.
_JWKS_URL = re.compile(
    r"(https://[A-Za-z0-9.-]+(:[0-9]{1,5})?|http://127\.0\.0\.1:[0-9]{1,5})(/[!-~]*)?"
)
# Inserted into a page and its Content-Security-Policy: no characters that are special in either.
_SWAGGER_UI_URL = re.compile(r"(https://[A-Za-z0-9.-]+(:[0-9]{1,5})?)?(/[A-Za-z0-9._~@-]+)*")

# Chalice wants an ARN to declare the function for the stream; the packages put the right one in.
_NO_STREAM = "arn:aws:dynamodb:us-east-1:123456789012:table/none/stream/none"
_GROUP_ID = re.compile(r"grp_[0-9a-f]{32}")
_URI = re.compile(r"[a-z][a-z0-9+.-]*:[!-~]+")
_EVENT_SOURCE = "urn:user-management:api"


class Settings:
    """The settings in an environment. Each is validated on first use.

    Properties have the names of their variables, which docs/settings.md lists.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    @classmethod
    def from_environment(cls) -> "Settings":
        """Return the settings in the environment of this process."""
        return cls(os.environ)

    @cached_property
    def is_lambda(self) -> bool:
        """Whether this process is a Lambda function."""
        return "AWS_LAMBDA_FUNCTION_NAME" in self._environment

    @cached_property
    def function_name(self) -> str:
        """The name of this Lambda function; ``local`` outside Lambda."""
        return self._environment.get("AWS_LAMBDA_FUNCTION_NAME", "local")

    @cached_property
    def lambda_handler(self) -> str | None:
        """The handler of this Lambda function, such as ``app.app``; None outside Lambda."""
        return self._environment.get("_HANDLER") if self.is_lambda else None

    @cached_property
    def is_chalice_command(self) -> bool:
        """Whether this process is a Chalice command, such as `chalice local`."""
        return "AWS_CHALICE_CLI_MODE" in self._environment

    @cached_property
    def storage_url(self) -> str:
        """The URL of the storage, for `open_storage`."""
        return self._required("STORAGE_URL", "such as dynamodb://<table>")

    @cached_property
    def storage_scheme(self) -> str:
        """The scheme of the storage's URL, which says what kind it is; "" without storage."""
        return urlsplit(self._environment.get("STORAGE_URL", "")).scheme

    def storage_password(self) -> str | None:
        """Return the current password of the database, or None if none is configured.

        It is read for each new connection, so that it can be rotated.
        """
        parameter = self._environment.get("STORAGE_PASSWORD_PARAMETER")
        return read_parameter(parameter) if parameter else None

    @cached_property
    def user_shards(self) -> int:
        """The number of DynamoDB index partitions that list users. It must never be lowered."""
        return self._positive("USER_SHARDS", 1)

    @cached_property
    def history(self) -> bool:
        """Whether it is kept who did what to users and orders."""
        return self._choice("HISTORY", "on", "off") == "on"

    @cached_property
    def admin_groups(self) -> tuple[str, ...]:
        """The ids of the groups whose members are administrators."""
        given = tuple(self._environment.get("ADMIN_GROUPS", "").split())
        for one in given:
            if not _GROUP_ID.fullmatch(one):
                raise SettingsError(
                    "ADMIN_GROUPS must be ids of groups, separated by spaces, such as"
                    f" grp_019a9d3c5b7e7f3a8c1d2e3f4a5b6c7d, not {one!r}."
                )
        return given

    @cached_property
    def cursor_secret(self) -> bytes:
        """The key that signs cursors."""
        return self._secret("CURSOR_SECRET")

    @cached_property
    def events(self) -> bool:
        """Whether others hear of changes of users and orders."""
        return self._choice("EVENTS", "on", "off") == "on"

    @cached_property
    def event_source(self) -> str:
        """The `source` of events: a URI, best that of the API."""
        source = (self._environment.get("EVENT_SOURCE") or _EVENT_SOURCE).rstrip("/")
        if not _URI.fullmatch(source):
            raise SettingsError(
                f"EVENT_SOURCE must be a URI such as https://api.example.com, not {source!r}."
            )
        return source

    @cached_property
    def event_bus(self) -> str | None:
        """The name or ARN of the EventBridge bus that gets all events, None without one."""
        return self._environment.get("EVENT_BUS") or None

    @cached_property
    def webhook_queue_url(self) -> str:
        """The URL of the SQS queue of deliveries to webhooks."""
        return self._required("WEBHOOK_QUEUE_URL", "to the URL of the SQS queue of deliveries")

    @cached_property
    def webhook_queue(self) -> str:
        """The name of that queue, to declare its function by; the packages put the right one in."""
        return self._environment.get("WEBHOOK_QUEUE_URL", "").rpartition("/")[2] or "webhooks"

    @cached_property
    def table_stream_arn(self) -> str:
        """The ARN of the table's stream, to declare its function by."""
        return self._environment.get("TABLE_STREAM_ARN") or _NO_STREAM

    @cached_property
    def webhook_key(self) -> bytes:
        """The key that the secrets of webhooks are derived from. Changing it changes them all."""
        return self._secret("WEBHOOK_KEY")

    @cached_property
    def allows_loopback_webhooks(self) -> bool:
        """Whether webhooks may be on this machine, without TLS: only outside Lambda."""
        allowed = self._choice("LOOPBACK_WEBHOOKS", "refused", "allowed") == "allowed"
        return allowed and not self.is_lambda

    @cached_property
    def cors_origins(self) -> frozenset[str]:
        """The web origins that may call the API; none by default."""
        origins = frozenset(self._environment.get("CORS_ORIGINS", "").split())
        for origin in origins:
            if not origin.startswith(("https://", "http://")) or origin.count("/") != 2:  # noqa: PLR2004 - scheme://host
                raise SettingsError(
                    f"CORS_ORIGINS has {origin!r}; write origins as https://example.com,"
                    " without a path, separated by spaces."
                )
        return origins

    @cached_property
    def log_format(self) -> str:
        """How requests are logged: ``json``, or ``text`` for people at a terminal."""
        return self._choice("LOG_FORMAT", "json", "text")

    @cached_property
    def log_subjects(self) -> str:
        """How the log names callers: by a ``hash`` of their subject, or ``plain``."""
        return self._choice("LOG_SUBJECTS", "hash", "plain")

    @cached_property
    def metrics(self) -> bool:
        """Whether the lines of the log hold metrics."""
        return self._choice("METRICS", "on", "off") == "on"

    @cached_property
    def docs_renderer_url(self) -> str | None:
        """The folder with Swagger UI for the page at /docs, None for the public CDN."""
        url = self._environment.get("DOCS_RENDERER_URL") or None
        if url is not None and not _SWAGGER_UI_URL.fullmatch(url):
            raise SettingsError(
                "DOCS_RENDERER_URL must be an https:// address or a path such as /docs/renderer,"
                f" not {url!r}."
            )
        return url

    @cached_property
    def auth_issuer(self) -> str:
        """The required `iss` of tokens."""
        return self._required("AUTH_ISSUER", "to the issuer that tokens carry in 'iss'")

    @cached_property
    def auth_audience(self) -> str:
        """The required audience of tokens: `aud`, or Cognito's `client_id`."""
        return self._required("AUTH_AUDIENCE", "to the audience that tokens carry in 'aud'")

    @cached_property
    def auth_jwks_url(self) -> str | None:
        """The URL of the issuer's JWK Set (RFC 7517), None with a shared secret."""
        url = self._environment.get("AUTH_JWKS_URL") or None
        if url is not None and not _JWKS_URL.fullmatch(url):
            raise SettingsError(
                f"AUTH_JWKS_URL must be an https:// address with a host name, not {url!r}."
            )
        return url

    @cached_property
    def auth_secret(self) -> bytes:
        """The secret that the issuer and the API share, for HS256."""
        secret = self._secret("AUTH_SECRET")
        if secret.lstrip().startswith(b"-----BEGIN"):
            # With a public key as the secret, everybody could sign tokens (RFC 8725 §2.1).
            raise SettingsError(
                "AUTH_SECRET holds a PEM key or certificate; HS256 needs random bytes, and an"
                " identity provider's public keys belong to AUTH_JWKS_URL."
            )
        return secret

    @cached_property
    def auth_subject_claim(self) -> str:
        """The claim that identifies the caller: the user_id, if the caller is a user."""
        return self._environment.get("AUTH_SUBJECT_CLAIM") or "sub"

    @cached_property
    def auth_roles_claim(self) -> str:
        """The claim with the caller's roles."""
        return self._environment.get("AUTH_ROLES_CLAIM") or "roles"

    @cached_property
    def auth_admin_role(self) -> str:
        """The role of administrators."""
        return self._environment.get("AUTH_ADMIN_ROLE") or "admin"

    def check(self) -> None:
        """Check the settings that a deployed function needs, without reading secrets.

        Raises SettingsError.
        """
        self.check_authentication()
        # Reading them validates them.
        _ = self.storage_url, self.user_shards, self.history, self.cors_origins, self.admin_groups
        _ = self.log_format, self.log_subjects, self.metrics, self.events, self.event_source
        for name in ("CURSOR_SECRET", "WEBHOOK_KEY"):
            if not self._variables(name):
                raise self._missing_secret(name)

    def check_authentication(self) -> None:
        """Check the settings for the verification of tokens, without reading secrets.

        Raises SettingsError, with one sentence that names everything that is missing.
        """
        missing = [
            hint
            for name, hint in (
                ("AUTH_ISSUER", "AUTH_ISSUER to the issuer that tokens carry in 'iss'"),
                ("AUTH_AUDIENCE", "AUTH_AUDIENCE to the audience that tokens carry in 'aud'"),
            )
            if not self._environment.get(name)
        ]
        secrets = self._variables("AUTH_SECRET")
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

    def _choice(self, name: str, default: str, other: str) -> str:
        text = self._environment.get(name) or default
        if text not in {default, other}:
            raise SettingsError(f"{name} must be {default} or {other}, not {text!r}.")
        return text

    def _positive(self, name: str, default: int) -> int:
        text = self._environment.get(name) or str(default)
        if not text.isascii() or not text.isdigit() or int(text) < 1:
            raise SettingsError(f"{name} must be a whole number from 1, not {text!r}.")
        return int(text)

    def _secret(self, name: str) -> bytes:
        """Return a secret of at least 32 bytes, which HS256 requires (RFC 7518 §3.2)."""
        reference = f"{name}_PARAMETER"
        parameter = self._environment.get(reference)
        value = read_parameter(parameter) if parameter else self._environment.get(name, "")
        if not value:
            raise self._missing_secret(name)
        secret = value.encode()
        if len(secret) < 32:  # noqa: PLR2004 - RFC 7518
            raise SettingsError(f"The secret of {name} must have at least 32 bytes.")
        return secret

    def _variables(self, secret: str) -> list[str]:
        """Return the names of the variables that are set for `secret`."""
        return [name for name in (f"{secret}_PARAMETER", secret) if self._environment.get(name)]

    @staticmethod
    def _missing_secret(name: str) -> SettingsError:
        return SettingsError(
            f"Set {name}_PARAMETER to the name of an SSM parameter (SecureString) that holds"
            " at least 32 random bytes."
        )
