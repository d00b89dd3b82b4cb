"""`arc-proxy prices`: what the price book says, and what usage costs by it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from arc_proxy.cli.book import open_book
from arc_proxy.cli.folder import find_folder
from arc_proxy.cli.help import HelpCommand, HelpGroup
from arc_proxy.cli.options import AsJson, DataDir, given
from arc_proxy.cli.prices_update import diff, update
from arc_proxy.cli.terminal import out, out_json, out_json_lines, say, style, width
from arc_proxy.errors import UsageError
from arc_proxy.format import UNKNOWN, clean
from arc_proxy.report.table import Column, Table, draw
from pricing.book import PriceBook
from pricing.cost import Cost, who_disagrees
from pricing.explain import ExplainedLine, explain
from pricing.model import Model
from pricing.money import priced_units, usd_text
from pricing.quote import QuestionError, Quote, quote
from pricing.rate import Rate

app = typer.Typer(cls=HelpGroup, add_completion=False, no_args_is_help=True)

# Who makes models, before who sells them: the first that knows a name is meant.
_MAKERS = ("openai", "anthropic", "google", "x-ai", "mistral", "deepseek", "cohere", "moonshotai", "groq")
_BUCKETS = ("input_text", "cache_read", "cache_write_5m", "cache_write_1h", "output_text")


@app.callback()
def prices() -> None:
    """
    The price book: dated, published prices, with the source of each.

    Your own prices, discounts and deployment names go into prices.toml of the data folder; what `update`
    adds lies in its folder prices.
    """


app.command(cls=HelpCommand)(diff)
app.command(cls=HelpCommand)(update)


@app.command("list", cls=HelpCommand)
def list_prices(
    provider: Annotated[
        str | None, typer.Argument(metavar="PROVIDER", help="Whose models; without it, the providers.")
    ] = None,
    match: Annotated[str | None, given("--match", "Only names with this in them.", metavar="TEXT")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List the providers that the book knows, or one provider's models with their prices of today."""
    book = open_book(find_folder(data_dir, os.environ))
    if provider is None:
        _list_providers(book, as_json)
        return
    models = _models(book, provider)
    if not models:
        raise UsageError(f"the book knows no provider {provider!r}; `arc-proxy prices list` names them all.")
    now = datetime.now(UTC)
    shown = [(model, model.rate(now)) for model in models if not match or match.lower() in model.id]
    rows = [(model, rate) for model, rate in shown if rate is not None]
    if as_json:
        out_json_lines(_rate_json(rate) for _, rate in rows)
        return
    columns = (
        Column("model", is_number=False, flex=True),
        *(Column(name) for name in _HEADINGS),
        Column("since"),
    )
    table = Table(columns, tuple((model.id, *_per_million(rate), _since(rate)) for model, rate in rows))
    for line in draw(table, width()):
        out(line)
    say("USD per million tokens, standard tier. `arc-proxy prices show MODEL` has tiers, steps and sources.")


