"""What vendors' exports say, and what is wrong with a row that says nothing."""

from __future__ import annotations

import io
import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.bill import BilledRow, BillError
from analysis.bill_columns import parse_columns
from analysis.bill_file import read_bill

DAY = date(2026, 11, 20)
START = 1_795_132_800  # 2026-11-20T00:00:00Z


def read(text: str, **more: Any) -> list[BilledRow]:
    return list(read_bill(io.StringIO(text, newline=""), **more))


def openai_page(*results: dict[str, Any]) -> str:
    bucket = {"object": "bucket", "start_time": START, "end_time": START + 86_400, "results": list(results)}
    return json.dumps({"object": "page", "data": [bucket], "has_more": False, "next_page": None})


def anthropic_page(*results: dict[str, Any]) -> str:
    bucket = {
        "starting_at": "2026-11-20T00:00:00Z",
        "ending_at": "2026-11-21T00:00:00Z",
        "results": list(results),
    }
    return json.dumps({"data": [bucket], "has_more": False, "next_page": None}, indent=1)


OPENAI_COST_HEAD = (
    "start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,quantity,quantity_unit,"
    "line_item,user_id,api_key_id,project_id,organization_id,project_name,organization_name,user_email,"
    "api_source\n"
)
OPENAI_USAGE_HEAD = (
    "start_time,end_time,start_time_iso,end_time_iso,project_id,num_model_requests,user_id,api_key_id,model,"
    "batch,service_tier,input_tokens,output_tokens,input_cached_tokens\n"
)
ANTHROPIC_USAGE_HEAD = (
    "usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,"
    "usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,"
    "usage_output_tokens,web_search_count,inference_geo,speed\n"
)
ANTHROPIC_COST_HEAD = (
    "usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd,"
    "cost_type,inference_geo,speed,api_key_id,api_key_status\n"
)

