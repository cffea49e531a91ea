"""Changes of metadata: JSON Merge Patch (RFC 7396), and replacement."""

from collections.abc import Mapping

from msgspec import Struct

from chalicelib.domain.errors import TooManyPairs
from chalicelib.domain.fields import MAX_PAIRS


class MetadataChange(Struct, frozen=True):
    """Either a whole new object (`pairs` of strings only) or a merge patch of the old one."""

    pairs: Mapping[str, str | None]
    merge: bool

    def apply_to(self, metadata: dict[str, str]) -> dict[str, str]:
        """Return the changed pairs. Raises TooManyPairs above the limit."""
        merged = {**metadata, **self.pairs} if self.merge else self.pairs
        kept = {key: value for key, value in merged.items() if value is not None}
        if len(kept) > MAX_PAIRS:
            raise TooManyPairs
        return kept
