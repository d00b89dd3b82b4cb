"""
Usage: what a provider counted, in buckets that do not overlap.

Providers disagree on what contains what: OpenAI's prompt_tokens include cached ones, Anthropic's
input_tokens exclude them, Gemini's thoughts stand beside the candidates' tokens. Here every token is in
exactly one bucket, and the buckets sum to the provider's own total. Where a provider states that total it
decides what is inside what, so a compatible server with other habits is read right without being named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from itertools import combinations
from typing import Any

from pricing.counts import Counts, count, mapping


class UsageGrade(StrEnum):
    """How far a usage can be trusted. Values reach the database and the export."""

    REPORTED = "reported"  # the provider's own numbers, complete
    ESTIMATED = "estimated"  # counted by us
    PARTIAL = "partial"  # some of it (a stream cut before its last count), or contradictory
    NONE = "none"  # nothing is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Token counts in disjoint buckets. `reasoning` alone is a part of another bucket, output_text."""

    input_text: int = 0  # not cached, neither audio nor image
    input_audio: int = 0
    input_image: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0  # and writes of no stated lifetime
    cache_write_1h: int = 0
    output_text: int = 0  # reasoning included
    output_audio: int = 0
    output_image: int = 0
    reasoning: int = 0  # of output_text
    tool_units: Mapping[str, int] = field(default_factory=dict)  # {"web_search": 2}, billed per use

    @property
    def input_tokens(self) -> int:
        """All tokens that went in, cache reads and writes included."""
        return (
            self.input_text
            + self.input_audio
            + self.input_image
            + self.cache_read
            + self.cache_write_5m
            + self.cache_write_1h
        )

    @property
    def cache_write_tokens(self) -> int:
        return self.cache_write_5m + self.cache_write_1h

    @property
    def output_tokens(self) -> int:
        """All tokens that came out, reasoning included."""
        return self.output_text + self.output_audio + self.output_image

    def __add__(self, other: Usage) -> Usage:
        sums = {name: getattr(self, name) + getattr(other, name) for name in (*TOKEN_BUCKETS, "reasoning")}
        tools = dict(self.tool_units)
        for name, units in other.tool_units.items():
            tools[name] = tools.get(name, 0) + units
        return Usage(**sums, tool_units=tools)


