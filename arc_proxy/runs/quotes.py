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
from dataclasses import dataclass, field
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
CHAINS_MAX = 2048  # some 2 KB each
_SAID_SINCE_MAX = 8  # messages that a step adds to those of the step before
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
    chain = _chain_of(prompt.messages)
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
    strict, talk = chain.keys_behind(answer)
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


@dataclass(slots=True)
class _Hashes:
    """Of messages one behind the other: all of them, and all but the openings."""

    strict: blake2b = field(default_factory=lambda: blake2b(digest_size=8, person=b"chain"))
    talk: blake2b = field(default_factory=lambda: blake2b(digest_size=8, person=b"talk"))
    weight: int = 0  # letters that replies said

    def copy(self) -> _Hashes:
        return _Hashes(self.strict.copy(), self.talk.copy(), self.weight)

    def add(self, gist: Gist) -> None:
        self.strict.update(gist.digest)
        if gist.role == OPENING:
            return
        self.talk.update(gist.digest)
        if gist.role == ASSISTANT:
            self.weight += gist.weight

    def add_all(self, gists: Sequence[Gist]) -> None:
        """A long history is hashed in one go."""
        spoken = [gist for gist in gists if gist.role != OPENING]
        self.strict.update(b"".join([gist.digest for gist in gists]))
        self.talk.update(b"".join([gist.digest for gist in spoken]))
        self.weight += sum([gist.weight for gist in spoken if gist.role == ASSISTANT])

    def keys(self) -> tuple[Key, Key | None]:
        """The chain's and the talk's, the latter None where it is too little."""
        strict = int.from_bytes(self.strict.digest(), "big") >> 1
        if self.weight < _TALK_CHARS_MIN:
            return strict, None
        return strict, int.from_bytes(self.talk.digest(), "big") >> 1


@dataclass(slots=True)
class _Chain:
    """What is said in a request, one behind the other, and what can be quoted of the last of it."""

    hashes: _Hashes = field(default_factory=_Hashes)
    replies: int = 0
    # By the reply's number, the oldest first: what is said surely, and what is only likely.
    noted: list[tuple[int, list[Quote]]] = field(default_factory=list)
    deeds: list[tuple[int, Quote]] = field(default_factory=list)
    since: list[Gist] = field(default_factory=list)  # the last reply

    def copy(self) -> _Chain:
        return _Chain(
            self.hashes.copy(), self.replies, self.noted.copy(), self.deeds.copy(), self.since.copy()
        )

    def add_all(self, gists: Sequence[Gist]) -> None:
        replies = [place for place, gist in enumerate(gists) if gist.role == ASSISTANT]
        old = replies[-QUOTED_REPLIES_MAX] if len(replies) > QUOTED_REPLIES_MAX else 0
        if old:
            self.hashes.add_all(gists[:old])
        for gist in gists[old:]:
            self.hashes.add(gist)
            self._note(gist)

    def keys_behind(self, gists: Sequence[Gist]) -> tuple[Key, Key | None]:
        """Of all so far and these."""
        hashes = self.hashes.copy()
        for gist in gists:
            hashes.add(gist)
        return hashes.keys()

    def _note(self, gist: Gist) -> None:
        quotes = [Quote(key, TOOL_CALL_ID, 0.99) for key in gist.ids]
        if gist.role == ASSISTANT:
            self.replies += 1
            self.since.clear()
            oldest = self.replies - QUOTED_REPLIES_MAX + 1
            self.noted = [each for each in self.noted if each[0] >= oldest]
            self.deeds = [each for each in self.deeds if each[0] >= oldest]
            quotes += self._quotes_of(gist)
            if gist.deed is not None:
                self.deeds.append((self.replies, Quote(gist.deed, QUOTED_CALL, 0.6)))
        else:
            self.since.append(gist)
        if quotes:
            self.noted.append((self.replies, quotes))

    def _quotes_of(self, reply: Gist) -> Iterator[Quote]:
        if reply.thought is not None:
            yield Quote(reply.thought, LINEAGE, 0.99)
        if reply.digest:
            strict, talk = self.hashes.keys()
            yield Quote(strict, LINEAGE, 0.98)
            if talk is not None:
                yield Quote(talk, LINEAGE, 0.9)
            if reply.text is not None:
                yield Quote(reply.text, QUOTED_TEXT, 0.85)

    def quotes(self) -> list[Quote]:
        """Of the last replies, the newest first."""
        quotes = [quote for _, quotes in reversed(self.noted) for quote in quotes]
        return [*quotes, *[quote for _, quote in reversed(self.deeds)]]

    @property
    def has_replies(self) -> bool:
        return self.replies > 0

    def told(self) -> tuple[Key, ...]:
        """Texts of what others said since the last reply, the newest first."""
        since = self.since[-TOLD_MAX:]
        return tuple([gist.text for gist in reversed(since) if gist.role == OTHER and gist.text is not None])


# Agents send the same again with each step: what was made of an earlier request is gone on from. By Python's
# own hash, as gists are.
_chains: dict[int, _Chain] = {}


def _chain_of(messages: tuple[bytes, ...]) -> _Chain:
    """Not to be changed: it is remembered."""
    chain, new = None, messages
    for said in range(min(_SAID_SINCE_MAX + 1, len(messages))):
        before = _chains.get(hash(messages[: len(messages) - said]))
        if before is not None:
            chain, new = before, messages[len(messages) - said :]
            break
    if chain is None or new:
        chain = _Chain() if chain is None else chain.copy()
        chain.add_all([gist for message in new for gist in read_gist(message) if _says(gist)])
        if len(_chains) >= CHAINS_MAX:
            _chains.clear()
        _chains[hash(messages)] = chain
    return chain


def _says(gist: Gist) -> bool:
    return bool(gist.digest or gist.ids) or gist.thought is not None
