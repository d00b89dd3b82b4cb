"""Agents of the tests' own making that spend money, some of it on a waste that was planted."""

from __future__ import annotations

import json
import random
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from arc_proxy.call import Call, Prompt, Reply, ToolCall
from pricing.cost import Cost, CostGrade
from pricing.lines import cost_lines, nanousd
from pricing.rate import Rate
from pricing.usage import Usage, UsageGrade
from tests.analysis.talk import call, canonical

RATE = Rate(
    provider="p",
    model="m",
    recorded=date(2026, 1, 1),
    source="test",
    picousd={
        "input_text": 3_000_000,
        "cache_read": 300_000,
        "cache_write_5m": 3_750_000,
        "cache_write_1h": 6_000_000,
        "output_text": 15_000_000,
        "tool:web_search": 10_000_000_000,
    },
)
BYTES_PER_TOKEN = 4


def priced(usage: Usage, rate: Rate = RATE) -> Cost:
    lines = tuple(cost_lines(usage, rate)[0])
    total = nanousd(sum(line.picousd for line in lines))
    return Cost(nanousd=total, grade=CostGrade.COMPUTED, lines=lines, rate_id=rate.id)


def paid(number: int, prompt: Prompt, reply: Reply, usage: Usage, **more: Any) -> Call:
    """A call at RATE."""
    fields = {"cost": priced(usage), "usage": usage, "usage_grade": UsageGrade.REPORTED, **more}
    return replace(call(number, [], None), prompt=prompt, reply=reply, **fields)


@dataclass(frozen=True)
class Step:
    """One step of an agent's loop: a call of a tool, and the result that goes into the next request."""

    tool: str
    arguments: dict[str, str]
    result: str


@dataclass
class Talk:
    """What an agent sends, whatever the format. `edit` changes the request of a number before it goes."""

    system: str
    tools: dict[str, str]  # name: description
    task: str
    steps: list[Step]
    edit: Callable[[int, list[dict[str, Any]]], None] = field(default=lambda _number, _messages: None)


# In each format: the list of tools, and the two messages of a step.
def _chat_tools(tools: dict[str, str]) -> list[Any]:
    return [
        {
            "type": "function",
            "function": {"name": name, "description": text, "parameters": {"type": "object"}},
        }
        for name, text in tools.items()
    ]


def _responses_tools(tools: dict[str, str]) -> list[Any]:
    return [{"type": "function", "name": name, "description": text} for name, text in tools.items()]


def _anthropic_tools(tools: dict[str, str]) -> list[Any]:
    return [{"name": name, "description": text, "input_schema": {}} for name, text in tools.items()]


def _gemini_tools(tools: dict[str, str]) -> list[Any]:
    return [{"functionDeclarations": [{"name": name, "description": text} for name, text in tools.items()]}]


def _bedrock_tools(tools: dict[str, str]) -> list[Any]:
    return [{"toolSpec": {"name": name, "description": text}} for name, text in tools.items()]


