"""What becomes of other products' headers on their way, and what they ask us not to keep."""

from __future__ import annotations

import pytest

from arc_proxy.foreign import CAPTURE_FIELDS, FIELDS, Fate, capture_asked, fate_of, field_of
from tests.foreign_rows import IDS, ROWS, Row


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_the_fate_of_a_field(row: Row) -> None:
    assert fate_of(row.name.lower().encode()) is row.fate


FORWARDED = (
    "authorization",
    "x-api-key",
    "x-goog-api-key",
    "api-key",
    "anthropic-beta",
    "openai-organization",
    "cache-control",
    "idempotency-key",
    "x-stainless-retry-count",
    "x-acme-auth",
    "x-claude-code-session-id",
    "x-hermes-session-key",
    "helicone-",
    "x-heliconeauth",
)


@pytest.mark.parametrize("name", FORWARDED)
def test_what_is_no_gateways_passes(name: str) -> None:
    assert fate_of(name.encode()) is Fate.FORWARDED


def test_no_row_stands_behind_a_wider_one() -> None:
    for field in FIELDS:
        sample = field.name.replace("*", "sample").encode()
        assert field_of(sample) is field


ASKS: dict[str, tuple[list[tuple[bytes, bytes]], str | None]] = {
    "nobody asks": ([(b"content-type", b"application/json")], None),
    "Helicone, of the request": ([(b"Helicone-Omit-Request", b"true")], "metadata"),
    "Helicone, of the response": ([(b"helicone-omit-response", b"TRUE")], "metadata"),
    "Helicone does not": ([(b"Helicone-Omit-Request", b"false")], None),
    "Cloudflare, of all": ([(b"cf-aig-collect-log", b"false")], "none"),
    "Cloudflare, of the bodies": ([(b"cf-aig-collect-log-payload", b"false")], "metadata"),
    "Cloudflare does not": (
        [(b"cf-aig-collect-log", b"true"), (b"cf-aig-collect-log-payload", b"true")],
        None,
    ),
    "Bifrost": ([(b"x-bf-disable-content-logging", b"true")], "metadata"),
    "Bifrost does not": ([(b"x-bf-disable-content-logging", b"false")], None),
    "LiteLLM": ([(b"x-litellm-enable-message-redaction", b"anything")], "metadata"),
    "LiteLLM's older name": ([(b"litellm-enable-message-redaction", b"true")], "metadata"),
    "LiteLLM does not": ([(b"x-litellm-enable-message-redaction", b"False")], None),
    "Portkey": ([(b"x-portkey-debug", b"false")], "metadata"),
    "Portkey does not": ([(b"x-portkey-debug", b"true")], None),
    "the least of several": (
        [
            (b"Helicone-Omit-Request", b"true"),
            (b"cf-aig-collect-log", b"false"),
            (b"x-bf-disable-content-logging", b"true"),
        ],
        "none",
    ),
    "values that are none": ([(b"helicone-omit-request", b"\xff"), (b"cf-aig-collect-log", b"")], None),
}


@pytest.mark.parametrize(("headers", "asked"), ASKS.values(), ids=ASKS)
def test_a_request_may_ask_that_less_is_kept(headers: list[tuple[bytes, bytes]], asked: str | None) -> None:
    assert capture_asked(headers) == asked


def test_what_asks_is_in_the_table_and_passes() -> None:
    for name in CAPTURE_FIELDS:
        assert field_of(name) is not None
        assert fate_of(name) is Fate.FORWARDED
