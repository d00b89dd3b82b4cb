"""
Issues over time: how often lately and before, since when, and with which version of the agent.

Counted by the days (UTC) on which runs started, since sums are kept by them: some rows, however much failed.
The last day is today as far as it has come, and yesterday with it until noon, so that midnight does not take
away what was to be said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from analysis.effect import Share
from analysis.standing import NEW_NS, History, Standing, is_back, standing
from arc_proxy.store import tables
from arc_proxy.store.engine import Store, reading
from arc_proxy.store.filters import is_of_its_own
from arc_proxy.store.issues import Issue
from arc_proxy.store.names import OTHER_AGENT, rollup_agent
from arc_proxy.store.sums import DAY_NS

BEFORE_DAYS = 7
ABSENT_DAYS_READ = 30  # of a longer absence, the last days tell whether the agent ran
VERSIONS_MAX = 50
_HALF_DAY_NS = DAY_NS // 2

_DayRuns = Mapping[int, Mapping[int, int]]  # by key of the agent or issue, by day


@dataclass(frozen=True, slots=True)
class _Days:
    """First and last day of a window, both included."""

    first: int
    last: int

    def sum(self, by_day: Mapping[int, int]) -> int:
        return sum(runs for day, runs in by_day.items() if self.first <= day <= self.last)


@dataclass(frozen=True, slots=True)
class _Windows:
    now_ns: int

    @property
    def recent(self) -> _Days:
        return _Days((self.now_ns - _HALF_DAY_NS) // DAY_NS, self.now_ns // DAY_NS)

    @property
    def before(self) -> _Days:
        return _Days(self.recent.first - BEFORE_DAYS, self.recent.first - 1)


def read_standings(store: Store, issues: Sequence[Issue], now_ns: int) -> dict[int, Standing]:
    """What is lately the matter with each of these issues, by its number. Raises StoreError."""
    if not issues:
        return {}
    windows = _Windows(now_ns)
    found = {}
    with reading(store) as connection:
        agent_of = _agents(connection, [each.key for each in issues])
        having = _having(connection, windows, list(agent_of))
        runs = _runs(connection, windows, set(agent_of.values()))
        for issue in issues:
            agent_id = agent_of.get(issue.key)
            if agent_id is not None:
                known = _history(connection, issue, agent_id, windows, having[issue.key], runs[agent_id])
                found[issue.key] = standing(known, now_ns)
    return found


def _history(
    connection: Connection,
    issue: Issue,
    agent_id: int,
    windows: _Windows,
    having: Mapping[int, int],
    runs: Mapping[int, int],
) -> History:
    recent, before = windows.recent, windows.before
    absent = None if before.sum(having) else _absence(connection, issue.key, recent, having)
    absent_days = absent.last - absent.first + 1 if absent else 0
    absent_runs = absent.sum(runs) if absent else 0
    since_ns = (absent.last + 1) * DAY_NS if absent and is_back(absent_days, absent_runs) else 0
    began_ns, version, versions_before = _began(connection, issue, agent_id, since_ns, windows.now_ns)
    return History(
        began_ns=began_ns,
        version=version,
        versions_before=versions_before,
        recent=Share(recent.sum(having), recent.sum(runs)),
        before=Share(before.sum(having), before.sum(runs)),
        absent_days=absent_days,
        absent_runs=absent_runs,
    )


def _agents(connection: Connection, issue_keys: Sequence[int]) -> dict[int, int]:
    issue = tables.issue.c
    return dict(connection.execute(select(issue.id, issue.agent_id).where(issue.id.in_(issue_keys))).all())


def _having(connection: Connection, windows: _Windows, issue_keys: Sequence[int]) -> _DayRuns:
    """Runs that have each issue, by day."""
    day = tables.issue_day.c
    statement = select(day.issue_id, day.day, day.runs).where(
        day.issue_id.in_(issue_keys), day.day >= windows.before.first, day.day <= windows.recent.last
    )
    return _by_key(connection.execute(statement).all())


def _runs(connection: Connection, windows: _Windows, agent_ids: set[int]) -> _DayRuns:
    """Runs of each agent, by day. Of agents beyond the cap of sums they are not known."""
    day = tables.run_rollup_day.c
    known = {key for key in agent_ids if rollup_agent(key) != OTHER_AGENT}
    statement = select(day.agent_id, day.start, day.runs).where(
        day.agent_id.in_(known),
        day.start >= windows.recent.first - ABSENT_DAYS_READ,
        day.start <= windows.recent.last,
    )
    return _by_key(connection.execute(statement).all())


def _by_key(rows: Sequence[Sequence[int]]) -> _DayRuns:
    found: dict[int, dict[int, int]] = defaultdict(dict)
    for key, day, runs in rows:
        found[key][day] = runs
    return found


def _absence(
    connection: Connection, issue_key: int, recent: _Days, having: Mapping[int, int]
) -> _Days | None:
    """The days between when it was last seen and the last day, on which it was seen again."""
    again = min((day for day in having if day >= recent.first), default=None)
    if again is None:
        return None
    day = tables.issue_day.c
    last = connection.execute(
        select(func.max(day.day)).where(day.issue_id == issue_key, day.day < recent.first)
    ).scalar()
    return None if last is None or again - last < 2 else _Days(last + 1, again - 1)


def _began(
    connection: Connection, issue: Issue, agent_id: int, since_ns: int, now_ns: int
) -> tuple[int, str | None, list[str | None]]:
    """
    When it was first seen since a moment, the version of that run, and those of runs before it. Of an issue
    that is old, and whose run named no version, nothing would be said by them.
    """
    failure, run = tables.failure.c, tables.run.c
    first = (
        select(failure.at_ns, run.version, run.started_ns)
        .join(tables.run, run.id == failure.run_key)
        .where(failure.issue_id == issue.key, failure.at_ns >= since_ns)
        .order_by(failure.at_ns, failure.id)
        .limit(1)
    )
    found = connection.execute(first).first()
    if found is None:
        return issue.first_ns, None, []
    if found.version is None and now_ns - found.at_ns >= NEW_NS:
        return found.at_ns, None, []
    earlier = (
        select(run.version)
        .where(run.agent_id == agent_id, run.started_ns < found.started_ns, is_of_its_own())
        .order_by(run.started_ns.desc())
        .limit(VERSIONS_MAX)
    )
    return found.at_ns, found.version, list(connection.execute(earlier).scalars())
