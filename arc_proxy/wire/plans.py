"""
Which traffic a plan pays for, so that no call of it is billed by its tokens. No I/O.

    Claude Pro and Max    a sign-in, which the API takes only with its beta header: `oauth-2025-04-20`
    ChatGPT               its own back end, /backend-api/codex, which takes no API key
    Google's Code Assist  /v1internal:generateContent: Gemini CLI with a Google login
    GitHub Copilot        its own hosts
    Z.ai's coding plan    /api/coding/...

A key's text is cut before anything is kept, so it can't tell; these signs are kept.

Sources: Claude Code 2.1 and Codex 0.171 as recorded, https://docs.z.ai/devpack,
https://developers.google.com/gemini-code-assist/docs/overview
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

_DETAILS = frozenset({"chatgpt", "copilot"})  # of `recognise_detail`
_SIGN_IN = "oauth-"
_CODE_ASSIST = "/v1internal:"
_CODING_PLAN = "/api/coding/"


def is_paid_by_plan(*, url: str | None, detail: str | None, betas: Iterable[str]) -> bool:
    """`detail`: who answers of those that are called "other"; `betas`: values of `anthropic-beta`."""
    if detail in _DETAILS or any(_SIGN_IN in value for value in betas):
        return True
    path = urlsplit(url).path if url else ""
    return _CODE_ASSIST in path or (detail == "zai" and path.startswith(_CODING_PLAN))
