"""The garbage collector while a function starts, and afterwards."""

import gc
from collections.abc import Iterator

import pytest

from chalicelib.startup import uncollected


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    """Leave the collector as it was found."""
    yield
    gc.unfreeze()
    gc.enable()


def test_nothing_is_collected_while_the_block_runs() -> None:
    """The collector rests during the block, and never looks at what was made in it."""
    with uncollected():
        assert not gc.isenabled()
        made = [[number] for number in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= len(made)


def test_a_failed_start_leaves_the_collector_at_work() -> None:
    """Whatever ends the block, the collector works again."""
    with pytest.raises(OSError, match="no table"), uncollected():
        raise OSError("no table")
    assert gc.isenabled()
