"""What is usual for calls like one, on either database."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from arc_proxy.call import Call
from arc_proxy.store.engine import Store
from arc_proxy.store.peers import Peer, read_peers
from arc_proxy.store.write import save
from pricing.usage import Usage

MakeCall = Callable[..., Call]

WHOLE = {"stop": True, "COMPLETE": True, "length": False, "model_length": False, "MAX_TOKENS": False}


@pytest.mark.parametrize(("reason", "is_whole"), WHOLE.items())
def test_answers_that_were_cut_say_nothing_of_how_long_whole_ones_are(
    store: Store, make_call: MakeCall, reason: str, is_whole: bool
) -> None:
    call = make_call(1, reply_finish_reason=reason, usage=Usage(input_text=10, output_text=77))
    save(store, [call])
    assert read_peers(store, call) == ([Peer(77, 900_000_000)] if is_whole else [])


def test_calls_of_another_agent_or_model_are_no_peers(store: Store, make_call: MakeCall) -> None:
    call = make_call(1)
    save(store, [call, make_call(2, grouping_agent="other"), make_call(3, reply_model="gpt-9")])
    assert len(read_peers(store, call)) == 1
