"""The demo's provider, spoken to by the official SDKs: they accept what it says."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import openai
import pytest
from aiohttp.test_utils import TestServer

from arc_proxy.demo.provider import make_app

QUESTION: list[Any] = [{"role": "user", "content": "How did travel do?"}]
TOOL = {"name": "look", "parameters": {"type": "object", "properties": {"query": {"type": "string"}}}}
CHAT_TOOL: Any = {"type": "function", "function": TOOL}
RESPONSES_TOOL: Any = {"type": "function", "strict": False, **TOOL}
MESSAGES_TOOL: Any = {"name": "look", "input_schema": TOOL["parameters"]}


@pytest.fixture
async def provider() -> AsyncIterator[str]:
    async with TestServer(make_app()) as server:
        yield str(server.make_url("")).rstrip("/")


@pytest.fixture
async def gpt(provider: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(api_key="none", base_url=f"{provider}/v1", max_retries=0) as client:
        yield client


@pytest.fixture
async def claude(provider: str) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(api_key="none", base_url=provider, max_retries=0) as client:
        yield client


async def test_chat_says_the_same_streamed_and_not(gpt):
    whole = await gpt.chat.completions.create(model="gpt-5", messages=QUESTION)
    async with gpt.chat.completions.stream(
        model="gpt-5", messages=QUESTION, stream_options={"include_usage": True}
    ) as stream:
        streamed = await stream.get_final_completion()

    assert whole.choices[0].message.content
    assert streamed.choices[0].message.content
    assert whole.choices[0].finish_reason == streamed.choices[0].finish_reason == "stop"
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
    assert streamed.usage.completion_tokens > 0


async def test_responses_are_streamed_to_their_end(gpt):
    whole = await gpt.responses.create(model="gpt-5", input="hello")
    async with gpt.responses.stream(model="gpt-5", input="hello") as stream:
        streamed = await stream.get_final_response()

    assert whole.output_text
    assert streamed.output_text
    assert (whole.status, streamed.status) == ("completed", "completed")
    assert streamed.usage.total_tokens == streamed.usage.input_tokens + streamed.usage.output_tokens


async def test_messages_are_streamed_to_their_end(claude):
    whole = await claude.messages.create(model="claude-sonnet-5", max_tokens=9, messages=QUESTION)
    async with claude.messages.stream(model="claude-sonnet-5", max_tokens=9, messages=QUESTION) as stream:
        streamed = await stream.get_final_message()

    assert whole.content[0].text
    assert streamed.content[0].text
    assert whole.stop_reason == streamed.stop_reason == "end_turn"
    assert streamed.usage.output_tokens > 0


async def test_tools_are_asked_for_once_and_then_answered(gpt, claude):
    asked = await gpt.chat.completions.create(model="gpt-5", messages=QUESTION, tools=[CHAT_TOOL])
    call = asked.choices[0].message.tool_calls[0]
    assert (call.function.name, asked.choices[0].finish_reason) == ("look", "tool_calls")
    assert "query" in json.loads(call.function.arguments)
    result = {"role": "tool", "tool_call_id": call.id, "content": "4200"}
    messages = [*QUESTION, asked.choices[0].message.model_dump(exclude_none=True), result]
    answered = await gpt.chat.completions.create(model="gpt-5", messages=messages, tools=[CHAT_TOOL])
    assert answered.choices[0].message.content

    responded = await gpt.responses.create(model="gpt-5", input="hi", tools=[RESPONSES_TOOL])
    assert responded.output[0].name == "look"

    async with claude.messages.stream(
        model="claude-sonnet-5", max_tokens=9, messages=QUESTION, tools=[MESSAGES_TOOL]
    ) as stream:
        used = (await stream.get_final_message()).content[0]
    assert (used.type, used.name) == ("tool_use", "look")
    assert "query" in used.input


async def test_embeddings_and_models(gpt):
    found = await gpt.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
    assert [len(each.embedding) for each in found.data] == [8, 8]
    assert found.data[0].embedding != found.data[1].embedding
    assert "gpt-5" in [model.id async for model in gpt.models.list()]


async def test_a_rate_limit_is_over_at_the_second_attempt(gpt, claude):
    messages: Any = [{"role": "user", "content": "now [429]"}]
    with pytest.raises(openai.RateLimitError) as refused:
        await gpt.chat.completions.create(model="gpt-5", messages=messages)
    assert refused.value.request_id.startswith("req_")
    assert refused.value.response.headers["retry-after"] == "0"
    assert (await gpt.chat.completions.create(model="gpt-5", messages=messages)).choices

    with pytest.raises(anthropic.RateLimitError):
        await claude.messages.create(model="claude-haiku-4-5", max_tokens=9, messages=messages)


async def test_an_outage_stays(gpt, claude):
    messages: Any = [{"role": "user", "content": "now [500]"}]
    for _ in range(2):
        with pytest.raises(openai.InternalServerError):
            await gpt.chat.completions.create(model="gpt-5", messages=messages)
    with pytest.raises(anthropic.InternalServerError) as refused:
        await claude.messages.create(model="claude-haiku-4-5", max_tokens=9, messages=messages)
    assert refused.value.body["error"]["type"] == "api_error"


async def test_a_short_answer_says_that_it_is_cut(gpt, claude):
    messages: Any = [{"role": "user", "content": "year [brief]"}]
    chat = await gpt.chat.completions.create(model="gpt-5", messages=messages)
    assert chat.choices[0].finish_reason == "length"
    response = await gpt.responses.create(model="gpt-5", input="year [brief]")
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    message = await claude.messages.create(model="claude-haiku-4-5", max_tokens=9, messages=messages)
    assert message.stop_reason == "max_tokens"


async def test_it_says_the_same_to_the_same(gpt):
    first = await gpt.chat.completions.create(model="gpt-5", messages=QUESTION)
    second = await gpt.chat.completions.create(model="gpt-5", messages=QUESTION)
    assert first.model_dump() == second.model_dump()
