"""
Counting tokens in a process of its own: a tokenizer is half a second and 80 MB, and whoever ingests should
have neither. It starts when something is to be counted and ends with the `with`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import orjson

from arc_proxy.errors import ArcError

# More than this of one text is not counted but scaled: the tokens of its beginning stand for the rest.
TEXT_CHARS_MAX = 400_000


class CannotCount(ArcError):
    """The counting process did not start, or died."""


class TokenCounter:
    """Counts by `o200k_base`."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text. Raises CannotCount."""
        if not texts:
            return []
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        asked = [text[:TEXT_CHARS_MAX].encode(errors="replace").decode() for text in texts]
        try:
            process.stdin.write(orjson.dumps(asked) + b"\n")
            process.stdin.flush()
            answer = process.stdout.readline()
            counts: list[int] = orjson.loads(answer)
        except (OSError, orjson.JSONDecodeError) as error:
            self.close()
            raise CannotCount(f"the tokenizer's process ended: {error}") from None
        return [_scaled(count, text) for count, text in zip(counts, texts, strict=True)]

    def _start(self) -> subprocess.Popen[bytes]:
        # -P: a module of the user's in the working directory must not take the place of one of ours.
        command = [sys.executable, "-P", "-m", "arc_proxy.tokens"]
        try:
            self._process = subprocess.Popen(  # noqa: S603  our own interpreter and module
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except OSError as error:
            raise CannotCount(f"the tokenizer's process does not start: {error.strerror}") from None
        return self._process

    def close(self) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        process.kill()
        process.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _scaled(count: int, text: str) -> int:
    return count if len(text) <= TEXT_CHARS_MAX else round(count * len(text) / TEXT_CHARS_MAX)
