from __future__ import annotations

import asyncio
import copy
import inspect
import logging
import os
import pickle
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pydantic
import pytest

from arc_proxy.capture.run import is_sendable, make_run_id
from arc_proxy.trace import ArcTracer


class Boom(Exception):
    pass


class Agent:
    """Ways in which agents are run: each returns `x`, or raises if it is told to."""

    def __init__(self, name: str = "a") -> None:
        self.name = name
        self.pool = ThreadPoolExecutor(1)

    def run(self, x: Any) -> Any:
        return raise_or_return(x)

    async def arun(self, x: Any) -> Any:
        await asyncio.sleep(0)
        return raise_or_return(x)

    def call(self, x: Any) -> Any:
        return self._later(x)

    async def _later(self, x: Any) -> Any:
        await asyncio.sleep(0)
        return raise_or_return(x)

    def stream(self, x: Any) -> Iterator[Any]:
        yield raise_or_return(x)

    async def astream(self, x: Any) -> AsyncIterator[Any]:
        await asyncio.sleep(0)
        yield raise_or_return(x)

    def invoke(self, x: Any) -> Future[Any]:
        return self.pool.submit(raise_or_return, x)

    def kickoff(self, x: Any) -> Iterator[Any]:
        return self.stream(x)

    async def ainvoke(self, x: Any) -> Any:
        return await self.arun(x)

    def __call__(self, x: Any) -> Any:
        return raise_or_return(x)


def raise_or_return(x: Any) -> Any:
    if isinstance(x, BaseException):
        raise x
    return x


async def collect(items: AsyncIterator[Any]) -> Any:
    (item,) = [item async for item in items]
    return item


CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "a method": lambda agent, x: agent.run(x),
    "the object itself": lambda agent, x: agent(x),
    "a coroutine method": lambda agent, x: asyncio.run(agent.arun(x)),
    "a coroutine method that awaits another": lambda agent, x: asyncio.run(agent.ainvoke(x)),
    "a method that returns a coroutine": lambda agent, x: asyncio.run(agent.call(x)),
    "a generator method": lambda agent, x: next(iter(list(agent.stream(x)))),
    "a method that returns a generator": lambda agent, x: next(iter(list(agent.kickoff(x)))),
    "an async generator method": lambda agent, x: asyncio.run(collect(agent.astream(x))),
    "a method that returns a future": lambda agent, x: agent.invoke(x).result(),
}


@pytest.fixture
def tracer(data_dir: Path) -> ArcTracer:
    return ArcTracer("finance", data_dir=data_dir)


@pytest.fixture
def agent(tracer: ArcTracer) -> Iterator[Agent]:
    agent = tracer.trace_agent(Agent())
    yield agent
    agent.pool.shutdown()


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_call_is_one_run_with_a_beginning_and_an_end(agent, facts, call):
    assert call(agent, 7) == 7

    agent.pool.shutdown()  # what is done when a future is done is done by then
    start, end = facts()
    assert (start["fact"], start["agent"]) == ("run_start", "finance")
    assert (end["fact"], end["run_id"]) == ("run_end", start["run_id"])
    assert end["duration_ms"] >= 0


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_an_exception_is_a_fact_and_reaches_the_caller_as_it_was(agent, facts, call):
    boom = Boom("no data")

    with pytest.raises(Boom) as caught:
        call(agent, boom)

    assert caught.value is boom
    agent.pool.shutdown()
    _, exception, end = facts()
    assert exception["type"].endswith("Boom")
    assert exception["message"] == "no data"
    assert (exception["file"], exception["function"]) == (__file__, "raise_or_return")
    assert exception["line"] == inspect.getsourcelines(raise_or_return)[1] + 2
    assert end["fact"] == "run_end"


def test_the_frame_is_the_users_own_where_a_library_raised(tracer, facts):
    def parse(text: str) -> int:
        return pydantic.TypeAdapter(int).validate_python(text)

    with pytest.raises(pydantic.ValidationError):
        tracer.trace_agent(parse)("x")

    exception = facts()[1]
    assert (exception["file"], exception["type"]) == (
        __file__,
        "pydantic_core._pydantic_core.ValidationError",
    )
    assert exception["function"].endswith("parse")


async def test_a_cancelled_run_has_ended_and_has_not_failed(agent, facts):
    task = asyncio.create_task(agent.arun(1))
    await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task

    assert [fact["fact"] for fact in facts()] == ["run_start", "run_end"]
    assert facts()[1]["cancelled"] == "CancelledError"


def test_a_generator_that_is_closed_early_has_ended(tracer, facts):
    closed = []

    def stream() -> Iterator[int]:
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    items = tracer.trace_agent(stream)()
    assert next(items) == 1
    items.close()

    assert closed == [True]
    assert [fact["fact"] for fact in facts()] == ["run_start", "run_end"]


