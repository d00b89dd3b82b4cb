"""Bodies on their way to the journal, in one piece or in several, with their credentials cut. No I/O."""

from __future__ import annotations

import re

from arc_proxy.cut.fields import (
    FORM_FIELD,
    GROUP_VALUE_OPEN,
    JSON_VALUE_END,
    cut_json,
    has_anchor,
    is_group,
    name_begins_at,
    opened,
)
from arc_proxy.cut.heads import SECRET_BYTES_MIN
from arc_proxy.cut.secrets import BodyForm, Secrets

# A value that runs on longer than this is cut without knowing its end.
HELD_BYTES_MAX = 64 * 1024

# Looking a member up in its class costs more than the comparison it is for.
_JSON, _FORM, _OTHER = BodyForm.JSON, BodyForm.FORM, BodyForm.NONE


def cut_whole(text: bytes, secrets: Secrets, form: BodyForm) -> bytes:
    """
    All of one side, or the end of it. The beginning of a credential that never ends is cut too.

    The same as a `Cutter` that is fed and finished, for a text in one piece.
    """
    if form is _JSON:
        if has_anchor(text):
            text = cut_json(text, lambda found: secrets.cut_field(found, form))
            begun_field = opened(text)
            if begun_field is not None:
                text = text[: begun_field.start()] + _open_marked(begun_field[0], secrets)
    elif form is _FORM:
        text = FORM_FIELD.sub(lambda found: secrets.cut_field(found, form), text)
    text = secrets.cut(text)
    begun = secrets.begins_at(text)
    if len(text) - begun >= SECRET_BYTES_MIN:
        text = text[:begun] + secrets.mark(text[begun:])
    return text


class Cutter:
    """
    Cuts the bytes of one side as they pass. Feed all pieces in order, then `finish`.

    What comes out lags behind by no more than what may be the beginning of a credential. The client's
    bytes do not wait for it: this is for what goes to the journal.
    """

    __slots__ = ("_form", "_held", "_secrets", "_value_end", "cuts")

    dropped = 0  # nothing is left out, unlike of a body that is encoded

    def __init__(self, secrets: Secrets, form: BodyForm) -> None:
        self._secrets = secrets
        self._form = form
        self._held = b""
        self._value_end = b""  # of a value that was cut without knowing where it ends, while inside it
        self.cuts = 0  # how often something was cut

    @property
    def is_holding(self) -> bool:
        return bool(self._held or self._value_end)

    def feed(self, piece: bytes) -> bytes:
        """What may be written now."""
        text = self._held + piece if self._held else piece
        if self._form is _OTHER:
            text = self._cut_secrets(text)
            keep = self._secrets.begins_at(text)
            self._held = text[keep:]
            return text[:keep] if self._held else text
        if self._value_end:
            text = self._leave_value(text)
        if self._form is _FORM:
            keep = text.rfind(b"&") + 1
            ready = self._cut_secrets(FORM_FIELD.sub(self._mark_field, text[:keep]))
        else:
            may_hold = has_anchor(text)
            if may_hold:
                text = cut_json(text, self._mark_field)
            text = self._cut_secrets(text)
            keep = min(self._secrets.begins_at(text), name_begins_at(text))
            if may_hold and (begun := opened(text)) is not None:
                keep = min(keep, begun.start())
            ready = text[:keep]
        self._held = text[keep:]
        if len(self._held) > HELD_BYTES_MAX:
            return ready + self._give_up()
        return ready

    def finish(self, piece: bytes = b"") -> bytes:
        """The rest. The beginning of a credential that never ended is cut too."""
        text = self._held + piece if self._held else piece
        self._held = b""
        if self._value_end:
            text = self._leave_value(text)
            self._value_end = b""
        kept = cut_whole(text, self._secrets, self._form)
        if kept != text:
            self.cuts += 1
        return kept

    def _cut_secrets(self, text: bytes) -> bytes:
        kept = self._secrets.cut(text)
        if kept is not text:
            self.cuts += 1
        return kept

    def _mark_field(self, found: re.Match[bytes]) -> bytes:
        self.cuts += 1
        return self._secrets.cut_field(found, self._form)

    def _give_up(self) -> bytes:
        """A held value that is too long: its beginning is marked, the rest of it is thrown away."""
        held, self._held = self._held, b""
        self.cuts += 1
        if self._form is _JSON:
            if is_group(held):
                self._value_end = b"}"
                return held[: held.index(b"{")] + b'{"cut":"' + self._secrets.mark(held) + b'"'
            self._value_end = b'"'
            return _open_marked(held, self._secrets)
        self._value_end = b"&"
        name, equals, value = held.partition(b"=")
        return name + equals + self._secrets.mark(value)

    def _leave_value(self, text: bytes) -> bytes:
        if self._value_end == b'"':
            end = JSON_VALUE_END.match(text)
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


def _open_marked(field: bytes, secrets: Secrets) -> bytes:
    """An open field with what there is of its value marked; of a group, what is open in it."""
    if is_group(field):
        value = GROUP_VALUE_OPEN.search(field)
        if value is None:
            return field
        return field[: value.start()] + _open_marked(value[0], secrets)
    start = field.index(b'"', field.index(b":")) + 1
    return field[:start] + secrets.mark(field[start:])
