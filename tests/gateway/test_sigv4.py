"""The signature against botocore's own, and against Amazon's published example."""

from __future__ import annotations

import hashlib
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.gateway.sigv4 import Credentials, sign
from tests.fake_bedrock import botocore_signature

HOST = "bedrock-runtime.eu-west-1.amazonaws.com"
NOW = b"20261127T081500Z"
MACHINES = Credentials("AKIDMACHINE", "machine+secret/key", "machine//token==")
Fields = list[tuple[bytes, bytes]]


def signed(
    fields: Fields,
    *,
    method: bytes = b"POST",
    target: bytes = b"/model/a%3A0/converse",
    body: bytes = b"{}",
    credentials: Credentials = MACHINES,
) -> Fields:
    body_hash = hashlib.sha256(body).hexdigest()
    return sign(
        method, target, fields, body_hash, credentials, region="eu-west-1", service="bedrock", now=NOW
    )


def value_of(name: str, fields: Fields) -> str:
    [value] = [value.decode() for each, value in fields if each.decode().lower() == name]
    return value


def signed_names(fields: Fields) -> list[str]:
    return value_of("authorization", fields).partition("SignedHeaders=")[2].partition(",")[0].split(";")


def test_amazons_published_example() -> None:
    """https://docs.aws.amazon.com/general/latest/gr/signature-v4-test-suite.html: two parameters in order."""
    fields = sign(
        b"GET",
        b"/?Param2=value2&Param1=value1",
        [(b"Host", b"example.amazonaws.com"), (b"X-Amz-Date", b"20150830T123600Z")],
        hashlib.sha256(b"").hexdigest(),
        Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        region="us-east-1",
        service="service",
        now=NOW,
    )
    assert value_of("authorization", fields) == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        "SignedHeaders=host;x-amz-date, "
        "Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"
    )


# What stands in a model's id, an ARN, a guardrail's version, and what nobody would put there.
segments = st.text(st.characters(codec="utf-8", exclude_characters="/?#\x00"), max_size=12).map(
    lambda text: quote(text, safe=":~!$&'()*+,;=@")
)
paths = st.lists(segments | st.sampled_from([".", "..", "", "a%3A0", "arn%3Aaws%3Abedrock%3A%3A1%3Ax%2Fy"]))
texts = st.text(st.characters(codec="utf-8"), max_size=10)
queries = st.lists(st.tuples(texts, texts), max_size=4).map(lambda pairs: urlencode(pairs, quote_via=quote))
values = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S", "Zs"]), max_size=20).map(
    str.strip
)
extra_fields = st.dictionaries(
    st.sampled_from(["X-Amz-Target", "amz-sdk-request", "Content-Type", "X-Amzn-Bedrock-Trace", "x-amz-n"]),
    values,
)
credentials = st.builds(
    Credentials,
    st.from_regex(r"AKIA[A-Z0-9]{16}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9+/]{40}", fullmatch=True),
    st.none() | st.from_regex(r"[A-Za-z0-9+/]{20,60}={0,2}", fullmatch=True),
)


@given(
    st.sampled_from(["GET", "POST", "PUT"]),
    paths,
    queries,
    extra_fields,
    st.binary(max_size=200),
    credentials,
)
def test_it_is_the_signature_that_botocore_makes(
    method: str, path: list[str], query: str, extra: dict[str, str], body: bytes, credentials: Credentials
) -> None:
    target = "/" + "/".join(path) + (f"?{query}" if query else "")
    fields = [(name.encode(), value.encode()) for name, value in (("Host", HOST), *extra.items())]
    before = (
        b"Authorization",
        b"AWS4-HMAC-SHA256 Credential=x, SignedHeaders=host;content-type, Signature=0",
    )
    fresh = signed(
        [before, *fields], method=method.encode(), target=target.encode(), body=body, credentials=credentials
    )
    expected, _ = botocore_signature(
        method,
        f"https://{HOST}{target}",
        [(name.decode(), value.decode()) for name, value in fresh],
        body,
        secret=credentials.secret_access_key,
        region="eu-west-1",
        names=signed_names(fresh),
    )
    assert value_of("authorization", fresh).endswith(f"Signature={expected}")


CALLERS_SIGNATURE = (
    b"AWS4-HMAC-SHA256 Credential=AKIDCALLER/20261126/eu-west-1/bedrock/aws4_request, "
    b"SignedHeaders=content-type;expect;gone;host;x-amz-date;x-amz-security-token, Signature=00"
)
CALLERS: Fields = [
    (b"Host", HOST.encode()),
    (b"X-Amz-Date", b"20261126T000000Z"),
    (b"X-Amz-Security-Token", b"callers token"),
    (b"Authorization", CALLERS_SIGNATURE),
    (b"Content-Type", b"application/json"),
    (b"Accept", b"*/*"),
    (b"Content-Length", b"2"),
]


def test_a_signature_stands_where_the_callers_stood() -> None:
    fresh = signed(CALLERS)
    assert [name for name, _ in fresh] == [name for name, _ in CALLERS]
    assert b"AKIDCALLER" not in b"".join(value for _, value in fresh)
    assert value_of("x-amz-security-token", fresh) == MACHINES.session_token


def test_what_the_caller_signed_is_signed_where_it_is_still_there() -> None:
    assert signed_names(signed(CALLERS)) == ["content-type", "host", "x-amz-date", "x-amz-security-token"]


def test_the_callers_token_goes_where_we_have_none() -> None:
    fresh = signed(CALLERS, credentials=Credentials("AKIDMACHINE", "secret"))
    assert [name for name, _ in fresh] == [name for name, _ in CALLERS if b"Token" not in name]


TIMES = {
    "the caller's": (b"20261126T000000Z", "20261126T000000Z"),
    "no time": (b"tomorrow", NOW.decode()),
    "a day without a time": (b"20261126", NOW.decode()),
}


@pytest.mark.parametrize(("given_time", "signed_time"), TIMES.values(), ids=TIMES)
def test_the_clock_is_the_requests_own(given_time: bytes, signed_time: str) -> None:
    fresh = signed([(b"Host", HOST.encode()), (b"X-Amz-Date", given_time)])
    assert value_of("x-amz-date", fresh) == signed_time
    assert f"/{signed_time[:8]}/eu-west-1/bedrock/aws4_request" in value_of("authorization", fresh)


def test_a_request_without_a_time_gets_one() -> None:
    assert value_of("x-amz-date", signed([(b"Host", HOST.encode())])) == NOW.decode()


def test_a_hash_that_is_stated_is_the_bodys() -> None:
    fresh = signed([(b"Host", HOST.encode()), (b"X-Amz-Content-SHA256", b"UNSIGNED-PAYLOAD")], body=b"abc")
    assert value_of("x-amz-content-sha256", fresh) == hashlib.sha256(b"abc").hexdigest()


def test_credentials_do_not_show_what_is_secret() -> None:
    assert repr(MACHINES) == "Credentials(access_key_id='AKIDMACHINE')"
