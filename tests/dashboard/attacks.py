"""A secret, and captured texts that would like to be more than text."""

from __future__ import annotations

SECRET = bytes(range(32))
HOSTILE = (
    "<script>document.title = 1</script>",
    '"><img src=x onerror=document.title=1>',
    "{{ 7*7 }}{% raw %}",
    "javascript:document.title=1",
    "</style><script>document.title = 1</script>",
    "\x1b]8;;http://evil\x07link\u202e",
)
