from __future__ import annotations

import base64
import gzip
import json
import os
import re
import stat
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.cut import (
    HELD_BYTES_MAX,
    BodyForm,
    Cutter,
    Fingerprints,
    Secrets,
    cut_header,
    cut_query,
    is_secret_header,
    load_secret_key,
    new_cutter,
)
from arc_proxy.cut.fingerprints import FINDER_ASKED_MIN, FINDERS_MAX
from arc_proxy.wire.credentials import CUT, cut_credentials

KEY = b"sk-canary-0123456789abcdef/+="
fingerprints = Fingerprints(b"k" * 32)
MARK = fingerprints.mark(KEY)

SECRET_NAMES = (
    b"Authorization",
    b"proxy-authorization",
    b"X-API-Key",
    b"api-key",
    b"x-goog-api-key",
    b"Cookie",
    b"Set-Cookie",
    b"x-amz-security-token",
    b"Helicone-Auth",
    b"x-portkey-virtual-key",
    b"cf-aig-authorization",
    b"x-bf-vk",
    b"x-litellm-api-key",
    b"Ocp-Apim-Subscription-Key",
    b"Sec-WebSocket-Protocol",
    b"PRIVATE-TOKEN",
    b"X-Vault-Token",
    b"token",
    b"X-Key",
    b"Referer",
    b"Location",
    b"WWW-Authenticate",
    b"Authentication-Info",
    b"x-amzn-Remapped-WWW-Authenticate",
)
PLAIN_NAMES = (
    b"Content-Type",
    b"Idempotency-Key",
    b"Sec-WebSocket-Key",
    b"x-request-id",
    b"x-arc-run-id",
    b"X-Hermes-Session-Key",
    b"x-ratelimit-remaining-tokens",
    b"anthropic-version",
    b"x-bf-cache-key",
)


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_carries_a_credential(name: bytes) -> None:
    assert is_secret_header(name)


@pytest.mark.parametrize("name", PLAIN_NAMES)
def test_carries_none(name: bytes) -> None:
    assert not is_secret_header(name)


