"""What came to be known since one looked last, on either database."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, literal, select

from arc_proxy.call import Call, Kind, ToolCall
from arc_proxy.ingest.analysing import analyse_due
from arc_proxy.journal.record import Ended
from arc_proxy.report.happening import Called, Failed
from arc_proxy.report.happening import Ended as RunEnded
from arc_proxy.report.watch import Watch
from arc_proxy.runs.ending import SILENCE_NS, TIMEOUT_NS
from arc_proxy.store import tables, timeline
from arc_proxy.store.engine import Store, writing
from arc_proxy.store.read import list_runs
from arc_proxy.store.timeline import Marks, read_marks, read_news, read_traces
from arc_proxy.store.write import save
from pricing.book import load_book
from pricing.usage import Usage, UsageGrade

MakeCall = Callable[..., Call]


def look(store: Store, watch: Watch) -> list[object]:
    """All that is to be shown now."""
    found: list[object] = []
    while True:
        news = read_news(store, watch.marks, again=watch.awaited, running=watch.running)
        found += watch.take(news)
        if not news.has_more:
            return found


def shown_calls(found: list[object]) -> list[str]:
    return [each.call.line.call_id for each in found if isinstance(each, Called)]


def watching(store: Store) -> Watch:
    return Watch(read_marks(store), lambda run: True)


def test_a_call_that_began_long_ago_is_new_when_it_is_stored(store: Store, make_call: MakeCall) -> None:
    save(store, [make_call(5)])
    watch = watching(store)
    late = make_call(1)
    save(store, [late])
    assert shown_calls(look(store, watch)) == [late.call_id]
    assert look(store, watch) == []


def test_the_names_of_tools_stand_in_the_order_of_the_reply(store: Store, make_call: MakeCall) -> None:
    asked = tuple(ToolCall(id=None, name=name, arguments="{}") for name in ("search", "read", "search"))
    watch = watching(store)
    save(store, [make_call(1, reply_tool_calls=asked)])
    [called] = [each for each in look(store, watch) if isinstance(each, Called)]
    assert called.call.tools == ("search", "read", "search")


def test_an_open_call_is_shown_as_such_once_and_again_when_it_has_ended(
    store: Store, make_call: MakeCall
) -> None:
    watch = watching(store)
    save(store, [make_call(1, duration_ns=None, status=None, ended=Ended.INTERRUPTED)])
    [opened] = [each for each in look(store, watch) if isinstance(each, Called)]
    assert opened.call.is_open
    assert look(store, watch) == []
    save(store, [make_call(1)])
    [ended] = look(store, watch)
    assert isinstance(ended, Called)
    assert not ended.call.is_open
    assert look(store, watch) == []


def test_failures_follow_when_they_are_found_and_only_once(store: Store, make_call: MakeCall) -> None:
    book = load_book()
    watch = watching(store)
    save(store, [make_call(1, grouping_run_id="task", status=500)])
    assert [type(each).__name__ for each in look(store, watch)] == ["Began", "Called"]
    first = make_call(1).started_ns
    analyse_due(store, book, first + SILENCE_NS // 2)
    [failed] = look(store, watch)
    assert isinstance(failed, Failed)
    # The run goes on and is looked at again: what was found of it is replaced by the same and more.
    save(store, [make_call(2, grouping_run_id="task", status=401)])
    analyse_due(store, book, first + SILENCE_NS)
    again = look(store, watch)
    codes = [str(each.row.failure.code) for each in again if isinstance(each, Failed)]
    assert str(failed.row.failure.code) not in codes
    assert "provider.auth" in codes


def test_a_failure_under_a_key_that_was_given_before_is_not_missed(store: Store, make_call: MakeCall) -> None:
    """The last rows go when a run becomes another's, and the next failure takes their keys."""
    watch = Watch(Marks(call=0, failure=50), lambda run: True)
    save(store, [make_call(1, status=500)])
    analyse_due(store, load_book(), make_call(1).started_ns + TIMEOUT_NS)
    assert any(isinstance(each, Failed) for each in look(store, watch))


def failures_of(found: list[object]) -> list[str]:
    return [each.run.run_id for each in found if isinstance(each, Failed)]


