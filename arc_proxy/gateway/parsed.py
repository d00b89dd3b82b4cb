"""
A request's head as aiohttp's strict parser gives it: what we read of it, and no more.

The parser's own class is a tuple in Python and none in C, so nothing here leans on what it is.
Source: https://github.com/aio-libs/aiohttp/blob/3.14/aiohttp/http_parser.py (RawRequestMessage)
"""

from __future__ import annotations

from typing import Protocol

from aiohttp.http_writer import HttpVersion, HttpVersion11
from multidict import CIMultiDict, CIMultiDictProxy


class ParsedHead(Protocol):
    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...  # the target as it was sent, query and all
    @property
    def version(self) -> HttpVersion: ...
    @property
    def headers(self) -> CIMultiDictProxy[str]: ...
    @property
    def raw_headers(self) -> tuple[tuple[bytes, bytes], ...]: ...
    @property
    def should_close(self) -> bool: ...
    @property
    def upgrade(self) -> bool: ...
    @property
    def chunked(self) -> bool: ...


class Unreadable:
    """Stands for what the parser refused. Nothing of it is known, and nothing of it is kept."""

    method = "-"
    path = "-"
    version = HttpVersion11
    headers: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())
    raw_headers: tuple[tuple[bytes, bytes], ...] = ()
    should_close = True
    upgrade = False
    chunked = False


UNREADABLE: ParsedHead = Unreadable()
