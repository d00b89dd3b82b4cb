"""
Kinds of header fields: which of them pass, which are ours, which say something to us. No I/O.

The fields of one connection are those of https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1.
"""

from __future__ import annotations

from arc_proxy.cut import is_secret_header
from arc_proxy.foreign import CAPTURE_FIELDS, Fate, fate_of

PLAIN = 0
SECRET = 1  # passes, and is cut for the journal
GATEWAY_KEY = 2  # passes only to what may be a gateway, and is cut for the journal
GATEWAY = 3  # passes only to what may be a gateway
ASKS_LESS = 4  # passes, and asks that less is kept
CONTENT_TYPE = 5
CONTENT_ENCODING = 6
CONTENT_LENGTH = 7
TRANSFER_ENCODING = 8
HOST = 9
CONNECTION = 10
HOP_BY_HOP = 11
SECRET_HOP = 12  # of one connection or for us, and a credential
ARC = 13
UPGRADE = 14

# Fields of these kinds do not pass as they are.
CHANGES_FROM = HOST
# The journal keeps a mark of their values.
CUT = (SECRET, GATEWAY_KEY, SECRET_HOP)
# The provider is no gateway.
FOR_GATEWAYS = (GATEWAY_KEY, GATEWAY)

_KINDS = {
    b"content-type": CONTENT_TYPE,
    b"content-encoding": CONTENT_ENCODING,
    b"content-length": CONTENT_LENGTH,
    b"transfer-encoding": TRANSFER_ENCODING,
    b"host": HOST,
    b"connection": CONNECTION,
    b"keep-alive": HOP_BY_HOP,
    b"proxy-connection": HOP_BY_HOP,
    b"proxy-authenticate": SECRET_HOP,
    b"proxy-authorization": SECRET_HOP,
    b"upgrade": UPGRADE,
    b"x-arc-token": SECRET_HOP,
}
_SEEN_MAX = 1024


class _Kinds(dict[bytes, int]):
    """Names repeat, and the hot path asks for each field: what was found is remembered, up to a bound."""

    def __missing__(self, name: bytes) -> int:
        if len(self) >= _SEEN_MAX:
            self.clear()
        kind = self[name] = _classify(name.lower())
        return kind


# The kind of a field, whatever the case of its name.
KIND_OF = _Kinds()


def _classify(name: bytes) -> int:
    if name in _KINDS:
        return _KINDS[name]
    if name.startswith(b"x-arc-"):
        return ARC
    fate = fate_of(name)
    if fate is not Fate.FORWARDED:
        return GATEWAY_KEY if fate is Fate.KEY else GATEWAY
    if name in CAPTURE_FIELDS:
        return ASKS_LESS
    return SECRET if is_secret_header(name) else PLAIN


def tokens_of(value: bytes) -> set[bytes]:
    """The members of a list like `Connection`'s, in lower case."""
    return {token.strip(b" \t").lower() for token in value.split(b",")}
