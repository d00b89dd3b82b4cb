"""Early warnings of a report: from what the store has of each agent now, the budgets and the price book."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from analysis.budget import Budgets
from analysis.budget_eta import BudgetEta, BudgetOf, Pace, budget_eta
from analysis.context_eta import context_eta, has_own_window, reserved_tokens
from analysis.limit_eta import LimitEta, limit_eta
from analysis.retirement import retirement
from analysis.step_growth import step_growth
from analysis.warning import most_urgent_first
from arc_proxy.report.health import midnight_ns
from arc_proxy.report.savings_model import Retiring
from arc_proxy.report.warning_model import AnyWarning
from arc_proxy.runs.signatures import PROGRAMS
from arc_proxy.store.engine import Store
from arc_proxy.store.limits import read_limit_readings
from arc_proxy.store.live import LiveRun, read_live_run, read_live_runs
from arc_proxy.store.spending import Spent
from arc_proxy.store.spent_since import Billed, read_spent_since
from arc_proxy.store.sums import HOUR_NS
from pricing.book import PriceBook


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """What was spent today and lately, by agent; empty where there is no budget to hold it against."""

    budgets: Budgets
    today: Mapping[str | None, Billed] = field(default_factory=dict)
    lately: Mapping[str | None, Billed] = field(default_factory=dict)
    watched_ns: int = 0  # how long `lately` is
    ends_in_ns: int = 0


def read_days(store: Store, budgets: Budgets, now_ns: int) -> Days:
    """Raises StoreError."""
    if not budgets.has_days:
        return Days(budgets=budgets)
    began_ns = midnight_ns(now_ns)
    # Whole hours, since these lie summed up: the one that is not over, and the one before.
    lately_ns = max(began_ns, (now_ns // HOUR_NS - 1) * HOUR_NS)
    today = read_spent_since(store, began_ns, now_ns)
    return Days(
        budgets=budgets,
        today=today,
        lately=today if lately_ns == began_ns else read_spent_since(store, lately_ns, now_ns),
        watched_ns=now_ns - lately_ns,
        # A day may have 25 hours.
        ends_in_ns=midnight_ns(began_ns + 30 * HOUR_NS) - now_ns,
    )


def day_warnings(days: Days) -> tuple[BudgetEta, ...]:
    """Of all agents together."""
    spent = sum(days.today.values(), Billed())
    lately = sum(days.lately.values(), Billed())
    found = _of_day(days, days.budgets.per_day, spent, lately, of=BudgetOf.DAY)
    return () if found is None else (found,)


def agent_warnings(
    store: Store,
    book: PriceBook,
    agent: str | None,
    *,
    now_ns: int | None,
    days: Days,
    spent: Spent | None,
    retiring: Iterable[Retiring],
    today: date,
) -> tuple[AnyWarning, ...]:
    """
    Of one agent, the most urgent first. `now_ns` None: of a time that is over, so that nothing is said of
    what goes on. Raises StoreError.
    """
    found: list[AnyWarning | None] = [retirement(each.model, each.retires, today) for each in retiring]
    if spent is not None:
        found.append(step_growth(spent.growths))
    if now_ns is not None:
        runs = read_live_runs(store, agent, now_ns)
        found += _limits(store, agent, now_ns, goes_on=bool(runs))
        found.append(_of_agent(days, agent))
        for run in runs:
            found += _of_run(run, book, days.budgets)
    return most_urgent_first(each for each in found if each is not None)


def run_warnings(
    store: Store, book: PriceBook, run_key: int, budgets: Budgets, now_ns: int
) -> tuple[AnyWarning, ...]:
    """Of one run, if it goes on. Raises StoreError."""
    run = read_live_run(store, run_key, now_ns)
    return () if run is None else most_urgent_first(_of_run(run, book, budgets))


def _of_run(run: LiveRun, book: PriceBook, budgets: Budgets) -> Iterator[AnyWarning]:
    context = context_eta(
        run.turns,
        run_id=run.run.run_id,
        model=run.model,
        window=_window(run, book),
        reserved=reserved_tokens(run.dialect, run.parameters),
    )
    budget = budget_eta(
        budgets.per_run,
        run.billed.nanousd,
        of=BudgetOf.RUN,
        subject=run.run.run_id,
        is_lower_bound=run.billed.unpriced_calls > 0,
    )
    yield from (each for each in (context, budget) if each is not None)


def _window(run: LiveRun, book: PriceBook) -> int | None:
    """None where it is not known, and where a conversation is shortened before it is full."""
    if run.run.framework in PROGRAMS or has_own_window(run.parameters, run.request_headers):
        return None
    found = book.find(run.provider, run.model)
    return found.input_tokens_max if found is not None else None


def _of_agent(days: Days, agent: str | None) -> BudgetEta | None:
    return _of_day(
        days,
        days.budgets.of_agent(agent),
        days.today.get(agent, Billed()),
        days.lately.get(agent, Billed()),
        of=BudgetOf.AGENT,
        subject=agent or "",
    )


def _of_day(
    days: Days, budget: int | None, spent: Billed, lately: Billed, *, of: BudgetOf, subject: str = ""
) -> BudgetEta | None:
    return budget_eta(
        budget,
        spent.nanousd,
        of=of,
        subject=subject,
        is_lower_bound=spent.unpriced_calls > 0,
        pace=Pace(lately.nanousd, days.watched_ns),
        ends_in_ns=days.ends_in_ns,
    )


def _limits(store: Store, agent: str | None, now_ns: int, *, goes_on: bool) -> Sequence[LimitEta]:
    """An agent that does nothing now has no pace: of it the last reading alone is news."""
    found = (
        limit_eta(
            readings if goes_on else readings[-1:],
            provider=name.provider,
            model=name.model,
            now_ns=now_ns,
        )
        for name, readings in read_limit_readings(store, agent, now_ns).items()
    )
    return [each for each in found if each is not None]


def local_day(now_ns: int) -> date:
    """The day by this machine's clock, as `midnight_ns`."""
    return datetime.fromtimestamp(now_ns / 1e9).astimezone().date()
