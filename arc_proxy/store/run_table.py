"""
The rows of runs while a transaction changes them, and their derivation from the rows beneath.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Boolean, Connection, bindparam, delete, select, update

from arc_proxy.store import tables
from arc_proxy.store.bounds import load_json, word
from arc_proxy.store.bulk import dicts, insert_rows, rows_in, slices, stream
from arc_proxy.store.due import mark_due
from arc_proxy.store.findings import forget_findings
from arc_proxy.store.names import next_id
from arc_proxy.store.rows import Row
from arc_proxy.store.run_rows import RunState, covers
from arc_proxy.store.sums import Difference

RunName = tuple[str, int]  # (run id, agent's key)

_BOOLEANS = [column.name for column in tables.run.c if isinstance(column.type, Boolean)]
_COLUMNS = [column.name for column in tables.run.c if column.name != "id"]
_UPDATE = (
    update(tables.run)
    .where(tables.run.c.id == bindparam("b_id"))
    .values({name: bindparam(f"b_{name}") for name in _COLUMNS})
)


class RunsInHand:
    """
    Runs that one transaction touches.

    Load them, make the missing ones, tell every change of a call, then `insert_new` before the calls'
    rows (they point at them) and `finish` after.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._before: dict[int, Row] = {}
        self._states: dict[int, RunState] = {}
        self._keys: dict[RunName, int] = {}
        self._by_run_id: dict[str, list[int]] = {}
        self._new: list[int] = []
        self._inserted: dict[int, Row] = {}
        self._doubtful: set[int] = set()  # to be derived from all of their rows
        self._next_id: int | None = None

    def load(self, names: Iterable[RunName]) -> None:
        self._keep(("run_id", "agent_id"), {name for name in names if name not in self._keys})

    def load_keys(self, keys: Iterable[int]) -> None:
        self._keep(("id",), {(key,) for key in keys if key not in self._states})

    def load_ids(self, run_ids: Iterable[str]) -> None:
        """Every agent's run of these ids."""
        self._keep(("run_id",), {(run_id,) for run_id in run_ids})

    def key(self, name: RunName) -> int | None:
        return self._keys.get(name)

    def key_or_new(self, name: RunName) -> int:
        """The key of a run that was asked for in `load`; a new one if it does not exist."""
        key = self._keys.get(name)
        if key is None:
            if self._next_id is None:
                self._next_id = next_id(self._connection, tables.run)
            key = self._next_id
            self._next_id += 1
            self._name(name, key)
            self._states[key] = RunState(id=key, agent_id=name[1], run_id=name[0])
            self._new.append(key)
        return key

    def new_names(self) -> list[RunName]:
        return [(self._states[key].run_id, self._states[key].agent_id) for key in self._new]

    def any_agents(self, run_id: str) -> int | None:
        """The run of this id, whichever agent has it; of several the latest."""
        found = [self._states[key] for key in self._by_run_id.get(run_id, ())]
        if not found:
            return None
        return max(found, key=lambda state: (state.started_ns or 0, state.id)).id

    def state(self, key: int) -> RunState:
        return self._states[key]

    def change(self, old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> None:
        """A call's row was `old` (None: it is new) and becomes `new`."""
        self._states[new["run_key"]].add_call(new)
        if old is not None:
            self.remove(old, derive=not covers(new, old))

    def remove(self, old: Mapping[str, Any], *, derive: bool) -> None:
        """A call's row goes. Only its sums are taken back, unless the run is to be derived again."""
        self._states[old["run_key"]].subtract_call(old)
        if derive:
            self._doubtful.add(old["run_key"])

    def doubt(self, key: int) -> None:
        """Derive a loaded run again."""
        self._doubtful.add(key)

    def insert_new(self) -> None:
        for key in self._new:
            self._inserted[key] = self._states[key].as_row()
        insert_rows(self._connection, tables.run, list(self._inserted.values()))

    def finish(self, difference: Difference) -> int:
        """Write what changed, remove runs that nothing speaks of, add to the sums. Gives how many went."""
        for key in self._doubtful:
            self._states[key] = _blank(self._states[key])
        derive(self._connection, [self._states[key] for key in sorted(self._doubtful)])
        changed: list[Row] = []
        gone: list[int] = []
        due_ns: dict[int, int] = {}
        for key, state in self._states.items():
            before = self._before.get(key)
            is_as_inserted = key in self._inserted and key not in self._doubtful
            row = self._inserted[key] if is_as_inserted else state.as_row()
            if row == before:
                continue
            if before is not None:
                difference.run(before, -1)
            if state.is_empty:
                gone.append(key)
                continue
            difference.run(row, 1)
            due_ns[key] = row["ended_ns"]
            if not is_as_inserted:
                changed.append({f"b_{name}": value for name, value in row.items()})
        if changed:
            self._connection.execute(_UPDATE, changed)
        mark_due(self._connection, due_ns)
        remove_runs(self._connection, gone)
        return len(gone)

    def _keep(self, columns: tuple[str, ...], wanted: set[tuple[Any, ...]]) -> None:
        names = (*columns, *(name for name in ("id", *_COLUMNS) if name not in columns))
        for found in rows_in(self._connection, tables.run, columns, wanted, *names[len(columns) :]):
            row = dict(zip(names, found, strict=True))
            key = row["id"]
            if key not in self._states:
                for name in _BOOLEANS:
                    row[name] = bool(row[name])
                self._before[key] = row
                self._states[key] = RunState.of_row(row)
                self._name((row["run_id"], row["agent_id"]), key)

    def _name(self, name: RunName, key: int) -> None:
        self._keys[name] = key
        self._by_run_id.setdefault(name[0], []).append(key)


def derive(connection: Connection, states: Sequence[RunState]) -> None:
    """Add to blank states all calls and facts that the database has of them."""
    for some in slices(states, 200):
        by_key = {state.id: state for state in some}
        call = tables.call
        calls = select(call).where(call.c.run_key.in_(list(by_key)))
        for row in stream(connection, calls):
            by_key[row["run_key"]].add_call(row)
        fact = tables.fact
        facts = dicts(connection, select(fact).where(fact.c.run_key.in_(list(by_key))))
        bodies = [load_json(row["body"]) for row in facts]
        sessions = _sessions(connection, bodies)
        for row, body in zip(facts, bodies, strict=True):
            by_key[row["run_key"]].add_fact(row, body, sessions.get(session_of(body)))


def derived_rows(connection: Connection) -> Iterator[tuple[Row, Row]]:
    """Every run's row, and what it should be."""
    run = tables.run
    after = 0
    while True:
        page = select(run).where(run.c.id > after).order_by(run.c.id).limit(200)
        rows = dicts(connection, page)
        if not rows:
            return
        states = [_blank(RunState.of_row(row)) for row in rows]
        derive(connection, states)
        yield from zip(rows, (state.as_row() for state in states), strict=True)
        after = rows[-1]["id"]


def update_runs(connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    parameters = [{f"b_{name}": value for name, value in row.items()} for row in rows]
    if parameters:
        connection.execute(_UPDATE, parameters)


def remove_runs(connection: Connection, keys: Iterable[int]) -> None:
    """Remove rows of runs that have no calls, and what hangs on them."""
    gone = sorted(keys)
    forget_findings(connection, gone)
    for some in slices(gone):
        for table, column in (
            (tables.run_alias, tables.run_alias.c.run_key),
            (tables.tag, tables.tag.c.run_key),
            (tables.fact, tables.fact.c.run_key),
            (tables.run, tables.run.c.id),
        ):
            connection.execute(delete(table).where(column.in_(some)))


def session_of(body: Mapping[str, Any]) -> str:
    """The session id that a fact names; "" for none."""
    session_id = body.get("session_id")
    return word(session_id) or "" if isinstance(session_id, str) else ""


def _sessions(connection: Connection, bodies: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    wanted = sorted({text for body in bodies if (text := session_of(body))})
    session = tables.session
    found: dict[str, int] = {}
    for some in slices(wanted):
        rows = connection.execute(
            select(session.c.session_id, session.c.id).where(session.c.session_id.in_(some))
        )
        found.update((row.session_id, row.id) for row in rows)
    return found


def _blank(state: RunState) -> RunState:
    return RunState(id=state.id, agent_id=state.agent_id, run_id=state.run_id)
