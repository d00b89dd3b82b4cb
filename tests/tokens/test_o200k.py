"""The tokenizer that ships with us, against counts that OpenAI's cookbook prints."""

from __future__ import annotations

import subprocess
import sys

import orjson
import pytest

from arc_proxy.tokens.o200k import O200k
from arc_proxy.tokens.pack import PACKED, pack, unpack

KNOWN = {
    "": 0,
    "tiktoken is great!": 6,
    "antidisestablishmentarianism": 6,
    "2 + 2 = 4": 7,
    "お誕生日おめでとう": 8,
}


@pytest.fixture(scope="module")
def encoding() -> O200k:
    return O200k()


@pytest.mark.parametrize(("text", "tokens"), KNOWN.items())
def test_counts_as_openai_does(encoding: O200k, text: str, tokens: int) -> None:
    assert encoding.count(text) == tokens


def test_words_that_are_special_elsewhere_are_words_here(encoding: O200k) -> None:
    assert encoding.count("<|endoftext|>") > 1


def test_long_texts_without_a_blank_are_counted_in_time_and_nearly_right(encoding: O200k) -> None:
    assert encoding.count("x" * 1_000_000) == pytest.approx(encoding.count("x" * 20_000) * 50, rel=0.01)
    assert encoding.count("word " * 50_000) == pytest.approx(50_000, rel=0.01)


def test_the_packed_file_has_every_token_once() -> None:
    tokens = list(unpack(PACKED.read_bytes()))
    assert len(tokens) == len(set(tokens)) == 199_998
    assert {bytes([byte]) for byte in range(256)} <= set(tokens)


def test_another_file_is_not_packed() -> None:
    with pytest.raises(ValueError, match="not the o200k_base"):
        pack(b"IQ== 0\n")


def test_the_process_counts_a_line_of_texts_at_a_time() -> None:
    asked = b'["tiktoken is great!", ""]\n[]\n["2 + 2 = 4"]\n'
    done = subprocess.run(
        [sys.executable, "-m", "arc_proxy.tokens"], input=asked, capture_output=True, check=True
    )
    assert [orjson.loads(line) for line in done.stdout.splitlines()] == [[6, 0], [], [7]]


def test_no_other_process_loads_a_tokenizer() -> None:
    code = (
        "import arc_proxy.ingest.worker, arc_proxy.ingest.follower, arc_proxy.report.build, sys;"
        "print('tiktoken' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"
