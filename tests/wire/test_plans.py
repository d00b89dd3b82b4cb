from __future__ import annotations

import pytest

from arc_proxy.wire.plans import is_paid_by_plan

CALLS = {
    "an API key": ("https://api.anthropic.com/v1/messages", None, ("prompt-caching-2024-07-31",), False),
    "a sign-in of Claude's": (
        "https://api.anthropic.com/v1/messages?beta=true",
        None,
        ("claude-code-20250219", "interleaved-thinking-2025-05-14,oauth-2025-04-20"),
        True,
    ),
    "a sign-in through a gateway": ("https://gateway.example/v1/messages", None, ("oauth-2025-04-20",), True),
    "ChatGPT's back end": ("https://chatgpt.com/backend-api/codex/responses", "chatgpt", (), True),
    "Copilot": ("https://api.githubcopilot.com/chat/completions", "copilot", (), True),
    "Code Assist": (
        "https://cloudcode-pa.googleapis.com/v1internal:streamGenerateContent?alt=sse",
        None,
        (),
        True,
    ),
    "Gemini by a key": (
        "https://generativelanguage.googleapis.com/v1beta/models/gemini-3-pro:generateContent",
        None,
        (),
        False,
    ),
    "Z.ai's coding plan": ("https://api.z.ai/api/coding/paas/v4/chat/completions", "zai", (), True),
    "Z.ai by a key": ("https://api.z.ai/api/paas/v4/chat/completions", "zai", (), False),
    "a path that only looks so": ("https://x.example/api/coding/v1/chat/completions", None, (), False),
    "it went nowhere": (None, None, (), False),
}


@pytest.mark.parametrize(("url", "detail", "betas", "is_plan"), CALLS.values(), ids=CALLS)
def test_who_pays(url, detail, betas, is_plan):
    assert is_paid_by_plan(url=url, detail=detail, betas=betas) is is_plan