FORMATS: dict[str, tuple[str, dict[str, Any], list[BilledRow]]] = {
    "OpenAI's usage by the API": (
        openai_page(
            {
                "object": "organization.usage.completions.result",
                "input_tokens": 1000,
                "input_cached_tokens": 800,
                "output_tokens": 500,
                "num_model_requests": 5,
                "project_id": "proj_a",
                "api_key_id": "key_1",
                "model": "gpt-5-2025-08-07",
            }
        ),
        {},
        [
            BilledRow(
                day=DAY,
                provider="openai",
                model="gpt-5-2025-08-07",
                keys=("key_1", "proj_a"),
                requests=5,
                input_tokens=1000,
                output_tokens=500,
            )
        ],
    ),
    "OpenAI's costs by the API": (
        openai_page(
            {"object": "organization.costs.result", "amount": {"value": 0.06, "currency": "usd"}},
            {"amount": {"value": "1.5", "currency": "usd"}, "line_item": "gpt-5, input_tokens"},
        ),
        {},
        [
            BilledRow(day=DAY, provider="openai", nanousd=60_000_000),
            BilledRow(day=DAY, provider="openai", model="gpt-5", nanousd=1_500_000_000),
        ],
    ),
    "several pages of OpenAI's": (
        json.dumps([json.loads(openai_page({"amount": {"value": 1, "currency": "usd"}}))] * 2),
        {},
        [BilledRow(day=DAY, provider="openai", nanousd=10**9)] * 2,
    ),
    "OpenAI's costs of the dashboard, with a day of nothing": (
        "\ufeff"
        + OPENAI_COST_HEAD
        + "1795046400,1795132800,2026-11-19T00:00:00,2026-11-20T00:00:00,,,,,,,,,,,,,\n"
        + f"{START},1795219200,2026-11-20T00:00:00,2026-11-21T00:00:00,0.003835980000000000000000000000,usd,"
        + '1000,tokens,"gpt-5-nano, input_tokens",,key_1,proj_a,org,Proj A,Org,me@example.com,\n',
        {},
        [
            BilledRow(
                day=DAY,
                provider="openai",
                model="gpt-5-nano",
                keys=("key_1", "proj_a", "Proj A"),
                nanousd=3_835_980,
            )
        ],
    ),
    "OpenAI's usage of the dashboard": (
        OPENAI_USAGE_HEAD
        + f"{START},1795219200,2026-11-20T00:00:00,2026-11-21T00:00:00,proj_a,7,,key_1,gpt-5,,,900,90,100\n",
        {},
        [
            BilledRow(
                day=DAY,
                provider="openai",
                model="gpt-5",
                keys=("key_1", "proj_a"),
                requests=7,
                input_tokens=900,
                output_tokens=90,
            )
        ],
    ),
    "Anthropic's usage report": (
        anthropic_page(
            {
                "uncached_input_tokens": 1500,
                "cache_creation": {"ephemeral_1h_input_tokens": 1000, "ephemeral_5m_input_tokens": 500},
                "cache_read_input_tokens": 200,
                "output_tokens": 300,
                "api_key_id": "apikey_1",
                "workspace_id": None,
                "model": "claude-haiku-4-5-20251001",
            }
        ),
        {},
        [
            BilledRow(
                day=DAY,
                provider="anthropic",
                model="claude-haiku-4-5-20251001",
                keys=("apikey_1",),
                input_tokens=3200,
                output_tokens=300,
            )
        ],
    ),
    "Anthropic's cost report is in cents": (
        anthropic_page({"currency": "USD", "amount": "123.45", "model": None, "description": None}),
        {},
        [BilledRow(day=DAY, provider="anthropic", nanousd=1_234_500_000)],
    ),
    "Anthropic's usage of the console": (
        ANTHROPIC_USAGE_HEAD
        + "2026-11-20,claude-opus-5,Closer App,Default,standard,≤ 200k,46981,15969,1,2,16932,0,global,\n",
        {},
        [
            BilledRow(
                day=DAY,
                provider="anthropic",
                model="claude-opus-5",
                keys=("Closer App", "Default"),
                input_tokens=62_953,
                output_tokens=16_932,
            )
        ],
    ),
    "Anthropic's costs of the console, by the name that is shown": (
        ANTHROPIC_COST_HEAD
        + "2026-11-20,Claude Haiku 4.5,Default,demo,message,≤ 200k,output,0.02,0.02,token,,,key_1,active\n",
        {},
        [
            BilledRow(
                day=DAY,
                provider="anthropic",
                model="claude-haiku-4-5",
                keys=("key_1", "demo", "Default"),
                nanousd=20_000_000,
            )
        ],
    ),
    "any CSV by its columns": (
        'date,model_name,amount_usd,in\n2026-11-20T23:30:00-02:00,m,"$1,234.50",7\n\n',
        {
            "columns": parse_columns("day=date, model=model_name, cost=amount_usd, input=in"),
            "provider": "acme",
        },
        [
            BilledRow(
                day=date(2026, 11, 21),
                provider="acme",
                model="m",
                input_tokens=7,
                nanousd=1_234_500_000_000,
            )
        ],
    ),
    "a credit": (
        "day,usd,who\n2026-11-20,-5,OpenAI\n",
        {"columns": parse_columns("day=day,cost=usd,provider=who")},
        [BilledRow(day=DAY, provider="openai", nanousd=-5_000_000_000)],
    ),
}


@pytest.mark.parametrize(("text", "more", "rows"), FORMATS.values(), ids=FORMATS)
def test_reads(text: str, more: dict[str, Any], rows: list[BilledRow]) -> None:
    assert read(text, **more) == rows


