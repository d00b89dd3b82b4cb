"""Issues as they come up: one for each code and some more, with what is usually known of it."""

from __future__ import annotations

from typing import Any

from analysis.failure import Failure, FailureCode
from analysis.fixes import Observed

C = FailureCode


def issue(code: FailureCode, cause: str = "", **more: Any) -> Observed:
    """Seen often enough for a patch, unless told otherwise."""
    told: dict[str, Any] = {
        "agent": "support",
        "framework": "openai-python",
        "provider": "openai",
        "model": "gpt-4.1-mini",
        "dialect": "openai.chat",
        "events": 12,
        "runs": 7,
        "total_runs": 60,
    }
    return Observed(code=code, cause=cause, **told | more)


def _times(code: FailureCode, evidence: str, times: int) -> tuple[Failure, ...]:
    return (Failure(code, evidence, "messages", call_id="01h", times=times),)


ISSUES = {
    "an answer that is cut": issue(
        C.OUTPUT_TRUNCATED,
        "finish reason length",
        subject="max_tokens=256",
        facts={"max_tokens": "256", "p99_output_tokens": "410"},
        examples=_times(C.OUTPUT_TRUNCATED, "finish reason length at max_tokens=256", 1),
    ),
    "an order id in another form": issue(
        C.TOOL_ERROR,
        "Error: order not found",
        subject="get_order_details",
        framework="langgraph",
        events=59,
        runs=41,
        total_runs=300,
        facts={
            "arguments": '{"order_id": "W2378156"}',
            "working_arguments": '{"order_id": "#W9911222"}',
            "tools": "get_order_details,find_user_id_by_email,get_user_details",
        },
    ),
    "a user that is not there": issue(
        C.TOOL_ERROR_REPEATED,
        "Error: User not found",
        subject="get_user_details",
        facts={
            "arguments": '{"user_id": "yusuf rossi"}',
            "tools": "get_user_details,find_user_id_by_name_zip",
        },
    ),
    "a column that was guessed": issue(
        C.TOOL_ERROR,
        "Error executing query: no such column: o.custmer_id",
        subject="run_sql",
        framework="openai-agents",
        dialect="openai.responses",
        facts={
            "tools": "run_sql,describe_table",
            "arguments": '{"sql": "select o.custmer_id from orders o"}',
        },
    ),
    "a key that is missing": issue(
        C.TOOL_ERROR, "KeyError: 'unit_price'", subject="price_of", framework="pydantic-ai", events=4
    ),
    "a service that is down": issue(
        C.TOOL_ERROR,
        "ConnectionError: HTTPConnectionPool(host='inventory', port=80): Connection refused",
        subject="stock_of",
        framework="crewai",
    ),
    "errors in a row": issue(
        C.TOOL_ERROR_CONSECUTIVE,
        "Error: 503 Service Unavailable",
        subject="search_docs",
        framework="vercel-ai-sdk",
    ),
    "a run that ends on an error": issue(
        C.TOOL_ERROR_UNRECOVERED, "PermissionError: [Errno 13] Permission denied: '/srv/out'", subject="save"
    ),
    "an empty result": issue(
        C.TOOL_EMPTY_RESULT,
        "[]",
        subject="search_flights",
        framework="llama-index",
        facts={"arguments": '{"from": "HAM", "to": "FRA", "date": "2026-11-31"}', "result": "[]"},
    ),
    "a tool that was not offered": issue(
        C.TOOL_UNKNOWN_NAME,
        "search_web is none of the 3 tools that were offered; nearest: web_search",
        subject="search_web",
        facts={"tools": "web_search,read_page,write_note"},
    ),
    "arguments that are no JSON": issue(
        C.TOOL_ARGS_INVALID_JSON,
        "no JSON",
        subject="write_file",
        provider="other",
        model="qwen2.5-coder-32b",
        examples=_times(C.TOOL_ARGS_INVALID_JSON, 'Unterminated string: {"path": "a.py", "text": "x', 1),
    ),
    "an argument that is missing": issue(
        C.TOOL_ARGS_MISSING,
        "arguments required",
        subject="book_table",
        examples=_times(C.TOOL_ARGS_MISSING, "arguments: 'date' is a required property", 1),
    ),
    "a value that is not allowed": issue(
        C.TOOL_ARGS_SCHEMA_INVALID,
        'arguments["status"] enum',
        subject="set_status",
        provider="anthropic",
        dialect="anthropic.messages",
        framework="anthropic-python",
        model="claude-sonnet-5",
        facts={"expected": '["open", "closed"]'},
        examples=_times(
            C.TOOL_ARGS_SCHEMA_INVALID, "arguments[\"status\"]: 'done' is not one of ['open']", 1
        ),
    ),
    "an id that was made up": issue(
        C.TOOL_ARGS_UNGROUNDED,
        subject="cancel_order",
        framework="langchain",
        facts={
            "parameter": "order_id",
            "value": "#W1234567",
            "tools": "cancel_order,list_orders",
        },
    ),
    "the same call again": issue(
        C.REPEATED_CALL,
        subject="search_docs",
        facts={"arguments": '{"query": "refund policy"}', "result": "[]"},
        examples=_times(C.REPEATED_CALL, 'search_docs({"query": "refund policy"})', 5),
    ),
    "the same words again": issue(
        C.REPEATED_TEXT,
        framework="langgraph",
        examples=_times(C.REPEATED_TEXT, "I will now look up the order for you, one moment please.", 4),
    ),
    "a wrong key": issue(
        C.AUTH,
        "invalid_request_error: Incorrect API key provided: sk-...abcd.",
        subject="openai",
        events=1,
        runs=1,
        facts={"key": "sk-...abcd", "status": "401", "host": "api.openai.com"},
    ),
    "a call without a result": issue(
        C.BAD_REQUEST,
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
        "'tool_call_id'. The following tool_call_ids did not have response messages: call_9aX2",
        subject="openai",
    ),
    "a parameter of other models": issue(
        C.BAD_REQUEST,
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' "
        "instead.",
        model="o4-mini",
        facts={"parameter": "max_tokens", "max_tokens": "512"},
    ),
    "a model that is not there": issue(
        C.BAD_REQUEST,
        "not_found_error: model: claude-3-5-sonet",
        provider="anthropic",
        framework="anthropic-python",
        dialect="anthropic.messages",
        model="claude-3-5-sonet",
    ),
    "a server that does not run": issue(
        C.CONNECTION,
        "Cannot connect to host localhost:11434: Connection refused",
        provider="ollama",
        facts={"host": "localhost:11434"},
    ),
    "a prompt that is too long": issue(
        C.CONTEXT_OVERFLOW,
        "prompt is too long: 215000 tokens > 200000 maximum",
        provider="anthropic",
        framework="anthropic-python",
        dialect="anthropic.messages",
        model="claude-sonnet-5",
        facts={"largest_tool": "read_file", "largest_tool_tokens": "150000"},
    ),
    "an overload": issue(
        C.OVERLOADED, "overloaded_error: Overloaded", provider="anthropic", framework="langgraph"
    ),
    "an empty purse": issue(
        C.QUOTA_EXHAUSTED,
        "insufficient_quota: You exceeded your current quota",
        facts={"key": "sk-...abcd"},
    ),
    "a rate limit": issue(
        C.RATE_LIMITED,
        "rate_limit_exceeded: Rate limit reached for gpt-4.1-mini on tokens per min (TPM): Limit 30000",
        facts={"retry_after": "20", "limit": "30000 TPM", "concurrency": "12"},
    ),
    "an error of the server": issue(
        C.SERVER_ERROR,
        "server_error: The server had an error",
        facts={"status": "500"},
        framework="google-genai",
    ),
    "a deadline": issue(
        C.TIMEOUT, "timed out", framework="llama-index", facts={"timeout": "60", "p99_duration": "95"}
    ),
    "a call that the server cannot read": issue(
        C.TOOL_PARSER_FAILED,
        "finish reason MALFORMED_FUNCTION_CALL",
        provider="google",
        framework="google-genai",
        dialect="gemini.generate",
        model="gemini-2.5-flash",
    ),
    "a schema that is refused": issue(
        C.TOOL_SCHEMA_REJECTED,
        "Invalid schema for function 'tag_items': In context=('properties', 'tags'), array schema missing "
        "items.",
    ),
    "an answer with nothing": issue(
        C.OUTPUT_EMPTY,
        "no text and no call",
        provider="anthropic",
        framework="anthropic-python",
        model="claude-sonnet-5",
    ),
    "JSON in a fence": issue(
        C.OUTPUT_INVALID_JSON,
        "in a code fence",
        examples=_times(C.OUTPUT_INVALID_JSON, "the JSON stands in a code fence", 1),
    ),
    "an answer without a field": issue(
        C.OUTPUT_INVALID_JSON,
        'answer["items"][0] required',
        framework="langchain",
        examples=_times(C.OUTPUT_INVALID_JSON, "answer[\"items\"][0]: 'sku' is a required property", 1),
    ),
    "a refusal": issue(
        C.OUTPUT_REFUSAL, "I'm sorry, I can't help with that.", facts={"category": "violence"}
    ),
    "a call as text": issue(
        C.TOOL_CALL_AS_TEXT,
        "<tool_call>",
        provider="other",
        model="Qwen/Qwen2.5-32B-Instruct",
        facts={"host": "10.0.0.7:8000"},
        examples=_times(C.TOOL_CALL_AS_TEXT, '<tool_call>{"name": "look_up", "arguments": {"id": 7}}', 1),
    ),
    "a stream that breaks off": issue(C.STREAM_ABORTED, "the stream ended before its end"),
    "an agent that hangs up": issue(C.CLIENT_CLOSED, "the client left", facts={"timeout": "30"}),
    "a call that is not forwarded": issue(
        C.PROXY_REFUSED, "no provider for this path", facts={"host": "api.x.test"}
    ),
    "a call beyond a budget": issue(
        C.PROXY_REFUSED, "arc_proxy_error: This run has cost $0.52, its budget is $0.50. Start another run."
    ),
    "a call of a run in circles": issue(
        C.PROXY_REFUSED,
        "billing_error: This run goes in circles: the same call of search 5 times in a row.",
        facts={"host": "api.x.test"},
    ),
    "a run without an answer": issue(
        C.NO_FINAL_ANSWER, subject="send_mail", framework="openai-agents", facts={"steps": "9"}
    ),
    "a run that is lost": issue(
        C.INFRA_ABORT, "provider.overloaded", framework="langgraph", facts={"steps": "14"}
    ),
    "a cap": issue(C.STEP_CAP, "25 calls", framework="crewai", facts={"steps": "25", "p95_good_steps": "22"}),
    "a cap on runs that loop": issue(
        C.STEP_CAP, "25 calls", framework="vercel-ai-sdk", facts={"steps": "25", "p95_good_steps": "9"}
    ),
    "a prompt that grows": issue(
        C.TOKEN_GROWTH,
        framework="pydantic-ai",
        facts={
            "tokens_per_step": "4100",
            "prompt_tokens": "96000",
            "window": "128000",
            "largest_tool": "browse",
            "largest_tool_tokens": "61000",
        },
    ),
    "an agent that gives up": issue(
        C.FINAL_GIVEUP, "I could not find any matching policy.", subject="search_docs"
    ),
    "an exception of the agent": issue(
        C.EXCEPTION,
        "KeyError",
        subject="app/agent.py:42 in plan",
        examples=_times(C.EXCEPTION, "KeyError: 'itinerary'", 1),
    ),
    "a user that is turned down": issue(
        C.REFUSAL_PHRASE,
        examples=_times(C.REFUSAL_PHRASE, "Unfortunately, I cannot split the payment across two cards.", 1),
    ),
    "a change that no tool made": issue(
        C.CLAIM_WITHOUT_ACTION,
        examples=_times(C.CLAIM_WITHOUT_ACTION, "The order has been cancelled.", 1),
    ),
    "a run that is handed over": issue(
        C.HANDOFF,
        subject="transfer_to_human_agents",
        examples=_times(C.HANDOFF, 'transfer_to_human_agents({"summary":"wants a refund"})', 1),
    ),
    "a user that is annoyed": issue(
        C.FRUSTRATION, examples=_times(C.FRUSTRATION, "I already told you my zip code.", 1)
    ),
    "an exception of the framework": issue(
        C.EXCEPTION,
        "GraphRecursionError: Recursion limit of 25 reached without hitting a stop condition",
        framework="langgraph",
    ),
}
