"""
Tokens, all made from the folder's secret. Standard library only, no state.

    API token      for the programs of this user, who can read `secret.key`
    login token    expiry "." nonce "." mark    good once and for ten minutes; stands in a link
    cookie         expiry "." nonce "." mark    good for thirty days; what a browser has in place of a login
    form token     expiry "." nonce "." mark    good for a day; its purpose has the cookie's nonce, so that
                                                it is of use to that browser alone

A mark is the HMAC-SHA256 of the purpose, the expiry and the nonce, so none can serve as another.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

LOGIN_S = 600
COOKIE_S = 30 * 86_400
FORM_S = 86_400  # a page may stay open over a night


def api_token(secret: bytes) -> str:
    return _mark(secret, "api", "")


def is_api_token(secret: bytes, token: str) -> bool:
    return hmac.compare_digest(api_token(secret).encode(), token.encode(errors="replace"))


def make_token(secret: bytes, purpose: str, expires_s: float) -> str:
    """`purpose` is "login", "cookie", or "form " and a cookie's nonce; `expires_s`: Unix time in seconds."""
    body = f"{int(expires_s)}.{secrets.token_urlsafe(16)}"
    return f"{body}.{_mark(secret, purpose, body)}"


def read_token(secret: bytes, purpose: str, token: str, now_s: float) -> str | None:
    """The nonce of a token that is ours, for this purpose and not expired; else None."""
    body, _, mark = token.rpartition(".")
    if not hmac.compare_digest(_mark(secret, purpose, body).encode(), mark.encode(errors="replace")):
        return None
    expiry, _, nonce = body.partition(".")
    return nonce if int(expiry) > now_s else None


def _mark(secret: bytes, purpose: str, body: str) -> str:
    return hmac.new(
        secret, f"arc-proxy {purpose} {body}".encode(errors="replace"), hashlib.sha256
    ).hexdigest()
