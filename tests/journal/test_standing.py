from __future__ import annotations

from pathlib import Path

from arc_proxy.journal.standing import read_standing, write_standing


def test_the_last_counts_of_each_writer_stand(tmp_path: Path) -> None:
    write_standing(tmp_path, "0000000a", {"lost_calls": 1})
    write_standing(tmp_path, "0000000a", {"lost_calls": 2})
    write_standing(tmp_path, "0000000b", {"lost_bytes": 3})
    assert read_standing(tmp_path) == {"0000000a": {"lost_calls": 2}, "0000000b": {"lost_bytes": 3}}


def test_what_is_no_count_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "0000000a.counts").write_text("half a li")
    (tmp_path / "0000000b.counts").write_text("[]")
    (tmp_path / "0000000c.counts").write_text('{"lost_calls": 1, "says": "x"}')
    (tmp_path / "console.sock").touch()
    assert read_standing(tmp_path) == {"0000000c": {"lost_calls": 1}}


def test_a_folder_that_is_not_there_has_none(tmp_path: Path) -> None:
    assert read_standing(tmp_path / "gone") == {}
