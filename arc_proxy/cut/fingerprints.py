"""Marks that stand for credentials, and the forms in which these come back. No I/O."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote_from_bytes

from ahocorasick_rs import BytesAhoCorasick

from arc_proxy.cut.escapes import any_spelling
from arc_proxy.cut.fields import make_finder
from arc_proxy.cut.heads import SECRET_BYTES_MIN, cut_header

# Marks and the like that are kept in memory.
REMEMBERED_MAX = 1024
# Keys are shorter; the marks of longer values are made anew each time, so that memory stays bounded.
REMEMBERED_BYTES_MAX = 4096

# Finders that are kept, 0.2 MB each; and how often one has to be asked for before it is made.
FINDERS_MAX = 8
FINDER_ASKED_MIN = 3

# Of each form, what a probe finds: words and short codes have none in common with it.
PROBE_BYTES = 16
# In longer texts a search skips by the length of what it looks for, and one after the other is quicker.
PROBED_BYTES_MAX = 4096

_HEX = re.compile(rb"%[0-9A-F]{2}")
_URLSAFE = bytes.maketrans(b"+/", b"-_")

_K = TypeVar("_K", bound=Hashable)
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class Needle:
    """A secret in one of its forms, and what stands for it."""

    text: bytes
    mark: bytes
    starts: tuple[bytes, ...]  # its first one, two and three bytes
    head: bytes  # its first four
    reach: int  # how far from the end of a text it may begin and not be whole


@dataclass(frozen=True, slots=True)
class Needles:
    """Forms of one secret."""

    each: tuple[Needle, ...]
    letters: frozenset[int]  # the bytes they are made of: what ends in another has begun none
    # Finds an end of each in one pass over a short text. None where one form is in use.
    probes: BytesAhoCorasick | None = None


class Fingerprints:
    """Makes the marks that stand for credentials. Keys come again and again, so what it made is kept."""

    def __init__(self, secret_key: bytes) -> None:
        self._secret_key = secret_key
        self._marks: dict[bytes, bytes] = {}
        self._needles: dict[bytes, Needles] = {}
        self._base64: dict[bytes, Needles] = {}
        self._spellings: dict[bytes, re.Pattern[bytes]] = {}
        self._finders: dict[tuple[bytes, ...], BytesAhoCorasick] = {}
        self._asked: dict[tuple[bytes, ...], int] = {}
        self._headers: dict[tuple[bytes, bytes], tuple[bytes, tuple[bytes, ...]]] = {}

    def mark(self, value: bytes) -> bytes:
        """`cut-` and 8 hex digits."""
        mark = self._marks.get(value)
        if mark is None:
            digest = hmac.new(self._secret_key, value, hashlib.sha256).hexdigest()
            mark = b"cut-" + digest[:8].encode()
            _remember(self._marks, value, mark, len(value))
        return mark

    def cut_header(self, name: bytes, value: bytes) -> tuple[bytes, tuple[bytes, ...]]:
        """See the function of this name."""
        known = self._headers.get((name, value))
        if known is None:
            known = cut_header(name, value, self)
            _remember(self._headers, (name, value), known, len(value))
        return known

    def needles(self, secret: bytes) -> Needles:
        """The forms in which a secret may come back; none if it is too short to be one."""
        known = self._needles.get(secret)
        if known is None:
            quoted = quote_from_bytes(secret, safe="").encode()
            forms = {secret, secret.replace(b"/", b"\\/"), quoted, _HEX.sub(_lower, quoted)}
            known = self._made(secret, forms)
            _remember(self._needles, secret, known, len(secret))
        return known

    def base64_needles(self, secret: bytes) -> Needles:
        """The letters that base64 makes of a secret alone, wherever in a longer text it stands."""
        known = self._base64.get(secret)
        if known is None:
            forms = _base64_forms(secret) if len(secret) >= SECRET_BYTES_MIN else set()
            probes = BytesAhoCorasick([form[-PROBE_BYTES:] for form in forms]) if forms else None
            known = self._made(secret, forms, probes)
            _remember(self._base64, secret, known, len(secret))
        return known

    def any_spelling(self, secret: bytes) -> re.Pattern[bytes]:
        """See the function of this name."""
        known = self._spellings.get(secret)
        if known is None:
            known = any_spelling(secret)
            _remember(self._spellings, secret, known, len(secret))
        return known

    def finder(self, secrets: tuple[bytes, ...]) -> BytesAhoCorasick | None:
        """
        Finds anything that is to be cut in a short text, these secrets in all their forms too.

        None where they have not come again and again, or others did before them.
        """
        known = self._finders.get(secrets)
        if known is None and len(self._finders) < FINDERS_MAX:
            asked = self._asked.get(secrets, 0) + 1
            _remember(self._asked, secrets, asked, sum(map(len, secrets)))
            if asked >= FINDER_ASKED_MIN:
                forms = (self.needles, self.base64_needles)
                needles = [needle for secret in secrets for form in forms for needle in form(secret).each]
                known = self._finders[secrets] = make_finder(each.text[-PROBE_BYTES:] for each in needles)
        return known

    def _made(self, secret: bytes, forms: Iterable[bytes], probes: BytesAhoCorasick | None = None) -> Needles:
        if len(secret) < SECRET_BYTES_MIN:
            return Needles((), frozenset())
        mark = self.mark(secret)
        forms = sorted(forms)
        return Needles(tuple(_needle(form, mark) for form in forms), frozenset(b"".join(forms)), probes)


def _needle(form: bytes, mark: bytes) -> Needle:
    return Needle(form, mark, (form[:1], form[:2], form[:3]), form[:4], len(form) - 1)


def _lower(found: re.Match[bytes]) -> bytes:
    return found[0].lower()


def _base64_forms(secret: bytes) -> set[bytes]:
    forms = set()
    for before in range(3):
        start = -(-before * 8 // 6)
        end = (before + len(secret)) * 8 // 6
        whole = base64.b64encode(bytes(before) + secret)[start:end]
        # JSON writers that escape slashes do so in base64 too.
        forms |= {whole, whole.translate(_URLSAFE), whole.replace(b"/", b"\\/")}
    return forms


def _remember(memory: dict[_K, _V], key: _K, value: _V, size_bytes: int) -> None:
    if size_bytes > REMEMBERED_BYTES_MAX:
        return
    if len(memory) >= REMEMBERED_MAX:
        memory.clear()
    memory[key] = value