def test_what_had_failed_before_is_no_news_however_often_it_is_found(
    store: Store, make_call: MakeCall
) -> None:
    book, first = load_book(), make_call(1)
    save(store, [make_call(number, grouping_run_id=f"old-{number}", status=401) for number in range(1, 7)])
    analyse_due(store, book, first.started_ns + TIMEOUT_NS)
    watch = watching(store)
    watch.shown(read_traces(store, list_runs(store, limit=2), calls_max=9))
    assert look(store, watch) == []
    # As the merging of issues does.
    with writing(store) as connection:
        keys = select(tables.run.c.id, literal(0)).where(tables.run.c.run_id.in_(["old-1", "old-6"]))
        connection.execute(insert(tables.due).from_select(["run_key", "due_ns"], keys))
    analyse_due(store, book, first.started_ns + TIMEOUT_NS)
    assert look(store, watch) == []


def test_what_failed_in_a_run_whose_calls_fill_pages_is_not_missed(
    store: Store, make_call: MakeCall, monkeypatch_page: Callable[[int], None]
) -> None:
    monkeypatch_page(2)
    watch = watching(store)
    runs = [f"run-{number}" for number in range(6)]
    save(store, [make_call(number, grouping_run_id=run, status=401) for number, run in enumerate(runs)])
    analyse_due(store, load_book(), make_call(1).started_ns + TIMEOUT_NS)
    assert sorted(failures_of(look(store, watch))) == runs


def test_what_failed_in_a_run_is_shown_before_its_call_whose_tokens_are_being_counted(
    store: Store, make_call: MakeCall
) -> None:
    watch = watching(store)
    uncounted = {"usage": Usage(), "usage_grade": UsageGrade.NONE}
    save(store, [make_call(1, grouping_run_id="task", reply_finish_reason="length", **uncounted)])
    analyse_due(store, load_book(), make_call(1).started_ns + TIMEOUT_NS)
    assert set(failures_of(look(store, watch))) == {"task"}


def test_a_run_ends_when_analysis_says_so_and_goes_on_with_a_later_call(
    store: Store, make_call: MakeCall
) -> None:
    book = load_book()
    watch = watching(store)
    save(store, [make_call(1, grouping_run_id="task")])
    over_ns = make_call(1).started_ns + TIMEOUT_NS
    look(store, watch)
    analyse_due(store, book, over_ns)
    assert [type(each) for each in look(store, watch)] == [RunEnded]
    # Stored, and not looked at yet: what is known of the run is what was before.
    save(store, [make_call(2, grouping_run_id="task")])
    assert [type(each) for each in look(store, watch)] == [Called]
    assert look(store, watch) == []
    analyse_due(store, book, over_ns + TIMEOUT_NS)
    assert [type(each) for each in look(store, watch)] == [RunEnded]


def test_the_trace_of_a_run_has_its_latest_calls_and_says_how_many_were_before(
    store: Store, make_call: MakeCall
) -> None:
    calls = [make_call(number, grouping_run_id="task") for number in range(1, 6)]
    calls.append(make_call(6, grouping_run_id="task", kind=Kind.AUXILIARY, endpoint="models"))
    save(store, calls)
    [trace] = read_traces(store, list_runs(store), calls_max=2)
    assert [call.line.call_id for call in trace.calls] == [calls[4].call_id, calls[5].call_id]
    assert trace.earlier == 4


def test_what_was_shown_with_the_beginning_is_not_shown_again(store: Store, make_call: MakeCall) -> None:
    """A call that was stored between the marks and the look at what was."""
    watch = watching(store)
    save(store, [make_call(1)])
    watch.shown(read_traces(store, list_runs(store), calls_max=9))
    assert look(store, watch) == []


@pytest.fixture
def monkeypatch_page(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    return lambda page: monkeypatch.setattr(timeline, "PAGE", page)


steps = st.lists(st.tuples(st.integers(1, 30), st.booleans()), max_size=30)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps, looks=st.sets(st.integers(0, 30)), page=st.integers(1, 4))
def test_however_calls_come_each_is_shown_once_as_ended(
    store: Store,
    make_call: MakeCall,
    clear: Callable[[Store], None],
    monkeypatch_page: Callable[[int], None],
    steps: list[tuple[int, bool]],
    looks: set[int],
    page: int,
) -> None:
    """In any order, open first or not, and whenever one looks."""
    clear(store)
    monkeypatch_page(page)
    watch, found = watching(store), []
    ended: set[int] = set()
    for place, (number, is_open) in enumerate(steps):
        if number not in ended:
            open_fields = {"duration_ns": None, "status": None} if is_open else {}
            save(store, [make_call(number, **open_fields)])
            if not is_open:
                ended.add(number)
        if place in looks:
            found += look(store, watch)
    found += look(store, watch)
    whole = [each.call.line.call_id for each in found if isinstance(each, Called) and not each.call.is_open]
    assert sorted(whole) == sorted(make_call(number).call_id for number in ended)
