"""
The requests of a run cut into parts, with what they name instead of quoting it. Pure.

A request that goes on from a stored response has that conversation as its input, billed like any other:
https://platform.openai.com/docs/guides/conversation-state. Tools and instructions are not carried over.
"""

from __future__ import annotations

from collections import OrderedDict

from analysis.parts import Part, PartKind, Placed, cut_message, json_bytes, place
from analysis.request import TOOLS_HEAD, opening, wanted_form
from arc_proxy.call import Call

RESPONSES_MAX = 64  # replies that a request may still name
MESSAGES_MAX = 4096  # cut once and kept
BESIDE = -1  # the index of what stands in no message of the request

_NAMED_BEFORE = ("previous_response_id", "previous_interaction_id")
_STORING = frozenset({"openai.responses", "gemini.interactions"})
# Of English text, where nothing else is known: https://platform.openai.com/tokenizer
_BYTES_PER_TOKEN = 4

Cut = tuple[int, tuple[Part, ...]]


class RunParts:
    """Takes the calls of one run in their order. A run sends nearly all of its messages again and again."""

    def __init__(self) -> None:
        self._cuts: dict[bytes, tuple[Part, ...]] = {}
        self._spoken: OrderedDict[str, tuple[Part, ...]] = OrderedDict()  # by the id of a response

    def place(self, call: Call) -> list[Placed]:
        messages = call.prompt.messages
        if len(self._cuts) > MESSAGES_MAX:
            kept = set(messages)
            self._cuts = {message: cut for message, cut in self._cuts.items() if message in kept}
        cuts = [(at, self._cut(message)) for at, message in enumerate(messages)]
        if call.dialect in _STORING:
            cuts = self._with_stored(call, cuts)
        schema = _answer_schema(call)
        if schema is not None:
            behind = 1 if messages and messages[0].startswith(TOOLS_HEAD) else 0
            cuts.insert(behind, (BESIDE, (schema,)))
        return place(cuts)

    def _cut(self, message: bytes) -> tuple[Part, ...]:
        found = self._cuts.get(message)
        if found is None:
            found = self._cuts[message] = cut_message(message)
        return found

    def _with_stored(self, call: Call, cuts: list[Cut]) -> list[Cut]:
        """Between the tools and instructions and the rest: what was said until the response that is named."""
        first = opening(call.prompt)
        named = [call.prompt.parameters.get(field) for field in _NAMED_BEFORE]
        before = next((name for name in named if isinstance(name, str) and name), None)
        earlier: tuple[Part, ...] = ()
        if before is not None:
            earlier = self._spoken.get(before) or _unseen(call, cuts)
        if call.reply.response_id and call.reply.message is not None:
            own = tuple(part for _, parts in cuts[first:] for part in parts)
            self._spoken[call.reply.response_id] = (*earlier, *own, *self._cut(call.reply.message))
            if len(self._spoken) > RESPONSES_MAX:
                self._spoken.popitem(last=False)
        return [*cuts[:first], (BESIDE, earlier), *cuts[first:]]


def _unseen(call: Call, cuts: list[Cut]) -> tuple[Part, ...]:
    """A conversation that began before there was a log: what the rest of the request cannot account for."""
    seen = sum(part.weight for _, parts in cuts for part in parts)
    weight = max(0, _BYTES_PER_TOKEN * call.usage.input_tokens - seen)
    return (Part(PartKind.OTHER, "stored by the provider", b"", weight),)


def _answer_schema(call: Call) -> Part | None:
    """It is put in front of the system prompt: https://platform.openai.com/docs/guides/prompt-caching."""
    form = wanted_form(call.prompt.parameters)
    if form is None or not form.schema:
        return None
    content = json_bytes(form.schema)
    return Part(PartKind.SYSTEM, "answer schema", content, len(content))
