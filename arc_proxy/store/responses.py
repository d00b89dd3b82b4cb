"""Calls by the id that the provider gave their response."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select, text

from arc_proxy.call import Call, Kind
from arc_proxy.store import tables
from arc_proxy.store.bulk import dicts, slices
from arc_proxy.store.engine import Store, reading
from arc_proxy.store.load import LINES, whole_calls

ResponseId = tuple[str, str]  # provider, id


def responses_by_id(store: Store, wanted: Iterable[ResponseId], kind: Kind) -> list[Call]:
    """The stored calls of this kind, whole, that were answered by these responses."""
    call, ids = tables.call.c, set(wanted)
    found: list[Call] = []
    with reading(store) as connection:
        for some in slices(sorted({response_id for _, response_id in ids})):
            answered = select(call.id).where(
                text(tables.STORED_RESPONSE), call.response_id.in_(some), call.kind == kind.value
            )
            keys = list(connection.execute(answered).scalars())
            found += whole_calls(connection, dicts(connection, LINES.where(call.id.in_(keys))))
    return [each for each in found if (each.provider, each.reply.response_id or "") in ids]