TOKEN_BUCKETS: tuple[str, ...] = tuple(
    each.name for each in fields(Usage) if each.name not in ("reasoning", "tool_units")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BilledPart:
    """A share of a call that is billed by itself: `model` None is the model that answered."""

    usage: Usage
    model: str | None = None


# What the tools that a provider runs itself are called in a reply -> the unit they are billed by.
SERVER_TOOL_UNITS = {
    "web_search_call": "web_search",
    "file_search_call": "file_search",
    "code_interpreter_call": "code_interpreter",
    "image_generation_call": "image_generation",
}

_Read = tuple[Usage, UsageGrade]
_NOTHING: _Read = (Usage(), UsageGrade.NONE)


def normalise_usage(
    raw: object,
    *,
    dialect: str,
    provider: str,
    finished: bool = True,
    server_tools: Iterable[str] = (),
) -> tuple[Usage, UsageGrade]:
    """
    A provider's usage object in our buckets. Never raises, never negative, whatever the JSON holds.

    `raw`: the object itself, of a stream the last non-null value of each field; anything that is not an
    object is no usage. `finished` False: the stream was cut before its last count, so the numbers are a
    lower bound. `server_tools`: the provider's own tools as the reply names them, one entry per use; they
    are billed, but some providers count them nowhere in the usage. `provider` decides only what no
    number can tell.
    """
    usage, grade = _read(raw, dialect, provider)
    called = dict(usage.tool_units)
    for name in server_tools:
        unit = SERVER_TOOL_UNITS.get(name)
        if unit is not None:
            called[unit] = called.get(unit, 0) + 1
    if called != usage.tool_units:
        usage = replace(usage, tool_units=called)
    if grade is UsageGrade.REPORTED and not finished:
        grade = UsageGrade.PARTIAL
    return usage, grade


def billed_parts(raw: object, usage: Usage) -> tuple[BilledPart, ...]:
    """
    The shares in which a call is billed; one, the whole usage, for nearly every call.

    An Anthropic call can consist of several requests to models: each is priced, and its context length
    judged, by itself. Cohere counts more tokens than it bills.
    """
    iterations = _iterations(mapping(raw))
    if iterations:
        first, *rest = iterations
        return (replace(first, usage=replace(first.usage, tool_units=usage.tool_units)), *rest)
    billed = mapping(mapping(raw).get("billed_units"))
    if billed and usage.input_tokens + usage.output_tokens:
        counts = Counts(billed)
        units = Usage(
            input_text=counts.get("input_tokens") or 0,
            output_text=counts.get("output_tokens") or 0,
            tool_units=usage.tool_units,
        )
        return (BilledPart(usage=units),)
    return (BilledPart(usage=usage),)


def _read(raw: object, dialect: str, provider: str) -> _Read:
    fields_ = mapping(raw)
    if not fields_:
        return _NOTHING
    counts = Counts(fields_)
    for rule in (_RULES.get(dialect), _rule_by_shape(counts)):
        if rule is not None:
            usage, grade = rule(counts, provider)
            if grade is not UsageGrade.NONE:
                return usage, grade
    return _NOTHING


def _rule_by_shape(counts: Counts) -> Callable[[Counts, str], _Read] | None:
    """The rule for an object whose dialect is unknown, or that speaks another than it should."""
    raw = counts.raw
    if "promptTokenCount" in raw or "totalTokenCount" in raw:
        return _gemini
    if counts.has("inputTokens", "outputTokens", "inputTokenCount", "outputTokenCount"):
        return _cache_outside
    if counts.has("prompt_tokens", "completion_tokens"):
        return _cache_inside
    if counts.has("cache_read_input_tokens", "cache_creation_input_tokens") and "total_tokens" not in raw:
        return _cache_outside
    if counts.has("input_tokens", "output_tokens", "total_tokens"):
        return _cache_inside
    if "billed_units" in raw or "tokens" in raw:
        return _cohere
    if counts.has("prompt_eval_count", "eval_count"):
        return _ollama
    return None


# --- cached tokens counted inside the prompt: OpenAI and everyone who speaks its dialects

_INPUT_DETAILS = (
    "prompt_tokens_details",
    "input_tokens_details",
    "input_token_details",
    "prompt_token_details",
)
_OUTPUT_DETAILS = ("completion_tokens_details", "output_tokens_details", "output_token_details")

_CACHED_INSIDE = ("cached_tokens",)
_CACHED_BESIDE = (
    "prompt_cache_hit_tokens",  # DeepSeek
    "cached_tokens",  # Moonshot, Together
    "num_cached_tokens",
    "cache_read_input_tokens",
)
_WRITTEN = ("cache_write_tokens", "cache_creation_tokens", "cache_creation_input_tokens")


def _details(counts: Counts, names: Iterable[str]) -> Counts:
    """The object with the shares of a count; servers use one of the names, whatever dialect they speak."""
    return Counts(next((found for name in names if (found := mapping(counts.raw.get(name)))), {}))


def _cache_inside(counts: Counts, provider: str) -> _Read:
    """
    prompt/completion_tokens, input/output_tokens, with details.

    Sources: https://platform.openai.com/docs/api-reference/chat/object (usage),
    https://platform.openai.com/docs/api-reference/responses/object (usage)
    """
    prompt = counts.first(("prompt_tokens", "input_tokens"))
    answer = counts.first(("completion_tokens", "output_tokens"))
    total = counts.get("total_tokens") or None
    if prompt is None and answer is None:
        if total is None:
            return _NOTHING
        return Usage(input_text=total), UsageGrade.PARTIAL
    known = prompt is not None
    if prompt is None:
        prompt = max(0, (total or 0) - (answer or 0))
        known = total is not None
    if answer is None:
        answer = max(0, (total or 0) - prompt)

    went_in, came_out = _details(counts, _INPUT_DETAILS), _details(counts, _OUTPUT_DETAILS)
    parts = {
        "reasoning": came_out.get("reasoning_tokens") or counts.get("reasoning_tokens") or 0,
        "audio": went_in.get("audio_tokens") or 0,
        "cached": went_in.first(_CACHED_INSIDE) or counts.first(_CACHED_BESIDE) or 0,
        "written": went_in.first(_WRITTEN) or counts.first(_WRITTEN) or 0,
    }
    outside, consistent = _outside(parts, prompt, answer, total, provider)
    prompt += sum(parts[name] for name in ("audio", "cached", "written") if name in outside)
    if "reasoning" in outside:
        answer += parts["reasoning"]
    elif "remainder" in outside and total is not None:
        parts["reasoning"] += total - prompt - answer
        answer = total - prompt
    if parts["cached"] + parts["written"] > prompt:
        consistent = False

    cached = min(parts["cached"], prompt)
    written = min(parts["written"], prompt - cached)
    written_1h = min(_lifetime_1h(counts, went_in), written)
    audio = min(parts["audio"], prompt - cached - written)
    image = min(went_in.get("image_tokens") or 0, prompt - cached - written - audio)
    out_audio = min(came_out.get("audio_tokens") or 0, answer)
    out_image = min(came_out.get("image_tokens") or 0, answer - out_audio)
    out_text = answer - out_audio - out_image
    usage = Usage(
        input_text=prompt - cached - written - audio - image,
        input_audio=audio,
        input_image=image,
        cache_read=cached,
        cache_write_5m=written - written_1h,
        cache_write_1h=written_1h,
        output_text=out_text,
        output_audio=out_audio,
        output_image=out_image,
        reasoning=min(parts["reasoning"], out_text),
        tool_units=_tool_units(counts),
    )
    return usage, UsageGrade.REPORTED if known and consistent else UsageGrade.PARTIAL


def _outside(
    parts: Mapping[str, int], prompt: int, answer: int, total: int | None, provider: str
) -> tuple[frozenset[str], bool]:
    """
    Which parts the provider counted beside prompt and answer, and whether its numbers fit together.

    The provider's total decides: xAI's chat counts reasoning beside the answer and its Responses inside,
    Mistral counts audio beside the prompt, and none of them says so.
    """
    if total is None:
        return frozenset({"reasoning"} if parts["reasoning"] > answer else ()), True
    remainder = total - prompt - answer
    if remainder == 0:
        return frozenset(), True
    present = [name for name, tokens in parts.items() if tokens]
    for size in range(1, len(present) + 1):
        for names in combinations(present, size):
            if sum(parts[name] for name in names) == remainder:
                return frozenset(names), True
    if remainder > 0 and provider in ("google", "vertex"):
        return frozenset({"remainder"}), True  # thoughts, which this endpoint counts only in the total
    return frozenset(), False


def _lifetime_1h(counts: Counts, went_in: Counts) -> int:
    hour = counts.get(("cache_creation", "ephemeral_1h_input_tokens"))
    return hour or went_in.get("ephemeral_1h_input_tokens") or 0


def _embeddings(counts: Counts, _provider: str) -> _Read:
    """Only what went in; some servers give it as the total alone."""
    prompt = counts.first(("prompt_tokens", "input_tokens", "total_tokens"))
    if prompt is None:
        return _NOTHING
    image = min(_details(counts, _INPUT_DETAILS).get("image_tokens") or 0, prompt)
    return Usage(input_text=prompt - image, input_image=image), UsageGrade.REPORTED


# --- cached tokens counted beside the input: Anthropic, Bedrock

_READ_OUTSIDE = (
    "cache_read_input_tokens",
    "cacheReadInputTokens",
    "cacheReadInputTokenCount",
)
_WRITE_OUTSIDE = (
    "cache_creation_input_tokens",
    "cacheWriteInputTokens",
    "cacheWriteInputTokenCount",
)


def _cache_outside(counts: Counts, _provider: str) -> _Read:
    """
    input_tokens that exclude cache reads and writes.

    Sources: https://docs.claude.com/en/api/messages (usage),
    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html
    """
    iterations = _iterations(counts.raw)
    if iterations:
        summed = Usage(tool_units=_tool_units(counts))
        for part in iterations:
            summed += part.usage
        return summed, UsageGrade.REPORTED
    prompt = counts.first(("input_tokens", "inputTokens", "inputTokenCount"))
    answer = counts.first(("output_tokens", "outputTokens", "outputTokenCount"))
    if prompt is None and answer is None:
        return _NOTHING
    complete = prompt is not None and answer is not None
    prompt, answer = prompt or 0, answer or 0
    read = counts.first(_READ_OUTSIDE) or 0
    write_5m, write_1h, fits = _written_by_lifetime(counts)
    total = counts.first(("totalTokens", "total_tokens"))
    cache = read + write_5m + write_1h
    if total is not None and cache and total == prompt + answer:
        if cache > prompt:
            read, write_5m, write_1h, fits = 0, 0, 0, False
        prompt -= read + write_5m + write_1h
    usage = Usage(
        input_text=prompt,
        cache_read=read,
        cache_write_5m=write_5m,
        cache_write_1h=write_1h,
        output_text=answer,
        reasoning=min(counts.get(("output_tokens_details", "thinking_tokens")) or 0, answer),
        tool_units=_tool_units(counts),
    )
    return usage, UsageGrade.REPORTED if complete and fits else UsageGrade.PARTIAL


def _written_by_lifetime(counts: Counts) -> tuple[int, int, bool]:
    """
    Cache writes of five minutes and of one hour, and whether the two fit the stated sum.

    The sum is what is billed: a split that exceeds it is cut to it, a split that falls short leaves the
    rest to five minutes, Anthropic's default.
    """
    stated = counts.first(_WRITE_OUTSIDE)
    five = counts.get(("cache_creation", "ephemeral_5m_input_tokens")) or 0
    hour = counts.get(("cache_creation", "ephemeral_1h_input_tokens")) or 0
    details = counts.raw.get("cacheDetails")  # Bedrock Converse
    for each in details if isinstance(details, list) else ():
        if mapping(each).get("ttl") == "1h":
            hour += count(mapping(each).get("inputTokens")) or 0
    if stated is None:
        return five, hour, True
    fits = five + hour <= stated
    hour = min(hour, stated)
    return stated - hour, hour, fits


# The entry of the attempt that a fallback model served. `message` entries of another model are then attempts
# that it replaced, and those are not billed.
_FALLBACK = "fallback_message"


def _iterations(raw: Mapping[str, Any]) -> tuple[BilledPart, ...]:
    """
    The requests to models inside one Anthropic call, as far as they are billed; empty if it had but one.

    Compaction and advisor steps are missing from the top-level counts, so a call that has them is the sum
    of its steps. Steps of a plain tool loop are used only if they add up to the top level.

    Source: https://docs.claude.com/en/docs/build-with-claude/compaction (usage.iterations)
    """
    listed = raw.get("iterations")
    steps = [mapping(each) for each in listed] if isinstance(listed, list) else []
    if not steps or any(not Counts(step).has("input_tokens", "output_tokens") for step in steps):
        return ()
    served = next((step.get("model") for step in steps if step.get("type") == _FALLBACK), None)
    parts = []
    for step in steps:
        model = step.get("model")
        if step.get("type") == "message" and served is not None and model != served:
            continue
        usage = replace(_cache_outside(Counts({**step, "iterations": None}), "")[0], tool_units={})
        is_other = step.get("type") == "advisor_message" and isinstance(model, str)
        parts.append(BilledPart(usage=usage, model=model if is_other else None))
    if all(step.get("type") == "message" for step in steps):
        whole, _ = _cache_outside(Counts({**raw, "iterations": None}), "")
        stepwise = sum((part.usage for part in parts), Usage())
        if replace(whole, tool_units={}, reasoning=0) != replace(stepwise, reasoning=0):
            return ()
    return tuple(parts)


def _tool_units(counts: Counts) -> dict[str, int]:
    """What the provider's own tools are billed by, where the usage says it."""
    searches = counts.get(("server_tool_use", "web_search_requests"))
    return {"web_search": searches} if searches else {}


# --- Gemini


def _gemini(counts: Counts, _provider: str) -> _Read:
    """
    Cached inside the prompt; thoughts and tool-use prompts beside everything.

    Source: https://ai.google.dev/api/generate-content#UsageMetadata
    """
    prompt = counts.get("promptTokenCount")
    answer = counts.get("candidatesTokenCount")
    thoughts = counts.get("thoughtsTokenCount") or 0
    tool_use = counts.get("toolUsePromptTokenCount") or 0
    total = counts.get("totalTokenCount")
    if prompt is None and answer is None and total is None:
        return _NOTHING
    complete = prompt is not None
    prompt, answer = prompt or 0, answer or 0
    cached = min(counts.get("cachedContentTokenCount") or 0, prompt)
    modes = _modalities(counts.raw.get("promptTokensDetails"))
    cached_modes = _modalities(counts.raw.get("cacheTokensDetails"))
    fresh = prompt - cached
    audio = min(max(0, modes.get("AUDIO", 0) - cached_modes.get("AUDIO", 0)), fresh)
    image = min(max(0, modes.get("IMAGE", 0) - cached_modes.get("IMAGE", 0)), fresh - audio)
    out_modes = _modalities(counts.raw.get("candidatesTokensDetails"))
    out_audio = min(out_modes.get("AUDIO", 0), answer)
    out_image = min(out_modes.get("IMAGE", 0), answer - out_audio)
    usage = Usage(
        input_text=fresh - audio - image + tool_use,
        input_audio=audio,
        input_image=image,
        cache_read=cached,
        output_text=answer - out_audio - out_image + thoughts,
        output_audio=out_audio,
        output_image=out_image,
        reasoning=thoughts,
    )
    # Recorded totals are off by one now and then; more than that is a part that we do not know.
    fits = total is None or abs(total - usage.input_tokens - usage.output_tokens) <= 1
    return usage, UsageGrade.REPORTED if complete and fits else UsageGrade.PARTIAL


def _modalities(details: object) -> dict[str, int]:
    tokens: dict[str, int] = {}
    for each in details if isinstance(details, list) else ():
        modality = mapping(each).get("modality")
        if isinstance(modality, str):
            tokens[modality] = tokens.get(modality, 0) + (count(mapping(each).get("tokenCount")) or 0)
    return tokens


# --- Cohere, Ollama


def _cohere(counts: Counts, _provider: str) -> _Read:
    """`tokens` is what the model saw, `billed_units` (see `billed_parts`) what is billed."""
    prompt = counts.first((("tokens", "input_tokens"), ("billed_units", "input_tokens")))
    answer = counts.first((("tokens", "output_tokens"), ("billed_units", "output_tokens")))
    if prompt is None and answer is None:
        return _NOTHING
    cached = min(counts.get("cached_tokens") or 0, prompt or 0)
    usage = Usage(input_text=(prompt or 0) - cached, cache_read=cached, output_text=answer or 0)
    return usage, UsageGrade.REPORTED


def _ollama(counts: Counts, _provider: str) -> _Read:
    prompt, answer = counts.get("prompt_eval_count"), counts.get("eval_count")
    if prompt is None and answer is None:
        return _NOTHING
    # prompt_eval_count is absent when the whole prompt was still in memory.
    return Usage(input_text=prompt or 0, output_text=answer or 0), UsageGrade.REPORTED


_RULES: dict[str, Callable[[Counts, str], _Read]] = {
    "openai.chat": _cache_inside,
    "openai.completions": _cache_inside,
    "openai.responses": _cache_inside,
    "openai.embeddings": _embeddings,
    "anthropic.messages": _cache_outside,
    "bedrock.converse": _cache_outside,
    "gemini.generate": _gemini,
    "cohere.chat": _cohere,
    "ollama.chat": _ollama,
}
