"""Where the official SDKs send to within a run, and what their requests say; a real server listens."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from arc_proxy import trace
from arc_proxy.trace import ArcTracer

HELLO: list[Any] = [{"role": "user", "content": "hello"}]


def ask_openai(client: Any) -> Any:
    return client.chat.completions.create(model="gpt-4o", messages=HELLO)


def ask_anthropic(client: Any) -> Any:
    return client.messages.create(model="claude-haiku-4-5", max_tokens=5, messages=HELLO)


# Each: what makes a client, what asks with it, and where that arrives.
SDKS = {
    "openai": (openai.OpenAI, ask_openai, "/openai/v1/chat/completions"),
    "anthropic": (anthropic.Anthropic, ask_anthropic, "/anthropic/v1/messages"),
    "openai, async": (openai.AsyncOpenAI, ask_openai, "/openai/v1/chat/completions"),
    "anthropic, async": (anthropic.AsyncAnthropic, ask_anthropic, "/anthropic/v1/messages"),
}
sdks = pytest.mark.parametrize(("make", "ask", "path"), SDKS.values(), ids=SDKS)


async def ask_and_close(make: Any, ask: Any) -> None:
    client = make()
    await ask(client)
    await client.close()


def run_with(tracer: ArcTracer, make: Any, ask: Any) -> None:
    """One run, in which a client is made and asked."""
    if make in (openai.AsyncOpenAI, anthropic.AsyncAnthropic):
        asyncio.run(tracer.trace_agent(ask_and_close)(make, ask))
    else:

        def work() -> None:
            with make() as client:
                ask(client)

        tracer.trace_agent(work)()


@sdks
def test_a_client_made_in_a_run_goes_through_the_proxy_and_names_its_run(
    sidecar, data_dir, facts, make, ask, path
):
    run_with(ArcTracer("fin ance/é", session_id="s-1", data_dir=data_dir), make, ask)

    ((target, headers),) = sidecar.requests
    assert target == "/agent/fin%20ance%2F%C3%A9" + path
    assert headers["x-arc-run-id"] == facts()[0]["run_id"]
    assert headers["x-arc-session-id"] == "s-1"


@sdks
def test_a_client_that_existed_before_is_led_through_the_proxy_within_a_run(
    sidecar, data_dir, facts, make, ask, path
):
    client = make()
    tracer = ArcTracer("finance", data_dir=data_dir)

    async def ask_twice() -> None:
        for _ in range(2):
            await ask(client)
        await client.close()

    if asyncio.iscoroutinefunction(client.close):
        asyncio.run(tracer.trace_agent(ask_twice)())
    else:
        with client:
            tracer.trace_agent(lambda: [ask(client), ask(client)])()

    run_id = facts()[0]["run_id"]
    assert [target for target, _ in sidecar.requests] == [f"/agent/finance{path}"] * 2
    for _, headers in sidecar.requests:
        assert (headers["x-arc-run-id"], headers["x-arc-agent"]) == (run_id, "finance")
        assert headers["host"] == f"127.0.0.1:{sidecar.server_port}"


def test_one_client_serves_several_runs_at_once(sidecar, data_dir):
    tracer = ArcTracer("finance", data_dir=data_dir)

    async def main() -> list[str]:
        async with openai.AsyncOpenAI() as client:

            async def work() -> str:
                await asyncio.gather(*(ask_openai(client) for _ in range(3)))
                return tracer.headers()["x-arc-run-id"]

            return await asyncio.gather(*(tracer.trace_agent(work)() for _ in range(5)))

    run_ids = asyncio.run(main())
    arrived = [headers["x-arc-run-id"] for _, headers in sidecar.requests]
    assert sorted(arrived) == sorted(run_ids * 3)


def test_outside_of_runs_the_agent_is_named_and_no_run(sidecar, data_dir):
    ArcTracer("finance", data_dir=data_dir)
    with openai.OpenAI() as client:
        ask_openai(client)
    ((target, headers),) = sidecar.requests
    assert target == "/agent/finance/openai/v1/chat/completions"
    assert not [name for name in headers if name.startswith("x-arc-")]


def test_with_several_agents_in_a_process_no_call_is_given_to_the_wrong_one(sidecar, data_dir):
    for name in ("finance", "support", "research"):
        ArcTracer(name, data_dir=data_dir)
    with openai.OpenAI() as client:
        ask_openai(client)
    assert sidecar.requests[0][0] == "/openai/v1/chat/completions"


def test_a_run_that_the_caller_names_itself_keeps_that_name(sidecar, data_dir):
    def work() -> None:
        with openai.OpenAI(default_headers={"X-Arc-Run-Id": "mine"}) as client:
            ask_openai(client)

    ArcTracer("finance", data_dir=data_dir).trace_agent(work)()
    assert sidecar.requests[0][1]["x-arc-run-id"] == "mine"


def test_requests_to_others_carry_nothing_of_ours(sidecar, data_dir):
    (data_dir / "serve.json").write_text('{"url": "http://127.0.0.1:1"}')  # so that this server is another

    def work() -> None:
        with httpx2.Client() as client:
            client.post(sidecar.url, content=b"x")

    ArcTracer("finance", data_dir=data_dir).trace_agent(work)()
    assert not [name for name in sidecar.requests[0][1] if name.startswith("x-arc-")]


# What the user has set stays


def test_a_base_url_that_the_user_set_stays(sidecar, data_dir, monkeypatch, caplog):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    ArcTracer("finance", data_dir=data_dir)

    assert os.environ["OPENAI_BASE_URL"] == "http://127.0.0.1:9/v1"
    assert os.environ["ANTHROPIC_BASE_URL"] == f"{sidecar.url}/agent/finance/anthropic"
    assert "OPENAI_BASE_URL leads past the proxy" in caplog.text


def test_a_base_url_of_the_launcher_stays_and_its_calls_join_their_runs(
    sidecar, data_dir, monkeypatch, caplog, facts
):
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://localhost:{sidecar.server_port}/openai/v1")
    run_with(ArcTracer("finance", data_dir=data_dir), openai.OpenAI, ask_openai)

    assert sidecar.requests[0][0] == "/openai/v1/chat/completions"
    assert sidecar.requests[0][1]["x-arc-run-id"] == facts()[0]["run_id"]
    assert caplog.text == ""


def test_a_client_with_a_proxy_of_its_own_is_left_to_it_with_a_warning(sidecar, data_dir, caplog):
    http_client = openai.DefaultHttpxClient(proxy="http://127.0.0.1:1")
    client = openai.OpenAI(http_client=http_client, max_retries=0)
    tracer = ArcTracer("finance", data_dir=data_dir)

    def work() -> None:
        with client, pytest.raises(openai.APIConnectionError):
            ask_openai(client)

    tracer.trace_agent(work)()
    assert sidecar.requests == []
    assert "in its own way" in caplog.text


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy"])
def test_a_proxy_for_http_is_not_asked_for_the_one_beside_us(sidecar, data_dir, monkeypatch, facts, variable):
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "intern.example")
    run_with(ArcTracer("finance", data_dir=data_dir), openai.OpenAI, ask_openai)

    assert len(sidecar.requests) == 1
    assert os.environ["NO_PROXY"] == os.environ["no_proxy"] == "intern.example,127.0.0.1"


# A proxy that is not there


DEAD = {
    "no serve.json": None,
    "one of a proxy that is gone": '{"url": "http://127.0.0.1:1"}',
    "one that is torn": '{"url": "http://127',
    "one that is something else": "[1, 2]",
    "one without a URL": '{"port": 8000}',
}


@pytest.mark.parametrize("content", DEAD.values(), ids=DEAD)
def test_nothing_is_aimed_at_a_proxy_that_does_not_answer(data_dir, caplog, content):
    if content is not None:
        (data_dir / "serve.json").write_text(content)
    ArcTracer("finance", data_dir=data_dir)

    assert "OPENAI_BASE_URL" not in os.environ
    assert "ANTHROPIC_BASE_URL" not in os.environ
    assert "no proxy answers" in caplog.text


def test_another_program_on_the_port_is_no_proxy(data_dir, caplog):
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        (data_dir / "serve.json").write_text(f'{{"url": "http://127.0.0.1:{port}"}}')

        async def reject(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            writer.close()
            await writer.wait_closed()

        async def main() -> None:
            async with await asyncio.start_server(reject, sock=stranger.dup()):
                await asyncio.to_thread(ArcTracer, "finance", data_dir=data_dir)

        asyncio.run(main())
    assert "OPENAI_BASE_URL" not in os.environ
    assert "no proxy answers" in caplog.text


def test_a_proxy_that_comes_later_is_found_and_one_that_goes_is_forgotten(
    sidecar, data_dir, monkeypatch, tmp_path
):
    monkeypatch.setattr(trace, "CONFIRM_EVERY_S", 0)
    serve = data_dir / "serve.json"
    aside = serve.rename(tmp_path / "serve.json")
    tracer = ArcTracer("finance", data_dir=data_dir)
    work = tracer.trace_agent(lambda: os.environ.get("OPENAI_BASE_URL"))

    assert work() is None
    aside.rename(serve)
    assert work() == f"{sidecar.url}/agent/finance/openai/v1"
    sidecar.shutdown()
    sidecar.server_close()
    assert work() is None


def test_the_default_folder_is_that_of_the_proxy(sidecar, data_dir, monkeypatch, tmp_path):
    found = []
    for name, value in (("ARC_DATA_DIR", data_dir), ("XDG_DATA_HOME", tmp_path / "xdg")):
        monkeypatch.setenv(name, str(value))
        ArcTracer("finance")
        found.append(os.environ.pop("OPENAI_BASE_URL", None))
        monkeypatch.delenv(name)
        (tmp_path / "xdg").mkdir(exist_ok=True)
        if not (tmp_path / "xdg/arc-proxy").exists():
            (tmp_path / "xdg/arc-proxy").symlink_to(data_dir)
    assert found == [f"{sidecar.url}/agent/finance/openai/v1"] * 2
    assert Path(os.environ["ANTHROPIC_BASE_URL"]).name == "anthropic"
