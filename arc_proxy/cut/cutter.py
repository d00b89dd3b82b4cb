"""Bodies on their way to the journal, in one piece or in several, with their credentials cut. No I/O."""

from __future__ import annotations

import re
from enum import Enum

from arc_proxy.cut.escapes import ends_in_escape
from arc_proxy.cut.fields import SHORT_BYTES_MAX, VALUE_END, Found, find_anchors, find_fields, name_begins_at
from arc_proxy.cut.heads import SECRET_BYTES_MIN
from arc_proxy.cut.names import FORM_FIELD
from arc_proxy.cut.secrets import Secrets

# A value that runs on longer than this is cut without knowing its end.
HELD_BYTES_MAX = 64 * 1024

_FORM_FIELD = re.compile(rb"(?:\A|(?<=&))(?P<name>" + FORM_FIELD + rb")=(?P<value>[^&]+)", re.I)
_NO_FIELDS = Found([], None, -1)


class BodyForm(Enum):
    """What kind of fields a body is searched for."""

    NONE = "none"
    JSON = "json"  # and event streams of it
    FORM = "form"
    MULTIPART = "multipart"


# Looking a member up in its class costs more than the comparison it is for.
_JSON, _FORM, _OTHER = BodyForm.JSON, BodyForm.FORM, BodyForm.NONE


def cut_whole(text: bytes, secrets: Secrets, form: BodyForm) -> bytes:
    """
    All of one side, or the end of it. The beginning of a credential that never ends is cut too.

    The same as a `Cutter` that is fed and finished, for a text in one piece and any form but multipart.
    """
    last_escape = -1
    if form is _JSON:
        anchors = find_anchors(text)
        if anchors:
            found = find_fields(text, anchors)
            last_escape = found.last_escape
            text = _marked(text, found, secrets)
    elif form is _FORM:
        text = _cut_form(text, secrets)
    text = secrets.cut(text)
    begun = secrets.begins_at(text)
    if last_escape != -1:
        text = secrets.cut_spelled(text)
        begun = min(secrets.begins_at(text), secrets.spelled_begins_at(text))
    if len(text) - begun >= SECRET_BYTES_MIN:
        text = text[:begun] + secrets.mark(text[begun:])
    return text


