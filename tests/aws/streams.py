"""What a socket receives, without a socket."""

from hypothesis import strategies as st

from chalicelib.aws.http_messages import Receive


def receiving(*parts: bytes) -> Receive:
    """Return a function like `socket.recv` that gets `parts` in turn, and then the end.

    It fails when it is called once more after the end, since that would never end.
    """
    arriving = [part for part in parts if part]
    ended = False

    def receive(count: int) -> bytes:
        nonlocal ended
        assert count > 0
        assert not ended
        if not arriving:
            ended = True
            return b""
        part, rest = arriving[0][:count], arriving[0][count:]
        arriving[:1] = [rest] if rest else []
        return part

    return receive


def splits(whole: bytes) -> st.SearchStrategy[list[bytes]]:
    """Generate the ways in which `whole` may arrive in parts."""
    places = st.lists(st.integers(0, len(whole)), max_size=8).map(sorted)
    return places.map(
        lambda ends: [
            whole[start:end] for start, end in zip([0, *ends], [*ends, len(whole)], strict=True)
        ]
    )