ROW = f"{START},,,,1,usd,,,,,,,,,,,\n"
BROKEN: dict[str, tuple[str, dict[str, Any], str]] = {
    "nothing": ("\n \n", {}, "the file is empty"),
    "columns of nobody": ("a,b\n1,2\n", {}, "--columns says which is which of a, b"),
    "a column that is not there": (
        "a,b\n1,2\n",
        {"columns": parse_columns("day=a,cost=c"), "provider": "x"},
        "no column 'c'; there are a, b",
    ),
    "a bill of nobody": ("a,b\n", {"columns": parse_columns("day=a,cost=b")}, "--provider NAME"),
    "an amount in words": (
        OPENAI_COST_HEAD + ROW + ROW.replace(",1,usd", ",much,usd"),
        {},
        "line 3: amount_value is 'much'",
    ),
    "an amount with a comma for its point": (
        OPENAI_COST_HEAD + ROW.replace(",1,usd", ',"1,50",usd'),
        {},
        "line 2: amount_value is '1,50'",
    ),
    "a day before all days": (
        "day,c\n0001-01-01T00:00:00+23:59,1\n",
        {"columns": parse_columns("day=day,cost=c"), "provider": "x"},
        "is no day",
    ),
    "an amount that is no number": (
        OPENAI_COST_HEAD + ROW.replace(",1,usd", ",NaN,usd"),
        {},
        "line 2: amount",
    ),
    "an amount beyond all": (OPENAI_COST_HEAD + ROW.replace(",1,usd", ",1e12,usd"), {}, "is no bill"),
    "an amount with a huge exponent": (
        OPENAI_COST_HEAD + ROW.replace(",1,usd", ",1e999999,usd"),
        {},
        "no number",
    ),
    "another currency": (OPENAI_COST_HEAD + ROW.replace("usd", "eur"), {}, "line 2: the amount is in 'eur'"),
    "a day that is none": (
        OPENAI_COST_HEAD + ROW.replace(str(START), "soon"),
        {},
        "line 2: 'soon' is no day",
    ),
    "too few cells": (OPENAI_COST_HEAD + "1,2\n", {}, "line 2: 2 cells under 17 columns"),
    "a quote that does not end": (OPENAI_COST_HEAD + '"' + "x" * 50, {}, "line 2: "),
    "a field without end": (OPENAI_COST_HEAD + "x" * 200_000, {}, "line 2: field larger"),
    "tokens in fractions": (
        ANTHROPIC_USAGE_HEAD + "2026-11-20,m,k,w,s,c,1.5,0,0,0,1,0,g,\n",
        {},
        "line 2: usage_input_tokens_no_cache is '1.5', which is no count",
    ),
    "negative tokens": (
        ANTHROPIC_USAGE_HEAD + "2026-11-20,m,k,w,s,c,-1,0,0,0,1,0,g,\n",
        {},
        "line 2: usage_input_tokens_no_cache",
    ),
    "JSON that ends early": ('{"data": [', {}, "it is no JSON"),
    "JSON in deep brackets": ("[" * 100_000, {}, "it is no JSON"),
    "JSON of something else": ('{"log": {}}', {}, "no page of usage or costs"),
    "NaN in JSON": (openai_page({"amount": {"value": float("nan")}}), {}, "NaN is no amount"),
    "a bucket without results": (
        json.dumps({"data": [{"start_time": START}]}),
        {},
        "bucket 1: expected a list of `results`",
    ),
    "a result that is none": (
        openai_page({"amount": {"value": 1, "currency": "usd"}}, 3),  # type: ignore[arg-type]
        {},
        "bucket 1, result 2: expected an object",
    ),
    "tokens in words": (openai_page({"input_tokens": "many"}), {}, "bucket 1, result 1: input_tokens"),
    "true for a count": (openai_page({"input_tokens": True}), {}, "bucket 1, result 1: input_tokens"),
    "a page that is none among others": (
        json.dumps([json.loads(openai_page()), 7]),
        {},
        "expected an object with a list of buckets",
    ),
}


@pytest.mark.parametrize(("text", "more", "says"), BROKEN.values(), ids=BROKEN)
def test_a_row_that_cannot_be_read_is_named(text: str, more: dict[str, Any], says: str) -> None:
    with pytest.raises(BillError) as caught:
        read(text, **more)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("day", "each column is FIELD=NAME"),
        ("day=a,colour=b", "'colour' is not one of"),
        ("day=a", "a bill needs `day` and one of"),
        ("cost=a", "a bill needs `day` and one of"),
    ],
)
def test_a_map_of_columns_that_cannot_be_used(text: str, says: str) -> None:
    with pytest.raises(BillError, match=says):
        parse_columns(text)


CELLS = st.text(max_size=12) | st.sampled_from(
    ["2026-11-20", str(START), "1", "-1", "1e9", "usd", "NaN", '"']
)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([OPENAI_COST_HEAD, OPENAI_USAGE_HEAD, ANTHROPIC_COST_HEAD, ANTHROPIC_USAGE_HEAD]),
    st.lists(st.lists(CELLS, min_size=14, max_size=17), max_size=3),
)
def test_any_lines_are_read_or_named(head: str, rows: list[list[str]]) -> None:
    _read_or_name(head + "".join(",".join(cells) + "\n" for cells in rows))


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "data",
                        "results",
                        "start_time",
                        "starting_at",
                        "amount",
                        "value",
                        "input_tokens",
                        "model",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_read_or_named(document: Any) -> None:
    _read_or_name(json.dumps(document))
    _read_or_name(openai_page(document))
    _read_or_name(anthropic_page(document))


def _read_or_name(text: str) -> None:
    try:
        rows = read(text)
    except BillError:
        return
    for row in rows:
        assert all(
            type(each) is int or each is None for each in (row.nanousd, row.requests, row.input_tokens)
        )
