from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy import format as write
from arc_proxy.format import Spend
from arc_proxy.report.project import project_name

MONEY = {
    None: "unknown",
    0: "$0",
    1: "$0.000000001",
    4_200: "$0.0000042",
    12_345: "$0.000012",
    5_000_000: "$0.005",
    13_000_000: "$0.013",
    99_600_000: "$0.10",
    500_000_000: "$0.50",
    994_999_999: "$0.99",
    996_000_000: "$1.00",
    1_940_000_000: "$1.94",
    999_990_000_000: "$999.99",
    1_234_567_000_000: "$1,235",
    -13_000_000: "-$0.013",
}


@pytest.mark.parametrize(("nanousd", "text"), MONEY.items())
def test_money(nanousd, text):
    assert write.money(nanousd) == text


@given(st.integers(min_value=1, max_value=10**15))
def test_what_cost_something_is_never_shown_as_nothing(nanousd):
    assert float(write.money(nanousd).strip("$").replace(",", "")) > 0


SPENDS = {
    "exact": (Spend(1_940_000_000, 10), "$1.94", 0),
    "some unpriced": (Spend(1_940_000_000, 10, 3), "$1.94, + 3 unpriced calls", 1),
    "one unpriced": (Spend(1_940_000_000, 10, 1), "$1.94, + 1 unpriced call", 1),
    "nothing known but what was not billed": (Spend(0, 1, 3), "unknown (3 unpriced calls)", 1),
    "all unpriced": (Spend(0, 0, 3), "unknown (3 unpriced calls)", 1),
    "estimated": (Spend(1_940_000_000, 10, 0, 2), "~$1.94", 1),
    "a lower bound": (Spend(1_940_000_000, 10, 0, 0, 2), "at least $1.94", 1),
    "all at once": (Spend(1_940_000_000, 10, 1, 1, 1, 5), "at least ~$1.94, + 1 unpriced call", 4),
    "nothing to price": (Spend(0), "$0", 0),
}


@pytest.mark.parametrize(("total", "text", "causes"), SPENDS.values(), ids=SPENDS)
def test_a_sum_says_how_far_it_can_be_trusted(total, text, causes):
    assert write.spend(total) == text
    assert len(write.spend_causes(total)) == causes


SHARES = {
    (0, 3): "0%",
    (3, 3): "100%",
    (2, 128): "1.6%",
    (1, 3): "33%",
    (1, 100_000): "<0.1%",
    (99_999, 100_000): ">99.9%",
    (995, 1000): "99.5%",
    (0, 0): "-",
}


@pytest.mark.parametrize(("pair", "text"), SHARES.items())
def test_share(pair, text):
    assert write.share(*pair) == text


DURATIONS = {
    None: "-",
    0.44: "0.4 ms",
    9.99: "10 ms",
    340: "340 ms",
    999.6: "1.0 s",
    2_400: "2.4 s",
    9_960: "10 s",
    59_600: "1 m",
    80_000: "1 m 20 s",
    7_500_000: "2 h 5 m",
    86_400_000: "1 d",
    273_600_000: "3 d 4 h",
}


@pytest.mark.parametrize(("ms", "text"), DURATIONS.items())
def test_duration(ms, text):
    assert write.duration(ms) == text


@pytest.mark.parametrize(
    ("number", "text"), {999: "999", 1000: "1.0k", 99_951: "100k", 4_100_000: "4.1M"}.items()
)
def test_tokens(number, text):
    assert write.tokens(number) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    {0.12: "+12%", -0.62: "-62%", 0.001: "±0%", 3.2: "+320%", 4.5: "x5.5", 20: "x21"}.items(),
)
def test_change(ratio, text):
    assert write.change(ratio) == text


HOSTILE = {
    "colours": ("a\x1b[31mred\x1b[0m", "ared"),
    "a link": ("\x1b]8;;http://evil\x07text\x1b]8;;\x1b\\", "text"),
    "an open sequence swallows only itself": ("a\x1b]0;title", "a"),
    "8-bit sequences": ("a\x9b31mb", "ab"),
    "other control bytes": ("a\x00\x07\x08\x7fb", "ab"),
    "lines and tabs": ("a\r\n\tb  c", "a b c"),
    "reordering": ("user\u202egnp.exe", "usergnp.exe"),
    "rich markup is only text": ("[bold]x[/bold]", "[bold]x[/bold]"),
    "nothing": (None, ""),
}


@pytest.mark.parametrize(("text", "shown"), HOSTILE.values(), ids=HOSTILE)
def test_captured_text_can_do_nothing(text, shown):
    assert write.clean(text) == shown


@given(st.text(), st.integers(min_value=1, max_value=40))
def test_no_text_breaks_a_line_or_its_width(text, columns):
    shown = write.clean(text, columns)
    assert write.cells(shown) <= columns
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in shown)


@given(st.text())
def test_plain_text_is_ascii(text):
    assert write.ascii_only(text).isascii()


def test_wide_characters_count_twice():
    assert write.cells("日本") == 4
    assert write.cut("日本語テキスト", 6) == "日本…"
    assert write.cells("e\u0301") == 1


PROJECTS = {
    "none": (None, "(none)"),
    "a name": ("shop", "shop"),
    "a home folder on Linux": ("/home/ada/work/shop", "~/work/shop"),
    "a home folder on macOS": ("/Users/ada/work/shop", "~/work/shop"),
    "a home folder on Windows": ("C:\\Users\\ada\\work\\shop", "~\\work\\shop"),
    "root's": ("/root/shop", "~/shop"),
    "somewhere else": ("/srv/shop", "/srv/shop"),
    "no home": ("/homes/ada", "/homes/ada"),
    "a long path": (
        "/home/ada/customers/2026/acme corporation/backend/services/billing",
        "…/backend/services/billing",
    ),
    "one long part": ("/srv/" + "x" * 60, "…" + "x" * 39),
    "a long name": ("y" * 60, "y" * 39 + "…"),
    "hostile": ("\x1b[31m/home/ada/\u202ex", "~/x"),
}


@pytest.mark.parametrize(("project", "expected"), PROJECTS.values(), ids=PROJECTS)
def test_a_project_is_called(project, expected):
    assert project_name(project) == expected
