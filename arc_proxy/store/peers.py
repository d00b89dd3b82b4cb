"""Calls like another one, of the same agent and model, that went well: what is usual for them."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import func, select

from analysis.finish_reason import PARTIAL
from arc_proxy.call import Call, Kind
from arc_proxy.store import tables
from arc_proxy.store.engine import Store, reading
from arc_proxy.store.filters import agent_id_of

PEERS_MAX = 500


class Peer(NamedTuple):
    output_tokens: int
    duration_ns: int


def read_peers(store: Store, like: Call) -> list[Peer]:
    """The latest whole answers. Raises StoreError."""
    call, series = tables.call.c, tables.series.c
    alike = select(series.id).where(
        series.agent_id == agent_id_of(like.grouping.agent),
        series.provider == like.provider,
        series.model == (like.reply.model or like.prompt.model or ""),
        series.kind == Kind.GENERATION.value,
    )
    output = call.output_text_tokens + call.output_audio_tokens + call.output_image_tokens
    latest = (
        select(output, call.duration_ns)
        .where(
            call.series_id.in_(alike),
            ~call.failed,
            call.duration_ns.is_not(None),
            func.lower(call.finish_reason).not_in(sorted(PARTIAL)),
        )
        .order_by(call.started_ns.desc())
        .limit(PEERS_MAX)
    )
    with reading(store) as connection:
        return [Peer(int(tokens), int(duration)) for tokens, duration in connection.execute(latest)]