@app.command(cls=HelpCommand)
def show(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model, under any name that a call may give it.")
    ],
    provider: Annotated[
        str | None, given("--provider", "Who sells it; else its maker.", metavar="NAME")
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show a model's price rows: buckets, tiers, steps, dates and where each was read."""
    book = open_book(find_folder(data_dir, os.environ))
    order = (provider,) if provider else dict.fromkeys((*_MAKERS, *book.providers, *book.own_providers))
    found = {name: known for name in order if (known := book.find(name, model)) is not None and known.models}
    exact = {name: known for name, known in found.items() if not known.remark} or found
    if not exact:
        where = f" of {provider}" if provider else ""
        raise UsageError(
            f"the book has no price for {clean(model, 80)!r}{where}, so calls of it count as unpriced. "
            "prices.toml in the data folder can give one."
        )
    seller, known = next(iter(exact.items()))
    rates = [pair for each in known.models for pair in _current(each)]
    if as_json:
        out_json([_rate_json(rate) | {"rival": rival and _rate_json(rival)} for rate, rival in rates])
        return
    out(style(f"{seller} {known.models[0].id}", "bold") + (f"   {known.remark}" if known.remark else ""))
    for rate, rival in rates:
        out()
        for line in _rate_lines(rate, rival):
            out(line)
    others = [name for name in exact if name != seller]
    if others:
        say(f"\nAlso sold by {', '.join(others)}: --provider NAME.")


@app.command(cls=HelpCommand)
def cost(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """
    Price usage. Reads one question per line from stdin, or an array of them, and prints what each costs.

        [{"provider": "openai", "model": "gpt-5",
          "response": {"usage": {"prompt_tokens": 1000, "completion_tokens": 50}}}]

    "id", "api", "at" (a time) and "context" may be given too. Without --json every line of the sum comes
    with the price row behind it.
    """
    book = open_book(find_folder(data_dir, os.environ))
    now = datetime.now(UTC)
    if sys.stdin.isatty():
        say("Reading questions from this terminal; Ctrl-D ends them.")
    for at, question in _questions(sys.stdin):
        try:
            answer = quote(book, question, now=now)
        except QuestionError as error:
            raise UsageError(f"question {at}: {error}.") from None
        if as_json:
            out_json_lines([_quote_json(answer)])
        else:
            for line in quote_lines(book, answer):
                out(line)


def quote_lines(book: PriceBook, answer: Quote) -> Iterator[str]:
    nanousd = answer.cost.nanousd
    amount = UNKNOWN if nanousd is None else f"${usd_text(nanousd * 1000)}{_range(answer.cost)}"
    # What is unknown has that for its grade too: once is enough.
    said = [amount] if amount == answer.cost.grade else [amount, str(answer.cost.grade)]
    reason = f": {clean(answer.cost.reason)}" if answer.cost.reason else ""
    yield f"{style(clean(answer.id) or '-', 'bold')}  {'  '.join(said)}{reason}"
    lines = explain(book, answer.cost)
    sums = [_factor(line) for line in lines]
    wide = max(map(len, sums), default=0)
    for line, factors in zip(lines, sums, strict=True):
        yield f"    {factors:<{wide}}  = ${line.amount_usd}"
        yield style(f"      {_source(line)}", "dim")
    for note in answer.cost.notes:
        yield f"    note: {clean(note)}"
    yield ""


def _range(cost: Cost) -> str:
    """` (0.25-0.30, sources disagree)`, exact, "" where they do not."""
    if cost.nanousd is None or cost.disputed_nanousd is None:
        return ""
    low, high = sorted((cost.nanousd, cost.disputed_nanousd))
    return f" ({usd_text(low * 1000)}-{usd_text(high * 1000)}, {who_disagrees(cost.grade)})"


def _quote_json(answer: Quote) -> dict[str, Any]:
    cost = answer.cost
    fields = {"id": answer.id, "cost_nanousd": cost.nanousd, "grade": str(cost.grade)}
    more = {"reason": cost.reason or None, "disputed_nanousd": cost.disputed_nanousd}
    return fields | {name: value for name, value in more.items() if value is not None}


def _factor(line: ExplainedLine) -> str:
    if not line.per:
        return line.bucket
    return f"{line.units:>9,} {line.bucket} x ${line.rate_usd} per {line.per}"


def _source(line: ExplainedLine) -> str:
    since = f"since {line.since}" if line.since else ""
    return "  ".join(part for part in (line.rate_id, since, line.source, line.url) if part)


def _questions(stream: Iterable[str]) -> Iterator[tuple[int, Any]]:
    """Lines, or one array over any number of lines; numbered from 1."""
    lines = iter(stream)
    number = 0
    for line in lines:
        if not line.strip():
            continue
        if number == 0 and line.lstrip().startswith("["):
            yield from enumerate(_load("".join([line, *lines]), "the array"), 1)
            return
        number += 1
        yield number, _load(line, f"question {number}")


def _load(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{what} is no JSON: {error}.") from None


def _list_providers(book: PriceBook, as_json: bool) -> None:
    names = sorted({*book.providers, *book.own_providers})
    if as_json:
        out_json({"version": book.version, "providers": names})
        return
    for name in names:
        out(name)
    say(f"Price book {book.version}. `arc-proxy prices list PROVIDER` has the models.")


def _models(book: PriceBook, provider: str) -> list[Model]:
    return sorted(book.models(provider), key=lambda model: model.id)


_HEADINGS = ("input", "cache read", "cache write", "write 1h", "output")


def _per_million(rate: Rate) -> tuple[str, ...]:
    return tuple(_usd(rate.picousd.get(bucket)) for bucket in _BUCKETS)


def _usd(picousd: int | None) -> str:
    return "-" if picousd is None else usd_text(picousd * 1_000_000)


def _since(rate: Rate) -> str:
    return rate.since.isoformat() if rate.since else "-"


def _current(model: Model) -> list[tuple[Rate, Rate | None]]:
    """One row per tier and part of the week, those that hold now and those announced, each with its rival."""
    now = datetime.now(UTC)
    rows = {}
    for moment in (now, *(now.replace(hour=hour) for hour in range(0, 24, 4)), now + timedelta(days=90)):
        for tier in sorted(model.tiers, key=lambda tier: (tier != "standard", tier)):
            rate = model.rate(moment, tier)
            if rate is not None:
                rows[rate.id] = (rate, model.rival(moment, tier))
    return list(rows.values())


def _rate_lines(rate: Rate, rival: Rate | None) -> Iterator[str]:
    hours = "".join(
        f", {hours.start // 60:02}:{hours.start % 60:02}-{hours.end // 60:02}:{hours.end % 60:02} UTC"
        for hours in rate.hours
    )
    yield f"  {rate.tier}{hours}, since {_since(rate) if rate.since else 'the beginning'}"
    for bucket, picousd in sorted(rate.picousd.items(), key=_place):
        other = rival.picousd.get(bucket, picousd) if rival else picousd
        yield f"    {bucket:<18} {_price(bucket, picousd)}{_price_range(bucket, picousd, other)}"
    for threshold, step in rate.over:
        yield f"    above {threshold:,} input tokens the whole request:"
        for bucket, picousd in sorted(step.items(), key=_place):
            yield f"      {bucket:<16} {_price(bucket, picousd)}"
    agrees = f", {rate.agrees} agrees" if rate.agrees else ""
    agrees += f", {rival.source} differs" if rival else ""
    yield style(f"    {rate.source}{agrees}, recorded {rate.recorded}  {rate.url}".rstrip(), "dim")


def _price_range(bucket: str, ours: int, other: int) -> str:
    if ours == other:
        return ""
    scale, _ = priced_units(bucket)
    low, high = sorted((ours, other))
    return f" ({usd_text(low * scale)}-{usd_text(high * scale)}, sources disagree)"


def _place(item: tuple[str, int]) -> tuple[int, str]:
    """The buckets that everyone looks for come first."""
    bucket = item[0]
    return (_BUCKETS.index(bucket) if bucket in _BUCKETS else len(_BUCKETS), bucket)


def _price(bucket: str, picousd: int) -> str:
    scale, units = priced_units(bucket)
    return f"${usd_text(picousd * scale)} per {units}"


def _rate_json(rate: Rate) -> dict[str, Any]:
    return {
        "id": rate.id,
        "provider": rate.provider,
        "model": rate.model,
        "tier": rate.tier,
        "since": rate.since.isoformat() if rate.since else None,
        "recorded": rate.recorded.isoformat(),
        "source": rate.source,
        "url": rate.url,
        "picousd": dict(rate.picousd),
        "over": {str(threshold): dict(step) for threshold, step in rate.over},
    }
