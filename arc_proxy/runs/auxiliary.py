"""
Which calls are no step of an agent but a client's own side traffic, and what they are for. No I/O.

    probe         is anybody there: HEAD, a path of nothing, a reply of one token to a word
    models        what models there are
    count_tokens  how long a prompt would be
    handshake     a WebSocket's upgrade
    retrieval     what is stored already: GET /responses/{id}, a poll, a batch and its files
    storage       whatever else makes no reply: uploads, conversations, cancelling, deleting
    title         a title, label or name for a conversation
    compaction    the conversation, summarised so that it fits again
    summary       a line for the screen on what was done
    routing       which model is to answer, who speaks next, is it going round in circles
    permission    may this tool call run, or what is the prefix of its command
    suggestion    what the user may type next
    web           a web page summed up, or a search done, for a tool
    memory        notes written for later sessions
    repair        a failed edit corrected
    commit        a message for a commit
    helper        a side call of a client that does not say what for

The first six are known by method and path and are not billed: the endpoint makes no reply, or one that was
billed before. The others are generations like any other: they are billed, only they are no steps. They are
known by a client's own words *and* the client's own signature, since an agent of the user's that summarises,
makes titles or decides on permissions does just its work.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from arc_proxy.call import Kind, Prompt
from arc_proxy.runs.framework import Fields, Opening
from arc_proxy.runs.native import json_object

_ASKING_METHODS = frozenset({"HEAD", "OPTIONS"})
_LENGTHS = frozenset({"max_tokens", "max_completion_tokens", "max_output_tokens"})
# A user message of one word, plain or as a block.
_ONE_WORD = re.compile(
    rb'\{"content":(?:"[^" ]{0,16}"|\[\{(?:"cache_control":\{[^}]*\},)?"text":"[^" ]{0,16}"[^]]*\]),'
    rb'"role":"user"\}'
)
_SYSTEM_BYTES_MAX = 2048  # its own words begin the first block, or the next two
_LAST_BYTES_MAX = 16 * 1024  # a client's request stands at the end, and may itself be long
_LAST_MESSAGES = 2  # Claude Code may put a system message behind it


class Words(NamedTuple):
    """How a client's request for something on the side begins, as it stands in JSON."""

    begins: bytes
    kind: str


class Vocabulary:
    """
    Some words, looked for at once.

    Quotes within a text are escaped, so that a bare one before the words means that a text begins there:
    words that a tool read out of a file do not count.
    """

    def __init__(self, *words: Words) -> None:
        self._kinds = dict(words)
        self._pattern = re.compile(b'"(' + b"|".join(map(re.escape, self._kinds)) + b")")

    def kind(self, message: bytes) -> str | None:
        for found in self._pattern.finditer(message):
            if message[found.start() - 1 : found.start()] != b"\\":
                return self._kinds[found.group(1)]
        return None


_CLAUDE_CODE_SYSTEM = Vocabulary(
    Words(b"Generate a concise, sentence-case title (3-7 words)", "title"),
    Words(b"You are naming a coding session so the user can pick it out", "title"),
    Words(b"You are coming up with a succinct title and git branch name", "title"),
    Words(b"Analyze if this message indicates a new conversation topic.", "title"),
    Words(b"Summarize this coding conversation in under 50 characters.", "title"),
    Words(b"You are a helpful AI assistant tasked with summarizing conversations.", "compaction"),
    Words(b"You are a security monitor for autonomous AI coding agents.", "permission"),
    Words(b"Analyze shell commands and explain what they do, why you're running them,", "permission"),
    Words(b"Your task is to process Bash commands that an AI coding agent wants to run.", "permission"),
    Words(b"You are evaluating a hook condition in Claude Code.", "permission"),
    Words(b"Write a short summary label describing what these tool calls accomplished.", "summary"),
    Words(b"A user kicked off a Claude Code agent to do a coding task and walked away.", "summary"),
    Words(b"You narrow the scope of three generic coding tasks", "suggestion"),
    Words(b"You are an assistant for performing a web search tool use", "web"),
)
_CLAUDE_CODE_LAST = Vocabulary(
    Words(b"<session>\\n", "title"),  # in all versions, while the words before it change
    Words(b"CRITICAL: Respond with TEXT ONLY. Do NOT call any tools.", "compaction"),
    Words(b"Your task is to create a detailed summary of the conversation so far", "compaction"),
    Words(b"Your task is to create a detailed summary of this conversation.", "compaction"),
    Words(b"[SUGGESTION MODE: ", "suggestion"),
    Words(b"2-4 word lowercase label for this job.", "title"),
    Words(b"Generate a short kebab-case name (2-4 words)", "title"),
    Words(b"The user stepped away and is coming back. Recap", "summary"),
    Words(b"Describe your most recent action in 3-5 words", "summary"),
    Words(b"\\nWeb page content:\\n---", "web"),
    Words(b"Web page content:\\n---", "web"),
    Words(b"You are now acting as the memory extraction subagent.", "memory"),
    Words(b"# Dream: Memory Consolidation", "memory"),
)
_GEMINI_SYSTEM = Vocabulary(
    Words(b"\\nYou are a specialized Task Routing AI.", "routing"),
    Words(b"You are a specialized Task Routing AI.", "routing"),
    Words(b"You are a diagnostic agent that determines whether a conversational AI assistant", "routing"),
    Words(b"\\nYou are a specialized system component responsible for distilling chat history", "compaction"),
    Words(b"\\nYou are the component that summarizes internal chat history", "compaction"),
    Words(b"You are the component that summarizes internal chat history", "compaction"),
    Words(b"You are a specialized context summarizer", "compaction"),
    Words(b"You are a security enforcement engine.", "permission"),
    Words(b"\\nYou are an expert code-editing assistant specializing in debugging", "repair"),
    Words(b"Generate a concise, sentence-case title (3-7 words)", "title"),
)
_GEMINI_LAST = Vocabulary(
    Words(b"Analyze *only* the content and structure of your immediately preceding response", "routing"),
    Words(b"[SUGGESTION MODE: ", "suggestion"),
    Words(b"Summarize the following tool output", "summary"),
)
_OPENCODE_SYSTEM = Vocabulary(
    Words(b"You are a title generator. You output ONLY a thread title.", "title"),
    Words(b"You are a context summarization agent.", "compaction"),
    Words(b"You are an anchored context summarization assistant", "compaction"),
    Words(b"Summarize what was done in this conversation. Write like a pull request", "summary"),
)
_CODEX_ANYWHERE = Vocabulary(
    Words(b"You are performing a CONTEXT CHECKPOINT COMPACTION.", "compaction"),
    Words(b"You are judging one planned coding-agent action.", "permission"),
)
_AIDER_SYSTEM = Vocabulary(
    Words(b"*Briefly* summarize this partial conversation about programming.", "compaction"),
    Words(b"You are an expert software engineer that generates concise, one-line Git commit", "commit"),
)


