"""A secret, and captured texts that would like to be more than text."""

from __future__ import annotations

SECRET = bytes(range(32))
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7*7 }}{% raw %}",
    "javascript:alert(1)",
    "</style><script>alert(1)</script>",
    "\x1b]8;;http://evil\x07link\u202e",
)
