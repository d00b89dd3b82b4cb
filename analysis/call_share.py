"""
One call's cost, shared among the parts of its request and its reply. Pure.

The lines of the cost say what each bucket of tokens came to. Cached tokens are the beginning of a request, in
the order of tools, system prompts and messages; tokens written to the cache come next, those with the longer
life first, and the rest is fresh:
https://docs.claude.com/en/build-with-claude/prompt-caching,
https://platform.openai.com/docs/guides/prompt-caching.
So each part pays for the tokens at its place. How many are its own is its share of the bytes: a tokenizer is
too slow for here. What was added beside the lines (a region's uplift, a discount) lies on all parts alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from analysis.apportion import apportion
from analysis.parts import Part, PartKind, Placed
from pricing.cost import Cost
from pricing.lines import CostLine, cost_lines
from pricing.rate import Rate
from pricing.usage import TOKEN_BUCKETS, Usage

# In the order of the request.
_INPUT = ("cache_read", "cache_write_1h", "cache_write_5m", "input_text", "input_image", "input_audio")
# What tokens cost beside those of fresh input, in hundredths, where a provider says only what a call cost in
# all: cache reads at a tenth, writes at 1.25 and 2, output at five times are Anthropic's prices, and near
# most others'. https://docs.claude.com/en/about-claude/pricing
_TYPICAL = {"cache_read": 10, "cache_write_5m": 125, "cache_write_1h": 200}
_TYPICAL_INPUT = 100
_TYPICAL_OUTPUT = 500
_CACHED_TENTH = 10  # of the price of fresh tokens, where no price of a cached one was seen

Key = tuple[PartKind, str]


@dataclass(frozen=True, slots=True)
class Lost:
    """What a call read again because its prefix had changed. `bytes_of`: of which part, by its place."""

    bytes_of: Mapping[int, int]
    cached_picousd: int | None  # what a token would have cost from the cache; None: not known


@dataclass(slots=True)
class Shares:
    """
    Nanodollars. `of_input` is beside the parts of the request, without what a broken cache cost:
    `broken`, for so many tokens.
    """

    of_input: list[int]
    beside: dict[Key, int] = field(default_factory=dict)
    broken: int = 0
    broken_tokens: int = 0

    def add(self, key: Key, nanousd: int) -> None:
        if nanousd:
            self.beside[key] = self.beside.get(key, 0) + nanousd


@dataclass(frozen=True, slots=True)
class _Pool:
    """The tokens of one bucket: how many, what their lines say, and what of the call's cost they come to."""

    tokens: int
    picousd: int
    nanousd: int


_FREE = _Pool(0, 0, 0)


def share(
    cost: Cost,
    usage: Usage,
    asked: Sequence[Placed],
    written: Sequence[Part],
    *,
    rate: Rate | None = None,
    lost: Lost | None = None,
) -> Shares:
    """
    `cost` is known. All shares have its sign and sum to it. `rate`: the price row of the model, for costs
    of which the provider says no more than the sum.
    """
    assert cost.nanousd is not None
    shares = Shares(of_input=[0] * len(asked))
    pools = _pools(cost.nanousd, priced_lines(cost, usage, rate), usage)
    if not pools:
        shares.add((PartKind.OTHER, ""), cost.nanousd)
    _share_input(shares, pools, usage, asked, lost)
    for bucket, pool in pools.items():
        if bucket == "output_text":
            _share_output(shares, pool, usage, written, is_apart="reasoning" in pools)
        elif bucket not in _INPUT:
            shares.add(_key_of(bucket), pool.nanousd)
    return shares


def priced_lines(cost: Cost, usage: Usage, rate: Rate | None) -> Sequence[CostLine]:
    """The cost's own lines, or others in the place of a sum that says nothing of its parts."""
    if cost.lines and all(line.bucket != "provider" for line in cost.lines):
        return cost.lines
    by_rate = cost_lines(usage, rate)[0] if rate else []
    if any(line.picousd > 0 for line in by_rate):
        return by_rate
    return [
        CostLine(bucket=bucket, units=units, rate_picousd=_typical(bucket), rate_id="")
        for bucket in TOKEN_BUCKETS
        if (units := getattr(usage, bucket)) > 0
    ]


def cached_picousd(lines: Iterable[CostLine]) -> int | None:
    """What a token from the cache costs by these lines."""
    return next((line.rate_picousd for line in lines if line.bucket == "cache_read" and line.rate_id), None)


def _typical(bucket: str) -> int:
    return _TYPICAL.get(bucket, _TYPICAL_OUTPUT if bucket.startswith("output") else _TYPICAL_INPUT)