def test_a_generator_is_driven_as_if_it_were_not_wrapped(tracer):
    def talk() -> Iterator[Any]:
        got = yield "first"
        try:
            yield got
        except KeyError as error:
            got = yield error
        return got

    items = tracer.trace_agent(talk)()
    missing = KeyError("k")
    assert next(items) == "first"
    assert items.send("second") == "second"
    assert items.throw(missing) is missing
    with pytest.raises(StopIteration) as stop:
        items.send("last")
    assert stop.value.value == "last"


async def test_an_async_generator_is_driven_as_if_it_were_not_wrapped(tracer):
    closed = []

    async def talk() -> AsyncIterator[Any]:
        try:
            got = yield "first"
            try:
                yield got
            except KeyError as error:
                yield error
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    items = tracer.trace_agent(talk)()
    missing = KeyError("k")
    assert await anext(items) == "first"
    assert await items.asend("second") == "second"
    assert await items.athrow(missing) is missing
    await items.aclose()
    assert closed == [True]


def test_between_the_steps_of_a_generator_its_run_is_not_the_callers(tracer):
    seen = []

    def stream() -> Iterator[None]:
        for _ in range(2):
            seen.append(tracer.headers()["x-arc-run-id"])
            yield

    for _ in tracer.trace_agent(stream)():
        assert tracer.headers() == {}
    assert len(set(seen)) == 1


def test_several_generators_at_once_are_told_apart(tracer):
    def stream() -> Iterator[str]:
        for _ in range(3):
            yield tracer.headers()["x-arc-run-id"]

    traced = tracer.trace_agent(stream)
    steps = list(zip(traced(), traced(), strict=True))
    assert len({first for first, _ in steps}) == len({second for _, second in steps}) == 1
    assert steps[0][0] != steps[0][1]


# What the program sees of its agent


@dataclass
class Plain:
    name: str

    def run(self) -> str:
        return self.name


@dataclass(frozen=True)
class Frozen:
    name: str

    def run(self) -> str:
        return self.name


class Slotted:
    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Slotted) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def run(self) -> str:
        return self.name


class Reduced(Slotted):
    __slots__ = ()

    def __reduce__(self) -> Any:
        return type(self), (self.name,)


class Model(pydantic.BaseModel):
    name: str

    def run(self) -> str:
        return self.name


@pytest.mark.parametrize("cls", [Plain, Frozen, Slotted, Reduced, Model])
def test_a_traced_object_is_the_object_that_it_was(tracer, facts, cls):
    agent = cls(name="a")
    known = dict(vars(agent)) if hasattr(agent, "__dict__") else {}
    text = repr(agent) if cls not in (Slotted, Reduced) else ""

    traced = tracer.trace_agent(agent)

    assert traced is agent
    assert traced.run() == "a"
    assert isinstance(traced, cls)
    assert traced.__class__ is cls
    assert traced == cls(name="a")
    assert cls(name="a") == traced
    assert cls.__hash__ is None or hash(traced) == hash(cls(name="a"))
    assert not known or vars(traced) == known
    assert not text or repr(traced) == text
    assert [fact["fact"] for fact in facts()] == ["run_start", "run_end"]


@pytest.mark.parametrize("cls", [Plain, Frozen, Slotted, Reduced, Model])
@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, lambda agent: pickle.loads(pickle.dumps(agent))],
    ids=["copy", "deepcopy", "pickle"],
)
def test_copies_and_pickles_are_agents_of_their_own(tracer, cls, duplicate):
    agent = tracer.trace_agent(cls(name="a"))

    twin = duplicate(agent)

    assert twin is not agent
    assert twin == agent
    assert twin.run() == "a"


def test_methods_keep_kind_signature_and_text(agent):
    assert inspect.iscoroutinefunction(agent.arun)
    assert inspect.isgeneratorfunction(agent.stream)
    assert inspect.isasyncgenfunction(agent.astream)
    assert inspect.signature(agent.run) == inspect.signature(Agent().run)
    assert agent.run.__name__ == "run"


def test_a_traced_function_keeps_kind_name_and_signature(tracer):
    async def plan(question: str, *, depth: int = 3) -> str:
        """Think."""
        return question * depth

    traced = tracer.trace_agent(plan)

    assert inspect.iscoroutinefunction(traced)
    assert inspect.signature(traced) == inspect.signature(plan)
    assert (traced.__name__, traced.__doc__) == ("plan", "Think.")
    assert asyncio.run(traced("x", depth=2)) == "xx"


def test_an_instance_with_a_function_of_its_own_is_traced_too(tracer, facts):
    agent = Plain("a")
    agent.run = lambda: "mine"  # type: ignore[method-assign]

    assert tracer.trace_agent(agent).run() == "mine"
    assert len(facts()) == 2


