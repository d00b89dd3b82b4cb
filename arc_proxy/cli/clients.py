"""
Clients as a table: how each is recognised on a command line, and what leads it to the proxy. No I/O.

Tried with Claude Code 2.1, Codex 0.171, opencode 1.18, Gemini CLI 0.61, qwen-code 0.15, aider 0.86 and the
SDKs and frameworks of November 2026. A client for which a table is not enough has a module of its own:
`claude_code`, `codex`, `opencode`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import PurePath

from arc_proxy.cli.variables import BASES, Base
from arc_proxy.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """`restores`: variables that undo what it does less behind a base URL; `notes`: what no variable can."""

    name: str
    programs: tuple[str, ...] = ()  # what it is called on a command line
    packages: tuple[str, ...] = ()  # for npx, uvx and their like, and as a part of a script's path
    bases: Mapping[str, Base] = field(default_factory=lambda: BASES)
    restores: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def _only(*names: str, **others: Base) -> Mapping[str, Base]:
    return {**{name: BASES[name] for name in names}, **others}


_OPENAI = _only("OPENAI_BASE_URL", "OPENAI_API_BASE")
_OPENAI_ANTHROPIC = _only("OPENAI_BASE_URL", "OPENAI_API_BASE", "ANTHROPIC_BASE_URL")
_NO_STREAM_USAGE = (
    "langchain-openai asks for no usage in streams behind a base URL: ChatOpenAI(stream_usage=True)"
)
_TRACES_OFF = "its traces go to OpenAI all the same; OPENAI_AGENTS_DISABLE_TRACING=1 stops them"

CLIENTS = (
    Client(
        name="claude-code",
        programs=("claude",),
        packages=("@anthropic-ai/claude-code",),
        bases=_only("ANTHROPIC_BASE_URL"),
        # Behind a base URL that is not Anthropic's it sends the schema of every MCP tool with each request.
        restores={"ENABLE_TOOL_SEARCH": "true"},
        notes=("a base URL in its settings.json beats these; `arc-proxy run -- claude` beats that",),
    ),
    Client(
        name="codex",
        programs=("codex",),
        packages=("@openai/codex",),
        bases={},
        notes=("Codex reads its base URL from its configuration only; `arc-proxy run -- codex` gives it:",),
    ),
    Client(
        name="opencode",
        programs=("opencode",),
        packages=("opencode-ai",),
        bases={},
        notes=("providers that you log in to later are not in this; `arc-proxy run -- opencode` looks anew",),
    ),
    Client(
        name="gemini-cli",
        programs=("gemini",),
        packages=("@google/gemini-cli",),
        bases=_only("GOOGLE_GEMINI_BASE_URL", CODE_ASSIST_ENDPOINT=Base("codeassist")),
    ),
    Client(
        name="qwen-code",
        programs=("qwen",),
        packages=("@qwen-code/qwen-code",),
        bases=_only("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "GOOGLE_GEMINI_BASE_URL"),
        notes=("a login with Qwen's own account does not read these",),
    ),
    Client(
        name="aider",
        programs=("aider",),
        packages=("aider-chat", "aider"),
        notes=("openai-api-base in .aider.conf.yml or as a flag beats these",),
    ),
    Client(name="openai", bases=_OPENAI),
    Client(name="anthropic", bases=_only("ANTHROPIC_BASE_URL")),
    Client(
        name="google",
        bases=_only("GOOGLE_GEMINI_BASE_URL"),
        notes=("on Vertex AI give the client http_options={'base_url': ...} with /vertex",),
    ),
    Client(name="groq", bases=_only("GROQ_BASE_URL")),
    Client(name="cohere", bases=_only("CO_API_URL")),
    Client(name="ollama", bases=_only("OLLAMA_HOST")),
    Client(
        name="mistral", bases={}, notes=("its SDK reads no variable: Mistral(server_url=...) with /mistral",)
    ),
    Client(
        name="azure", bases={}, notes=("put /azure/ and your resource's name behind the proxy's address",)
    ),
    Client(
        name="bedrock",
        bases={},
        notes=("AWS signs each call for its own host, so calls that pass here need a bearer token",),
    ),
    Client(name="litellm", bases={**_OPENAI_ANTHROPIC, **_only("GOOGLE_GEMINI_BASE_URL", "GROQ_BASE_URL")}),
    Client(
        name="langchain",
        bases=_OPENAI_ANTHROPIC,
        notes=(
            _NO_STREAM_USAGE,
            "ChatGoogleGenerativeAI reads no variable: base_url=... with /gemini",
        ),
    ),
    Client(
        name="langgraph",
        bases=_OPENAI_ANTHROPIC,
        notes=(_NO_STREAM_USAGE,),
    ),
    Client(name="crewai", bases=_OPENAI_ANTHROPIC),
    Client(
        name="llamaindex",
        bases=_OPENAI,
        notes=("it reads OPENAI_API_BASE and passes over OPENAI_BASE_URL",),
    ),
    Client(
        name="vercel",
        bases=_only("OPENAI_BASE_URL", ANTHROPIC_BASE_URL=Base("anthropic", "/v1")),
        notes=(
            "Vercel's AI SDK wants /v1 in ANTHROPIC_BASE_URL, Anthropic's own SDK does not; both pass here",
            "createOpenAICompatible reads no variable: baseURL with /openai/v1, includeUsage: true",
        ),
    ),
    Client(name="openai-agents", bases=_OPENAI, notes=(_TRACES_OFF,)),
    Client(name="pydantic-ai"),
    Client(name="google-adk", bases=_only("GOOGLE_GEMINI_BASE_URL")),
    Client(name="autogen", bases=_OPENAI),
    Client(name="semantic-kernel", bases=_OPENAI),
    Client(name="agent-framework", bases=_OPENAI),
    Client(name="smolagents", bases=_OPENAI),
    Client(name="haystack", bases=_OPENAI),
    Client(name="dspy", bases=_OPENAI_ANTHROPIC),
    Client(name="agno", bases=_OPENAI_ANTHROPIC),
    Client(name="strands", bases=_OPENAI_ANTHROPIC),
    Client(name="instructor", bases=_OPENAI_ANTHROPIC),
)
BY_NAME: Mapping[str, Client] = {client.name: client for client in CLIENTS}

_SAME = {
    "claude": "claude-code",
    "claude-agent-sdk": "claude-code",
    "gemini": "google",
    "google-genai": "google",
    "llama-index": "llamaindex",
    "langchain-openai": "langchain",
    "qwen": "qwen-code",
    "ai-sdk": "vercel",
    "adk": "google-adk",
}

_BY_PROGRAM = {program: client for client in CLIENTS for program in client.programs}
_BY_PACKAGE = {package: client for client in CLIENTS for package in client.packages}

# Programs that start another one: the words that may follow, and flags of theirs that take a value.
_LAUNCHERS: Mapping[str, frozenset[str]] = {
    "npx": frozenset(),
    "bunx": frozenset(),
    "uvx": frozenset(),
    "pnpm": frozenset({"dlx", "exec"}),
    "yarn": frozenset({"dlx", "exec"}),
    "npm": frozenset({"exec", "x"}),
    "bun": frozenset({"x", "run"}),
    "uv": frozenset({"run", "tool"}),
    "pipx": frozenset({"run"}),
    "poetry": frozenset({"run"}),
    "env": frozenset(),
    "nohup": frozenset(),
}
_VALUED = frozenset(
    {"-p", "--package", "--from", "--with", "--python", "-c", "--directory", "--project", "--extra"}
)
_INTERPRETER = re.compile(r"(?:python[0-9.]*|node|bun|deno)")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")


@dataclass(frozen=True, slots=True)
class Found:
    """A client on a command line, and the place behind it, where its arguments begin."""

    client: Client
    place: int


def find_client(command: Sequence[str]) -> Found | None:
    """`claude -p hi`, `npx -y @openai/codex@latest`, `uvx --from aider-chat aider`, `python -m aider`."""
    place = 0
    while place < len(command):
        word = command[place]
        client = _named(word)
        if client is not None:
            return Found(client, place + 1)
        program = PurePath(word).name
        if _INTERPRETER.fullmatch(program) and program not in _LAUNCHERS:
            return _script(command, place + 1)
        if program not in _LAUNCHERS:
            return None
        place = _behind_launcher(command, place + 1, _LAUNCHERS[program])
    return None


def client_named(name: str) -> Client:
    """Raises UsageError that says what comes near."""
    wanted = name.lower().replace("_", "-")
    client = BY_NAME.get(_SAME.get(wanted, wanted))
    if client is None:
        near = get_close_matches(wanted, [*BY_NAME, *_SAME], n=3)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise UsageError(f"no client is known as {name}.{hint} `arc-proxy env --list` names them all.")
    return client


def _named(word: str) -> Client | None:
    package = word[:1] + word[1:].partition("@")[0]  # a version stands behind the second @
    return _BY_PACKAGE.get(package) or _BY_PROGRAM.get(PurePath(word).name)


def _script(command: Sequence[str], place: int) -> Found | None:
    """What an interpreter runs: a module, or a script that lies in a client's package."""
    while place < len(command) and command[place].startswith("-"):
        if command[place] == "-m" and place + 1 < len(command):
            client = _named(command[place + 1])
            return Found(client, place + 2) if client else None
        if command[place] in ("-c", "-e"):
            return None
        place += 1
    if place < len(command):
        script = PurePath(command[place])
        for package, client in _BY_PACKAGE.items():
            if f"/node_modules/{package}/" in script.as_posix():
                return Found(client, place + 1)
        client = _BY_PROGRAM.get(script.name)
        return Found(client, place + 1) if client else None
    return None


def _behind_launcher(command: Sequence[str], place: int, words: frozenset[str]) -> int:
    while place < len(command):
        word = command[place]
        if word in _VALUED:
            place += 2
        elif word.startswith("-") or word in words or _ASSIGNMENT.match(word):
            place += 1
        else:
            break
    return place
