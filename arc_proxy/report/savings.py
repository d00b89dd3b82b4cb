"""Cheaper models for what agents do, from a store and the price book."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta

from analysis.advice import DAYS_MAX, DAYS_MIN, DaySample, ModelUse, options_for
from analysis.envelope import envelope_of
from analysis.savings import ModelSpend, family_of
from analysis.swap_cost import Candidate
from arc_proxy.report.savings_model import AgentSavings, ModelSavings, Retiring, Savings
from arc_proxy.report.spent import spent_by_model
from arc_proxy.store.engine import Store
from arc_proxy.store.report import read_use
from arc_proxy.store.sample import ModelSample, read_sample
from arc_proxy.store.sums import DAY_NS
from arc_proxy.store.totals import AgentUse, Period
from pricing.book import PriceBook

MODELS_MAX = 3  # per agent, by spend
PER_QUARTER = 2  # calls of a quarter of a day that are priced again
BRIEF_OPTIONS_MAX = 3  # candidates that a line in a report is chosen from
SHARE_MIN = 0.05  # of the agent's spend; less is not worth a change
# A last day farther off than this is no news.
RETIRING = timedelta(days=180)

# Who else makes models: provider, dialect, and the family that it makes.
_MAKERS = (
    ("anthropic", "anthropic.messages", "claude"),
    ("openai", "openai.chat", "gpt"),
    ("gemini", "gemini.generate", "gemini"),
)


def build_savings(
    store: Store,
    book: PriceBook,
    *,
    since_ns: int | None,
    until_ns: int | None,
    now_ns: int,
    agent: str | None = None,
) -> Savings:
    """`agent` None: all of them, "": calls that named none. Raises StoreError."""
    end_ns = now_ns if until_ns is None else min(until_ns, now_ns)
    period = Period(since_ns=since_ns or 0, until_ns=end_ns)
    found = read_use(store, period, agent=agent)
    agents = [agent_savings(store, book, use, period) for use in sorted(found.agents, key=_by_spend)]
    return Savings(
        since_ns=None if since_ns is None else found.period.since_ns,
        until_ns=None if until_ns is None else found.period.until_ns,
        made_ns=now_ns,
        agents=tuple(each for each in agents if each.models),
        price_book=book.version,
    )


def empty_savings(now_ns: int) -> Savings:
    """Of a folder where no call was ever seen."""
    return Savings(since_ns=None, until_ns=None, made_ns=now_ns, agents=(), price_book="", is_first=True)


def agent_savings(
    store: Store,
    book: PriceBook,
    use: AgentUse,
    period: Period,
    *,
    models_max: int = MODELS_MAX,
    is_brief: bool = False,
) -> AgentSavings:
    """
    Of one agent in the period of `use`, for its costliest models.

    `is_brief`: for a line in a report, where fewer calls are read and other providers left out.
    """
    at = datetime.fromtimestamp(period.until_ns / 1e9, UTC)
    spent = spent_by_model(use.series)
    total = sum(each.nanousd for each in spent)
    chosen = [
        each for place, each in enumerate(spent) if each.nanousd >= SHARE_MIN * total and (place < models_max)
    ]
    return AgentSavings(
        agent=use.agent,
        models=tuple(
            _model_savings(store, book, use.agent, each, period, at, is_brief=is_brief) for each in chosen
        ),
        retiring=tuple(retiring(book, use.agent, spent, at.date())),
    )


def retiring(
    book: PriceBook, agent: str | None, spent: Iterable[ModelSpend], today: date
) -> Iterator[Retiring]:
    """Models in use that have gone, or will within half a year."""
    for each in spent:
        found = book.find(each.provider, each.model)
        days = [model.retires for model in found.models if model.retires is not None] if found else []
        if days and days[0] <= today + RETIRING:
            yield Retiring(agent=agent, model=each.model, retires=days[0])


def _model_savings(
    store: Store,
    book: PriceBook,
    agent: str | None,
    spent: ModelSpend,
    period: Period,
    at: datetime,
    *,
    is_brief: bool,
) -> ModelSavings:
    found = book.find(spent.provider, spent.model)
    rate = found.rate(at) if found else None
    if rate is None:
        return ModelSavings(spent=spent, trouble="not in the price book, so nothing can be compared with it")
    if spent.calls <= 0 or spent.nanousd <= 0:
        return ModelSavings(
            spent=spent,
            trouble="none of its calls has a known cost that is billed, so nothing can be compared",
        )
    last_day = (period.until_ns - 1) // DAY_NS
    sample = read_sample(
        store,
        agent=agent,
        provider=spent.provider,
        dialect=spent.dialect,
        model=spent.model,
        first_day=max(period.since_ns // DAY_NS, last_day - DAYS_MAX),
        last_day=last_day,
        per_quarter=1 if is_brief else PER_QUARTER,
    )
    use = ModelUse(
        spent=spent,
        name=rate.model,
        rate=rate,
        days=_days(sample, last_day, is_over=period.until_ns % DAY_NS == 0),
        envelope=envelope_of(
            # Without its body a request says nothing of what it needs.
            [(call.prompt, call.reply) for call in sample.calls if call.prompt.messages],
            input_tokens_max=sample.input_tokens_max,
            output_tokens_max=sample.output_tokens_max,
        ),
    )
    candidates = [
        *_candidates(book, spent.provider, spent.dialect, at),
        *(() if is_brief else _elsewhere(book, spent, at)),
    ]
    options = options_for(
        use, candidates, today=at.date(), options_max=BRIEF_OPTIONS_MAX if is_brief else None
    )
    return ModelSavings(spent=spent, use=use, options=options)


def _days(sample: ModelSample, last_day: int, *, is_over: bool) -> tuple[DaySample, ...]:
    """
    From the first day with a call to the last of the period, quiet ones too. A last day that is not over is
    left out where the others are enough.
    """
    by_day = {each.day: each for each in sample.days}
    if not by_day:
        return ()
    if not is_over and len(by_day.keys() - {last_day}) >= DAYS_MIN:
        last_day -= 1
    days = []
    for day in range(max(min(by_day), last_day - DAYS_MAX + 1), last_day + 1):
        found = by_day.get(day)
        if found is None:
            days.append(DaySample(nanousd=0, calls=0, usages=()))
            continue
        total = found.totals
        calls = max(0, total.attempts - total.unpriced_calls - total.errors - total.api_calls)
        days.append(DaySample(nanousd=total.known_nanousd, calls=calls, usages=found.usages))
    return tuple(days)


def _elsewhere(book: PriceBook, spent: ModelSpend, at: datetime) -> Iterator[Candidate]:
    """Those of the large makers, under their own name: a model is not compared with its resale."""
    if spent.dialect == "openai.embeddings":
        return
    own = family_of(spent.model)
    for provider, dialect, family in _MAKERS:
        if provider != spent.provider and family != own:
            for each in _candidates(book, provider, dialect, at):
                if family_of(each.name) == family:
                    yield each


def _candidates(book: PriceBook, provider: str, dialect: str, at: datetime) -> Iterator[Candidate]:
    for model in book.candidates(provider, dialect, at):
        rate = model.rate(at)
        if rate is not None:
            yield Candidate(provider=provider, dialect=dialect, model=model, rate=rate)


def _by_spend(use: AgentUse) -> tuple[int, int, str]:
    return (-use.runs.known_nanousd, -use.runs.attempts, use.agent or "")