def _chat_step(number: int, step: Step) -> list[dict[str, Any]]:
    function = {"name": step.tool, "arguments": json.dumps(step.arguments)}
    return [
        {"role": "assistant", "tool_calls": [{"id": f"c{number}", "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": f"c{number}", "content": step.result},
    ]


def _responses_step(number: int, step: Step) -> list[dict[str, Any]]:
    arguments = json.dumps(step.arguments)
    return [
        {"type": "function_call", "call_id": f"c{number}", "name": step.tool, "arguments": arguments},
        {"type": "function_call_output", "call_id": f"c{number}", "output": step.result},
    ]


def _anthropic_step(number: int, step: Step) -> list[dict[str, Any]]:
    use = {"type": "tool_use", "id": f"c{number}", "name": step.tool, "input": step.arguments}
    answer = {"type": "tool_result", "tool_use_id": f"c{number}", "content": step.result}
    return [{"role": "assistant", "content": [use]}, {"role": "user", "content": [answer]}]


def _gemini_step(number: int, step: Step) -> list[dict[str, Any]]:
    answer = {"name": step.tool, "response": {"result": step.result}}
    return [
        {"role": "model", "parts": [{"functionCall": {"name": step.tool, "args": step.arguments}}]},
        {"role": "user", "parts": [{"functionResponse": answer}]},
    ]


def _bedrock_step(number: int, step: Step) -> list[dict[str, Any]]:
    use = {"toolUseId": f"c{number}", "name": step.tool, "input": step.arguments}
    answer = {"toolUseId": f"c{number}", "content": [{"text": step.result}]}
    return [
        {"role": "assistant", "content": [{"toolUse": use}]},
        {"role": "user", "content": [{"toolResult": answer}]},
    ]


def _ollama_step(number: int, step: Step) -> list[dict[str, Any]]:
    call = {"function": {"name": step.tool, "arguments": step.arguments}}
    return [
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_name": step.tool, "content": step.result},
    ]


@dataclass(frozen=True)
class Format:
    provider: str
    dialect: str
    step: Callable[[int, Step], list[dict[str, Any]]]
    tools: Callable[[dict[str, str]], list[Any]] = _chat_tools
    text: str = "content"  # the field that a message's text stands in

    def says(self, role: str, text: str) -> dict[str, Any]:
        return {"role": role, self.text: [{"text": text}] if self.text == "parts" else text}


FORMATS = {
    "OpenAI's chat": Format("openai", "openai.chat", _chat_step),
    "OpenAI's responses": Format("openai", "openai.responses", _responses_step, _responses_tools),
    "Anthropic's messages": Format("anthropic", "anthropic.messages", _anthropic_step, _anthropic_tools),
    "Gemini": Format("gemini", "gemini.generate", _gemini_step, _gemini_tools, "parts"),
    "Bedrock's Converse": Format("bedrock", "bedrock.converse", _bedrock_step, _bedrock_tools),
    "Cohere": Format("cohere", "cohere.chat", _chat_step),
    "Ollama": Format("ollama", "ollama.chat", _ollama_step),
}


def run_of(talk: Talk, form: Format, *, caches: bool) -> list[Call]:
    """
    The calls of the agent's loop, each with the whole conversation, and one for the last answer.

    With a cache the longest prefix that a request shares with the one before is read from it, in steps of
    128 tokens, 1024 at least. Anthropic and Bedrock have the rest written to it.
    """
    calls: list[Call] = []
    spoken = [form.says("system", talk.system), form.says("user", talk.task)]
    sent = b""
    for number in range(len(talk.steps) + 1):
        edited = json.loads(json.dumps(spoken))
        talk.edit(number, edited)
        messages = (canonical({"tools": form.tools(talk.tools)}), *map(canonical, edited))
        if number < len(talk.steps):
            step = talk.steps[number]
            quoted = form.step(number, step)
            reply = _calling(step, number, quoted[0])
        else:
            quoted = []
            reply = Reply(output_text="It is done.", message=canonical(form.says("assistant", "It is done.")))
        now = b"".join(messages)
        usage = _usage(now, sent, len(reply.message or b""), form, caches)
        sent = now
        prompt = Prompt(model="m", messages=messages)
        calls.append(paid(number, prompt, reply, usage, provider=form.provider, dialect=form.dialect))
        spoken += quoted
    return calls


def _calling(step: Step, number: int, message: dict[str, Any]) -> Reply:
    said = ToolCall(id=f"c{number}", name=step.tool, arguments=json.dumps(step.arguments))
    return Reply(model="m", tool_calls=(said,), message=canonical(message))


def _usage(now: bytes, before: bytes, reply_bytes: int, form: Format, caches: bool) -> Usage:
    tokens, output = len(now) // BYTES_PER_TOKEN, reply_bytes // BYTES_PER_TOKEN
    same = bisect_left(range(min(len(now), len(before))), True, key=lambda at: now[:at] != before[:at])
    read = same // BYTES_PER_TOKEN // 128 * 128 if caches and same >= 1024 * BYTES_PER_TOKEN else 0
    if caches and form.provider in ("anthropic", "bedrock"):
        return Usage(cache_read=read, cache_write_5m=tokens - read, output_text=output)
    return Usage(cache_read=read, input_text=tokens - read, output_text=output)


def plain_talk(chance: random.Random) -> Talk:
    """An agent that wastes little: it calls all of its tools, and its results are short."""
    tools = {f"tool_{at}": words(chance, chance.randint(100, 400)) for at in range(chance.randint(2, 5))}
    names = list(tools) + chance.choices(list(tools), k=chance.randint(4, 8))
    steps = [
        Step(name, {"id": str(chance.randint(0, 99))}, words(chance, chance.randint(50, 500)))
        for name in names
    ]
    return Talk(words(chance, chance.randint(6000, 9000)), tools, words(chance, 300), steps)


def words(chance: random.Random, size: int) -> str:
    text = " ".join(chance.choices(_WORDS, k=size // 4 + 1))
    return text[:size]


_WORDS: Sequence[str] = ("order", "price", "item", "refund", "total", "the", "of", "customer", "17", "2026")