def test_a_callable_attribute_that_is_no_method_stays_what_it_is(tracer):
    class Settings:
        verbose = True

        def __call__(self) -> None:
            pass

    class Configured(Plain):
        stream = Settings()

    agent = Configured("a")
    agent.invoke = Settings()

    traced = tracer.trace_agent(agent)

    assert traced.stream.verbose
    assert traced.invoke.verbose


def test_a_partial_is_traced_as_a_function(tracer, facts):
    assert tracer.trace_agent(partial(max, 3))(2) == 3
    assert len(facts()) == 2


def test_tracing_twice_is_tracing_once(tracer, facts):
    agent = tracer.trace_agent(tracer.trace_agent(Plain("a")))
    agent.run()
    assert len(facts()) == 2


def test_other_instances_of_the_class_are_left_alone(tracer, facts):
    tracer.trace_agent(Plain("a"))
    Plain("b").run()
    assert facts() == []


class Sealed:
    def __init_subclass__(cls) -> None:
        raise TypeError("no subclasses, please")

    def run(self) -> str:
        return "ran"


@pytest.mark.parametrize(
    "agent",
    [Sealed(), 7, None, [1]],
    ids=["a class that allows no subclass", "a number", "None", "a list"],
)
def test_what_cannot_be_traced_comes_back_as_it_was_with_a_warning(tracer, agent, caplog):
    caplog.clear()
    assert tracer.trace_agent(agent) is agent
    assert "cannot be traced" in caplog.text


# Runs inside runs


def test_a_method_that_calls_another_of_its_own_agent_stays_in_its_run(tracer, facts):
    class Outer:
        def run(self) -> str:
            return self.invoke()

        def invoke(self) -> str:
            return "x"

    tracer.trace_agent(Outer()).run()
    assert len(facts()) == 2


def test_an_agent_that_is_called_by_another_has_it_as_its_parent(data_dir, facts):
    inner = ArcTracer("search", data_dir=data_dir).trace_agent(Plain("found"))
    outer = ArcTracer("finance", data_dir=data_dir).trace_agent(lambda: inner.run())

    assert outer() == "found"

    first, second, *_ends = facts()
    assert (first["agent"], second["agent"]) == ("finance", "search")
    assert second["parent_run_id"] == first["run_id"]
    assert "parent_run_id" not in first


async def test_tasks_at_once_are_runs_of_their_own(tracer, facts):
    async def work() -> tuple[str, str]:
        before = tracer.headers()["x-arc-run-id"]
        await asyncio.sleep(0.001)

        async def child() -> str:
            return tracer.headers()["x-arc-run-id"]

        return before, await asyncio.create_task(child())

    traced = tracer.trace_agent(work)
    ids = await asyncio.gather(*(traced() for _ in range(20)))

    assert all(before == after for before, after in ids)
    assert len({before for before, _ in ids}) == 20
    assert sum(fact["fact"] == "run_end" for fact in facts()) == 20


def test_threads_and_pools_keep_the_run_they_were_started_in(tracer):
    pool = ThreadPoolExecutor(2)

    def current() -> str | None:
        return tracer.headers().get("x-arc-run-id")

    def work() -> tuple[Any, ...]:
        in_thread: list[str | None] = []
        thread = threading.Thread(target=lambda: in_thread.append(current()))
        thread.start()
        thread.join()
        in_pool = [pool.submit(current).result() for _ in range(4)]
        in_loop = asyncio.run(asyncio.to_thread(current))
        return current(), *in_thread, *in_pool, in_loop

    traced = tracer.trace_agent(work)
    first, second = set(traced()), set(traced())

    assert len(first) == len(second) == 1
    assert None not in first | second
    assert first != second
    # The workers were started within a run, and belong to none.
    assert [pool.submit(current).result() for _ in range(4)] == [None] * 4
    pool.shutdown()


def test_a_thread_that_outlives_its_run_is_in_no_run(tracer):
    ended, seen = threading.Event(), []

    def outlive() -> None:
        ended.wait(10)
        seen.append(tracer.headers())

    def work() -> threading.Thread:
        thread = threading.Thread(target=outlive)
        thread.start()
        return thread

    thread = tracer.trace_agent(work)()
    ended.set()
    thread.join()
    assert seen == [{}]


def test_a_block_is_a_run(tracer, facts):
    with suppress(Boom), tracer.run(session_id="s-1", tags={"case": 17}) as run:
        headers = tracer.headers()
        raise Boom

    assert headers == {
        "x-arc-run-id": run.run_id,
        "x-arc-agent": "finance",
        "x-arc-session-id": "s-1",
        "x-arc-tags": "case=17",
    }
    start, exception, end = facts()
    assert (start["session_id"], start["tags"]) == ("s-1", {"case": "17"})
    assert start["run_id"] == exception["run_id"] == end["run_id"] == run.run_id
    assert exception["function"] == "test_a_block_is_a_run"


