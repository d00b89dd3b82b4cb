"""
The process that counts: lists of texts in, lists of token counts out, a JSON line each, until stdin ends.

    python -m arc_proxy.tokens
"""

from __future__ import annotations

import sys

import orjson

from arc_proxy.tokens.o200k import O200k


def main() -> None:
    encoding = O200k()
    for line in sys.stdin.buffer:
        counts = [encoding.count(text) for text in orjson.loads(line)]
        sys.stdout.buffer.write(orjson.dumps(counts) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
