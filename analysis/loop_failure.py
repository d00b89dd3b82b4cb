"""An agent that goes in circles: the same call with the same result, the same words again. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from analysis.conversation import Conversation
from analysis.failure import EVIDENCE_CHARACTERS_MAX, Failure, FailureCode, Severity
from analysis.request import texts_of
from analysis.tool_failure import Used
from analysis.tool_name import is_changing, is_waiting

LOOP_MIN = 3  # from here on it is an error: two may be a second look
TEXT_CHARACTERS_MIN = 30


def loop_failures(talks: Sequence[Conversation], uses: Sequence[Used]) -> Iterator[Failure]:
    yield from _repeated_calls(uses)
    for talk in talks:
        yield from _repeated_texts(talk)


def _repeated_calls(uses: Sequence[Used]) -> Iterator[Failure]:
    """Same tool, same arguments, same result, and nothing between them that could have changed it."""
    open_uses: dict[tuple[str, str], tuple[Used, int, int]] = {}  # the last, how often, in how many turns
    found: dict[tuple[str, str], tuple[Used, int]] = {}
    for used in uses:
        name = used.use.name
        key = (name, canonical_arguments(used.use.arguments))
        last, times, turn = open_uses.get(key, (None, 0, -1))
        is_same = last is not None and last.use.result == used.use.result
        if is_changing(name):
            # What it may have changed is another's: its own repetition stays one.
            open_uses = {key: each for key, each in open_uses.items() if key[0] == name}
        if not is_same:
            open_uses[key] = (used, 1, used.turn)
        elif used.turn != turn and not is_waiting(name):
            open_uses[key] = (used, times + 1, used.turn)
            found[key] = (used, times + 1)
    for used, times in found.values():
        yield Failure(
            FailureCode.REPEATED_CALL,
            f"{used.use.name}({used.use.arguments})"[:EVIDENCE_CHARACTERS_MAX],
            "messages",
            call_id=used.call_id,
            message_index=used.message_index,
            tool_call_id=used.use.call_id,
            subject=used.use.name,
            times=times,
            raised=Severity.ERROR if times >= LOOP_MIN else None,
        )


def canonical_arguments(arguments: str) -> str:
    """The same for the same JSON, whatever its order and spaces."""
    try:
        return json.dumps(json.loads(arguments), sort_keys=True, separators=(",", ":"))
    except (ValueError, RecursionError):
        return arguments.strip()


def _repeated_texts(talk: Conversation) -> Iterator[Failure]:
    seen: dict[str, int] = {}
    last: dict[str, int] = {}
    for place, message in enumerate(talk.read()):
        text = " ".join(assistant_text(message).split())
        if len(text) > TEXT_CHARACTERS_MIN and text[0] not in "{[":
            seen[text] = seen.get(text, 0) + 1
            last[text] = place
    for text, times in seen.items():
        if times > 1:
            turn = talk.shown_by(last[text])
            yield Failure(
                FailureCode.REPEATED_TEXT,
                text[:EVIDENCE_CHARACTERS_MAX],
                "messages",
                call_id=turn.call.call_id,
                message_index=turn.index_of(last[text]),
                times=times,
            )


def assistant_text(message: Any) -> str:
    """What an assistant's message says, without its calls; "" for any other message."""
    role = message.get("role")
    if role not in ("assistant", "model"):
        return ""
    return "\n".join(texts_of(message))
