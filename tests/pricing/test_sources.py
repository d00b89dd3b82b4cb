"""What a file of prices may be, and what it may do to who reads it: nothing."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from datetime import date
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing.book import DATA
from pricing.checked import SourceError
from pricing.shelf import read_shelf, write_shelf
from pricing.sources import genai
from pricing.sources.read import SOURCE_BYTES_MAX, Source, read_source

TODAY = date(2026, 11, 26)
MODULE = (
    "import datetime\nfrom decimal import Decimal\nfrom .types import *\n"
    "providers: list[Provider] = [Provider(id='acme', pricing_urls=['https://acme.example'], models=["
    "ModelInfo(id='Large', match="
    "ClauseOr(or_=[ClauseEquals(equals='Large'), ClauseStartsWith(starts_with='l-')]),"
    "prices=[ConditionalPrice(prices=ModelPrice(input_mtok=Decimal('1.25'),"
    "output_mtok=TieredPrices(base=Decimal('5'), tiers=[Tier(start=200000, price=Decimal('10'))]))),"
    "ConditionalPrice(constraint=StartDateConstraint(start_date=datetime.date(2026, 3, 1)),"
    "prices=ModelPrice(input_mtok=Decimal('1')))])])]"
)


def wheel(module: str | bytes = MODULE, **more: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(genai.MODULE, module)
        archive.writestr(
            "genai_prices-9.1.dist-info/METADATA", "Metadata-Version: 2.4\nName: genai-prices\nVersion: 9.1\n"
        )
        for name, each in more.items():
            archive.writestr(name, each)
    return content.getvalue()


def as_json(**prices: Any) -> bytes:
    """genai-prices' JSON with one model."""
    model = {"id": "large", "match": {"equals": "large"}, "prices": prices or {"input_mtok": 1}}
    return json.dumps([{"id": "acme", "models": [model]}]).encode()


def read(content: bytes) -> Source:
    return read_source(content, recorded=TODAY)


def test_a_wheel_is_read_as_data() -> None:
    source = read(wheel())
    (shelf,) = source.shelves
    (model,) = shelf.models
    assert (source.title, shelf.provider, shelf.url) == ("genai-prices 9.1", "acme", "https://acme.example")
    assert (model.id, model.clauses) == ("large", (["=", "large"], ["^", "l-"]))
    first, second = model.rates
    assert dict(first.picousd) == {"input_text": 1_250_000, "output_text": 5_000_000}
    assert first.over == ((200_000, {"output_text": 10_000_000}),)
    assert (second.since, dict(second.picousd)) == (date(2026, 3, 1), {"input_text": 1_000_000})
    assert {rate.recorded for rate in model.rates} == {TODAY}


def test_the_wheel_and_the_json_say_the_same() -> None:
    said = [
        {
            "id": "acme",
            "pricing_urls": ["https://acme.example"],
            "models": [
                {
                    "id": "Large",
                    "match": {"or": [{"equals": "Large"}, {"starts_with": "l-"}]},
                    "prices": [
                        {
                            "prices": {
                                "input_mtok": 1.25,
                                "output_mtok": {"base": 5, "tiers": [{"start": 200000, "price": 10}]},
                            }
                        },
                        {"constraint": {"start_date": "2026-03-01"}, "prices": {"input_mtok": 1}},
                    ],
                }
            ],
        }
    ]
    from_json = read(json.dumps(said).encode()).shelves[0]
    from_wheel = read(wheel()).shelves[0]
    title = from_json.models[0].rates[0].source
    assert write_shelf(from_json).replace(title.encode(), b"genai-prices 9.1") == write_shelf(from_wheel)


def test_the_published_package_is_read_whole() -> None:
    module = Path(str(distribution("genai-prices").locate_file(genai.MODULE))).read_bytes()
    source = read(wheel(module))
    assert len(source.shelves) > 40
    assert sum(len(shelf.models) for shelf in source.shelves) > 2000


def test_rows_of_a_price_book_are_what_they_were() -> None:
    content = (DATA / "rates" / "anthropic.jsonl").read_bytes()
    assert read(content).shelves == (read_shelf(content),)


def test_a_wheel_of_arc_proxy_is_its_rows() -> None:
    files = {f"pricing/data/rates/{name}.jsonl": _rates(name) for name in ("openai", "aws")}
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("pricing/book.py", "raise SystemExit('run')")
        archive.writestr("arc_proxy-9.2.dist-info/METADATA", "Version: 9.2\n")
        archive.writestr("pricing/data/rates/below/x.jsonl", "not looked at")
        for name, content in files.items():
            archive.writestr(name, content)
    source = read(whole.getvalue())
    assert (source.title, source.is_book) == ("arc-proxy 9.2", True)
    assert source.shelves == tuple(map(read_shelf, files.values()))


def _rates(provider: str) -> bytes:
    return (DATA / "rates" / f"{provider}.jsonl").read_bytes()