def _pools(nanousd: int, lines: Iterable[CostLine], usage: Usage) -> dict[str, _Pool]:
    """The cost divided among buckets; none where no line costs anything."""
    picousd: dict[str, int] = {}
    units: dict[str, int] = {}
    uplift = 0
    for line in lines:
        if line.bucket.startswith("uplift"):
            uplift += line.picousd
        elif line.units > 0 and line.rate_picousd > 0:
            picousd[line.bucket] = picousd.get(line.bucket, 0) + line.picousd
            units[line.bucket] = units.get(line.bucket, 0) + line.units
    tokens = sum(amount for bucket, amount in picousd.items() if _is_tokens(bucket))
    if uplift > 0 and not tokens:
        picousd["uplift"], units["uplift"] = uplift, 1
    lifted = [  # an uplift is on tokens alone
        amount * (tokens + max(0, uplift) if _is_tokens(bucket) else tokens or 1)
        for bucket, amount in picousd.items()
    ]
    if not picousd:
        return {}
    parts = zip(picousd, apportion(nanousd, lifted), strict=True)
    return {
        bucket: _Pool(getattr(usage, bucket, 0) or units[bucket], picousd[bucket], part)
        for bucket, part in parts
    }


def _is_tokens(bucket: str) -> bool:
    return bucket in TOKEN_BUCKETS or bucket == "reasoning"


def _share_input(
    shares: Shares, pools: Mapping[str, _Pool], usage: Usage, asked: Sequence[Placed], lost: Lost | None
) -> None:
    tokens = {
        bucket: pools[bucket].tokens if bucket in pools else getattr(usage, bucket) for bucket in _INPUT
    }
    for bucket, overlaps in _overlaps(asked, tokens):
        pool = pools.get(bucket, _FREE)
        if not overlaps:
            shares.add((PartKind.OTHER, "input"), pool.nanousd)
        elif pool.nanousd:
            _share_pool(shares, pool, asked, overlaps, None if bucket == "cache_read" else lost)


def _share_pool(
    shares: Shares,
    pool: _Pool,
    asked: Sequence[Placed],
    overlaps: Sequence[tuple[int, int]],
    lost: Lost | None,
) -> None:
    whole = sum(size for _, size in overlaps)
    paid = apportion(pool.nanousd, [size for _, size in overlaps])
    for (at, size), nanousd in zip(overlaps, paid, strict=True):
        shares.of_input[at] += nanousd
        lost_bytes = lost.bytes_of.get(at) if lost else None
        if lost and lost_bytes:
            weight = asked[at].part.weight
            again = _surcharge(pool, lost.cached_picousd, nanousd, lost_bytes, weight)
            shares.of_input[at] -= again
            shares.broken += again
            shares.broken_tokens += pool.tokens * size * lost_bytes // (whole * weight)


def _overlaps(
    asked: Sequence[Placed], tokens: Mapping[str, int]
) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    """
    For each bucket with tokens the parts that lie in it, and how much of them does.

    Parts in bytes and buckets in tokens lie on one line, and are measured in bytes times tokens.
    """
    whole_bytes = sum(placed.part.weight for placed in asked)
    whole_tokens = sum(tokens.values())
    at, begin = 0, 0  # the part that the bucket begins in, and where that part begins
    start = 0
    for bucket, count in tokens.items():
        if not count:
            continue
        end = start + count * whole_bytes
        overlaps = []
        while at < len(asked):
            part_end = begin + asked[at].part.weight * whole_tokens
            size = min(part_end, end) - max(begin, start)
            if size > 0:
                overlaps.append((at, size))
            if part_end > end:
                break
            at, begin = at + 1, part_end
        yield bucket, overlaps
        start = end


def _surcharge(pool: _Pool, cached: int | None, nanousd: int, lost_bytes: int, weight: int) -> int:
    """What was paid for the lost bytes of a part, less what they would have cost from the cache."""
    full = pool.picousd
    above = full - full // _CACHED_TENTH if cached is None else max(0, full - cached * pool.tokens)
    again = abs(nanousd) * lost_bytes * above // (weight * full)
    return again if nanousd >= 0 else -again


def _share_output(
    shares: Shares, pool: _Pool, usage: Usage, written: Sequence[Part], *, is_apart: bool
) -> None:
    """`is_apart`: reasoning has a line of its own, and this is without it."""
    stated = 0 if is_apart else min(usage.reasoning, pool.tokens)
    thought, said = apportion(pool.nanousd, [stated, max(0, pool.tokens - stated)])
    shares.add((PartKind.REASONING, ""), thought)
    counts = [part for part in written if part.weight]
    if stated or is_apart:  # what is seen of it is a summary, and paid above
        counts = [part for part in counts if part.kind is not PartKind.REASONING]
    if not counts:
        shares.add((PartKind.OUTPUT, ""), said)
        return
    for part, nanousd in zip(counts, apportion(said, [part.weight for part in counts]), strict=True):
        shares.add((part.kind, part.name), nanousd)


def _key_of(bucket: str) -> Key:
    """Of what stands beside the texts: "tool:web_search", "output_audio", "request"."""
    if bucket.startswith("tool:"):
        return PartKind.SERVER_TOOL, bucket.removeprefix("tool:")
    if bucket.startswith("output_"):
        return PartKind.OUTPUT, bucket.removeprefix("output_")
    if bucket == "reasoning":
        return PartKind.REASONING, ""
    return PartKind.OTHER, bucket