class Cutter:
    """
    Cuts the bytes of one side as they pass. Feed all pieces in order, then `finish`.

    What comes out lags behind by no more than what may be the beginning of a credential. The client's
    bytes do not wait for it: this is for what goes to the journal. Of a multipart body see `MultipartCutter`.
    """

    __slots__ = ("_form", "_held", "_secrets", "_value_end", "cuts")

    dropped = 0  # nothing is left out, unlike of a body that is encoded

    def __init__(self, secrets: Secrets, form: BodyForm) -> None:
        self._secrets = secrets
        self._form = form
        self._held = b""
        self._value_end = b""  # of a value that was cut without knowing where it ends, while inside it
        self.cuts = 0  # how often something was cut
        secrets.expect_pieces()

    @property
    def is_holding(self) -> bool:
        return bool(self._held or self._value_end)

    def feed(self, piece: bytes) -> bytes:
        """What may be written now."""
        text = self._held + piece if self._held else piece
        if self._value_end:
            text = self._leave_value(text)
        if self._form is _JSON:
            return self._feed_json(text)
        if self._form is _FORM:
            keep = text.rfind(b"&") + 1
            ready = self._cut_secrets(_cut_form(text[:keep], self._secrets))
            self._held = text[keep:]
            self.cuts += ready != text[:keep]
        else:
            text = self._cut_secrets(text)
            keep = self._secrets.begins_at(text)
            self._held = text[keep:]
            ready = text[:keep] if self._held else text
        return self._within_bounds(ready)

    def finish(self, piece: bytes = b"") -> bytes:
        """The rest. The beginning of a credential that never ended is cut too."""
        text = self._held + piece if self._held else piece
        self._held = b""
        if self._value_end:
            text = self._leave_value(text)
            self._held = self._value_end = b""
        kept = cut_whole(text, self._secrets, self._form)
        if kept != text:
            self.cuts += 1
        return kept

    def _feed_json(self, text: bytes) -> bytes:
        """
        Fields first, then secrets in what is before the first that is open. Names and values do not begin
        inside a secret that has begun: it would have to have a quote in it.
        """
        secrets = self._secrets
        size = len(text)
        end = name_begins_at(text)
        finder = secrets.finder
        if (
            size < SHORT_BYTES_MAX
            and finder
            and not finder.find_matches_as_indexes(text)
            and end == secrets.begins_at(text) == size
            and b"\\" not in text[-6:]
        ):
            self._held = b""
            return text
        anchors = find_anchors(text)
        has_escapes = False
        if anchors:
            found = find_fields(text, anchors)
            if found.open is not None and found.open.at < end:
                end = found.open.at
            has_escapes = found.last_escape >= max(0, size - secrets.spelled_reach)
            ready = _marked(text[:end], found, secrets)
            if found.last_escape != -1:
                ready = secrets.cut_spelled(ready)
            self.cuts += ready != text[:end]
        else:
            ready = text if end == size else text[:end]
        ready = self._cut_secrets(ready)
        keep = secrets.begins_at(ready)
        if end == size and (has_escapes or (b"\\" in ready[-6:] and ends_in_escape(ready))):
            keep = min(keep, secrets.spelled_begins_at(ready))
        self._held = ready[keep:] + text[end:]
        return self._within_bounds(ready[:keep] if self._held else ready)

    def _cut_secrets(self, text: bytes) -> bytes:
        kept = self._secrets.cut(text)
        if kept is not text:
            self.cuts += 1
        return kept

    def _within_bounds(self, ready: bytes) -> bytes:
        """A held value that is too long: its beginning is marked, the rest of it is thrown away."""
        held = self._held
        if len(held) <= HELD_BYTES_MAX:
            return ready
        self._held = b""
        self.cuts += 1
        if self._form is _FORM:
            self._value_end = b"&"
            name, equals, value = held.partition(b"=")
            return ready + name + equals + self._secrets.mark(value)
        found = find_fields(held, find_anchors(held)) if self._form is _JSON else _NO_FIELDS
        if found.open is None or not found.open.kind:
            return ready + self._secrets.mark(held)
        at, kind, begins, _ = found.open
        self._value_end = {b'"': b'"', b"[": b"]", b"{": b"}"}[kind]
        mark = {b'"': b'"%b', b"[": b'["%b"', b"{": b'{"cut":"%b"'}[kind] % self._secrets.mark(held[begins:])
        return ready + _marked(held[:at], found, self._secrets) + held[at:begins] + mark

    def _leave_value(self, text: bytes) -> bytes:
        if self._value_end == b'"':
            end = VALUE_END.match(text)
            if end is None:
                # A lone backslash at the end belongs to the byte that follows.
                self._held = b"\\" if (len(text) - len(text.rstrip(b"\\"))) % 2 else b""
                return b""
            at = end.end() - 1
        else:
            at = text.find(self._value_end)
            if at == -1:
                return b""
        self._value_end = b""
        return text[at:]


def _marked(text: bytes, found: Found, secrets: Secrets) -> bytes:
    """A text, or its beginning, with what was found in it marked; at its end also what is open."""
    spans = found.values
    if found.open is not None:
        start, end = found.open.text
        if end - start:
            spans = [*spans, (start, end)]
    parts = []
    done = 0
    for start, end in spans:
        if end > len(text):
            break
        parts += [text[done:start], secrets.cut_text(text[start:end])]
        done = end
    return b"".join([*parts, text[done:]]) if parts else text


def _cut_form(text: bytes, secrets: Secrets) -> bytes:
    def cut(found: re.Match[bytes]) -> bytes:
        return b"%b=%b" % (found["name"], secrets.cut_form_value(found["value"]))

    return _FORM_FIELD.sub(cut, text)
