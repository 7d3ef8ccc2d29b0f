"""A short soak; `make soak` runs the long one: 200 runs over 20 chats, the stack itself stopped and started."""

import pytest

from proof.stress.soak import soak


@pytest.mark.deployed
def test_runs_end_exactly_under_kills() -> None:
    """[20] [21] Workers killed, messages repeated: every run ends as its script says, and every repeated claim has a
    reason."""
    # Every run is begun, however long that takes. The seed's first kill comes before its longest chat can be over.
    result = soak(runs=12, chats=4, seed=6, restarts=0, seconds=3000, pause=(1.0, 4.0), deeds=10, drain=False)
    assert len(result.client_runs) == 12
    assert result.wrong == [], result.table
    assert result.done["kills of step workers"] > 0, result.table
