"""Calls that wait for a verdict: what is asked, what is refused, and that nothing else is held up or lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from arc_proxy.gateway.judge import UNREAD_BYTES_MAX, Line
from arc_proxy.journal.record import Ended
from arc_proxy.verdict import GO_ON, Question, Verdict, read_question, verdict_line
from tests.fake_provider import BODY, FakeProvider, reply
from tests.gateway.harness import Gateway, StartGateway, Wire

NO = Verdict("run_budget_spent", "This run has cost $0.52, its budget is $0.50.")
CHAT = "/openai/v1/chat/completions"

Answer = Callable[[int, Question, asyncio.StreamWriter], Awaitable[None]]


class Judges:
    """The console's end of the line: `answer` is called for each question, in a task of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.asked: list[Question] = []
        self.lines = 0
        self.answer: Answer = say(GO_ON)
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, str(self.path))

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in self._writers:
                writer.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.lines += 1
        self._writers.append(writer)
        while line := await reader.readline():
            number, question = read_question(line)
            self.asked.append(question)
            task = asyncio.create_task(self.answer(number, question, writer))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


def say(verdict: Verdict) -> Answer:
    async def answer(number: int, _: Question, writer: asyncio.StreamWriter) -> None:
        writer.write(verdict_line(number, verdict))

    return answer


def send(content: bytes) -> Answer:
    async def answer(_: int, __: Question, writer: asyncio.StreamWriter) -> None:
        writer.write(content)

    return answer


async def hang(_: int, __: Question, ___: asyncio.StreamWriter) -> None: ...


async def hang_up(_: int, __: Question, writer: asyncio.StreamWriter) -> None:
    writer.close()


@pytest.fixture
async def judges(tmp_path: Path) -> AsyncIterator[Judges]:
    judges = Judges(tmp_path / "g.sock")
    await judges.start()
    yield judges
    await judges.stop()


@pytest.fixture
async def guarded(start_gateway: StartGateway, judges: Judges, provider: FakeProvider) -> Gateway:
    provider.answer = lambda _: (BODY, reply(b"{}"))
    return await start_gateway(guard_socket=str(judges.path))


async def post(gateway: Gateway, *lines: bytes, path: str = CHAT, body: bytes = b"{}") -> Wire:
    wire = await gateway.connect()
    await wire.send(gateway.request(path, *lines, method=b"POST", body=body))
    return wire


async def health(gateway: Gateway) -> dict[str, Any]:
    wire = await gateway.get("/_arc/health")
    await wire.until(b"\r\n\r\n")
    counts: dict[str, Any] = json.loads(await wire.until(b"}}"))["counts"]
    return counts


ASKED: dict[str, tuple[str, tuple[bytes, ...], Question]] = {
    "nobody": (CHAT, (), Question()),
    "headers": (
        CHAT,
        (b"x-arc-agent: a", b"x-arc-run-id: r", b"x-arc-budget-usd: 0.5"),
        Question(agent="a", run_id="r", budget_nanousd=500_000_000),
    ),
    "prefixes": (f"/agent/a%20b/run/r{CHAT}", (), Question(agent="a b", run_id="r")),
    "a header and a prefix": (f"/agent/a/run/r{CHAT}", (b"x-arc-agent: b",), Question(agent="b", run_id="r")),
    "another product's header": (CHAT, (b"X-Agent-Name: finance",), Question(agent="finance")),
    "ours before another's": (
        CHAT,
        (b"x-litellm-agent-id: theirs", b"x-arc-agent: ours"),
        Question(agent="ours"),
    ),
    "what is malformed": (CHAT, (b"x-arc-agent: " + b"a" * 201, b"x-arc-budget-usd: much"), Question()),
}


@pytest.mark.parametrize(("path", "lines", "question"), ASKED.values(), ids=ASKED)
async def test_asks_for(
    guarded: Gateway, judges: Judges, path: str, lines: tuple[bytes, ...], question: Question
) -> None:
    wire = await post(guarded, *lines, path=path)
    assert (await wire.until(b"{}")).startswith(b"HTTP/1.1 200")
    assert judges.asked == [question]