def test_every_shipped_row_passes_the_checks() -> None:
    whole = b"".join(path.read_bytes() for path in sorted((DATA / "rates").glob("*.jsonl")))
    assert len(read(whole).shelves) == len(list((DATA / "rates").glob("*.jsonl")))


def _claiming_to_be_small(content: bytes) -> bytes:
    """A zip whose directory lies about the size of what it holds."""
    real = len(MODULE) + SOURCE_BYTES_MAX
    return content.replace(real.to_bytes(4, "little"), (100).to_bytes(4, "little"))


BOMB = wheel(MODULE + " " * SOURCE_BYTES_MAX)
ROW = {"recorded": "2026-11-25", "source": "me", "rates": {"input_text": 1}}


def rows(*lines: Any) -> bytes:
    head = ({"provider": "acme", "url": ""}, {"model": "large", "match": [["=", "large"]]})
    return b"".join(json.dumps(line).encode() + b"\n" for line in (*head, *lines))


def matched(clause: Any) -> bytes:
    return json.dumps(
        [{"id": "acme", "models": [{"id": "a", "match": clause, "prices": {"input_mtok": 1}}]}]
    ).encode()


def _member_of_kind(kind: int) -> bytes:
    """A wheel whose module says that it is compressed by another kind than it is."""
    content = bytearray(wheel())
    for sign, at in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        place = content.find(sign)
        while place >= 0:
            content[place + at : place + at + 2] = kind.to_bytes(2, "little")
            place = content.find(sign, place + 4)
    return bytes(content)


HOSTILE: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "neither a wheel nor JSON"),
    "a picture": (b"\x89PNG\r\n\x1a\n\xff\xff", "UTF-8"),
    "200 MB": (b" " * 200_000_000, "larger than 16 MiB"),
    "a zip bomb": (BOMB, "larger than 16 MiB"),
    "a zip bomb that claims to be small": (_claiming_to_be_small(BOMB), "no whole wheel|larger than"),
    "a zip that ends early": (wheel()[:200], "no whole wheel"),
    "a zip of something else": (
        wheel().replace(b"genai_prices/data", b"genai_prices/dada"),
        "a wheel neither of",
    ),
    "a zip with a wrong checksum": (
        wheel().replace(zlib.crc32(MODULE.encode()).to_bytes(4, "little"), b"\0\0\0\0"),
        "no whole wheel",
    ),
    "Python of a list that takes 500 times its length": (
        wheel("providers = [" + "0," * 2_000_000 + "]"),
        "longer than 3,500,000 characters",
    ),
    "a compression that is broken": (_member_of_kind(zipfile.ZIP_LZMA), "no whole wheel"),
    "a name that is no text": (wheel().replace(b"genai_prices/data", b"genai_prices/\xff\xfeta"), "wheel"),
    "Python that does something": (wheel(f"providers = __import__('os').system('x')\n{MODULE}"), "no value"),
    "Python that calls what it likes": (wheel(MODULE.replace("Decimal('1')", "eval('1')")), "no value"),
    "Python that computes": (wheel("providers = [1] * 10 ** 9"), "more than data"),
    "Python that reads": (wheel("providers = open"), "more than data"),
    "Python in deep brackets": (wheel("providers = " + "[" * 5000 + "]" * 5000), "no Python|more than data"),
    "Python of many signs": (wheel("providers = " + "-" * 100_000 + "1"), "no Python|more than data"),
    "no Python": (wheel("providers = ["), "no Python"),
    "a module without the list": (wheel("x = 1"), "assigns nothing"),
    "a Decimal that is none": (wheel(MODULE.replace("'1.25'", "'abc'")), "no Decimal"),
    "a Decimal that is no number": (wheel(MODULE.replace("'1.25'", "'NaN'")), "is no price"),
    "another document": (b'{"log": {"entries": []}}', "neither genai-prices' nor LiteLLM's"),
    "a number": (b"17", "neither genai-prices' nor LiteLLM's"),
    "a list of numbers": (b"[1, 2]", "expected an object"),
    "JSON that ends early": (b'[{"id": "acme"', "neither a wheel nor JSON"),
    "JSON in deep brackets": (b"[" * 200_000, "nobody would write"),
    "JSON with a number of a million digits": (
        b'[{"id": "a", "x": ' + b"1" * 1_000_000 + b"}]",
        "nobody would",
    ),
    "a list without a price": (b"[]", "no price in it"),
    "NaN": (as_json().replace(b'"input_mtok": 1', b'"input_mtok": NaN'), "NaN is no price"),
    "infinity": (as_json().replace(b'"input_mtok": 1', b'"input_mtok": -Infinity'), "is no price"),
    "a negative price": (as_json(input_mtok=-1), "input_text of -1 US dollars is no price"),
    "an absurd price": (as_json(input_mtok=100_001), "is no price"),
    "a price with a huge exponent": (as_json().replace(b": 1}", b": 1e999999}"), "is no price"),
    "a price in words": (as_json(input_mtok="1.25"), "no number"),
    "true for a price": (as_json(input_mtok=True), "no number"),
    "an absurd step": (as_json(input_mtok={"base": 1, "tiers": [{"start": 10**12, "price": 1}]}), "tokens"),
    "steps without end": (
        as_json(input_mtok={"base": 1, "tiers": [{"start": n, "price": 1} for n in range(50)]}),
        "50 steps",
    ),
    "a provider that is a path": (as_json().replace(b'"acme"', b'"../../x"'), "no provider's name"),
    "a model with a control character": (as_json().replace(b'"large"', b'"la\\u001brge"'), "printable"),
    "an expression that never ends": (matched({"regex": "^(a+)+$"}), "could take for ever"),
    "an expression of many repetitions": (matched({"regex": "a*b*c*d*e*$"}), "could take for ever"),
    "an expression that is none": (matched({"regex": "["}), "no regular expression"),
    "a clause of a new kind": (matched({"sounds_like": "gpt"}), "new kind of clause"),
    "clauses in clauses": (
        matched({"or": [{"or": [{"or": [{"or": [{"or": [{"or": [{"equals": "x"}]}]}]}]}]}]}),
        "nested",
    ),
    "a day that is none": (
        json.dumps(
            [
                {
                    "id": "acme",
                    "models": [
                        {
                            "id": "a",
                            "match": {"equals": "a"},
                            "prices": [{"constraint": {"start_date": "soon"}, "prices": {"input_mtok": 1}}],
                        }
                    ],
                }
            ]
        ).encode(),
        "no day",
    ),
    "LiteLLM with a negative price": (
        b'{"x": {"litellm_provider": "openai", "input_cost_per_token": -1e-6}}',
        "is no price",
    ),
    "LiteLLM with an absurd price": (
        b'{"x": {"litellm_provider": "openai", "input_cost_per_token": 1.0}}',
        "is no price",
    ),
    "LiteLLM with hours of another shape": (
        b'{"x": {"litellm_provider": "openai", "input_cost_per_token": 1e-6, "off_peak_pricing": [1]}}',
        "another shape",
    ),
    "a row before its model": (b'{"provider": "a", "url": ""}\n' + json.dumps(ROW).encode(), "line 2"),
    "a row before its provider": (json.dumps(ROW).encode() + b"\n{}", "line 1"),
    "a row of fractions": (rows({**ROW, "rates": {"input_text": 1.5}}), "line 3"),
    "a negative row": (rows({**ROW, "rates": {"input_text": -1}}), "line 3"),
    "a row of an unknown bucket": (rows({**ROW, "rates": {"smell": 1}}), "line 3: 'smell' is no bucket"),
    "a row without a price": (rows({**ROW, "rates": {}}), "line 3"),
    "a row of no day": (rows({**ROW, "since": "2026-02-30"}), "line 3"),
    "a row of odd hours": (rows({**ROW, "hours": [{"from": 60, "to": 30}]}), "line 3"),
    "a row of odd steps": (rows({**ROW, "over": {"many": {"input_text": 1}}}), "line 3"),
    "a row of an absurd uplift": (rows({**ROW, "uplift": {"eu": 10**9}}), "line 3"),
}


