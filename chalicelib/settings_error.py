"""The error of a process that is not configured."""


class SettingsError(Exception):
    """A setting is missing or invalid; the message says which, and what to set."""
