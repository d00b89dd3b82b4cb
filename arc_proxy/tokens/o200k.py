"""
`o200k_base` without network: tiktoken over the ranks that ship with us.

Loading takes half a second and 80 MB, so only a child process does it: see `counter`.
"""

from __future__ import annotations

from collections.abc import Iterator

import tiktoken

from arc_proxy.tokens.pack import PACKED, unpack

# tiktoken's own pattern for this encoding.
# Source: https://github.com/openai/tiktoken/blob/0.14.0/tiktoken_ext/openai_public.py
_PATTERN = "|".join(
    [
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)  # fmt: skip
# A text is counted in pieces: its cost rises faster than its length where it has no blanks.
_PIECE = 20_000


class O200k:
    def __init__(self) -> None:
        ranks = {token: rank for rank, token in enumerate(unpack(PACKED.read_bytes()))}
        self._encoding = tiktoken.Encoding(
            "o200k_base", pat_str=_PATTERN, mergeable_ranks=ranks, special_tokens={}
        )

    def count(self, text: str) -> int:
        return sum(len(self._encoding.encode_ordinary(piece)) for piece in _pieces(text))


def _pieces(text: str) -> Iterator[str]:
    for at in range(0, len(text), _PIECE):
        yield text[at : at + _PIECE]