@pytest.mark.parametrize(("content", "says"), HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_price_list_is_refused(content: bytes, says: str) -> None:
    with pytest.raises(SourceError, match=says):
        read(content)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("2026-01-01"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "id",
                    "models",
                    "match",
                    "prices",
                    "or",
                    "equals",
                    "regex",
                    "input_mtok",
                    "base",
                    "tiers",
                    "start",
                    "price",
                    "constraint",
                    "start_date",
                    "start_time",
                    "end_time",
                    "price_variants",
                    "when",
                    "provider",
                    "url",
                    "model",
                    "rates",
                    "recorded",
                    "source",
                    "over",
                    "hours",
                    "litellm_provider",
                    "input_cost_per_token",
                    "off_peak_pricing",
                    "windows",
                    "hours_utc",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(JSON | st.lists(JSON, max_size=3))
def test_any_json_is_read_or_refused(document: Any) -> None:
    _read_or_refuse(json.dumps(document).encode())
    _read_or_refuse(json.dumps([{"id": "acme", "models": [document]}]).encode())
    _read_or_refuse(json.dumps({"x": {"litellm_provider": "openai", "input_cost_per_token": 1}}).encode())
    _read_or_refuse(rows(document, {**ROW, "over": document}))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_damaged_wheel_is_read_or_refused(data: st.DataObject) -> None:
    content = bytearray(wheel())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    _read_or_refuse(bytes(content[: data.draw(st.integers(1, len(content)))]))


def _read_or_refuse(content: bytes) -> None:
    try:
        source = read(content)
    except SourceError:
        return
    for model in (*source.second, *(model for shelf in source.shelves for model in shelf.models)):
        for rate in model.rates:
            assert all(type(each) is int and each >= 0 for each in rate.picousd.values())
