"""
What a reply issued, and what a request quotes of earlier replies, as keys that are equal where they speak
of the same. No I/O.

Clients seldom send a reply back byte for byte, so what counts of a message is its `gist`. A reply is known by

    chain   its gist behind those of all messages before it, system prompt and tools among them
    talk    the same without system prompt and tools, which some write anew for each step
    id      the provider's id of a tool call, an item or the response, if it looks like no other
    thought the signature of what it thought, or the thoughts themselves
    text    its text, if it has some length, whoever says it again and behind whatever
    deed    its tool calls, names and arguments, behind whatever

Keys are stored: what goes into them is a format.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import NamedTuple

from arc_proxy.call import Prompt, Reply
from arc_proxy.runs.gist import ASSISTANT, OPENING, OTHER, Gist, make_key, read_gist
from arc_proxy.runs.gist import Key as Key

LINEAGE = "lineage"
TOOL_CALL_ID = "tool_call_id"
RESPONSE_ID = "response_id"
QUOTED_TEXT = "quoted_text"
QUOTED_CALL = "quoted_call"

QUOTED_REPLIES_MAX = 4  # the last ones; who rewrites all of these is not followed
TOLD_MAX = 8
# Letters that the replies of a chain need to count behind another system prompt: "OK" is no evidence.
_TALK_CHARS_MIN = 24


class Quote(NamedTuple):
    """One piece of evidence that a call continues the call that issued `key`."""

    key: Key
    rule: str  # one of the five above
    confidence: float  # 0..1


class Lineage(NamedTuple):
    """What one call issued and quoted, see `Clues`."""

    issued: tuple[Key, ...]
    kept: tuple[Key, ...]  # those of `issued` that are worth storing
    quoted: tuple[Quote, ...]
    told: tuple[Key, ...]
    has_replies: bool  # an assistant has spoken in the request


def response_key(response_id: str) -> Key:
    return make_key(b"response", response_id.encode(errors="replace"))


def read_lineage(prompt: Prompt, reply: Reply) -> Lineage:
    gists = [
        gist
        for message in prompt.messages
        for gist in read_gist(message)
        if gist.digest or gist.ids or gist.thought is not None
    ]
    chain = _Chain(gists)
    quoted = [*_named(prompt), *chain.quotes()]
    answer = read_gist(reply.message) if reply.message is not None and reply.error is None else ()
    issued, kept = _issued(chain, [gist for gist in answer if gist.role == ASSISTANT], reply)
    conversation = _conversation(prompt)
    if conversation is not None:
        issued, kept = (*issued, conversation), (*kept, conversation)
    return Lineage(issued, kept, tuple(dict.fromkeys(quoted)), chain.told(), chain.has_replies)


def _named(prompt: Prompt) -> Iterator[Quote]:
    """The provider keeps the conversation, and the client names it."""
    for name in ("previous_response_id", "previous_interaction_id"):
        before = prompt.parameters.get(name)
        if isinstance(before, str) and before:
            yield Quote(response_key(before), RESPONSE_ID, 1.0)
    conversation = _conversation(prompt)
    if conversation is not None:
        yield Quote(conversation, RESPONSE_ID, 0.95)


def _conversation(prompt: Prompt) -> Key | None:
    value = prompt.parameters.get("conversation")
    if isinstance(value, dict):
        value = value.get("id")
    if not isinstance(value, str) or not value:
        return None
    return make_key(b"conversation", value.encode(errors="replace"))


def _issued(chain: _Chain, answer: Sequence[Gist], reply: Reply) -> tuple[tuple[Key, ...], tuple[Key, ...]]:
    """What can be quoted of a reply, the strictest first, and what of it is worth storing."""
    if not any(gist.digest for gist in answer):
        return (), ()
    for gist in answer:
        chain.add(gist)
    strict, talk = chain.keys()
    exact = [strict]
    if reply.response_id and reply.response_id.startswith(_QUOTABLE_IDS):
        exact.append(response_key(reply.response_id))
    # Of what holds behind another opening the surest is enough.
    loose = [key for gist in answer for key in gist.ids]
    loose += [gist.thought for gist in answer if gist.thought is not None][:1]
    loose += [gist.text for gist in answer if gist.text is not None]
    loose += [] if talk is None else [talk]
    loose += [gist.deed for gist in answer if gist.deed is not None]
    return tuple(dict.fromkeys((*exact, *loose))), tuple(dict.fromkeys((*exact, *loose[:1])))


# Ids of responses that a later request may name: OpenAI's, and Gemini's interactions.
_QUOTABLE_IDS = ("resp", "v1_")


class _Chain:
    """The gists of a request, each hashed behind all before it."""

    def __init__(self, gists: Sequence[Gist]) -> None:
        self._gists = gists
        self._strict = blake2b(digest_size=8, person=b"chain")
        self._talk = blake2b(digest_size=8, person=b"talk")
        self._weight = 0
        replies = [place for place, gist in enumerate(gists) if gist.role == ASSISTANT]
        self._last = replies[-1] if replies else -1
        self._first_quoted = replies[-QUOTED_REPLIES_MAX:][0] if replies else len(gists)
        self._quotes: list[Quote] = []
        self._deeds: list[Quote] = []
        self._add_all(gists[: self._first_quoted])
        for gist in gists[self._first_quoted :]:
            self.add(gist)
            if gist.role == ASSISTANT or gist.ids:
                self._quotes[:0] = self._quotes_of(gist)
                if gist.role == ASSISTANT and gist.deed is not None:
                    self._deeds.insert(0, Quote(gist.deed, QUOTED_CALL, 0.6))

    def _add_all(self, gists: Sequence[Gist]) -> None:
        """As `add` one by one; a long history is hashed in one go."""
        spoken = [gist for gist in gists if gist.role != OPENING]
        self._strict.update(b"".join([gist.digest for gist in gists]))
        self._talk.update(b"".join([gist.digest for gist in spoken]))
        self._weight += sum([gist.weight for gist in spoken if gist.role == ASSISTANT])

    def add(self, gist: Gist) -> None:
        self._strict.update(gist.digest)
        if gist.role == OPENING:
            return
        self._talk.update(gist.digest)
        if gist.role == ASSISTANT:
            self._weight += gist.weight

    def keys(self) -> tuple[Key, Key | None]:
        """Of all so far: the chain's and the talk's, the latter None where it is too little."""
        strict = int.from_bytes(self._strict.digest(), "big") >> 1
        if self._weight < _TALK_CHARS_MIN:
            return strict, None
        return strict, int.from_bytes(self._talk.digest(), "big") >> 1

    def _quotes_of(self, gist: Gist) -> list[Quote]:
        quotes = [Quote(key, TOOL_CALL_ID, 0.99) for key in gist.ids]
        if gist.role == ASSISTANT and gist.thought is not None:
            quotes.append(Quote(gist.thought, LINEAGE, 0.99))
        if gist.role == ASSISTANT and gist.digest:
            strict, talk = self.keys()
            quotes.append(Quote(strict, LINEAGE, 0.98))
            if talk is not None:
                quotes.append(Quote(talk, LINEAGE, 0.9))
            if gist.text is not None:
                quotes.append(Quote(gist.text, QUOTED_TEXT, 0.85))
        return quotes

    def quotes(self) -> list[Quote]:
        """Of the last replies, the newest first."""
        results = [
            Quote(key, TOOL_CALL_ID, 0.99)
            for gist in self._gists[max(self._last + 1, len(self._gists) - TOLD_MAX) :]
            for key in gist.ids
        ]
        return [*self._quotes, *results, *self._deeds]

    @property
    def has_replies(self) -> bool:
        return self._last >= 0

    def told(self) -> tuple[Key, ...]:
        """Texts of what others said since the last reply, the newest first."""
        since = self._gists[self._last + 1 :][-TOLD_MAX:]
        return tuple([gist.text for gist in reversed(since) if gist.role == OTHER and gist.text is not None])
