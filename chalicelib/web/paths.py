"""Paths of requests: the API's own part, and what stands before it."""

from chalice.app import Request


def resource_path(request: Request) -> str:
    """Return the API's own path of the request, such as ``/users/usr_1``, without a stage."""
    template: str = request.path
    return template.format(**request.uri_params) if request.uri_params else template


def base_path(request: Request) -> str:
    """Return what stands before the API's own path: ``/<stage>``, or a domain's base path."""
    whole: str = (request.context.get("path") or "").removesuffix("/")
    path = resource_path(request)
    return whole.removesuffix(path) if whole.endswith(path) else ""
