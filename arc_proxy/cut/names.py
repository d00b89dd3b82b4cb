"""
Names of what carries a credential, and what keys look like: the one list. No I/O.

Patterns for names are without anchors and meant for any case.
"""

from __future__ import annotations

import re

HEADER_NAMES = frozenset(
    {
        b"authorization",
        b"proxy-authorization",
        b"x-amz-security-token",
        b"x-goog-iap-jwt-assertion",
        b"cookie",
        b"set-cookie",
        b"set-cookie2",
        b"x-bf-vk",
        b"apikey",
        b"api_key",
        b"token",
        b"key",
        b"x-key",
        b"secret",
        b"password",
    }
)
HEADER_ENDS = (
    b"authorization",
    b"api-key",
    b"apikey",
    b"api_key",
    b"virtual-key",
    b"access-key",
    b"subscription-key",
    b"function-key",
    b"-auth",
    b"-token",
    b"-secret",
    b"-password",
)
COOKIE_HEADERS = (b"cookie", b"set-cookie", b"set-cookie2")
URL_HEADERS = frozenset(
    {b"location", b"content-location", b"operation-location", b"azure-asyncoperation", b"referer"}
)
# https://www.rfc-editor.org/rfc/rfc9110#section-11.6: what they say may be a token, as Negotiate's is.
CHALLENGE_ENDS = (b"www-authenticate", b"proxy-authenticate", b"authentication-info")
# What a challenge says for people and programs to find out why, and where to log in. RFC 9110, 7616, 6750,
# 9728 and Azure's. Values of all other parameters are cut: nonces, tickets, whatever a server makes up.
CHALLENGE_WORDS = frozenset(
    {
        b"realm",
        b"charset",
        b"algorithm",
        b"qop",
        b"stale",
        b"domain",
        b"userhash",
        b"nc",
        b"error",
        b"error_description",
        b"error_uri",
        b"scope",
        b"resource",
        b"resource_id",
        b"resource_metadata",
        b"authorization_uri",
        b"algs",
    }
)
SUBPROTOCOL_HEADER = b"sec-websocket-protocol"

QUERY_NAMES = frozenset(
    re.split(
        r"\s+",
        "key token sig signature code password secret auth authorization access_token refresh_token id_token "
        "client_secret client_assertion api_key api-key apikey x-api-key x-goog-api-key subscription-key "
        "x-amz-signature x-amz-credential x-amz-security-token x-goog-signature x-goog-credential "
        "awsaccesskeyid",
    )
)

# After any first words: "x-litellm-api-key", "aws_secret_access_key", as MCP servers' `headers` have them.
_FIELD_ENDS = (
    rb"authorization|api[_-]?key|access[_-]?token|refresh[_-]?token|id[_-]?token|session[_-]?token|"
    rb"auth[_-]?token|bearer[_-]?token|security[_-]?token|client[_-]?secret|signing[_-]?secret|"
    rb"webhook[_-]?secret|secret[_-]?key|secret[_-]?access[_-]?key|subscription[_-]?key|private[_-]?key|"
    rb"virtual[_-]?key|connection[_-]?string"
)
# A field of any JSON document, whose value is a text or a list of texts.
FIELD = (
    rb"(?:(?:[a-z0-9_-]{0,32}[_-])?(?:" + _FIELD_ENDS + rb")|"
    rb"authorization_token|subject_token|actor_token|set-cookie|cookie)s?"
)
# A field whose value is an object that is a credential: Azure's {"authentication": {"type": "api_key",
# "key": "..."}}, a session's {"client_secret": {"value": "..."}}; and in it, what is secret.
GROUP = rb"(?:" + FIELD + rb"|authentication)"
GROUP_FIELD = rb"(?:" + FIELD + rb"|key|value|secret|token|password)"
# A field of a form. In JSON these words are common: `token` of logprobs, `password` and `code` of a tool's
# arguments, which are content. A part `key` names an object of a store, and `code` is source text.
PART_FIELD = (
    rb"(?:"
    + FIELD
    + rb"|(?:[a-z0-9_-]{0,32}[_-])?password|secret|token|assertion|client_assertion|passphrase)"
)
FORM_FIELD = rb"(?:" + PART_FIELD + rb"|key|code|code_verifier|device_code)"
# How the names of FIELD and GROUP end, in at most 8 letters: the search goes back as far from each quote.
# Not "string" and "tokens", which schemas and usages are full of.
NAME_ENDS = (
    *("token", "secret", "key", "rization", "tication", "cookie"),
    *("keys", "secrets", "cookies", "n_string", "n-string", "nString", "nstring"),
    *("s_tokens", "s-tokens", "sTokens"),  # access
    *("h_tokens", "h-tokens", "hTokens"),  # auth, refresh
    *("r_tokens", "r-tokens", "rTokens"),  # bearer
)

# How the keys of well-known services begin. A minted key comes back in fields of any name: OpenAI's
# {"value": "ek_..."}, LiteLLM's {"key": "sk-..."}.
KEY_STARTS = (
    *("sk-", "sk_", "rk_", "ek_", "sess-", "gsk_", "xai-", "AIza", "AQ.", "ya29.", "eyJ", "hf_", "r8_"),
    *("pplx-", "nvapi-", "csk-", "fw_", "tgp_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
    *("glpat-", "xox", "lsv2_", "tvly-", "pcsk_", "whsec_", "ABSK", "GOCSPX-", "auth_tokens/"),
    *("Bearer ", "Basic "),
)
# The longest are JWTs; what is longer is a file in base64.
KEY_BYTES_MAX = 16 * 1024

# What looks random: words alone, as "sk-learn-documentation", are a name.
_RANDOM = rb"(?=[a-z_-]*[0-9A-Z])[A-Za-z0-9_-]{16,}"
_LETTERS = rb"[A-Za-z0-9]{20,}"
# A whole text that is a key. What stands in prose is none, and the locale of a voice, "sk-SK-", is none.
KEY = re.compile(
    rb"(?:sk-(?!SK-)|ek_|pplx-|nvapi-|csk-|tgp_|github_pat_|glpat-|lsv2_|tvly-|pcsk_|GOCSPX-|auth_tokens/)"
    + _RANDOM
    + rb"|(?:gsk_|xai-|hf_|r8_|fw_|gh[pousr]_|[sr]k_(?:live_|test_)?)"
    + _LETTERS
    + rb"|sess-[A-Za-z0-9]{40,}|AIza[A-Za-z0-9_-]{30,}|AQ\.[A-Za-z0-9_-]{30,}|ya29\.[A-Za-z0-9_.-]{20,}"
    rb"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){1,3}"  # a JWT
    rb"|xox[a-z]-[A-Za-z0-9-]{16,}|whsec_[A-Za-z0-9+/=_-]{16,}|ABSK[A-Za-z0-9+/=]{40,}"
    rb"|(?:Bearer|Basic) +(?=[a-z]*[0-9A-Z])[A-Za-z0-9._~+/=-]{16,}"
)
