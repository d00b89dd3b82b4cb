"""The credentials of one exchange. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote_to_bytes

from ahocorasick_rs import BytesAhoCorasick

from arc_proxy.cut.escapes import ESCAPE_BYTES, read_text, spelled_begins_at, unescaped
from arc_proxy.cut.fingerprints import PROBED_BYTES_MAX, Fingerprints, Needles
from arc_proxy.cut.heads import SCHEME, SECRET_BYTES_MIN


class Secrets:
    """The credentials of one exchange: found in its heads and its bodies, looked for in all of it."""

    __slots__ = ("_fingerprints", "_needles", "_plain", "finder")

    def __init__(self, fingerprints: Fingerprints) -> None:
        self._fingerprints = fingerprints
        self._needles: list[Needles] = []
        self._plain: list[bytes] = []
        # Finds all of them and whatever else is to be cut in a short text. None: look for each.
        self.finder: BytesAhoCorasick | None = None

    def expect_pieces(self) -> None:
        """Many short texts are to come."""
        self.finder = self._fingerprints.finder(tuple(self._plain))

    def add(self, secrets: Iterable[bytes]) -> None:
        for secret in secrets:
            if len(secret) >= SECRET_BYTES_MIN and secret not in self._plain:
                self.finder = None
                self._plain.append(secret)
                self._needles.append(self._fingerprints.needles(secret))

    def expect_base64(self) -> None:
        """From now on look for what is known so far in base64 too, as some answers quote it."""
        self._needles += map(self._fingerprints.base64_needles, self._plain)

    def mark(self, value: bytes) -> bytes:
        return self._fingerprints.mark(value)

    def cut(self, text: bytes) -> bytes:
        """The text with every secret in it replaced by its mark."""
        for needles in self._needles:
            probes = needles.probes
            if probes and len(text) < PROBED_BYTES_MAX and not probes.find_matches_as_indexes(text):
                continue
            for needle in needles.each:
                if needle.text in text:
                    text = text.replace(needle.text, needle.mark)
        return text

    def overwrite(self, text: bytes) -> bytes:
        """The same without a change of length, for bytes whose length stands elsewhere."""
        for needles in self._needles:
            for needle in needles.each:
                if needle.text in text:
                    size = len(needle.text)
                    text = text.replace(needle.text, needle.mark[:size].ljust(size, b"*"))
        return text

    def cut_spelled(self, text: bytes) -> bytes:
        """The same for secrets that JSON escapes are in; `cut` finds them without."""
        plain = unescaped(text)
        for secret in self._plain:
            if secret in plain:
                # A mark has no backslash, so it is a template of itself.
                text = self._fingerprints.any_spelling(secret).sub(self.mark(secret), text)
        return text

    def cut_value(self, value: bytes) -> bytes:
        """The mark of a value that is a credential; it is a secret from now on, and its scheme stays."""
        return self._marked(value)[0]

    def cut_text(self, inside: bytes) -> bytes:
        """The same for the inside of a JSON text."""
        kept, secret = self._marked(inside)
        if b"\\" in secret:
            self.add((read_text(secret), unescaped(secret)))
        return kept

    def cut_form_value(self, value: bytes) -> bytes:
        """The same for a value of a form."""
        kept, secret = self._marked(value)
        if b"%" in secret or b"+" in secret:
            self.add((unquote_to_bytes(secret), unquote_to_bytes(secret.replace(b"+", b" "))))
        return kept

    def begins_at(self, text: bytes) -> int:
        """Where in the text a secret may have begun that does not end in it; its length if none has."""
        first = size = len(text)
        if not size:
            return 0
        last = text[-1]
        for needles in self._needles:
            if last in needles.letters:
                first = min(first, _begins_at(text, needles))
        return first

    def spelled_begins_at(self, text: bytes) -> int:
        """The same for secrets that JSON escapes are in."""
        return spelled_begins_at(text, self._plain)

    @property
    def spelled_reach(self) -> int:
        """How far from the end of a text an escape may stand in a secret that is not whole."""
        return ESCAPE_BYTES * max(map(len, self._plain), default=0)

    def _marked(self, value: bytes) -> tuple[bytes, bytes]:
        """A value with its scheme kept, and what was marked in it; nothing of what is cut already."""
        scheme = SCHEME.match(value)
        at = scheme.end() if scheme else 0
        secret = value[at:]
        if not secret or secret.startswith(b"cut-"):
            return value, b""
        self.add((secret,))
        return value[:at] + self.mark(secret), secret


def _begins_at(text: bytes, needles: Needles) -> int:
    size = len(text)
    first = size
    for needle in needles.each:
        at = text.find(needle.head, size - needle.reach if size > needle.reach else 0)
        while at != -1 and at < first:
            if needle.text.startswith(text[at:]):
                first = at
                break
            at = text.find(needle.head, at + 1)
        if text.endswith(needle.starts):
            first = min(first, next(size - n for n in (3, 2, 1) if text.endswith(needle.text[:n])))
    return first
