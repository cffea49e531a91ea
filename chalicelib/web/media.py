"""Media types and cache directives of responses."""

Headers = dict[str, str | list[str]]

JSON = "application/json"
PROBLEM_JSON = "application/problem+json"
SCIM_JSON = "application/scim+json"

# Private; revalidate before reuse.
REVALIDATE = "private, no-cache"
NO_STORE = "no-store"
PUBLIC = "public, max-age=3600"
