"""What the demo's model says, in the three forms that APIs have for it, plain and streamed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
Events = Iterable[tuple[str | None, Json | str]]  # (the event's name or None, its data)

CREATED = 1_760_000_000
WORDS_PER_PIECE = 4


@dataclass(frozen=True, slots=True)
class Turn:
    """What the model says next, in no dialect yet."""

    model: str
    text: str
    tool: str | None  # the tool that it asks for, instead of an answer
    arguments: Json
    is_cut: bool
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    seed: str  # hex, the same for the same request

    @property
    def pieces(self) -> list[str]:
        """The text as it is streamed."""
        words = [f"{word} " for word in self.text.split()]
        words[-1:] = [word.rstrip() for word in words[-1:]]
        return ["".join(words[n : n + WORDS_PER_PIECE]) for n in range(0, len(words), WORDS_PER_PIECE)]


class Refused(Exception):
    """The provider answers with an error of its own."""

    def __init__(self, status: int, kind: str, message: str, headers: dict[str, str]) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.headers = headers


class Dialect:
    """How one API says it."""

    prompt_field = "messages"

    def tools(self, body: Json) -> list[str]:
        return [tool.get("function", tool)["name"] for tool in body.get("tools", [])]

    def results(self, body: Json) -> int:
        """How many tool results the prompt holds."""
        raise NotImplementedError

    def reply(self, turn: Turn) -> Json:
        raise NotImplementedError

    def events(self, turn: Turn, body: Json) -> Events:
        """The stream."""
        raise NotImplementedError

    def error(self, refused: Refused) -> Json:
        return {"error": {"message": str(refused), "type": refused.kind, "param": None, "code": None}}


class Chat(Dialect):
    def results(self, body: Json) -> int:
        return sum(message["role"] == "tool" for message in body["messages"])

    def reply(self, turn: Turn) -> Json:
        message: Json = {"role": "assistant", "content": turn.text or None, "refusal": None}
        if turn.tool:
            message["tool_calls"] = [self._tool_call(turn)]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._finish(turn)}
        return {
            "id": f"chatcmpl-{turn.seed[:24]}",
            "object": "chat.completion",
            "created": CREATED,
            "model": turn.model,
            "choices": [choice],
            "usage": self._usage(turn),
            "service_tier": "default",
        }

    def events(self, turn: Turn, body: Json) -> Events:
        head = {
            "id": f"chatcmpl-{turn.seed[:24]}",
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": turn.model,
        }

        def chunk(delta: Json, finish: str | None = None) -> tuple[None, Json]:
            return None, {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

        yield chunk({"role": "assistant", "content": "" if turn.text else None})
        if turn.tool:
            yield chunk({"tool_calls": [{"index": 0, **self._tool_call(turn)}]})
        for piece in turn.pieces if turn.text else ():
            yield chunk({"content": piece})
        yield chunk({}, self._finish(turn))
        if body.get("stream_options", {}).get("include_usage"):
            yield None, {**head, "choices": [], "usage": self._usage(turn)}
        yield None, "[DONE]"

    def _finish(self, turn: Turn) -> str:
        return "tool_calls" if turn.tool else "length" if turn.is_cut else "stop"

    def _tool_call(self, turn: Turn) -> Json:
        function = {"name": turn.tool, "arguments": json.dumps(turn.arguments)}
        return {"id": f"call_{turn.seed[:24]}", "type": "function", "function": function}

    def _usage(self, turn: Turn) -> Json:
        return {
            "prompt_tokens": turn.input_tokens,
            "completion_tokens": turn.output_tokens,
            "total_tokens": turn.input_tokens + turn.output_tokens,
            "prompt_tokens_details": {"cached_tokens": turn.cached_tokens, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        }


class Responses(Dialect):
    prompt_field = "input"

    def results(self, body: Json) -> int:
        items = body["input"] if isinstance(body["input"], list) else []
        return sum(item.get("type") == "function_call_output" for item in items)

    def reply(self, turn: Turn) -> Json:
        return self._response(turn, "incomplete" if turn.is_cut else "completed", [self._item(turn)])

    def events(self, turn: Turn, body: Json) -> Events:
        item = self._item(turn)
        steps: list[tuple[str, Json]] = [
            ("response.created", {"response": self._response(turn, "in_progress", [])}),
            ("response.output_item.added", {"output_index": 0, "item": {**item, "status": "in_progress"}}),
        ]
        at: Json = {"item_id": item["id"], "output_index": 0}
        if turn.tool:
            steps.append(("response.function_call_arguments.delta", {**at, "delta": item["arguments"]}))
            steps.append(("response.function_call_arguments.done", {**at, "arguments": item["arguments"]}))
        else:
            at["content_index"] = 0
            part = item["content"][0]
            steps.append(("response.content_part.added", {**at, "part": {**part, "text": ""}}))
            steps += [
                ("response.output_text.delta", {**at, "delta": piece, "logprobs": []})
                for piece in turn.pieces
            ]
            steps.append(("response.output_text.done", {**at, "text": turn.text, "logprobs": []}))
            steps.append(("response.content_part.done", {**at, "part": part}))
        end = "incomplete" if turn.is_cut else "completed"
        steps.append(("response.output_item.done", {"output_index": 0, "item": item}))
        steps.append((f"response.{end}", {"response": self._response(turn, end, [item])}))
        for number, (name, data) in enumerate(steps):
            yield name, {"type": name, "sequence_number": number, **data}

    def _item(self, turn: Turn) -> Json:
        if turn.tool:
            return {
                "id": f"fc_{turn.seed[:24]}",
                "type": "function_call",
                "status": "completed",
                "call_id": f"call_{turn.seed[:24]}",
                "name": turn.tool,
                "arguments": json.dumps(turn.arguments),
            }
        part = {"type": "output_text", "text": turn.text, "annotations": [], "logprobs": []}
        return {
            "id": f"msg_{turn.seed[:24]}",
            "type": "message",
            "status": "incomplete" if turn.is_cut else "completed",
            "role": "assistant",
            "content": [part],
        }

    def _response(self, turn: Turn, status: str, output: list[Json]) -> Json:
        usage = {
            "input_tokens": turn.input_tokens,
            "input_tokens_details": {"cached_tokens": turn.cached_tokens},
            "output_tokens": turn.output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": turn.input_tokens + turn.output_tokens,
        }
        return {
            "id": f"resp_{turn.seed[:24]}",
            "object": "response",
            "created_at": CREATED,
            "status": status,
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
            "instructions": None,
            "model": turn.model,
            "output": output,
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "temperature": 1.0,
            "top_p": 1.0,
            "metadata": {},
            "usage": usage if status != "in_progress" else None,
        }


class Messages(Dialect):
    def results(self, body: Json) -> int:
        blocks = [m["content"] for m in body["messages"] if isinstance(m["content"], list)]
        return sum(block.get("type") == "tool_result" for content in blocks for block in content)

    def reply(self, turn: Turn) -> Json:
        return self._message(turn, [self._block(turn)], self._stop(turn), self._usage(turn))

    def events(self, turn: Turn, body: Json) -> Events:
        block = self._block(turn)
        usage = self._usage(turn)
        opened = {**block, "input": {}} if turn.tool else {**block, "text": ""}
        started = self._message(turn, [], None, {**usage, "output_tokens": 1})
        yield "message_start", {"type": "message_start", "message": started}
        yield "content_block_start", {"type": "content_block_start", "index": 0, "content_block": opened}
        yield "ping", {"type": "ping"}
        deltas: list[Json] = [{"type": "text_delta", "text": piece} for piece in turn.pieces]
        if turn.tool:
            deltas = [{"type": "input_json_delta", "partial_json": json.dumps(turn.arguments)}]
        for delta in deltas:
            yield "content_block_delta", {"type": "content_block_delta", "index": 0, "delta": delta}
        yield "content_block_stop", {"type": "content_block_stop", "index": 0}
        ended = {"stop_reason": self._stop(turn), "stop_sequence": None}
        yield "message_delta", {"type": "message_delta", "delta": ended, "usage": usage}
        yield "message_stop", {"type": "message_stop"}

    def error(self, refused: Refused) -> Json:
        kind = "api_error" if refused.kind == "server_error" else refused.kind
        return {"type": "error", "error": {"type": kind, "message": str(refused)}}

    def _block(self, turn: Turn) -> Json:
        if turn.tool:
            made = {"id": f"toolu_{turn.seed[:24]}", "name": turn.tool, "input": turn.arguments}
            return {"type": "tool_use", **made}
        return {"type": "text", "text": turn.text}

    def _stop(self, turn: Turn) -> str:
        return "tool_use" if turn.tool else "max_tokens" if turn.is_cut else "end_turn"

    def _usage(self, turn: Turn) -> Json:
        return {
            "input_tokens": turn.input_tokens - turn.cached_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": turn.cached_tokens,
            "output_tokens": turn.output_tokens,
            "service_tier": "standard",
        }

    def _message(self, turn: Turn, content: list[Json], stop: str | None, usage: Json) -> Json:
        return {
            "id": f"msg_{turn.seed[:24]}",
            "type": "message",
            "role": "assistant",
            "model": turn.model,
            "content": content,
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": usage,
        }