HEADERS = {
    "a bearer": (b"Authorization", b"Bearer " + KEY, b"Bearer " + MARK, {KEY}),
    "a bare key": (b"x-api-key", KEY, MARK, {KEY}),
    "a short one is cut too": (b"x-api-key", b"none", fingerprints.mark(b"none"), {b"none"}),
    "a password": (
        b"Authorization",
        b"Basic dXNlcjpzay1jYW5hcnktMDEyMzQ1Njc4OWFiY2RlZi8rPQ==",
        b"Basic " + fingerprints.mark(b"dXNlcjpzay1jYW5hcnktMDEyMzQ1Njc4OWFiY2RlZi8rPQ=="),
        {b"dXNlcjpzay1jYW5hcnktMDEyMzQ1Njc4OWFiY2RlZi8rPQ==", KEY},
    ),
    "a signature": (
        b"Authorization",
        b"AWS4-HMAC-SHA256 Credential=AKID/x, Signature=abcdef",
        b"AWS4-HMAC-SHA256 " + fingerprints.mark(b"Credential=AKID/x, Signature=abcdef"),
        {b"Credential=AKID/x, Signature=abcdef"},
    ),
    "cookies": (
        b"Cookie",
        b"a=1; session=" + KEY,
        fingerprints.mark(b"a=1; session=" + KEY),
        {KEY},
    ),
    "the query of a URL": (
        b"Location",
        b"https://u/x?access_token=" + quote(KEY, safe="").encode() + b"&alt=sse",
        b"https://u/x?access_token=" + MARK + b"&alt=sse",
        {KEY, quote(KEY, safe="").encode()},
    ),
    "a URL without any": (b"Referer", b"https://u/\xff", b"https://u/\xff", set()),
    "a challenge": (
        b"WWW-Authenticate",
        b'Bearer realm="api, v1", error="invalid_token", error_description="the token is bad=old"',
        b'Bearer realm="api, v1", error="invalid_token", error_description="the token is bad=old"',
        set(),
    ),
    "a challenge with a token": (
        b"www-authenticate",
        b"Negotiate YIIBCAYGKwYBBQUC/+oIH8==, NTLM",
        b"Negotiate %b, NTLM" % fingerprints.mark(b"YIIBCAYGKwYBBQUC/+oIH8=="),
        {b"YIIBCAYGKwYBBQUC/+oIH8=="},
    ),
    "a challenge with a nonce, and a URL with a token": (
        b"WWW-Authenticate",
        b'Digest realm="x", qop=auth, nonce="dcd98b7102dd2f0e", Bearer authorization_uri="https://u/?token=t0k3n"',
        b'Digest realm="x", qop=auth, nonce="%b", Bearer authorization_uri="https://u/?token=%b"'
        % (fingerprints.mark(b"dcd98b7102dd2f0e"), fingerprints.mark(b"t0k3n")),
        {b"dcd98b7102dd2f0e", b"t0k3n"},
    ),
    "what a log-in answers": (
        b"Authentication-Info",
        b'nextnonce="47364c23432d2e13", access-token=' + KEY.replace(b"=", b""),
        b'nextnonce="%b", access-token=%b'
        % (fingerprints.mark(b"47364c23432d2e13"), fingerprints.mark(KEY.replace(b"=", b""))),
        {b"47364c23432d2e13", KEY.replace(b"=", b"")},
    ),
    "a realm that is a key": (
        b"WWW-Authenticate",
        b'Bearer realm="sk-ant-api03-Ab3dE5gH1jKlMn"',
        b'Bearer realm="%b"' % fingerprints.mark(b"sk-ant-api03-Ab3dE5gH1jKlMn"),
        {b"sk-ant-api03-Ab3dE5gH1jKlMn"},
    ),
    "a subprotocol": (
        b"Sec-WebSocket-Protocol",
        b"realtime, openai-insecure-api-key." + KEY + b", openai-beta.realtime-v1",
        b"realtime, openai-insecure-api-key." + MARK + b", openai-beta.realtime-v1",
        {KEY},
    ),
}


@pytest.mark.parametrize(("name", "value", "kept", "secrets"), HEADERS.values(), ids=HEADERS)
def test_cuts_a_header(name: bytes, value: bytes, kept: bytes, secrets: set[bytes]) -> None:
    found, found_secrets = cut_header(name, value, fingerprints)
    assert found == kept
    assert set(found_secrets) == secrets


def test_cuts_a_query() -> None:
    mark = fingerprints.mark(b"a/b+0123456789").decode()
    target, secrets = cut_query(
        "/v1/x?alt=sse&key=a%2Fb%2B0123456789&X-Amz-Signature=ff&Sig=&q", fingerprints
    )
    ff = fingerprints.mark(b"ff").decode()
    assert target == f"/v1/x?alt=sse&key={mark}&X-Amz-Signature={ff}&Sig=&q"
    assert {b"a/b+0123456789", b"a%2Fb%2B0123456789"} <= set(secrets)
    assert cut_query("/v1/x?", fingerprints) == ("/v1/x?", ())


def cut_in_pieces(pieces: list[bytes], form: BodyForm, secrets: Secrets | None = None) -> bytes:
    if secrets is None:
        secrets = Secrets(fingerprints)
        secrets.add([KEY])
    cutter = new_cutter(secrets, form)
    return b"".join([cutter.feed(piece) for piece in pieces]) + cutter.finish()


