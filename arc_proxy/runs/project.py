"""
Which project a coding agent works on: the folder that it states in its own requests. No I/O.

    claude-code, claude-agent-sdk   `Working directory: /x` at the top of the <env> of its system prompt, or
                                    ` - Primary working directory: /x` under `# Environment`
    codex                           the one workspace of x-codex-turn-metadata, else <cwd>/x</cwd> in the
                                    message with its <environment_context>
    opencode                        `Workspace root folder: /x` in the <env> of its system prompt, or, where
                                    that is /, `Working directory: /x`
    gemini-cli, qwen-code           `I'm currently working in the directory: /x` in its first message, or the
                                    first of `- **Workspace Directories:**`

It becomes the tag `project`, unless the caller gave one. The framework has to be known, as anybody's prompt
may speak of a working directory. A path of more than 200 characters keeps its end.

Sources: https://github.com/openai/codex, https://github.com/anomalyco/opencode,
https://github.com/google-gemini/gemini-cli, https://github.com/QwenLM/qwen-code, and prompts of Claude Code
2.0 and 2.1 as people have published them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import orjson

from arc_proxy.call import Prompt
from arc_proxy.prefix import NAME_LEN_MAX
from arc_proxy.runs.framework import Fields, Opening
from arc_proxy.runs.native import json_object
from arc_proxy.runs.tags import Tags, add_tag

TAG = "project"

_MESSAGES_MAX = 4  # after the system prompt that are looked through: instructions, then the environment
_BEFORE_BYTES_MAX = 80
_PLACES_MAX = 8  # of one sign in a message
# A path within a JSON text: up to the next line, quote or tag.
_PATH = re.compile(rb'(?:[^"\\<\n]|\\[\\"/])+')


class _Form(NamedTuple):
    """Words that stand before a path, `sign`, and what stands before these."""

    sign: bytes
    before: re.Pattern[bytes]
    is_system: bool  # in the system prompt, else in one of the first messages

    def path(self, message: bytes) -> bytes | None:
        """Prompts are long, and a plain search for the sign is many times as quick as one for the pattern."""
        at = -1
        for _ in range(_PLACES_MAX):
            at = message.find(self.sign, at + 1)
            if at < 0:
                return None
            if self.before.search(message[max(0, at - _BEFORE_BYTES_MAX) : at]):
                found = _PATH.match(message, at + len(self.sign))
                return found[0] if found else None
        return None


def _form(sign: bytes, before: bytes, *, is_system: bool) -> _Form:
    return _Form(sign, re.compile(before + rb"\Z"), is_system)


_CLAUDE_CODE = (
    _form(b"Working directory: ", rb"<env>\\n *", is_system=True),
    _form(b"Primary working directory: ", rb"\\n *- ", is_system=True),
)
_GEMINI = (
    _form(b"I'm currently working in the directory: ", rb"\\n *", is_system=False),
    _form(b"- **Workspace Directories:**\\n  - ", rb"\\n", is_system=False),
)
_FORMS: Mapping[str, tuple[_Form, ...]] = {
    "claude-code": _CLAUDE_CODE,
    "claude-agent-sdk": _CLAUDE_CODE,
    "codex": (_form(b"<cwd>", rb"<environment_context>(?:\\n| )*", is_system=False),),
    "opencode": (
        _form(b"Workspace root folder: ", rb"\\n *", is_system=True),
        _form(b"Working directory: ", rb"<env>\\n *", is_system=True),
    ),
    "gemini-cli": _GEMINI,
    "qwen-code": _GEMINI,
}


def tag_project(tags: Tags, framework: str | None, fields: Fields, prompt: Prompt, opening: Opening) -> None:
    """Add the project to a call's tags, if its client is a coding agent that states one."""
    forms = _FORMS.get(framework or "")
    if forms is None or TAG in tags:
        return
    folder = _codex_workspace(fields) if framework == "codex" else None
    folder = folder or _stated(forms, prompt, opening)
    if folder is not None:
        add_tag(tags, TAG, folder if len(folder) <= NAME_LEN_MAX else f"…{folder[1 - NAME_LEN_MAX :]}")


def _stated(forms: Iterable[_Form], prompt: Prompt, opening: Opening) -> str | None:
    begins = bool(opening.tools) + len(opening.system)
    others = prompt.messages[begins : begins + _MESSAGES_MAX]
    for form in forms:
        for message in opening.system if form.is_system else others:
            folder = _text(form.path(message) or b"")
            if folder not in ("", "/"):
                return folder
    return None


def _text(escaped: bytes) -> str:
    try:
        return str(orjson.loads(b'"' + escaped + b'"')).strip()
    except orjson.JSONDecodeError:
        return ""


def _codex_workspace(fields: Fields) -> str | None:
    """The root of its repository. Of several none is the one that it works on."""
    workspaces = json_object(fields.get(b"x-codex-turn-metadata")).get("workspaces")
    return next(iter(workspaces)) if isinstance(workspaces, dict) and len(workspaces) == 1 else None
