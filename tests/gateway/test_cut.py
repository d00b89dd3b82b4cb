from __future__ import annotations

import base64
import os
import re
import stat
import tracemalloc
from collections.abc import Callable
from pathlib import Path
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
)

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
    cutter = Cutter(secrets, form)
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


@pytest.mark.parametrize(("body", "form", "kept"), BODIES.values(), ids=BODIES)
@given(cuts=st.lists(st.integers(0, 80), max_size=6))
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
