"""
kill -9 under load: nothing that a client received may be missing afterwards, and nothing may be double.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.fake_provider import FakeProvider
from tests.system.installation import Installation
from tests.system.traffic import Got, keep_calling

CUT = {"interrupted", "truncated", "client_closed"}


@pytest.mark.parametrize(
    "kills", [pytest.param(5, id="5 times"), pytest.param(50, id="50 times", marks=pytest.mark.soak)]
)
async def test_kills_of_gateway_and_console_lose_nothing_that_a_client_has(
    kills: int, provider: FakeProvider, data_dir: Path
) -> None:
    dice = random.Random(kills)
    with Installation(data_dir, provider.url, "--workers", "2") as installation:
        stop = asyncio.Event()
        traffic = asyncio.create_task(keep_calling(installation.port, stop, clients=8))
        for number in range(kills):
            await asyncio.sleep(dice.uniform(0.5, 3.0))
            victims = installation.children("arc_proxy.gateway" if number % 3 else "arc_proxy.cli.console")
            if victims:
                dice.choice(victims).kill()
        await asyncio.sleep(1.5)
        stop.set()
        received = await traffic
    exported = installation.calls()
    calls = {call["call_id"]: call for call in exported}
    print(
        f"{kills} kills, {len(received)} calls, {sum(not got.is_whole for got in received)} cut, "
        f"{len(exported)} rows: {Counter(call['ended'] for call in exported)}"
    )
    assert not [got.number for got in received if got.is_refused], (
        "a client was refused while a gateway restarted"
    )
    assert len(calls) == len(exported), "a call has two rows"
    assert max(Counter(call["tags"]["n"] for call in exported).values()) == 1, "a call was sent or kept twice"
    for got in received:
        assert_kept(got, calls)


def assert_kept(got: Got, calls: dict[str, dict[str, Any]]) -> None:
    """What the client has of its call is in the call's row."""
    if got.call_id is None:
        return
    call = calls.get(got.call_id)
    assert call is not None, f"call {got.number} reached its client and is missing"
    assert call["status"] == got.status
    if got.is_whole:
        assert call["ended"] == "complete"
        assert call["output_text"] == got.text()
    else:
        assert call["ended"] in CUT
        assert (call["output_text"] or "").startswith(got.text()), (
            f"call {got.number}: the client has more than its row"
        )
