"""Cheaper models in lines for a terminal: advice first, then prices alone, then other providers. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analysis.advice import CALLS_MIN, DAYS_MIN, Option
from analysis.envelope import Envelope
from analysis.fit import NEED_WORDS
from arc_proxy.format import cells, change, clean, count, money, plural, tokens
from arc_proxy.report.savings_model import ModelSavings, Retiring, Savings
from arc_proxy.report.summary import agent_name
from arc_proxy.report.table import wrapped

SHOWN = 3
_FULL_WINDOW_DAYS = 14
_UNTRIED = (
    "Output is taken to be as long as it was, and nothing was replayed: "
    "only a test shows what answers are worth."
)


def savings_lines(savings: Savings, width: int, *, show_all: bool = False) -> Iterator[str]:
    """At most `width` columns, as far as names allow."""
    for place, agent in enumerate(savings.agents):
        if place:
            yield ""
        title = f"━━━ {clean(agent_name(agent.agent), width - 8)} "
        yield title + "━" * (width - cells(title))
        for each in agent.retiring:
            yield from wrapped(f"! {retiring_words(each, savings.made_day)}", width)
        for model in agent.models:
            yield ""
            yield from _model_lines(model, width, show_all=show_all)
    if any(model.advice for agent in savings.agents for model in agent.models):
        yield ""
        yield from wrapped(_UNTRIED, width)


def _model_lines(found: ModelSavings, width: int, *, show_all: bool) -> Iterator[str]:
    spent, use = found.spent, found.use
    name = clean(spent.model, 60) or "(no model named)"
    if use is None:
        yield from wrapped(f"{name}: {found.trouble}", width)
        return
    seen = f"{name}: {money(spent.nanousd)} for {plural(spent.calls, 'call')}"
    yield from wrapped(seen + ("" if found.options else "; the book has no cheaper model for it"), width)
    missing = missing_words(found)
    if missing and found.options:
        yield from wrapped(missing, width, indent="  ")
    if 0 < len(use.days) < _FULL_WINDOW_DAYS and use.is_enough:
        yield from wrapped(f"a month made of only {plural(len(use.days), 'day')}", width, indent="  ")
    if use.is_enough:
        yield from wrapped(envelope_words(use.envelope), width, indent="  ")
    sections: tuple[tuple[str, Sequence[Option]], ...] = (
        ("Advice", found.advice),
        ("Price only", found.price_only),
        ("Needs a code change", found.elsewhere),
    )
    for title, options in sections:
        yield from _section(title, options, width, show_all=show_all)
    ruled_out = found.ruled_out if show_all else [each for each in found.ruled_out if not each.needs_code]
    if ruled_out:
        yield "  Ruled out"
        shown = ruled_out if show_all else ruled_out[:SHOWN]
        for option in shown:
            assert option.fit is not None, "what is ruled out was looked at"
            yield from wrapped(
                f"{option.candidate.name}: {'; '.join(option.fit.against)}", width, indent="    "
            )
        yield from _more(len(ruled_out) - len(shown))


def _section(title: str, options: Sequence[Option], width: int, *, show_all: bool) -> Iterator[str]:
    if not options:
        return
    yield f"  {title}"
    shown = options if show_all else options[:SHOWN]
    for option in shown:
        yield from wrapped(option_words(option), width, indent="    ")
    yield from _more(len(options) - len(shown))


def _more(number: int) -> Iterator[str]:
    if number > 0:
        yield f"    and {count(number)} more; --all lists them"


def option_words(option: Option) -> str:
    """`Switch to claude-haiku-4-5: -62% (-55..-68), $312 -> $119/month, fits your calls, not replayed`."""
    name = clean(option.candidate.name, 60)
    found = option.projection
    if found is None:
        where = f" ({option.candidate.provider})" if option.needs_code else ""
        unknown = ", its tokenizer is not known" if option.ratio is None else ""
        return f"{name}{where}: {change(option.price_change)}, price only{unknown}{_last_day(option)}"
    verb = f"{name} ({option.candidate.provider})" if option.needs_code else f"Switch to {name}"
    parts = [
        f"{change(found.change)} {range_words(option)}",
        f"{money(found.before)} -> {money(found.after)}/month",
        fit_words(option),
        "not replayed",
    ]
    parts += [cold] if (cold := cold_words(option)) else []
    if option.step is not None:
        parts.append(f"dearer above {tokens(option.step)} tokens")
    return f"{verb}: {', '.join(parts)}{_last_day(option)}"


def _last_day(option: Option) -> str:
    day = option.candidate.model.retires
    return "" if day is None else f", retires on {day.isoformat()}"


def envelope_words(envelope: Envelope) -> str:
    """What the calls used, and of how many it is known."""
    needs = ", ".join(NEED_WORDS[need] for need in sorted(envelope.needs)) or "nothing special"
    most_in, most_out = tokens(envelope.input_tokens_max), tokens(envelope.output_tokens_max)
    sizes = f"prompts to {most_in} tokens, answers to {most_out}"
    if not envelope.sampled:
        return f"{sizes}; no request was kept to look at"
    return f"{sizes}; {plural(envelope.sampled, 'request')} looked at: {needs}"


def cold_words(option: Option) -> str:
    """What a cold cache would make of it; empty where that is no difference."""
    found = option.projection
    if found is None or round(100 * found.change_cold) == round(100 * found.change):
        return ""
    return f"{change(found.change_cold)} if its cache is never hit"


def range_words(option: Option) -> str:
    """`(-55..-68)`: the smaller saving first."""
    found = option.projection
    assert found is not None, "a range belongs to a projection"
    low, high = round(100 * found.change_high), round(100 * found.change_low)
    return f"({low:+d}..{high:+d})"


def fit_words(option: Option) -> str:
    fit = option.fit
    if fit is None or fit.is_sure:
        return "fits your calls"
    return f"fits as far as known ({', '.join(fit.unknown)})"


def best_option(found: ModelSavings) -> Option | None:
    """Advice if there is any, else the price of the nearest."""
    return next(iter((*found.advice, *found.price_only)), None)


def savings_cells(found: ModelSavings) -> tuple[str, ...] | None:
    """The best there is to say of one model: its name, the other, the change, a month, how sure."""
    best = best_option(found)
    if best is None:
        return None
    projection = best.projection
    change_text = change(best.change) + (f" {range_words(best)}" if projection else "")
    month = f"{money(projection.before)} -> {money(projection.after)}" if projection else "price only"
    sure = f"{fit_words(best)}, not replayed" if projection else missing_words(found)
    return (
        clean(found.spent.model),
        clean(best.candidate.name),
        change_text,
        month,
        sure or "its tokenizer is not known",
    )


def missing_words(found: ModelSavings) -> str:
    """What a projection still needs; empty if it has it."""
    use = found.use
    if use is None or use.is_enough:
        return ""
    lacks = []
    if use.calls_missing:
        lacks.append(plural(use.calls_missing, "more call"))
    if use.days_missing:
        lacks.append(f"calls on {plural(use.days_missing, 'more day')}")
    return f"advice needs {CALLS_MIN} calls on {DAYS_MIN} days: {' and '.join(lacks)} to come"


def retiring_words(each: Retiring, today: str) -> str:
    model = clean(each.model, 60)
    day = each.retires.isoformat()
    return f"{model} retired on {day}" if day < today else f"{model} retires on {day}"


def empty_words(savings: Savings, period: str, agent: str | None) -> str:
    if savings.is_first:
        return "No call has been seen yet. Try: arc-proxy run -- python my_agent.py"
    who = f" of {clean(agent, 60)}" if agent is not None else ""
    back = "" if period == "all time" else "; `--since all` looks further back"
    return f"No call{who} in this period ({period}){back}."
