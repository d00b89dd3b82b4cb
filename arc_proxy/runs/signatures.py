"""
What each framework, SDK and coding agent looks like on the wire, as a table. No I/O.

A signature holds if all that it names holds:

    user_agent   a regular expression, found anywhere in the user agent, case ignored
    fields       header name -> regular expression for the whole value; None: the header is not there
    system       text in what stands before the conversation: system and developer messages
    tools        text in the list of tools
    first        text in the first message of the conversation
    parameters   values of the body beside messages and tools

Texts are written as they stand in JSON, so a line break is `\\n`. `source`: "seen" with the version whose
requests were recorded (`tests/runs/framework_heads.json` has them), "corpus" for recordings that others made,
"code" with the version whose source says so. Those that say nothing of themselves are found by what their
defaults look like, and only in combination, because a default can be anybody's choice.

What no signature finds: LangGraph without its own hand-off tools is LangChain; Agno and Strands on OpenAI's
SDK are that SDK; Mastra is the AI SDK.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# From the most specific to the least: of two that hold, the one that stands first is meant.
PROGRAMS = (
    "claude-agent-sdk",
    "claude-code",
    "codex",
    "opencode",
    "gemini-cli",
    "qwen-code",
    "aider",
    "cline",
    "roo-code",
    "kilo-code",
)
FRAMEWORKS = (
    "deepagents",
    "langgraph",
    "crewai",
    "autogen",
    "smolagents",
    "dspy",
    "google-adk",
    "agent-framework",
    "semantic-kernel",
    "openai-agents",
    "pydantic-ai",
    "llama-index",
    "haystack",
    "strands",
    "agno",
    "langchain",
    "fantasy",
    "vercel-ai-sdk",
    "instructor",
    "litellm",
)
_LANGUAGES = {
    "python": "python",
    "js": "node",
    "go": "go",
    "ruby": "ruby",
    "java": "java",
    "kotlin": "kotlin",
    "php": "php",
    "csharp": "dotnet",
}
_VENDORS = ("openai", "anthropic", "groq", "cerebras", "together")
SDKS = (
    *(f"{vendor}-{language}" for vendor in _VENDORS for language in _LANGUAGES.values()),
    "google-genai",
    "mistral-python",
    "cohere",
    "ollama-python",
    "dashscope",
    "boto3",
    "aws-sdk",
)
HTTP_CLIENTS = (
    "httpx",
    "requests",
    "aiohttp",
    "urllib",
    "curl",
    "fetch",
    "axios",
    "bun",
    "go-http",
    "okhttp",
    "java-http",
    "reqwest",
    "faraday",
    "ruby",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    framework: str
    source: str
    user_agent: re.Pattern[bytes] | None = None
    fields: Mapping[bytes, re.Pattern[bytes] | None] = field(default_factory=dict)
    system: bytes = b""
    tools: bytes = b""
    first: bytes = b""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_told_by_user_agent(self) -> bool:
        return not (self.fields or self.system or self.tools or self.first or self.parameters)


def _text(text: str) -> re.Pattern[bytes]:
    return re.compile(text.encode(), re.IGNORECASE)


def _by_user_agent(framework: str, user_agent: str, source: str) -> Signature:
    return Signature(framework=framework, user_agent=_text(user_agent), source=source)


def _by_field(framework: str, name: bytes, value: str, source: str) -> Signature:
    return Signature(framework=framework, fields={name: _text(value)}, source=source)


def _by_system(framework: str, text: bytes, source: str) -> Signature:
    return Signature(framework=framework, system=text, source=source)


def _by_tools(framework: str, text: bytes, source: str) -> Signature:
    return Signature(framework=framework, tools=text, source=source)


_OPENAI_PYTHON = _text(r"^(Async)?(Azure)?OpenAI/Python")
# OpenAI's SDK says its read timeout from 1.60 on, so that from 2.0 on its absence is a choice.
_SAYS_TIMEOUT = _text(r"([2-9]|\d\d)\..*")

_BY_USER_AGENT = (
    _by_user_agent("claude-agent-sdk", r"^claude-cli/.*(agent-sdk/|sdk-py|sdk-ts)", "seen 2.1.332"),
    _by_user_agent("claude-code", r"^claude-(cli|code)/", "seen 2.1.197"),
    _by_user_agent("codex", r"^codex[_-]", "seen 0.169.0"),
    _by_user_agent("opencode", r"^opencode/", "seen 1.18.33"),
    _by_user_agent("gemini-cli", r"^GeminiCLI", "seen 0.61.0"),
    _by_user_agent("qwen-code", r"^QwenCode/", "seen 0.15.10"),
    _by_user_agent("roo-code", r"^RooCode/", "code"),
    _by_user_agent("kilo-code", r"^Kilo-?Code/", "code"),
    _by_user_agent("dspy", r"^DSPy/", "seen 3.4.1"),
    _by_user_agent("google-adk", r"\bgoogle-adk/", "seen 2.13.0"),
    _by_user_agent("agent-framework", r"^agent-framework-", "corpus 1.0.0"),
    _by_user_agent("semantic-kernel", r"^semantic-kernel", "seen 1.45.0"),
    _by_user_agent("openai-agents", r"^Agents/(Python|JavaScript)", "seen 0.24.0, 0.20.0"),
    _by_user_agent("pydantic-ai", r"(^| )pydantic-ai/", "seen 2.68.0; behind Google's SDK and its version"),
    _by_user_agent("llama-index", r"\bllama[-_]index\b", "code"),
    _by_user_agent("haystack", r"\bx-client-framework:haystack\b", "code"),
    _by_user_agent("strands", r"\bstrands-agents\b", "code 1.62"),
    _by_user_agent("agno", r"\bagno/", "code 3.1"),
    _by_user_agent("langchain", r"\blangchain(js)?[-/]", "seen langchain-anthropic 1.7, JS 1.0"),
    _by_user_agent("fantasy", r"^Charm[- ]Fantasy/", "corpus 0.12.2"),
    _by_user_agent("vercel-ai-sdk", r"^ai(-sdk)?/", "seen 6.0.326"),
    _by_user_agent("litellm", r"^litellm/", "seen 1.81.10"),
    *(
        _by_user_agent(
            f"{vendor}-{language}",
            rf"^(Async)?(Azure)?{vendor}(::Client)?/{word}\b",
            "seen" if word in ("python", "js") and vendor in ("openai", "anthropic") else "corpus",
        )
        for vendor in _VENDORS
        for word, language in _LANGUAGES.items()
    ),
    _by_user_agent("google-genai", r"^google-genai-sdk/", "corpus 1.60.0"),
    _by_user_agent("mistral-python", r"^mistral-client-python/", "corpus 1.3.0"),
    _by_user_agent("cohere", r"^cohere/", "code"),
    _by_user_agent("ollama-python", r"^ollama-python/", "code"),
    _by_user_agent("dashscope", r"^dashscope/", "corpus 1.25.1"),
    _by_user_agent("boto3", r"^Boto(3|core)/", "corpus 1.35.56"),
    _by_user_agent("aws-sdk", r"^aws-sdk-", "code"),
    _by_user_agent("httpx", r"^python-httpx/", "seen 0.28.1"),
    _by_user_agent("requests", r"^python-requests/", "seen 2.34.2"),
    _by_user_agent("aiohttp", r"\baiohttp/", "code"),
    _by_user_agent("urllib", r"^Python-urllib/", "code"),
    _by_user_agent("curl", r"^curl/", "seen 7.88.1"),
    _by_user_agent("fetch", r"^(node$|undici|node-fetch)", "seen node 20"),
    _by_user_agent("axios", r"^axios/", "code"),
    _by_user_agent("bun", r"^Bun/", "seen 1.4.0"),
    _by_user_agent("go-http", r"^Go-http-client/", "code"),
    _by_user_agent("okhttp", r"^okhttp/", "code"),
    _by_user_agent("java-http", r"^Java-http-client/", "code"),
    _by_user_agent("reqwest", r"^reqwest/", "code"),
    _by_user_agent("faraday", r"^Faraday ", "corpus 2.14.0"),
    _by_user_agent("ruby", r"^Ruby$", "corpus"),
)

_BY_FIELDS = (
    _by_field("cline", b"x-title", "Cline", "code"),  # OpenRouter's way of saying who asks
    _by_field("roo-code", b"x-title", "Roo Code", "code"),
    _by_field("kilo-code", b"x-title", "Kilo Code", "code"),
    _by_field("aider", b"x-title", "Aider", "code"),
    _by_field("codex", b"originator", "codex.*", "seen 0.169.0"),
    Signature(
        framework="google-adk", fields={b"x-goog-api-client": _text(r".*\bgoogle-adk/.*")}, source="seen"
    ),
    Signature(
        framework="semantic-kernel", fields={b"semantic-kernel-version": _text(".*")}, source="seen 1.45"
    ),
    Signature(framework="agent-framework", fields={b"agent-framework-version": _text(".*")}, source="corpus"),
    Signature(
        framework="haystack",
        user_agent=_OPENAI_PYTHON,
        fields={b"x-stainless-read-timeout": _text(r"30\.0")},
        parameters={"n": 1},
        source="seen 3.4.0",
    ),
    Signature(
        framework="llama-index",
        user_agent=_OPENAI_PYTHON,
        fields={b"x-stainless-read-timeout": _text(r"60\.0")},
        parameters={"temperature": 0.1},
        source="seen llama-index-llms-openai, core 0.14",
    ),
    Signature(
        framework="langchain",
        user_agent=_OPENAI_PYTHON,
        fields={
            b"x-stainless-raw-response": _text("true"),
            b"x-stainless-read-timeout": None,
            b"x-stainless-package-version": _SAYS_TIMEOUT,
        },
        source="seen langchain-openai 1.7; a stream has no mark",
    ),
    Signature(
        framework="litellm",
        user_agent=_OPENAI_PYTHON,
        fields={
            b"x-stainless-raw-response": _text("true"),
            b"x-stainless-read-timeout": _text(r"(600|6000)\.0"),
        },
        source="seen 1.81.10, and 413 of the corpus, all of them LiteLLM's",
    ),
)

_BY_BODY = (
    _by_system("aider", b'"Act as an expert software developer', "seen 0.86.2"),
    _by_system("aider", b'"Act as an expert code analyst.\\n', "code 0.86"),
    _by_system("aider", b'"Act as an expert architect engineer and provide', "code 0.86"),
    _by_system("aider", b'"*Briefly* summarize this partial conversation about', "code 0.86"),
    _by_system(
        "aider",
        b'"You are an expert software engineer that generates concise, one-line Git commit messages',
        "code 0.86",
    ),
    _by_tools(
        "deepagents",
        b'"description":"Launch an ephemeral subagent to handle a complex, ',
        "seen 0.6, tool `task`",
    ),
    _by_tools(
        "langgraph",
        b'"description":"Ask agent \'',
        "seen langgraph-supervisor; the tools transfer_to_* of a supervisor and of a swarm",
    ),
    _by_system("crewai", b"\\nYour personal goal is: ", "seen 1.15"),
    Signature(
        framework="crewai",
        first=b"\\n\\nThis is the expected criteria for your final answer: ",
        source="seen 1.15; agents without a system prompt",
    ),
    _by_system(
        "autogen",
        b"Reply with TERMINATE when the task has been completed.",
        "seen autogen-agentchat 0.7.5, AssistantAgent's default",
    ),
    _by_system(
        "autogen",
        b"You are in a role play game. The following roles are available:\\n",
        "seen autogen-agentchat 0.7.5, SelectorGroupChat",
    ),
    _by_system(
        "autogen",
        b"You are a helpful AI assistant.\\nSolve tasks using your coding and language skills.\\n",
        "seen AG2 0.14, AssistantAgent's default",
    ),
    Signature(
        framework="autogen",
        user_agent=_text("^AsyncOpenAI/Python"),
        first=b'"name":"user","role":"user"}',
        source="seen autogen-agentchat 0.7.5; it names the speaker of every message",
    ),
    _by_system(
        "smolagents",
        b"You are an expert assistant who can solve any task using ",
        "seen 1.26, ToolCallingAgent and CodeAgent",
    ),
    _by_system(
        "smolagents",
        b"An agent tried to answer a user query but it got stuck and failed to do so.",
        "seen 1.26, the last word after too many steps",
    ),
    _by_system(
        "dspy",
        b"\\nAll interactions will be structured in the following way, with the appropriate values",
        "seen 3.4.1, ChatAdapter",
    ),
    _by_system(
        "google-adk",
        b'You are an agent. Your internal name is \\"',
        "seen 2.13.0; through LiteLLM nothing else tells",
    ),
    _by_tools("openai-agents", b'"description":"Handoff to the ', "seen 0.24.0, a hand-off's description"),
    _by_tools(
        "pydantic-ai",
        b'"description":"The final response which ends this conversation","name":"final_result"',
        "seen 2.68.0",
    ),
    _by_system(
        "llama-index",
        b"You are designed to help with a variety of tasks, from answering questions to providing",
        "seen 0.14, ReActAgent",
    ),
    _by_system(
        "instructor",
        b"As a genius expert, your task is to understand the content and provide\\n",
        "seen 1.17, the modes of JSON",
    ),
    _by_tools(
        "instructor", b"` with all the required parameters with correct types", "seen 1.17, the mode of tools"
    ),
)

SIGNATURES = _BY_USER_AGENT + _BY_FIELDS + _BY_BODY