async def test_only_calls_that_cost_are_judged(guarded: Gateway, judges: Judges) -> None:
    for path in ("/openai/v1/models", "/_arc/health"):
        wire = await guarded.get(path)
        assert (await wire.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    wire = await post(guarded, path="/no/such/provider")
    assert not (await wire.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 200"), "refused without asking"
    assert judges.asked == []


SHAPES = {
    "openai": (CHAT, {"error": {"type": "arc_proxy_error", "code": NO.code}}),
    "anthropic": ("/anthropic/v1/messages", {"error": {"type": "billing_error", "code": NO.code}}),
    "gemini": ("/gemini/v1beta/models/m:generateContent", {"error": {"code": 402}}),
}


@pytest.mark.parametrize(("path", "said"), SHAPES.values(), ids=SHAPES)
async def test_a_refusal_has_the_providers_shape_and_reaches_nobody(
    guarded: Gateway, judges: Judges, provider: FakeProvider, path: str, said: dict[str, Any]
) -> None:
    judges.answer = say(NO)
    wire = await post(guarded, path=path)
    head = await wire.until(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 402 Payment Required\r\n")
    assert b"x-should-retry: false" in head
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    body = json.loads(await wire.exactly(length))
    assert body["error"]["message"] == NO.message
    assert body["error"].items() >= said["error"].items()
    assert provider.requests == []
    (call,) = await guarded.ended()
    assert call.end is not None
    assert (call.end.ended, call.end.detail) == (Ended.REFUSED, NO.code)
    assert call.response is not None
    assert call.response.status == 402
    assert (await health(guarded))["refused"] == 1


async def test_the_connection_goes_on_after_a_refusal(guarded: Gateway, judges: Judges) -> None:
    judges.answer = say(NO)
    wire = await post(guarded)
    await wire.until(b"}}")
    judges.answer = say(GO_ON)
    await wire.send(guarded.request(CHAT, method=b"POST", body=b"{}"))
    assert (await wire.until(b"{}")).startswith(b"HTTP/1.1 200")


TROUBLE: dict[str, Answer] = {
    "hangs": hang,
    "hangs up": hang_up,
    "talks nonsense": send(b"what?\n"),
    "answers somebody else": send(verdict_line(10**6, NO)),
    "never ends its line": send(b"x" * 100_000),
}


@pytest.mark.parametrize("answer", TROUBLE.values(), ids=TROUBLE)
async def test_a_call_goes_on_when_the_console(guarded: Gateway, judges: Judges, answer: Answer) -> None:
    judges.answer = answer
    for _ in range(2):
        wire = await post(guarded)
        assert (await wire.until(b"{}")).startswith(b"HTTP/1.1 200")
    counts = await health(guarded)
    assert (counts["judged_calls"], counts["unjudged_calls"]) == (0, 2)
    judges.answer = say(NO)
    wire = await post(guarded)
    assert (await wire.until(b"\r\n")).startswith(b"HTTP/1.1 402"), "and is asked again"


async def test_a_call_goes_on_while_there_is_no_console(guarded: Gateway, judges: Judges) -> None:
    await judges.stop()
    wire = await post(guarded)
    assert (await wire.until(b"{}")).startswith(b"HTTP/1.1 200")
    judges.path.unlink(missing_ok=True)
    await judges.start()
    judges.answer = say(NO)
    wire = await post(guarded)
    assert (await wire.until(b"\r\n")).startswith(b"HTTP/1.1 402")


async def test_many_questions_share_one_line(guarded: Gateway, judges: Judges) -> None:
    order: list[int] = []

    async def late_ones_first(number: int, question: Question, writer: asyncio.StreamWriter) -> None:
        order.append(number)
        while len(order) < 20:
            await asyncio.sleep(0)
        verdict = NO if question.run_id == "bad" else GO_ON
        asyncio.get_running_loop().call_later(
            0.001 * (20 - number), writer.write, verdict_line(number, verdict)
        )

    judges.answer = late_ones_first
    runs = [b"x-arc-run-id: " + (b"bad" if place % 3 else b"good") for place in range(20)]
    wires = [await post(guarded, run) for run in runs]
    for run, wire in zip(runs, wires, strict=True):
        status = b"402" if run.endswith(b"bad") else b"200"
        assert (await wire.until(b"\r\n")).startswith(b"HTTP/1.1 " + status)
    assert judges.lines == 1


async def test_what_a_console_does_not_read_does_not_pile_up(tmp_path: Path) -> None:
    over = asyncio.Event()

    async def read_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    server = await asyncio.start_unix_server(read_nothing, str(tmp_path / "g.sock"), limit=1)
    _, line = await asyncio.get_running_loop().create_unix_connection(Line, str(tmp_path / "g.sock"))
    question = Question(agent="\u20ac" * 200, run_id="\u20ac" * 200)
    asking = []
    for number in range(10_000):
        asking.append(asyncio.create_task(line.ask(number, question)))
        await asyncio.sleep(0)
        if asking[-1].done():
            break
    assert isinstance(asking.pop().exception(), ConnectionError), "not asked any more"
    assert line.unread_bytes <= UNREAD_BYTES_MAX + 10_000
    for each in asking:
        each.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    line.hang_up()
    over.set()
    server.close()
    await asyncio.sleep(0)


async def test_a_client_that_leaves_while_it_waits_is_recorded_and_sent_nowhere(
    guarded: Gateway, judges: Judges, provider: FakeProvider
) -> None:
    judges.answer = hang
    wire = await post(guarded)
    while not judges.asked:
        await asyncio.sleep(0.001)
    wire.close()
    (call,) = await guarded.ended()
    assert call.end is not None
    assert call.end.ended is Ended.CLIENT_CLOSED
    assert provider.requests == []


async def test_a_large_body_that_is_still_coming_is_taken_in_after_a_refusal(
    guarded: Gateway, judges: Judges
) -> None:
    judges.answer = say(NO)
    wire = await guarded.connect()
    size = 3_000_000
    await wire.send(guarded.request(CHAT, b"Content-Length: %d" % size, method=b"POST"), b"x" * 1000)
    assert (await wire.until(b"\r\n")).startswith(b"HTTP/1.1 402")
    await wire.until(b"}}")
    await wire.send(b"x" * (size - 1000))


async def test_a_body_waits_for_the_verdict_and_arrives_whole(
    guarded: Gateway, judges: Judges, provider: FakeProvider
) -> None:
    body = bytes(range(256)) * 8000

    async def slowly(number: int, _: Question, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.02)
        writer.write(verdict_line(number, GO_ON))

    judges.answer = slowly
    wire = await post(guarded, body=body)
    assert (await wire.until(b"{}")).startswith(b"HTTP/1.1 200")
    assert bytes(provider.requests[0].body) == body
    (call,) = await guarded.ended()
    assert call.request_body == body


async def test_a_repeated_head_is_asked_for_each_time(guarded: Gateway, judges: Judges) -> None:
    wire = await guarded.connect()
    for _ in range(3):
        await wire.send(guarded.request(CHAT, b"x-arc-run-id: r", method=b"POST", body=b"{}"))
        assert (await wire.until(b"{}")).startswith(b"HTTP/1.1 200")
    assert judges.asked == [Question(run_id="r")] * 3


async def test_a_websocket_is_asked_for_when_it_is_opened(
    guarded: Gateway, judges: Judges, provider: FakeProvider
) -> None:
    """What is said on it later is not: it is a pipe."""
    judges.answer = say(NO)
    upgrade = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: x", b"x-arc-run-id: r")
    wire = await guarded.get("/openai/v1/realtime", *upgrade)
    assert (await wire.rest()).startswith(b"HTTP/1.1 402 ")
    assert [question.run_id for question in judges.asked] == ["r"]
    assert provider.connections == []
