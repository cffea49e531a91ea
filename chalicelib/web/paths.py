"""Paths of requests: the API's own part, and what stands before it."""

from urllib.parse import unquote

from chalice.app import Request


def resource_path(request: Request) -> str:
    """Return the API's own path of the request, such as ``/users/usr_1``, without a stage.

    Percent-encoded parameters are decoded, so that every spelling of a path is the same one.
    """
    template: str = request.path
    parameters = request.uri_params or {}
    return template.format(**{name: unquote(value) for name, value in parameters.items()})


def base_path(request: Request) -> str:
    """Return what stands before the API's own path: ``/<stage>``, or a domain's base path."""
    whole: str = (request.context.get("path") or "").removesuffix("/")
    path = resource_path(request)
    return whole.removesuffix(path) if whole.endswith(path) else ""
