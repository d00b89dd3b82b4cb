"""
How each dialect counts: one rule per family of providers, from their usage object to our buckets.

A new dialect is a function and a line in `_RULES`; a new provider of a known dialect is nothing at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import combinations
from typing import Any

from pricing.buckets import BilledPart, Usage, UsageGrade
from pricing.counts import Counts, count, mapping

_Read = tuple[Usage, UsageGrade]
_NOTHING: _Read = (Usage(), UsageGrade.NONE)


def read_usage(raw: Mapping[str, Any], dialect: str, provider: str) -> tuple[Usage, UsageGrade]:
    """A usage object by the rule of its dialect, or by the one that its shape calls for. Never raises."""
    if not raw:
        return _NOTHING
    counts = Counts(raw)
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
    if isinstance(raw.get("iterations"), list):  # Anthropic's alone
        return _cache_outside
    if counts.has("cache_read_input_tokens", "cache_creation_input_tokens") and "total_tokens" not in raw:
        return _cache_outside
    if counts.has("input_tokens", "output_tokens", "total_tokens"):
        return _cache_inside
    if "billed_units" in raw or "tokens" in raw:
        return _cohere
    if counts.has("prompt_eval_count", "eval_count"):
        return _ollama
    if counts.has("prompt_token_count", "generation_token_count", "inputTextTokenCount"):
        return _bedrock_text
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
        reasoning=parts["reasoning"],
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


def _realtime(counts: Counts, _provider: str) -> _Read:
    """
    What was cached stands in the sums of its own kind too: text, sound, images.

    Source: https://platform.openai.com/docs/api-reference/realtime-server-events/response/done
    """
    prompt, answer = counts.get("input_tokens"), counts.get("output_tokens")
    if prompt is None and answer is None:
        return _NOTHING
    known = prompt is not None and answer is not None
    prompt, answer = prompt or 0, answer or 0
    went_in, came_out = (
        _details(counts, ("input_token_details",)),
        _details(counts, ("output_token_details",)),
    )
    was_cached = Counts(mapping(went_in.raw.get("cached_tokens_details")))
    cached = min(went_in.get("cached_tokens") or 0, prompt)
    fresh = prompt - cached
    audio = min(max(0, (went_in.get("audio_tokens") or 0) - (was_cached.get("audio_tokens") or 0)), fresh)
    image = min(
        max(0, (went_in.get("image_tokens") or 0) - (was_cached.get("image_tokens") or 0)), fresh - audio
    )
    out_audio = min(came_out.get("audio_tokens") or 0, answer)
    usage = Usage(
        input_text=fresh - audio - image,
        input_audio=audio,
        input_image=image,
        cache_read=cached,
        output_text=answer - out_audio,
        output_audio=out_audio,
    )
    total = counts.get("total_tokens")
    fits = total is None or total == prompt + answer
    return usage, UsageGrade.REPORTED if known and fits else UsageGrade.PARTIAL


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
    steps = iterations(counts.raw)
    if steps:
        summed = Usage(tool_units=_tool_units(counts))
        for part in steps:
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


def iterations(raw: Mapping[str, Any]) -> tuple[BilledPart, ...]:
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
    if prompt is None and answer is None and not thoughts:  # of what was put into a cache, say
        return Usage(input_text=total or 0), UsageGrade.PARTIAL
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


def _gemini_live(counts: Counts, provider: str) -> _Read:
    """
    The same in other words: an answer is a response.

    Source: https://ai.google.dev/api/live#UsageMetadata
    """
    names = {"candidatesTokenCount": "responseTokenCount", "candidatesTokensDetails": "responseTokensDetails"}
    said = {name: counts.raw[other] for name, other in names.items() if other in counts.raw}
    return _gemini(Counts({**counts.raw, **said}), provider)


def _gemini_interactions(counts: Counts, _provider: str) -> _Read:
    """
    Cached inside the input; thoughts and what tools put into the prompt beside everything.

    Source: https://ai.google.dev/api/interactions-api (usage)
    """
    prompt, answer = counts.get("total_input_tokens"), counts.get("total_output_tokens")
    if prompt is None and answer is None:
        return _NOTHING
    thoughts = counts.get("total_thought_tokens") or 0
    tool_use = counts.get("total_tool_use_tokens") or 0
    cached = min(counts.get("total_cached_tokens") or 0, prompt or 0)
    usage = Usage(
        input_text=(prompt or 0) - cached + tool_use,
        cache_read=cached,
        output_text=(answer or 0) + thoughts,
        reasoning=thoughts,
    )
    total = counts.get("total_tokens")
    fits = total is None or abs(total - usage.input_tokens - usage.output_tokens) <= 1
    return usage, UsageGrade.REPORTED if prompt is not None and fits else UsageGrade.PARTIAL


def _modalities(details: object) -> dict[str, int]:
    tokens: dict[str, int] = {}
    for each in details if isinstance(details, list) else ():
        modality = mapping(each).get("modality")
        if isinstance(modality, str):
            tokens[modality] = tokens.get(modality, 0) + (count(mapping(each).get("tokenCount")) or 0)
    return tokens


# --- images and speech, which few count in detail


def _images(counts: Counts, provider: str) -> _Read:
    """
    What comes out is a picture, also where nothing says so.

    Source: https://platform.openai.com/docs/api-reference/images/object (usage)
    """
    usage, grade = _cache_inside(counts, provider)
    if not _details(counts, _OUTPUT_DETAILS).raw:
        usage = replace(usage, output_text=0, output_image=usage.output_text)
    return usage, grade


# --- Cohere, Ollama


def _cohere(counts: Counts, _provider: str) -> _Read:
    """`tokens` is what the model saw, `billed_units` (see `billed_parts`) what is billed."""
    prompt = counts.first((("tokens", "input_tokens"), ("billed_units", "input_tokens")))
    answer = counts.first((("tokens", "output_tokens"), ("billed_units", "output_tokens")))
    image = counts.get(("billed_units", "image_tokens"))  # of an embedding, beside those of texts
    if prompt is None and answer is None and not image:
        return _NOTHING
    prompt, answer = prompt or 0, answer or 0
    cached = min(counts.get("cached_tokens") or 0, prompt)
    usage = Usage(
        input_text=prompt - cached,
        input_image=image or 0,
        cache_read=cached,
        output_text=answer,
        reasoning=min(counts.get(("tokens", "reasoning_tokens")) or 0, answer),
    )
    return usage, UsageGrade.REPORTED


def _ollama(counts: Counts, _provider: str) -> _Read:
    prompt, answer = counts.get("prompt_eval_count"), counts.get("eval_count")
    if prompt is None and answer is None:
        return _NOTHING
    # prompt_eval_count is absent when the whole prompt was still in memory.
    return Usage(input_text=prompt or 0, output_text=answer or 0), UsageGrade.REPORTED


def _bedrock_text(counts: Counts, _provider: str) -> _Read:
    """
    Of Bedrock's models of texts: Llama's counts, Titan's.

    Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
    """
    prompt = counts.first(("prompt_token_count", "inputTextTokenCount"))
    answer = counts.first(("generation_token_count", "tokenCount", "totalOutputTextTokenCount"))
    usage = Usage(input_text=prompt or 0, output_text=answer or 0)
    return usage, UsageGrade.PARTIAL if prompt is None else UsageGrade.REPORTED


def _bedrock_embed(counts: Counts, _provider: str) -> _Read:
    """Only what went in: Titan says it in the body, for the others it stands in a header."""
    prompt = counts.first(("inputTextTokenCount", "inputTokenCount"))
    if prompt is None:
        return _NOTHING
    return Usage(input_text=prompt), UsageGrade.REPORTED


def _rerank(counts: Counts, provider: str) -> _Read:
    """Tokens where they are counted; Cohere bills searches, which say nothing of tokens."""
    return _embeddings(counts, provider) if "billed_units" not in counts.raw else _cohere(counts, provider)


# --- DashScope

_MEDIA = ("image_tokens", "audio_tokens")


def _dashscope(counts: Counts, provider: str) -> _Read:
    """
    input/output_tokens with details, and older models' shares of pictures and sound beside them.

    Source: https://www.alibabacloud.com/help/en/model-studio/use-qwen-by-calling-api (usage)
    """
    prompt, total = counts.get("input_tokens"), counts.get("total_tokens") or None
    if prompt is None:
        return _cache_inside(counts, provider)
    answer = counts.get("output_tokens") or 0
    details: dict[str, Any] = {}
    for name in _INPUT_DETAILS:
        details |= mapping(counts.raw.get(name))
    for name in _MEDIA:
        tokens = counts.get(name)
        if not tokens or Counts(details).get(name):
            continue
        details[name] = tokens
        # Qwen-Audio and the multimodal embeddings count texts alone as input.
        is_beside = tokens > prompt if total is None else total == prompt + answer + tokens
        prompt += tokens if is_beside else 0
    usage, grade = _cache_inside(
        Counts({**counts.raw, "input_tokens": prompt, "output_tokens": answer, _INPUT_DETAILS[0]: details}),
        provider,
    )
    searches = counts.get(("plugins", "search", "count"))
    return (replace(usage, tool_units={"web_search": searches}) if searches else usage), grade


def _dashscope_embed(counts: Counts, provider: str) -> _Read:
    """Texts are counted in the total alone."""
    return (_embeddings if counts.get("input_tokens") is None else _dashscope)(counts, provider)


def _token_count(counts: Counts, _provider: str) -> _Read:
    """What a prompt was counted to have, where nothing but the count was asked for."""
    counted = counts.first(("input_tokens", "inputTokens", "totalTokens"))
    return _NOTHING if counted is None else (Usage(input_text=counted), UsageGrade.REPORTED)


_RULES: dict[str, Callable[[Counts, str], _Read]] = {
    "openai.chat": _cache_inside,
    "openai.completions": _cache_inside,
    "openai.responses": _cache_inside,
    "openai.realtime": _realtime,
    "openai.embeddings": _embeddings,
    "anthropic.messages": _cache_outside,
    "bedrock.converse": _cache_outside,
    "bedrock.embed": _bedrock_embed,
    "gemini.generate": _gemini,
    "gemini.interactions": _gemini_interactions,
    "gemini.live": _gemini_live,
    "openai.images": _images,
    "openai.audio": _cache_inside,
    "openai.moderation": _cache_inside,
    "token_count": _token_count,
    "cohere.chat": _cohere,
    "cohere.embed": _cohere,
    "ollama.chat": _ollama,
    "ollama.embed": _ollama,
    "dashscope.generation": _dashscope,
    "dashscope.embed": _dashscope_embed,
    "rerank": _rerank,
}
