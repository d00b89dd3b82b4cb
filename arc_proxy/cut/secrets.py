"""The credentials of one exchange. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from urllib.parse import unquote_to_bytes

from arc_proxy.cut.fingerprints import Fingerprints, Needle, base64_forms, make_needle
from arc_proxy.cut.heads import SCHEME, SECRET_BYTES_MIN


class BodyForm(Enum):
    """What kind of fields a body is searched for."""

    NONE = "none"
    JSON = "json"
    FORM = "form"


class Secrets:
    """The credentials of one exchange: found in its heads and its request, looked for in all of it."""

    __slots__ = ("_fingerprints", "_needles", "_plain")

    def __init__(self, fingerprints: Fingerprints) -> None:
        self._fingerprints = fingerprints
        self._needles: list[Needle] = []
        self._plain: list[bytes] = []

    def add(self, secrets: Iterable[bytes]) -> None:
        for secret in secrets:
            self._plain.append(secret)
            for needle in self._fingerprints.needles(secret):
                if needle not in self._needles:
                    self._needles.append(needle)

    def expect_base64(self) -> None:
        """Look for what is known so far in base64 too, as some errors quote it. Takes longer."""
        for secret in dict.fromkeys(self._plain):
            if len(secret) >= SECRET_BYTES_MIN:
                mark = self._fingerprints.mark(secret)
                self._needles += [make_needle(form, mark) for form in sorted(base64_forms(secret))]

    def mark(self, value: bytes) -> bytes:
        return self._fingerprints.mark(value)

    def cut(self, text: bytes) -> bytes:
        """The text with every secret in it replaced by its mark."""
        for needle in self._needles:
            if needle.text in text:
                text = text.replace(needle.text, needle.mark)
        return text

    def cut_field(self, found: re.Match[bytes], form: BodyForm) -> bytes:
        """A body field with its value cut; the value is a secret from now on."""
        value = found["value"]
        if not value or value.startswith(b"cut-"):
            return found[0]
        whole, start = found[0], found.start("value") - found.start()
        scheme = SCHEME.match(value)
        skip = scheme.end() if scheme else 0
        secret = value[skip:]
        self.add((secret, unquote_to_bytes(secret)) if form is BodyForm.FORM else (secret,))
        return whole[: start + skip] + self.mark(secret) + whole[start + len(value) :]

    def begins_at(self, text: bytes) -> int:
        """Where in the text a secret may have begun that does not end in it; its length if none has."""
        size = len(text)
        first = size
        for needle in self._needles:
            at = text.find(needle.head, size - needle.reach if size > needle.reach else 0)
            while at != -1 and at < first:
                if needle.text.startswith(text[at:]):
                    first = at
                    break
                at = text.find(needle.head, at + 1)
            if text.endswith(needle.starts):
                first = min(first, next(size - n for n in (3, 2, 1) if text.endswith(needle.text[:n])))
        return first
