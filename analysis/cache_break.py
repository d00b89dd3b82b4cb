"""
Where a request's beginning changed, so that what a cache held of it had to be read again. Pure.

A cache holds prefixes: the first byte that differs makes all that follows it fresh, in OpenAI's caches as in
Anthropic's (https://platform.openai.com/docs/guides/prompt-caching,
https://docs.claude.com/en/build-with-claude/prompt-caching). Only what was sent before and is sent again
behind that byte is a loss: a request that goes on in another way, or says something new, loses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.call_share import Lost, cached_picousd, priced_lines
from analysis.parts import Placed
from analysis.swap_cost import CACHE_TOKENS_MIN
from arc_proxy.call import Call
from pricing.rate import Rate

TOKENS_MIN = 128  # OpenAI caches in steps of so many, and less is no loss
THREADS_MAX = 8  # of one model in a run: conversations that a call may go on with
# How long a cache lives that nothing reads, at Anthropic; OpenAI's lives at least as long as the first.
LIFE_NS = 5 * 60 * 10**9
LIFE_LONG_NS = 60 * 60 * 10**9
# Who caches only what a request marks:
# https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html
_MARKED = ("anthropic", "bedrock")
# Who caches without being asked: https://learn.microsoft.com/azure/ai-services/openai/how-to/prompt-caching,
# https://api-docs.deepseek.com/guides/kv_cache, https://docs.x.ai/docs/models, and OpenAI.
_UNASKED = frozenset({"openai", "azure", "deepseek", "xai"})

_Model = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class Change:
    """`first`: the place of the first part that differs. `bytes_of`: by place, what is sent there again."""

    first: int
    bytes_of: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class _Thread:
    """The last request of a conversation, which a cache may still hold."""

    call: Call
    asked: Sequence[Placed]
    contents: frozenset[bytes]


class CacheWatch:
    """Takes the calls of one run in their order."""

    def __init__(self) -> None:
        self._threads: dict[_Model, list[_Thread]] = {}
        self._cached: dict[_Model, int | None] = {}  # picousd of a token, of the models that used a cache

    def lost(self, call: Call, asked: Sequence[Placed], rate: Rate | None) -> tuple[int, Lost] | None:
        """
        The place of the first part that differs, and what had to be read again because of it.

        None where that is nothing, or no cache was in use. One is in use where an earlier call of the run to
        the model read from it or wrote to it, or where a provider caches unasked and `rate` has a price for
        it.
        """
        model = (call.provider, call.reply.model or call.prompt.model)
        before, change = self._follow(model, call, asked)
        is_in_use = model in self._cached or _caches_unasked(call, rate)
        price = self._price(model, call, rate)
        if before is None or change is None or not is_in_use or not _is_alive(before.call, call):
            return None
        bytes_of = _limited(change.bytes_of, _held_bytes(before, change.first))
        tokens = sum(bytes_of.values()) * call.usage.input_tokens
        if tokens < TOKENS_MIN * sum(placed.part.weight for placed in asked):
            return None
        return change.first, Lost(bytes_of, price)

    def _follow(
        self, model: _Model, call: Call, asked: Sequence[Placed]
    ) -> tuple[_Thread | None, Change | None]:
        """The call takes the place of the one whose conversation it goes on with, or has it read again."""
        threads = self._threads.setdefault(model, [])
        before = _likest(threads, asked)
        change = find_change(before.asked, asked) if before else None
        if before is not None and (change is None or change.bytes_of):
            threads.remove(before)
        threads.append(_Thread(call, asked, frozenset(placed.part.content for placed in asked)))
        del threads[:-THREADS_MAX]
        return before, change

    def _price(self, model: _Model, call: Call, rate: Rate | None) -> int | None:
        """What a token costs from the cache: by the call's own lines, an earlier call's, or the price row."""
        seen = cached_picousd(priced_lines(call.cost, call.usage, rate))
        if seen is None:
            seen = self._cached.get(model)
        if seen is None and rate is not None:
            seen = rate.for_input(call.usage.input_tokens).get("cache_read")
        if model in self._cached or call.usage.cache_read or call.usage.cache_write_tokens:
            self._cached[model] = seen
        return seen


def find_change(before: Sequence[Placed], now: Sequence[Placed]) -> Change | None:
    """None where the one request begins as the other did, as far as both go."""
    first = next(
        (at for at, (old, new) in enumerate(zip(before, now, strict=False)) if not _is_same(old, new)), None
    )
    if first is None:
        return None
    known = {placed.part.content for placed in before[first:]}
    bytes_of = {
        at: now[at].part.weight
        for at in range(first, len(now))
        if now[at].part.weight and now[at].part.content in known
    }
    if first not in bytes_of:
        bytes_of |= _end_in_common(before[first], now[first], first)
    return Change(first, bytes_of)


def _is_same(one: Placed, other: Placed) -> bool:
    return one.part is other.part or (
        one.part.kind is other.part.kind and one.part.content == other.part.content
    )


def _end_in_common(before: Placed, now: Placed, at: int) -> dict[int, int]:
    """Of a text with a new date at its top, all that stands below it."""
    old, new = before.part.content, now.part.content
    if before.part.kind is not now.part.kind or not new:
        return {}
    low, high = 0, min(len(old), len(new))
    while low < high:  # so many bytes at the end are alike, and so many may be
        middle = (low + high + 1) // 2
        if old[-middle:] == new[-middle:]:
            low = middle
        else:
            high = middle - 1
    weight = now.part.weight * low // len(new)
    return {at: weight} if weight else {}


def _likest(threads: Sequence[_Thread], asked: Sequence[Placed]) -> _Thread | None:
    """The request of which most is sent again, the last of equals."""
    best, most = None, 0
    for thread in threads:
        shared = sum(placed.part.weight for placed in asked if placed.part.content in thread.contents)
        if shared >= max(most, 1):
            best, most = thread, shared
    return best


def _caches_unasked(call: Call, rate: Rate | None) -> bool:
    return (
        rate is not None
        and "cache_read" in rate.picousd
        and call.provider in _UNASKED
        and call.usage.input_tokens >= CACHE_TOKENS_MIN
    )


def _is_alive(before: Call, call: Call) -> bool:
    """A cache can be read once the reply has begun, until nobody has for a while."""
    age = call.started_ns - before.started_ns
    life = LIFE_LONG_NS if before.usage.cache_write_1h else LIFE_NS
    return (before.first_byte_ns or 0) <= age <= life + (before.duration_ns or 0)


def _held_bytes(before: _Thread, first: int) -> int:
    """Of what the request had behind its first parts, as much as the cache held."""
    usage = before.call.usage
    is_marked = usage.cache_write_tokens or before.call.dialect.startswith(_MARKED)
    held = usage.cache_read + usage.cache_write_tokens if is_marked else usage.input_tokens
    weights = [placed.part.weight for placed in before.asked]
    return max(0, sum(weights) * held // max(1, usage.input_tokens) - sum(weights[:first]))


def _limited(bytes_of: Mapping[int, int], bytes_max: int) -> dict[int, int]:
    """The first of what is sent again: behind that the cache held nothing."""
    left, kept = bytes_max, {}
    for at in sorted(bytes_of):
        size = min(left, bytes_of[at])
        if size:
            kept[at] = size
        left -= size
    return kept
