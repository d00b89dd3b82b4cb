"""
WebSockets through a real `serve`: the official SDK before a provider that another library makes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.socket_provider import SocketProvider
from tests.system.installation import Installation

KEY = "sk-test-canary-0123456789abcdef"
WAIT_S = 60


@pytest.fixture
async def sockets() -> AsyncIterator[SocketProvider]:
    async with SocketProvider() as provider:
        yield provider


def client_of(installation: Installation, run: str = "") -> openai.AsyncOpenAI:
    prefix = f"/run/{run}" if run else ""
    return openai.AsyncOpenAI(
        api_key=KEY, base_url=f"http://127.0.0.1:{installation.port}{prefix}/openai/v1", max_retries=0
    )


async def ask(connection: Any, text: str) -> Any:
    """One question of a realtime conversation, and the response that is done."""
    content = [{"type": "input_text", "text": text}]
    item = {"type": "message", "role": "user", "content": content}
    await connection.conversation.item.create(item=item)
    await connection.response.create()
    async for event in connection:
        if event.type == "response.done":
            return event.response
    raise AssertionError("it ended without a response")


async def exported(installation: Installation) -> list[dict[str, Any]]:
    return await asyncio.to_thread(installation.calls)


async def closed_of(websocket: ClientConnection) -> ConnectionClosed:
    """How it ends, once all is read."""
    try:
        while True:
            await asyncio.wait_for(websocket.recv(), WAIT_S)
    except ConnectionClosed as closed:
        return closed


async def cli(installation: Installation, *arguments: str) -> str:
    return await asyncio.to_thread(installation.cli, *arguments)


async def test_the_sdk_talks_realtime(sockets: SocketProvider, data_dir: Path) -> None:
    """Text, sound, tools, an error: each response a call with usage and cost while the socket is open."""
    with Installation(data_dir, sockets.url) as installation:
        async with client_of(installation, "talk").realtime.connect(model="gpt-realtime") as connection:
            tool = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}
            await connection.session.update(
                session={"type": "realtime", "instructions": "Be brief.", "tools": [tool]}
            )
            assert (await ask(connection, "good morning")).status == "completed"
            called = (await ask(connection, "tool please")).output[0]
            output = {"type": "function_call_output", "call_id": called.call_id, "output": "sunny"}
            await connection.conversation.item.create(item=output)
            await connection.response.create()
            async for event in connection:
                if event.type == "response.done":
                    break
            assert (await ask(connection, "fail now")).status == "failed"
            calls = await exported(installation)
        assert [call["output_text"] for call in calls] == ["GOOD MORNING", None, "TOOL RESULT", None]
        socket_id = calls[0]["call_id"].partition(".")[0]
        assert [call["call_id"] for call in calls] == [f"{socket_id}.{number}" for number in (1, 2, 3, 4)]
        assert {call["run_id"] for call in calls} == {"talk"}
        assert calls[1]["tool_calls"] == [
            {"id": called.call_id, "name": "weather", "arguments": '{"city":"Rome"}'}
        ]
        for call in calls[:3]:
            assert (call["model"], call["kind"], call["endpoint"]) == (
                "gpt-realtime",
                "generation",
                "realtime",
            )
            assert (call["input_tokens"], call["output_tokens"]) == (130, 100)
            assert (call["cost_usd"], call["cost_grade"]) == ("0.008760000", "computed")
        assert calls[3]["error"]["type"] == "server_error"
        assert await exported(installation) == calls  # its end adds no row
        shown = await cli(installation, "show", calls[1]["call_id"], "--full")
        assert "weather" in shown
        assert "Be brief." in shown
        assert "talk" in await cli(installation, "show", "talk")
        har = json.loads(await cli(installation, "export", "calls", "--format", "har"))
        assert len(har["log"]["entries"]) == 1
        assert "gpt-realtime" in await cli(installation, "report")
    assert_no_key(data_dir)


async def test_the_sdk_talks_responses(sockets: SocketProvider, data_dir: Path) -> None:
    with Installation(data_dir, sockets.url) as installation:
        async with client_of(installation).responses.connect() as connection:
            previous: dict[str, Any] = {}
            for text in ("good morning", "and good night"):
                await connection.response.create(model="gpt-5.2", input=text, **previous)
                async for event in connection:
                    if event.type == "response.completed":
                        previous = {"previous_response_id": event.response.id}
                        break
            await connection.response.create(model="gpt-5.2", input="fail now")
            async for event in connection:
                assert event.type == "error"
                break
        calls = await exported(installation)
    assert [call["output_text"] for call in calls] == ["GOOD MORNING", "AND GOOD NIGHT", None]
    assert calls[0]["run_id"] == calls[1]["run_id"]
    assert [call["cost_grade"] for call in calls] == ["computed"] * 3
    assert (calls[2]["status"], calls[2]["error"]["type"], calls[2]["cost_usd"]) == (
        429,
        "rate_limit_error",
        "0.000000000",
    )
    assert_no_key(data_dir)


async def test_gemini_live(sockets: SocketProvider, data_dir: Path) -> None:
    """Without its SDK, which speaks TLS to whatever base URL it is given."""
    path = "gemini/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
    with Installation(data_dir, sockets.url) as installation:
        async with connect(f"ws://127.0.0.1:{installation.port}/{path}?key={KEY}") as websocket:
            await websocket.send('{"setup":{"model":"models/gemini-2.0-flash-live-001"}}')
            assert await websocket.recv() == b'{"setupComplete":{}}'
            for text in ("good morning", "and good night"):
                turn = {"role": "user", "parts": [{"text": text}]}
                await websocket.send(json.dumps({"client_content": {"turns": [turn], "turn_complete": True}}))
                while b"turnComplete" not in await asyncio.wait_for(websocket.recv(decode=False), WAIT_S):
                    pass
            calls = await exported(installation)
    assert [call["output_text"] for call in calls] == ["GOOD MORNING", "AND GOOD NIGHT"]
    for call in calls:
        assert (call["provider"], call["dialect"]) == ("google", "gemini.live")
        assert (call["input_tokens"], call["output_tokens"], call["usage_grade"]) == (20, 5, "reported")
    assert calls[0]["run_id"] == calls[1]["run_id"]
    assert_no_key(data_dir)


async def test_fifty_at_once(sockets: SocketProvider, data_dir: Path) -> None:
    async def talk(installation: Installation, number: int) -> None:
        client = client_of(installation, f"run-{number}")
        async with client.realtime.connect(model="gpt-realtime") as connection:
            for question in range(3):
                done = await ask(connection, f"question {question} of {number}")
                assert done.output[0].content[0].transcript == f"QUESTION {question} OF {number}"

    with Installation(data_dir, sockets.url, "--workers", "2") as installation:
        async with asyncio.timeout(WAIT_S):
            await asyncio.gather(*(talk(installation, number) for number in range(50)))
        calls = await exported(installation)
    told = {(call["run_id"], call["output_text"]) for call in calls}
    assert told == {(f"run-{n}", f"QUESTION {q} OF {n}") for n in range(50) for q in range(3)}
    assert len(calls) == 150


async def test_closes_pass_both_ways(sockets: SocketProvider, data_dir: Path) -> None:
    """With code and reason; of a reset there is none."""
    with Installation(data_dir, sockets.url) as installation:
        url = f"ws://127.0.0.1:{installation.port}/openai/v1/realtime?model=gpt-realtime"
        for code in (1000, 1001, 1008, 1011, 4000):
            async with connect(url) as websocket:
                await websocket.recv()
                item = {"type": "message", "content": [{"type": "input_text", "text": f"close {code}"}]}
                await websocket.send(json.dumps({"type": "conversation.item.create", "item": item}))
                await websocket.send('{"type":"response.create"}')
                closed = await closed_of(websocket)
            assert closed.rcvd is not None
            assert (closed.rcvd.code, closed.rcvd.reason) == (code, "as you wish")
        for code in (1000, 1001, 1008, 1011, 4000):
            async with connect(url) as websocket:
                await websocket.recv()
                await websocket.close(code, "goodbye")
        for _ in range(500):
            goodbyes = [code for code, reason in sockets.closes if reason == "goodbye"]
            if len(goodbyes) == 5:
                break
            await asyncio.sleep(0.02)
        assert goodbyes == [1000, 1001, 1008, 1011, 4000]
        async with connect(url) as websocket:
            await websocket.recv()
            item = {"type": "message", "content": [{"type": "input_text", "text": "reset"}]}
            await websocket.send(json.dumps({"type": "conversation.item.create", "item": item}))
            await websocket.send('{"type":"response.create"}')
            assert (await closed_of(websocket)).rcvd is None


async def test_a_key_in_a_subprotocol_goes_to_the_provider_alone(
    sockets: SocketProvider, data_dir: Path
) -> None:
    with Installation(data_dir, sockets.url) as installation:
        url = f"ws://127.0.0.1:{installation.port}/openai/v1/realtime?model=gpt-realtime"
        offered = ["realtime", f"openai-insecure-api-key.{KEY}"]
        async with connect(url, subprotocols=offered) as websocket:  # type: ignore[arg-type]
            await websocket.recv()
            assert websocket.subprotocol == "realtime"
        await exported(installation)
    assert sockets.protocols == [f"realtime, openai-insecure-api-key.{KEY}"]
    assert_no_key(data_dir)


async def test_without_websockets_the_answer_is_426(sockets: SocketProvider, data_dir: Path) -> None:
    with Installation(data_dir, sockets.url, "--no-websockets") as installation:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://127.0.0.1:{installation.port}/openai/v1/responses")
        assert refused.value.response.status_code == 426
        [call] = await exported(installation)
        assert (call["status"], call["ended"], call["cost_usd"]) == (426, "refused", "0.000000000")


async def test_a_killed_gateway_loses_nothing_that_the_client_has(
    sockets: SocketProvider, data_dir: Path
) -> None:
    """In the middle of a response, and behind one that was whole."""
    with Installation(data_dir, sockets.url) as installation:
        client = client_of(installation, "talk")
        heard = ""
        async with client.realtime.connect(model="gpt-realtime", max_retries=0) as connection:
            await ask(connection, "good morning")
            item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hang"}]}
            await connection.conversation.item.create(item=item)  # type: ignore[arg-type]
            await connection.response.create()
            with pytest.raises(Exception, match="no close frame"):  # noqa: PT012
                async for event in connection:
                    if event.type == "response.output_audio_transcript.delta":
                        heard += event.delta
                        for gateway in installation.children("arc_proxy.gateway"):
                            gateway.kill()
                raise AssertionError("it ended in good order")
        for _ in range(100):
            calls = await exported(installation)
            if calls and calls[-1]["ended"] == "interrupted" and calls[-1]["duration_ms"] is not None:
                break
            await asyncio.sleep(0.1)
    assert "HANG" in heard
    texts = [(call["output_text"] or "").strip() for call in calls]
    assert texts[0] == "GOOD MORNING"
    assert "HANG" in texts[-1]
    assert (calls[-1]["ended"], calls[0]["ended"]) == ("interrupted", "complete")
    assert len({call["call_id"] for call in calls}) == len(calls)


def assert_no_key(data_dir: Path) -> None:
    for path in data_dir.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path
