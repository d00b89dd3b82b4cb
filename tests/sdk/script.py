"""What the provider of a scene is to do: answers, errors and streams, step by step."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from arc_proxy.demo.dialects import Turn
from tests.fake_provider import BODY, LAST_CHUNK, Pause, Step, chunk, reply, stream_head

IDS = (("x-request-id", "req_7"), ("request-id", "req_7"), ("openai-processing-ms", "12"), ("CF-RAY", "9a"))
STREAM_PIECE_S = 0.001


def turn(*, tool: str | None = None) -> Turn:
    text = "" if tool else "It left on Monday. Ünïcode: 日本 🚀. " * 5
    return Turn(
        model="gpt-5",
        text=text,
        tool=tool,
        arguments={"query": "order 1041"},
        is_cut=False,
        input_tokens=120,
        cached_tokens=64,
        output_tokens=30,
        seed="5f" * 32,
    )


def says(body: Any, *fields: tuple[str, str], status: str = "200 OK") -> tuple[Step, ...]:
    return BODY, reply(json.dumps(body, ensure_ascii=False).encode(), *IDS, *fields, status=status)


def fails(status: str, *fields: tuple[str, str], kind: str = "some_error") -> tuple[Step, ...]:
    error = {"message": f"It failed with {status}", "type": kind, "param": None, "code": "c1"}
    return says({"type": "error", "error": error}, *fields, status=status)


def frames(events: Iterable[tuple[str | None, Any]]) -> list[bytes]:
    made = []
    for name, data in events:
        text = data if isinstance(data, str) else json.dumps(data)
        made.append((f"event: {name}\n" if name else "").encode() + f"data: {text}\n\n".encode())
    return made


def streams(pieces: list[bytes], *ending: Step) -> tuple[Step, ...]:
    steps: list[Step] = [BODY, stream_head(*IDS)]
    for piece in pieces:
        steps += [chunk(piece), Pause(STREAM_PIECE_S)]
    return (*steps, *(ending or (LAST_CHUNK,)))
