"""
Which dialect a WebSocket speaks, by the URL that it was asked for at. No I/O.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl, unquote

from arc_proxy.wire.gemini_live import LiveTurns
from arc_proxy.wire.openai_realtime import RealtimeTurns
from arc_proxy.wire.openai_responses_socket import ResponsesTurns
from arc_proxy.wire.turn import TurnReader

# The WebSocket is one conversation, whose turns need not name each other.
ONE_TALK = frozenset({"openai.realtime", "openai.audio", "gemini.live"})

_LIVE = "GenerativeService.BidiGenerateContent"
_LIVE_ELSEWHERE = ("LlmBidiService/BidiGenerateContent", f"{_LIVE}Constrained")
_QUERY_CHARS_MAX = 8192


def make_turn_reader(url: str) -> TurnReader | None:
    """`url` may be a bare target. None for what we do not know: such a WebSocket is one call."""
    path, _, query = url.partition("#")[0].partition("?")
    known = _reader_of(unquote(path).rstrip("/"))
    return None if known is None else known(_model(query))


def _reader_of(path: str) -> Callable[[str | None], TurnReader] | None:
    if path.endswith("/realtime"):
        return RealtimeTurns
    if path.endswith("/responses"):
        return ResponsesTurns
    if path.endswith((_LIVE, *_LIVE_ELSEWHERE)):
        return LiveTurns
    return None


def _model(query: str) -> str | None:
    """OpenAI names it `model`, Azure `deployment`."""
    try:
        said = dict(parse_qsl(query[:_QUERY_CHARS_MAX]))
    except ValueError:
        return None
    return said.get("model") or said.get("deployment")