def in_pieces(text: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({min(cut, len(text)) for cut in cuts})
    return [text[a:b] for a, b in zip([0, *at], [*at, len(text)], strict=True)]


BODIES = {
    "nowhere": (b'{"model":"x"}', BodyForm.JSON, b'{"model":"x"}'),
    "echoed": (b"Incorrect API key: " + KEY + b".", BodyForm.NONE, b"Incorrect API key: " + MARK + b"."),
    "echoed twice": (KEY + KEY, BodyForm.NONE, MARK + MARK),
    "echoed in a query": (quote(KEY, safe="").encode(), BodyForm.NONE, MARK),
    "echoed in a query, in lower case": (quote(KEY, safe="").lower().encode(), BodyForm.NONE, MARK),
    "echoed by a JSON writer that escapes slashes": (
        KEY.replace(b"/", b"\\/"),
        BodyForm.NONE,
        MARK,
    ),
    "cut short": (b"your key " + KEY[:20], BodyForm.NONE, b"your key " + fingerprints.mark(KEY[:20])),
    "a few first bytes are no key": (b"ask", BodyForm.NONE, b"ask"),
    "a field": (
        b'{"mcp_servers":[{"authorization_token": "t0k3n", "name":"x"}]}',
        BodyForm.JSON,
        b'{"mcp_servers":[{"authorization_token": "%b", "name":"x"}]}' % fingerprints.mark(b"t0k3n"),
    ),
    "a field with a scheme": (
        b'{"headers":{"Authorization":"Bearer t0k3n"}}',
        BodyForm.JSON,
        b'{"headers":{"Authorization":"Bearer %b"}}' % fingerprints.mark(b"t0k3n"),
    ),
    "a field with escapes": (
        b'{"client_secret":"a\\"b\\\\","x":1}',
        BodyForm.JSON,
        b'{"client_secret":"%b","x":1}' % fingerprints.mark(b'a\\"b\\\\'),
    ),
    "a field in capitals": (
        b'{"ACCESS_TOKEN":"t"}',
        BodyForm.JSON,
        b'{"ACCESS_TOKEN":"%b"}' % fingerprints.mark(b"t"),
    ),
    "a field that never ends": (
        b'{"refresh_token":"abc',
        BodyForm.JSON,
        b'{"refresh_token":"%b' % fingerprints.mark(b"abc"),
    ),
    "a key of Azure's data source": (
        b'{"parameters":{"authentication": {"type": "api_key", "key": "a\\"}b"},"x":"y"}}',
        BodyForm.JSON,
        b'{"parameters":{"authentication": {"type": "api_key", "key": "%b"},"x":"y"}}'
        % fingerprints.mark(b'a\\"}b'),
    ),
    "a key before its type": (
        b'{"authentication":{"key":"azk3y","type":"api_key"}}',
        BodyForm.JSON,
        b'{"authentication":{"key":"%b","type":"api_key"}}' % fingerprints.mark(b"azk3y"),
    ),
    "a group that never ends": (
        b'{"authentication":{"type":"x","password":"abc',
        BodyForm.JSON,
        b'{"authentication":{"type":"x","password":"%b' % fingerprints.mark(b"abc"),
    ),
    "a secret with its expiry": (
        b'{"client_secret":{"value":"ek_1","expires_at":1}}',
        BodyForm.JSON,
        b'{"client_secret":{"value":"%b","expires_at":1}}' % fingerprints.mark(b"ek_1"),
    ),
    "fields with words before": (
        b'{"headers":{"X-Acme-Api-Key":"k1","aws_secret_access_key":"k2","Cookie":"k3"}}',
        BodyForm.JSON,
        b'{"headers":{"X-Acme-Api-Key":"%b","aws_secret_access_key":"%b","Cookie":"%b"}}'
        % tuple(map(fingerprints.mark, (b"k1", b"k2", b"k3"))),
    ),
    "keys that open nothing": (
        b'{"prompt_cache_key":"a","logprobs":[{"token":"b"}],"key":"c","authentication":"none"}',
        BodyForm.JSON,
        b'{"prompt_cache_key":"a","logprobs":[{"token":"b"}],"key":"c","authentication":"none"}',
    ),
    "a schema of a login": (
        b'{"authentication":{"type":"object","properties":{"key":{"type":"string"}}}}',
        BodyForm.JSON,
        b'{"authentication":{"type":"object","properties":{"key":{"type":"string"}}}}',
    ),
    "a schema that speaks of one": (
        b'{"properties":{"access_token":{"type":"string"}},"required":["access_token"]}',
        BodyForm.JSON,
        b'{"properties":{"access_token":{"type":"string"}},"required":["access_token"]}',
    ),
    "code in a text": (
        rb'{"content":"{\"access_token\": \"YOURS\"}"}',
        BodyForm.JSON,
        rb'{"content":"{\"access_token\": \"YOURS\"}"}',
    ),
    "a form": (
        b"grant_type=refresh_token&refresh_token=t0k3n&client_id=x",
        BodyForm.FORM,
        b"grant_type=refresh_token&refresh_token=%b&client_id=x" % fingerprints.mark(b"t0k3n"),
    ),
    "a form that ends in one": (
        b"client_secret=s3cret",
        BodyForm.FORM,
        b"client_secret=%b" % fingerprints.mark(b"s3cret"),
    ),
}

MINTED = b"sk-ant-api03-Ab3dE5gH1jKlMn0pQrSt"
MINTED_MARK = fingerprints.mark(MINTED)


def json_body(body: bytes, *secrets: bytes) -> tuple[bytes, BodyForm, bytes]:
    """A JSON body with `%b` where each secret stands, and what is kept of it."""
    return body % secrets, BodyForm.JSON, body % tuple(map(fingerprints.mark, secrets))


def unchanged(body: bytes, form: BodyForm = BodyForm.JSON) -> tuple[bytes, BodyForm, bytes]:
    return body, form, body


def multipart(*parts: tuple[bytes, bytes], boundary: bytes = b"-----Xy") -> bytes:
    """Each part the fields of its head, and its content."""
    lines = [b"--%b\r\n%b\r\n\r\n%b\r\n" % (boundary, head, content) for head, content in parts]
    return b"".join(lines) + b"--%b--\r\n" % boundary


def multipart_body(*parts: tuple[bytes, bytes, bytes]) -> tuple[bytes, BodyForm, bytes]:
    """Of each part what is sent and what is kept."""
    sent = multipart(*((head, content) for head, content, _ in parts))
    return sent, BodyForm.MULTIPART, multipart(*((head, kept) for head, _, kept in parts))


def field(name: bytes, more: bytes = b"") -> bytes:
    return b'Content-Disposition: form-data; name="%b"%b' % (name, more)


BODIES |= {
    "a list of keys": json_body(b'{"api_keys": ["%b", "%b"], "x": ["y"]}', b"k3y-1]", b"k3y-2"),
    "a list under a name for one": json_body(b'{"headers":{"Authorization":["Bearer %b"]}}', b"t0k3n"),
    "a list of tokens": json_body(b'{"accessTokens":["%b"],"max_tokens":1}', b"t0k3n"),
    "a list that never ends": (
        b'{"api_keys":["k3y-1","k3y-2',
        BodyForm.JSON,
        b'{"api_keys":["%b","%b' % (fingerprints.mark(b"k3y-1"), fingerprints.mark(b"k3y-2")),
    ),
    "a list of objects": json_body(b'{"secret_keys":["%b",{"id":"x"}],"y":"z"}', b"k3y-1"),
    "a field in the data of a stream": json_body(
        b'event: minted\ndata: {"x":"y","access_token":"%b"}\n\ndata: [DONE]\n\n', b"t0k3n"
    ),
    "a field over several lines of data": json_body(
        b'data: {"access_token":\ndata: "%b",\r\ndata: "api_keys"\r\ndata: : [\r\ndata: "%b"]}\n\n',
        b"t0k3n",
        b"k3y-1",
    ),
    "a minted key, by its form": json_body(
        b'{"value": "%b", "expires_at": 1}', b"ek_68af296e8e408191a1120ab6"
    ),
    "a minted key in a stream": json_body(b'data: {"key":"%b"}\n\n', MINTED),
    "minted keys in a list": json_body(b'["%b","%b"]', MINTED, b"ya29.a0AfH6SMBx_x-0123456789"),
    "a JWT": json_body(b'{"secret":"%b"}', b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVP-mB92K27"),
    "Google's token of a session": json_body(b'{"name":"%b"}', b"auth_tokens/0123456789abcdef0123"),
    "a header of another name": json_body(b'{"headers":{"X-Up":"Bearer %b"}}', b"0123456789abcdef"),
    "a minted key that never ends": (
        b'{"key":"' + MINTED,
        BodyForm.JSON,
        b'{"key":"' + MINTED_MARK,
    ),
    "a minted key with escapes": (
        b'{"key":"\\u0073k-ant-api03-Ab3dE5gH1jKl\\u004dn0pQrSt"}',
        BodyForm.JSON,
        b'{"key":"%b"}' % fingerprints.mark(b"\\u0073k-ant-api03-Ab3dE5gH1jKl\\u004dn0pQrSt"),
    ),
    "a field with an escape in its name": json_body(rb'{"api\u005fkey":"%b"}', b"t0k3n"),
    "echoed with escapes": (
        rb'{"x":"your key sk\u002Dcanary-0123456789abcde\u0066\/\u002b\u003d."}',
        BodyForm.JSON,
        b'{"x":"your key %b."}' % MARK,
    ),
    "echoed with escapes and then cut off": (
        rb'{"x":"your key sk-canary\u002D01234567',
        BodyForm.JSON,
        b'{"x":"your key %b' % fingerprints.mark(rb"sk-canary\u002D01234567"),
    ),
    "escapes of other things": unchanged(rb'{"x":"\u003cb\u003e \u0041 \\u0041 sk-\u00e9 \u002b"}'),
    "a key in prose": unchanged(b'{"content":"use %b, or \\"%b\\""}' % (MINTED, MINTED)),
    "what only begins like a key": unchanged(
        b'{"a":"sk-learn-documentation-pages","b":"sk-SK-Chirp3-HD-Achernar","c":"xai-responses-v1",'
        b'"d":"eyJsYXN0IjoiMTIzNDU2Nzg5MCJ9","e":"Basic understanding","f":"Bearer","g":"sk-","h":"AIza?"}'
    ),
    "the beginning of a word at the end": unchanged(b'{"a":"sk-'),
    "counts of tokens": unchanged(
        b'{"max_tokens":1,"usage":{"prompt_cache_miss_tokens":2,"text_tokens":[1]}}'
    ),
    "arguments of a tool": unchanged(b'{"input":{"password":"mellon","code":"x","token":"y"}}'),
    "parts": multipart_body(
        (field(b"model"), b"whisper-1", b"whisper-1"),
        (field(b"api_key"), b"t0k3n", fingerprints.mark(b"t0k3n")),
        (
            field(b"client_secret") + b"\r\nContent-Type: text/plain",
            b"a\r\n--b",
            fingerprints.mark(b"a\r\n--b"),
        ),
        (field(b"token"), b"", b""),
        (
            b"content-type: text/plain\r\ncontent-disposition: form-data; name=db_password",
            b"p",
            fingerprints.mark(b"p"),
        ),
        (
            field(b"file", b'; filename="a.mp3"') + b"\r\nContent-Type: audio/mpeg",
            b'\n\n"token":"x\r',
            b'\n\n"token":"x\r',
        ),
        (
            field(b"session"),
            b'{"client_secret":"s3cret"}',
            b'{"client_secret":"%b"}' % fingerprints.mark(b"s3cret"),
        ),
        (field(b"note"), b"my key is " + KEY, b"my key is " + MARK),
    ),
    "a part with a private key": multipart_body(
        (
            field(b"private_key", b'; filename="key.pem"'),
            b"-----BEGIN KEY-----\r\nMIIE\r\n-----END KEY-----\r\n",
            fingerprints.mark(b"-----BEGIN KEY-----\r\nMIIE\r\n-----END KEY-----\r\n"),
        ),
    ),
    "a part that never ends": (
        b"--b\r\n" + field(b"api_key") + b"\r\n\r\nt0k3n",
        BodyForm.MULTIPART,
        b"--b\r\n" + field(b"api_key") + b"\r\n\r\n" + fingerprints.mark(b"t0k3n"),
    ),
    "parts with bare line feeds": (
        b"--b\n%b\n\nt0k3n\n--b--\n" % field(b"api_key"),
        BodyForm.MULTIPART,
        b"--b\n%b\n\n%b\n--b--\n" % (field(b"api_key"), fingerprints.mark(b"t0k3n")),
    ),
    "no multipart body": unchanged(b"nothing of the kind", BodyForm.MULTIPART),
}


@pytest.mark.parametrize(("body", "form", "kept"), BODIES.values(), ids=BODIES)
@given(cuts=st.lists(st.integers(0, 400), max_size=6))
def test_cuts_a_body_in_any_pieces(body: bytes, form: BodyForm, kept: bytes, cuts: list[int]) -> None:
    assert cut_in_pieces(in_pieces(body, cuts), form) == kept


@pytest.mark.parametrize(("body", "form", "kept"), BODIES.values(), ids=BODIES)
def test_cuts_a_body_byte_by_byte(body: bytes, form: BodyForm, kept: bytes) -> None:
    assert cut_in_pieces([body[i : i + 1] for i in range(len(body))], form) == kept


@given(
    around=st.lists(
        st.sampled_from([KEY, KEY[:9], b'"', b'"access_token":"', b"x", b"\\", b"}", b"\n"]), max_size=12
    ),
    cuts=st.lists(st.integers(0, 200), max_size=8),
    form=st.sampled_from([BodyForm.NONE, BodyForm.JSON]),
)
def test_no_pieces_let_a_key_through(around: list[bytes], cuts: list[int], form: BodyForm) -> None:
    assert KEY not in cut_in_pieces(in_pieces(b"".join(around), cuts), form)


@given(text=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=8))
def test_without_credentials_nothing_changes(text: bytes, cuts: list[int]) -> None:
    assert cut_in_pieces(in_pieces(text, cuts), BodyForm.NONE) == text


@given(
    value=st.text(alphabet='abc"\\ ', max_size=20).map(
        lambda text: text.replace("\\", "\\\\").replace('"', '\\"')
    ),
    cuts=st.lists(st.integers(0, 60), max_size=8),
)
def test_a_field_is_cut_whatever_its_value(value: str, cuts: list[int]) -> None:
    body = b'{"id_token":"%b","x":"y"}' % value.encode()
    kept = cut_in_pieces(in_pieces(body, cuts), BodyForm.JSON)
    assert kept.startswith(b'{"id_token":"')
    assert kept.endswith(b'","x":"y"}')
    assert b"cut-" in kept or not value


@pytest.mark.parametrize("before", [b"", b"a", b"user:", b"Bearer "])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@given(cuts=st.lists(st.integers(0, 80), max_size=6))
def test_cuts_what_an_error_quotes_in_base64(
    before: bytes, encode: Callable[[bytes], bytes], cuts: list[int]
) -> None:
    secrets = Secrets(fingerprints)
    secrets.add([KEY])
    secrets.expect_base64()
    kept = cut_in_pieces(in_pieces(b"got " + encode(before + KEY + b"?"), cuts), BodyForm.NONE, secrets)
    assert MARK in kept
    assert len(kept) < len(b"got " + MARK) + 2 * len(before) + 8, "all of the key but its outermost bits"


def test_what_a_request_carried_is_looked_for_in_the_response() -> None:
    secrets = Secrets(fingerprints)
    cut_in_pieces([b'{"authorization_token":"mcp-secret-token"}'], BodyForm.JSON, secrets)
    kept = cut_in_pieces([b"cannot log in with mcp-secret-", b"token"], BodyForm.NONE, secrets)
    assert kept == b"cannot log in with " + fingerprints.mark(b"mcp-secret-token")


@pytest.mark.parametrize(
    ("start", "end", "form"),
    [(b'{"access_token":"', b'","x":"y"}', BodyForm.JSON), (b"a=b&client_secret=", b"&x=y", BodyForm.FORM)],
)
def test_a_value_without_end_is_held_no_longer_than_allowed(start: bytes, end: bytes, form: BodyForm) -> None:
    cutter = Cutter(Secrets(fingerprints), form)
    kept = cutter.feed(start)
    for _ in range(10):
        kept += cutter.feed(b"s3cr3t" * (HELD_BYTES_MAX // 30))
    kept += cutter.finish(end)
    assert b"s3cr3t" not in kept
    assert kept.startswith(start + b"cut-")
    assert kept.endswith(end)
    assert len(kept) < 100


def test_a_group_without_end_is_held_no_longer_than_allowed() -> None:
    cutter = Cutter(Secrets(fingerprints), BodyForm.JSON)
    kept = cutter.feed(b'{"authentication":{"key":"')
    for _ in range(10):
        kept += cutter.feed(b"s3cr3t" * (HELD_BYTES_MAX // 30))
    kept += cutter.finish(b'"},"x":"y"}')
    assert re.fullmatch(rb'\{"authentication":\{"cut":"cut-[0-9a-f]{8}"\},"x":"y"\}', kept)


def test_a_list_without_end_is_held_no_longer_than_allowed() -> None:
    cutter = Cutter(Secrets(fingerprints), BodyForm.JSON)
    kept = cutter.feed(b'{"api_keys": ["')
    for _ in range(10):
        kept += cutter.feed(b"s3cr3t" * (HELD_BYTES_MAX // 30))
    kept += cutter.finish(b'"],"x":"y"}')
    assert re.fullmatch(rb'\{"api_keys": \["cut-[0-9a-f]{8}"\],"x":"y"\}', kept)


def test_a_file_that_begins_like_a_jwt_is_none() -> None:
    body = b'{"data":"eyJ%b"}' % (b"aGVsbG8" * (HELD_BYTES_MAX // 5))
    for size in (1000, 65536, len(body)):
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        assert cut_in_pieces(pieces, BodyForm.JSON) == body


def test_a_part_without_end_is_held_no_longer_than_allowed() -> None:
    cutter = new_cutter(Secrets(fingerprints), BodyForm.MULTIPART)
    kept = cutter.feed(b"--b\r\n" + field(b"token") + b"\r\n\r\n")
    for _ in range(10):
        kept += cutter.feed(b"s3cr3t\r\n" * (HELD_BYTES_MAX // 40))
    kept += cutter.feed(b"\r\n-") + cutter.finish(b"-b--\r\n")
    assert re.fullmatch(rb'--b\r\n[^\r\n]+"token"\r\n\r\ncut-[0-9a-f]{8}\r?\n--b--\r\n', kept)


names = st.sampled_from(
    [
        "api_key",
        "apiKeys",
        "Authorization",
        "authentication",
        "client_secret",
        "key",
        "value",
        "token",
        "x",
        'n"s',
    ]
)
leaves = st.sampled_from(["", "a", 'b"c\\', "\u00e9+/", "cut", "sk-", MINTED.decode(), 1, None])
documents = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


@given(
    document=st.dictionaries(names, documents, max_size=4),
    is_ascii=st.booleans(),
    indent=st.sampled_from([None, 1]),
    cuts=st.lists(st.integers(0, 400), max_size=8),
)
def test_a_document_loses_its_credentials_and_nothing_else(
    document: dict[str, Any], is_ascii: bool, indent: int | None, cuts: list[int]
) -> None:
    body = json.dumps(document, ensure_ascii=is_ascii, indent=indent).encode()
    kept = cut_in_pieces(in_pieces(body, cuts), BodyForm.JSON)
    assert MINTED not in kept
    plain = re.sub(rb"cut-[0-9a-f]{8}", CUT.encode(), kept)
    assert cut_credentials(json.loads(plain)) == cut_credentials(document)


@given(
    text=st.text(alphabet='ab"\\:{[]}, \n-_sk', max_size=200),
    cuts=st.lists(st.integers(0, 200), max_size=8),
    form=st.sampled_from([BodyForm.JSON, BodyForm.MULTIPART]),
)
def test_what_looks_like_json_comes_out_as_it_is(text: str, cuts: list[int], form: BodyForm) -> None:
    body = text.encode()
    assert cut_in_pieces(in_pieces(body, cuts), form) == body


@given(content=st.binary(max_size=200), cuts=st.lists(st.integers(0, 300), max_size=8))
def test_a_part_without_credentials_comes_out_as_it_is(content: bytes, cuts: list[int]) -> None:
    body = multipart((field(b"file", b'; filename="x"'), content), boundary=b"b")
    assert cut_in_pieces(in_pieces(body, cuts), BodyForm.MULTIPART) == body


STREAM = [
    b'data: {"x":"',
    KEY[:7],
    KEY[7:] + b'"}\n\n',
    b'data: {"id_',
    b'token":"t0k3n"}\n\n',
    b"data: 1\n\n",
]


def test_a_key_that_comes_again_and_again_is_cut_as_the_first_time() -> None:
    ours = Fingerprints(b"k" * 32)
    for _ in range(2 * FINDER_ASKED_MIN):
        secrets = Secrets(ours)
        secrets.add([KEY])
        secrets.expect_base64()
        pieces = [*STREAM, base64.b64encode(KEY) + b"\n"]
        kept = cut_in_pieces(pieces, BodyForm.JSON, secrets)
        assert kept.count(b"cut-") == 3
        assert KEY not in kept
        assert b"t0k3n" not in kept
        assert base64.b64encode(KEY)[:-2] not in kept


def test_few_finders_are_kept_whoever_comes() -> None:
    ours = Fingerprints(b"k" * 32)
    found = 0
    for number in range(100):
        for _ in range(FINDER_ASKED_MIN):
            secrets = Secrets(ours)
            secrets.add([b"sk-canary-%06d" % number])
            secrets.expect_pieces()
        found += secrets.finder is not None
    assert found == FINDERS_MAX


@pytest.mark.corpus
def test_no_recorded_prompt_or_reply_loses_anything(shared: Path) -> None:
    bodies = 0
    with gzip.open(shared / "wire" / "exchanges.jsonl.gz") as lines:
        for line in lines:
            exchange = json.loads(line)
            for side in ("request_body", "response_body"):
                body = (exchange.get(side) or "").encode()
                bodies += bool(body)
                assert cut_in_pieces([body], BodyForm.JSON) == body, exchange["path"]
    assert bodies > 10_000


def test_long_credentials_do_not_add_up_in_memory() -> None:
    ours = Fingerprints(b"k" * 32)
    tracemalloc.start()
    try:
        for number in range(100):
            _, secrets = ours.cut_header(b"Cookie", b"sid=%d%b" % (number, b"s" * 60_000))
            Secrets(ours).add(secrets)
        held_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held_bytes < 1_000_000


def test_the_key_file_is_made_once_and_is_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    first = load_secret_key(path)
    assert load_secret_key(path) == first
    assert len(first) == 32
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert os.listdir(tmp_path) == ["secret.key"]
    path.write_bytes(b"short")
    with pytest.raises(ValueError, match="instead of 32"):
        load_secret_key(path)