# Outcomes


def test_an_outcome_is_of_the_open_run_else_of_the_last(tracer, facts):
    with tracer.run() as run:
        tracer.outcome("failure", reason="no answer")
    tracer.outcome(True, score=0.9)

    told = [fact for fact in facts() if fact["fact"] == "outcome"]
    assert [(fact["run_id"], fact["outcome"]) for fact in told] == [
        (run.run_id, "failure"),
        (run.run_id, "success"),
    ]
    assert (told[0]["reason"], told[1]["score"], told[1]["source"]) == ("no answer", 0.9, "tracer")


@pytest.mark.parametrize("before", [0, 1])
def test_an_outcome_after_asyncio_run_is_of_the_run_in_it(agent, tracer, facts, before):
    for _ in range(before):
        agent.run(0)
    asyncio.run(agent.arun(1))
    tracer.outcome("success")
    assert facts()[-1]["run_id"] == facts()[-2]["run_id"]


async def test_outcomes_in_tasks_at_once_are_of_their_own_runs(tracer, facts):
    async def serve() -> bool:
        with tracer.run() as run:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.001)
        return tracer.run_id == run.run_id

    # Each in a context of its own, as a server has them.
    assert all(await asyncio.gather(*(asyncio.create_task(serve(), context=Context()) for _ in range(5))))


def test_an_outcome_that_could_mean_several_runs_is_refused_with_a_warning(agent, tracer, facts, caplog):
    async def both() -> None:
        await asyncio.gather(agent.arun(1), agent.arun(2))

    asyncio.run(both())
    tracer.outcome("success")
    tracer.outcome("splendid", run_id="r")  # type: ignore[arg-type]

    assert not [fact for fact in facts() if fact["fact"] == "outcome"]
    assert "needs run_id=" in caplog.text
    assert "not 'splendid'" in caplog.text


# Nothing of it reaches the program


def test_no_credential_stands_in_an_exception_fact(tracer, data_dir, monkeypatch):
    monkeypatch.setenv("ACME_API_KEY", "canary-5f0e7")
    keys = ["canary-5f0e7", "sk-ant-api03-CANARY", "AIzaCANARY12345", "Bearer canary.token-1"]

    def fail() -> None:
        raise Boom(f"rejected: {' '.join(keys)}")

    with pytest.raises(Boom):
        tracer.trace_agent(fail)()
    tracer.outcome("failure", reason=f"rejected {keys[0]}")

    journal = b"".join(path.read_bytes() for path in data_dir.rglob("*.seg"))
    assert b"rejected" in journal
    assert b"canary" not in journal.lower()


def test_a_journal_that_cannot_be_written_is_a_warning(tmp_path, caplog):
    (tmp_path / "journal").mkdir()
    tracer = ArcTracer("finance", data_dir=tmp_path)
    with tracer.run():
        for path in (tmp_path / "journal").iterdir():
            path.rename(tmp_path / "gone")
        (tmp_path / "journal").rmdir()
    os.mkfifo(tmp_path / "journal")

    assert tracer.trace_agent(lambda: 7)() == 7


def test_an_exception_without_a_text_is_still_one(tracer, facts):
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    def fail() -> None:
        raise Mute

    with pytest.raises(Mute):
        tracer.trace_agent(fail)()
    assert [fact["fact"] for fact in facts()] == ["run_start", "exception", "run_end"]


def test_without_a_data_folder_nothing_is_made(tmp_path, caplog):
    folder = tmp_path / "none"
    with caplog.at_level(logging.WARNING):
        assert ArcTracer("finance", data_dir=folder).trace_agent(lambda: 7)() == 7
        ArcTracer("finance", data_dir=folder)
    assert not folder.exists()
    assert caplog.text.count("no proxy answers") == 1


def test_a_forked_child_writes_as_itself(tracer, data_dir, facts):
    work = tracer.trace_agent(lambda: None)
    work()
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    work()

    assert len({fact["run_id"] for fact in facts()}) == 3
    assert len(list((data_dir / "journal").iterdir())) == 2


def test_run_ids_are_uuids():
    from uuid import UUID

    made = {make_run_id() for _ in range(100)}
    assert len(made) == 100
    assert all(UUID(text).version == 4 and str(UUID(text)) == text for text in made)


@pytest.mark.parametrize(
    ("text", "sendable"),
    {"finance": True, "größe": False, "a\r\nx-evil: 1": False, "x" * 201: False, "\x00": False}.items(),
)
def test_only_what_fits_in_a_header_is_sent(text, sendable):
    assert is_sendable(text) is sendable
