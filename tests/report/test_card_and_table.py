from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from arc_proxy.format import cells
from arc_proxy.report import card as cards
from arc_proxy.report import table as tables
from arc_proxy.report.card import Card, Line
from arc_proxy.report.table import Column, Table

CARD = Card(
    "finance",
    (
        Line("Runs", "128", "▲ +12 this week"),
        Line("Cost/run", "$0.013", "▼ -12% this week, may be chance"),
        Line("Same tokens", "claude-haiku-4-5: $0.005/run (-62%), price only"),
        Line("Errors", "1.6%", "2 of 128 runs"),
    ),
)

WIDE = """\
━━━ finance ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━
│ Runs         128     ▲ +12 this week                         │
│ Cost/run     $0.013  ▼ -12% this week, may be chance         │
│ Same tokens  claude-haiku-4-5: $0.005/run (-62%), price only │
│ Errors       1.6%    2 of 128 runs                           │
━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━"""

NARROW = """\
━━━ finance ━━━━━━━━━━━━━━━━━━━━━━━━━━━━
│ Runs         128     ▲ +12 this week │
│ Cost/run     $0.013  ▼ -12% this     │
│              week, may be chance     │
│ Same tokens  claude-haiku-4-5:       │
│              $0.005/run (-62%),      │
│              price only              │
│ Errors       1.6%    2 of 128 runs   │
━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━"""


@pytest.mark.parametrize(("width", "text"), [(100, WIDE), (40, NARROW)])
def test_the_card(width, text):
    assert "\n".join(cards.draw(CARD, width)) == text


@given(st.text(), st.lists(st.tuples(st.text(), st.text()), min_size=1, max_size=4), st.integers(40, 120))
@example("", [("", "000000000\u2e80\u2f00\n0"), ("000000000", "0")], 40)
def test_whatever_stands_in_a_card_it_stays_a_box(agent, lines, width):
    card = Card(agent, tuple(Line("Label", value, note) for value, note in lines))
    drawn = list(cards.draw(card, width))
    assert {cells(line) for line in drawn} == {cells(drawn[0])}
    assert cells(drawn[0]) <= width


TABLE = Table(
    (
        Column("agent", is_number=False, flex=True),
        Column("runs"),
        Column("cost"),
        Column("p95", rank=2),
        Column("cache", rank=1),
    ),
    (("a-rather-long-name-of-an-agent", "12", "$1.94", "2.4 s", "12k"), ("日本", "2", "unknown", "9 s", "0")),
)


def test_a_table_fills_no_more_than_its_width():
    assert list(tables.draw(TABLE, 100)) == [
        "agent                           runs     cost    p95  cache",
        "─" * 59,
        "a-rather-long-name-of-an-agent    12    $1.94  2.4 s    12k",
        "日本                               2  unknown    9 s      0",
    ]
    assert list(tables.draw(TABLE, 50)) == [
        "agent                  runs     cost    p95  cache",
        "─" * 50,
        "a-rather-long-name-o…    12    $1.94  2.4 s    12k",
        "日本                      2  unknown    9 s      0",
    ]
    assert list(tables.draw(TABLE, 30)) == [
        "agent            runs     cost",
        "─" * 30,
        "a-rather-long-…    12    $1.94",
        "日本                2  unknown",
    ]


def test_columns_go_before_a_name_is_cut_that_is_worth_more():
    named = replace(TABLE.columns[0], keep=tables.NAME_CELLS)
    table = replace(TABLE, columns=(named, *TABLE.columns[1:]))
    assert next(iter(tables.draw(table, 50))) == "agent                         runs     cost  cache"
    assert list(tables.draw(table, 30)) == list(tables.draw(TABLE, 30))


def test_a_rule_is_as_long_as_what_stands_under_it():
    heading, rule, *_ = tables.draw(TABLE, 20)
    assert tables.cells(heading) == len(rule) > 20


def test_captured_text_is_no_markup_in_markdown():
    table = Table((Column("name", is_number=False), Column("n")), (("<b>|x`*_[a](b)\x1b[31m", "1"),))
    assert list(tables.markdown(table)) == [
        "| name | n |",
        "|---|---:|",
        r"| &lt;b&gt;\|x\`\*\_\[a\](b) | 1 |",
    ]
