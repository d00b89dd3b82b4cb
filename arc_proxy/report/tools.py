"""What a run did with its tools, by what its last call quotes of the conversation. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from analysis.tool_use import ToolStanding, stand, tool_uses
from arc_proxy.call import Call
from arc_proxy.format import clean
from arc_proxy.report.table import NAME_CELLS, Column, Table

_ERROR_CELLS = 60


def tools_of(last_step: Call) -> list[ToolStanding]:
    """Per tool. What was compacted away before the last call is not in it."""
    said = last_step.prompt.messages
    if last_step.reply.message is not None:
        said = (*said, last_step.reply.message)
    return stand(tool_uses(message for each in said if isinstance(message := _load(each), dict)))


def tools_table(tools: Sequence[ToolStanding]) -> Table:
    columns = (
        Column("tool", is_number=False, flex=True, keep=NAME_CELLS),
        Column("calls"),
        Column("errors"),
        Column("empty", rank=2),
        Column("no result", rank=3),
        Column("commonest error", is_number=False, flex=True, rank=1),
    )
    return Table(
        columns,
        tuple(
            (
                clean(tool.name),
                str(tool.calls),
                str(tool.errors),
                str(tool.empty),
                str(tool.unanswered),
                clean(tool.error, _ERROR_CELLS) or "-",
            )
            for tool in tools
        ),
    )


def _load(message: bytes) -> Any:
    try:
        return orjson.loads(message)
    except orjson.JSONDecodeError:
        return None
