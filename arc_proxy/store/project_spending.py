"""
Where the money of projects went: their latest runs, those of sub-agents apart, and what each was paid for.

A project is a tag of its runs and has no index of its own. The runs of a period are gone through by their
start, the latest first, until every project that is asked for has its share; that is what a report of
projects costs beyond any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, select

from analysis.delegation import Delegation, sort_of
from analysis.spend import Spend, sum_spend
from arc_proxy.store import tables
from arc_proxy.store.bulk import STREAMED_AT_A_TIME, rows_in
from arc_proxy.store.engine import Store, reading
from arc_proxy.store.filters import agent_id_of
from arc_proxy.store.names import OTHER
from arc_proxy.store.spending import unpack_spend
from arc_proxy.store.sums import project_of
from arc_proxy.store.totals import Period

PROJECT_RUNS_MAX = 200  # of one project: a task with sub-agents is several


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsCost:
    """
    Sums over some runs. `name`: the sort of sub-agent where the run that started it says one, else the agent;
    "": none is named.
    """

    name: str = ""
    runs: int = 0  # without those of nothing but auxiliary calls, whose money counts
    failed: int = 0
    nanousd: int = 0
    api_nanousd: int = 0  # what calls under a subscription would have cost
    unpriced_calls: int = 0

    @property
    def is_unknown(self) -> bool:
        return self.unpriced_calls > 0 and self.nanousd == 0

    def share_of(self, whole: RunsCost) -> float | None:
        """Of what was billed; where nothing was, of what it would have cost; None where that is nothing."""
        if whole.nanousd:
            return self.nanousd / whole.nanousd
        return self.api_nanousd / whole.api_nanousd if whole.api_nanousd else None

    def __add__(self, other: RunsCost) -> RunsCost:
        return RunsCost(
            name=self.name,
            runs=self.runs + other.runs,
            failed=self.failed + other.failed,
            nanousd=self.nanousd + other.nanousd,
            api_nanousd=self.api_nanousd + other.api_nanousd,
            unpriced_calls=self.unpriced_calls + other.unpriced_calls,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSpent:
    """
    Of the latest runs of a project in a period. `is_all`: there were no more. `own`: runs that no other run
    started; `sub_agents` by cost. `spend`: of the `known` runs, of which it is known where their money went,
    by task: a sub-agent's run is a part of one. `waiting`: runs that were not looked at yet.
    """

    is_all: bool
    own: RunsCost
    sub_agents: tuple[RunsCost, ...]
    spend: Spend
    known: int
    waiting: int

    @property
    def whole(self) -> RunsCost:
        return sum(self.sub_agents, self.own)


def read_project_spending(
    store: Store,
    period: Period,
    projects: Iterable[str],
    *,
    agent: str | None = None,
    limit: int = PROJECT_RUNS_MAX,
) -> dict[str, ProjectSpent]:
    """By project, of those that have runs in the period. `agent` "": the unnamed. Raises StoreError."""
    with reading(store) as connection:
        latest = _latest(connection, period, set(projects) - {OTHER}, agent, limit)
        runs = _read_runs(connection, [key for keys in latest.values() for key in keys])
    return {project: _spent(keys, runs, limit) for project, keys in latest.items() if keys}


@dataclass(slots=True)
class _Run:
    run_id: str
    parent_run_id: str | None
    cost: RunsCost
    sort: str = ""
    spend: Spend = field(default_factory=Spend)
    delegation: Delegation = field(default_factory=Delegation)
    is_known: bool = False  # that it was looked at


def _latest(
    connection: Connection, period: Period, wanted: set[str], agent: str | None, limit: int
) -> dict[str, list[int]]:
    """Keys of runs by project, the latest first, one more than `limit` at most."""
    run = tables.run.c
    statement = (
        select(run.id, run.tags)
        .where(
            run.started_ns >= period.since_ns,
            run.started_ns < period.until_ns,
            run.tags.like('%"project"%'),
        )
        .order_by(run.started_ns.desc(), run.id.desc())
    )
    if agent is not None:
        statement = statement.where(run.agent_id == agent_id_of(agent))
    found: dict[str, list[int]] = {project: [] for project in wanted}
    projects: dict[str, str | None] = {}  # by the text of all tags, of which there are few
    open_projects = len(found)
    for key, tags in connection.execute(statement, execution_options={"yield_per": STREAMED_AT_A_TIME}):
        if not open_projects:
            break
        if tags not in projects:
            projects[tags] = project_of({"tags": tags})
        keys = found.get(projects[tags] or "")
        if keys is not None and len(keys) <= limit:
            keys.append(key)
            open_projects -= len(keys) > limit
    return found


_COLUMNS = ("run_id", "agent_id", "parent_run_id", "failed", "calls", "announced")
_SUMS = ("cost_nanousd", "api_nanousd", "unpriced_calls")


def _read_runs(connection: Connection, keys: Sequence[int]) -> dict[int, _Run]:
    rows = list(rows_in(connection, tables.run, ("id",), {(key,) for key in keys}, *_COLUMNS, *_SUMS))
    agents = {(row[2],) for row in rows}
    names = dict(rows_in(connection, tables.agent, ("id",), agents, "name"))
    runs = {}
    for key, run_id, agent_id, parent, failed, calls, announced, cost, api, unpriced in rows:
        is_of_its_own = calls > 0 or announced
        runs[key] = _Run(
            run_id,
            parent,
            RunsCost(
                name=names.get(agent_id, ""),
                runs=int(is_of_its_own),
                failed=int(failed and is_of_its_own),
                nanousd=cost,
                api_nanousd=api,
                unpriced_calls=unpriced,
            ),
        )
    for key, packed in _packed(connection, keys):
        runs[key].is_known = True
        if packed is not None:
            runs[key].spend, runs[key].delegation = unpack_spend(packed)
    _find_sorts(connection, runs.values())
    return runs


def _packed(connection: Connection, keys: Iterable[int]) -> Iterable[tuple[Any, ...]]:
    return rows_in(connection, tables.health, ("run_key",), {(key,) for key in keys}, "spend")


def _find_sorts(connection: Connection, runs: Iterable[_Run]) -> None:
    """Of sub-agents, by what the run that started them says; it may have begun before all that were read."""
    given: dict[str, dict[str, str]] = {}
    children = []
    for run in runs:
        given.setdefault(run.run_id, {}).update(run.delegation.given)
        if run.parent_run_id is not None and run.delegation.told:
            children.append((run, run.parent_run_id))
    missing = {(parent,) for _, parent in children} - {(run_id,) for run_id in given}
    parents = {key: run_id for run_id, key in rows_in(connection, tables.run, ("run_id",), missing, "id")}
    for key, packed in _packed(connection, parents):
        if packed is not None:
            given.setdefault(parents[key], {}).update(unpack_spend(packed)[1].given)
    for run, parent in children:
        run.sort = sort_of(run.delegation.told, given.get(parent, {})) or ""


def _spent(keys: Sequence[int], runs: Mapping[int, _Run], limit: int) -> ProjectSpent:
    latest = [runs[key] for key in keys[:limit] if key in runs]
    own = RunsCost()
    sub_agents: dict[str, RunsCost] = {}
    for run in latest:
        if run.parent_run_id is None:
            own += run.cost
        else:
            name = run.sort or run.cost.name
            sub_agents[name] = sub_agents.get(name, RunsCost(name=name)) + run.cost
    known = [run for run in latest if run.spend.nanousd]
    tasks = sum(run.parent_run_id is None for run in known)
    return ProjectSpent(
        is_all=len(keys) <= limit,
        own=own,
        sub_agents=tuple(sorted(sub_agents.values(), key=_by_cost)),
        spend=replace(sum_spend(run.spend for run in known), runs=tasks or len(known)),
        known=len(known),
        waiting=sum(not run.is_known and run.cost.runs > 0 for run in latest),
    )


def _by_cost(cost: RunsCost) -> tuple[int, int, int, str]:
    return -cost.nanousd, -cost.api_nanousd, -cost.runs, cost.name
