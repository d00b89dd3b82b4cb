from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_proxy.cli.config_file import FILE_BYTES_MAX, ConfigUnread, read_json, strip_comments

JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
)
WITH_COMMENTS = {
    "a line": ('{"a": 1 // one\n}', {"a": 1}),
    "a block": ('{/* "b": 2, */"a": 1}', {"a": 1}),
    "a comma at the end": ('{"a": [1, 2, ], }', {"a": [1, 2]}),
    "none in a text": ('{"a": "http://x /* y */ ,}"}', {"a": "http://x /* y */ ,}"}),
    "a quote in a text": ('{"a": "\\"// b", }', {"a": '"// b'}),
}


@pytest.mark.parametrize(("text", "value"), WITH_COMMENTS.values(), ids=WITH_COMMENTS)
def test_json_with_comments_is_read(tmp_path, text, value):
    (tmp_path / "x.json").write_text(text)
    assert read_json(tmp_path / "x.json") == value


@given(JSONS)
def test_json_without_comments_stays_what_it_says(value):
    assert json.loads(strip_comments(json.dumps(value))) == value


@given(st.text(alphabet='{}[]"\\,/*ab \n'))
def test_any_text_comes_to_an_end(text):
    strip_comments(text)


def test_no_file_is_an_empty_one_and_a_huge_one_is_refused(tmp_path):
    assert read_json(tmp_path / "none.json") == {}
    assert read_json(tmp_path / "none.json" / "below.json") == {}
    with (tmp_path / "huge.json").open("wb") as file:
        file.truncate(FILE_BYTES_MAX + 1)
    with pytest.raises(ConfigUnread, match="larger than 4 MB"):
        read_json(tmp_path / "huge.json")
    with pytest.raises(ConfigUnread, match="cannot be read"):
        read_json(tmp_path)