class Client(NamedTuple):
    system: Vocabulary  # of what stands before the conversation
    last: Vocabulary | None = None  # of the conversation's end


# Words of Claude Code 2.1.197 and 2.1.332 (and, of those that it has no more, 1.x), Codex 0.169, opencode
# 1.18, Gemini CLI 0.61, Qwen Code 0.15 and aider 0.86, as recorded or as their programs hold them.
_CLAUDE_CODE = Client(_CLAUDE_CODE_SYSTEM, _CLAUDE_CODE_LAST)
_GEMINI = Client(_GEMINI_SYSTEM, _GEMINI_LAST)
CLIENTS: Mapping[str, Client] = {
    "claude-code": _CLAUDE_CODE,
    "claude-agent-sdk": _CLAUDE_CODE,
    "gemini-cli": _GEMINI,
    "qwen-code": _GEMINI,
    "opencode": Client(_OPENCODE_SYSTEM),
    "codex": Client(_CODEX_ANYWHERE, _CODEX_ANYWHERE),
    "aider": Client(_AIDER_SYSTEM),
}

# Codex says what each request is for; `turn` is a step, a sub-agent's too.
_CODEX_REQUESTS = {"compaction": "compaction"}
_CODEX_SUBAGENTS = {"compact": "compaction", "memory_consolidation": "memory", "guardian": "permission"}


def read_auxiliary(
    method: str,
    target: str,
    *,
    kind: Kind,
    endpoint: str,
    fields: Fields,
    prompt: Prompt,
    opening: Opening,
    framework: str | None,
) -> str | None:
    """
    What an auxiliary call is for; None: it is a step, or something else that is asked for its own sake.

    `target` is the path without arc-proxy's own prefixes, `kind` and `endpoint` are what method and path say.
    """
    segments = [segment for segment in target.partition("?")[0].split("/") if segment]
    if kind is Kind.AUXILIARY:
        return _by_endpoint(method.upper(), segments, endpoint, fields)
    if kind is not Kind.GENERATION:
        return None
    if segments[-2:] == ["responses", "compact"]:
        return "compaction"
    if _is_probe(prompt, opening, framework):
        return "probe"
    return _by_client(endpoint, fields, prompt, opening, framework)


def _by_endpoint(method: str, segments: list[str], endpoint: str, fields: Fields) -> str:
    if method in _ASKING_METHODS or not segments:
        return "probe"
    if endpoint in ("models", "count_tokens"):
        return endpoint
    if segments[-1] in ("input_tokens", "tokenize"):
        return "count_tokens"
    if fields.get(b"upgrade", b"").lower() == b"websocket":
        return "handshake"
    return "retrieval" if method == "GET" else "storage"


def _is_probe(prompt: Prompt, opening: Opening, framework: str | None) -> bool:
    """A reply of one token. Others ask for one, too, and read its probability: they ask more than a word."""
    parameters = prompt.parameters
    if _LENGTHS.isdisjoint(parameters) or not any(parameters.get(name) == 1 for name in _LENGTHS):
        return False
    if framework in CLIENTS:
        return True
    is_bare = prompt.messages == (opening.first,)  # no tools, no system prompt
    return is_bare and "logprobs" not in parameters and _ONE_WORD.fullmatch(opening.first) is not None


def _by_client(
    endpoint: str, fields: Fields, prompt: Prompt, opening: Opening, framework: str | None
) -> str | None:
    client = CLIENTS.get(framework or "")
    if client is None:
        return None
    if framework == "codex":
        kind = _by_codex_fields(fields)
        if kind is not None:
            return kind
    for system in opening.system:
        kind = client.system.kind(system[:_SYSTEM_BYTES_MAX])
        if kind is not None:
            return kind
    for message in prompt.messages[-_LAST_MESSAGES:]:
        kind = client.last.kind(message[-_LAST_BYTES_MAX:]) if client.last else None
        if kind is not None:
            return kind
    # Its steps are streamed, all of them.
    return "helper" if framework == "gemini-cli" and endpoint == "generateContent" else None


def _by_codex_fields(fields: Fields) -> str | None:
    subagent = _CODEX_SUBAGENTS.get(fields.get(b"x-openai-subagent", b"").decode("latin-1"))
    if subagent is not None:
        return subagent
    request = json_object(fields.get(b"x-codex-turn-metadata")).get("request_kind")
    return _CODEX_REQUESTS.get(request) if isinstance(request, str) else None
