"""Settings: a deployed function checks them before it serves, and names missing ones."""

import pytest

from chalicelib.settings import Settings
from chalicelib.settings_error import SettingsError

WHOLE = {
    "STORAGE_URL": "dynamodb://users",
    "CURSOR_SECRET_PARAMETER": "/users/cursor",
    "WEBHOOK_KEY_PARAMETER": "/users/webhook-key",
    "AUTH_ISSUER": "https://issuer.example/",
    "AUTH_AUDIENCE": "users",
    "AUTH_JWKS_URL": "https://issuer.example/keys",
}


def test_complete_settings_pass() -> None:
    """With every required variable the check passes, without reading a secret."""
    Settings(WHOLE).check()


@pytest.mark.parametrize("name", WHOLE)
def test_missing_settings_are_named(name: str) -> None:
    """Without one of the variables the check fails with a sentence that names it."""
    with pytest.raises(SettingsError, match=name):
        Settings({key: value for key, value in WHOLE.items() if key != name}).check()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CORS_ORIGINS", "app.example.com"),
        ("CORS_ORIGINS", "https://app.example.com/"),
        ("CORS_ORIGINS", "*"),
        ("USER_SHARDS", "0"),
        ("USER_SHARDS", "many"),
        ("AUTH_JWKS_URL", "http://issuer.example/keys"),
        ("HISTORY", "no"),
        ("HISTORY", "On"),
        ("LOG_FORMAT", "xml"),
        ("LOG_SUBJECTS", "yes"),
        ("METRICS", "true"),
    ],
)
def test_invalid_settings_are_named(name: str, value: str) -> None:
    """An invalid value fails the check with a sentence that names the variable."""
    with pytest.raises(SettingsError, match=name):
        Settings({**WHOLE, name: value}).check()


def test_a_short_secret_is_refused() -> None:
    """A secret of fewer than 32 bytes signs no cursor."""
    with pytest.raises(SettingsError, match="CURSOR_SECRET must have at least 32 bytes"):
        _ = Settings({"CURSOR_SECRET": "short"}).cursor_secret


def test_the_history_is_on_unless_it_is_turned_off() -> None:
    """It is kept who did what, unless HISTORY says off."""
    assert Settings({}).history
    assert [Settings({"HISTORY": text}).history for text in ("", "on")] == [True, True]
    assert not Settings({"HISTORY": "off"}).history


def test_origins_are_separated_by_white_space() -> None:
    """One variable has several origins."""
    settings = Settings({"CORS_ORIGINS": " https://a.example  http://localhost:3000 "})
    assert settings.cors_origins == {"https://a.example", "http://localhost:3000"}
