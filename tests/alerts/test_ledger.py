"""What outlives the console, and how deliveries are tried again."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from analysis.burn_rate import Urgency
from arc_proxy.alerts import ledger as ledger_module
from arc_proxy.alerts.firing import Alerts, Quiet, look
from arc_proxy.alerts.kept import Kept, read_kept
from arc_proxy.alerts.ledger import GIVE_UP_NS, RETRY_FIRST_NS, RETRY_NS_MAX, Ledger
from arc_proxy.alerts.message import message_of
from arc_proxy.alerts.rules import DAY_NS, ErrorsRule, Reading, Unit
from arc_proxy.alerts.targets import Delivered

RULE = ErrorsRule(name="errors", above=0.2)
READING = Reading(
    key="finance",
    level=2,
    urgency=Urgency.PAGE,
    title="all fail",
    text="12 of 12",
    value=1.0,
    unit=Unit.SHARE,
)
OK, BAD = Delivered(True, "answered 200"), Delivered(False, "answered 500")
TARGETS = ("team", "pager")


def fire(ledger: Ledger, now_ns: int = 0, *targets: str) -> None:
    alerts, notices = look(Alerts(), [RULE], [(RULE, READING)], now_ns)
    told = [(target, message_of(each)) for each in notices for target in targets or ("team",)]
    ledger.note_look(alerts, told, TARGETS, now_ns)


def test_what_fires_and_waits_is_there_after_a_restart(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    fire(ledger, 5, "team", "pager")
    parcel = ledger.next_parcel()
    assert parcel is not None
    ledger.note_delivery(parcel, OK, 6)
    again = Ledger(tmp_path)
    assert again.kept == ledger.kept
    assert [each.target for each in again.kept.parcels] == ["pager"]
    [firing] = again.kept.alerts.firing.values()
    assert (firing.reading, firing.told_level) == (READING, 2)
    assert (tmp_path / "alerts.json").stat().st_mode & 0o777 == 0o600


def test_what_a_file_without_levels_has_as_told_lately_is_quiet(tmp_path: Path) -> None:
    fire(Ledger(tmp_path), 5)
    path = tmp_path / "alerts.json"
    document = orjson.loads(path.read_bytes())
    [[*place, until_ns, level]] = document["quiet"]
    assert level == 2
    path.write_bytes(orjson.dumps(document | {"quiet": [[*place, until_ns]]}))
    assert read_kept(tmp_path).alerts.quiet == {("errors", "finance"): Quiet(until_ns, 1)}


def test_a_look_that_changes_nothing_writes_nothing(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.note_look(Alerts(), [], TARGETS, 1)
    assert not (tmp_path / "alerts.json").exists()


def test_a_delivery_that_fails_is_tried_again_later_each_time_and_then_given_up(tmp_path: Path) -> None:
    ledger, now_ns, waits = Ledger(tmp_path), 0, []
    fire(ledger)
    while (parcel := ledger.next_parcel()) is not None:
        waits.append(parcel.due_ns - now_ns)
        now_ns = parcel.due_ns
        ledger.note_delivery(parcel, BAD, now_ns)
    assert waits[:4] == [0, RETRY_FIRST_NS, 2 * RETRY_FIRST_NS, 4 * RETRY_FIRST_NS]
    assert max(waits) == RETRY_NS_MAX
    assert now_ns >= GIVE_UP_NS
    [last] = ledger.kept.failing.values()
    assert (last.failures, last.given_up, last.says) == (len(waits), 1, "answered 500")


def test_a_clock_that_was_ahead_holds_no_message_back(tmp_path: Path) -> None:
    ledger, now_ns = Ledger(tmp_path), 10**18
    ahead_ns = now_ns + 365 * DAY_NS
    fire(ledger, ahead_ns)
    parcel = ledger.next_parcel()
    assert parcel is not None
    ledger.note_delivery(parcel, BAD, ahead_ns)
    ledger.note_look(ledger.kept.alerts, [], TARGETS, now_ns)
    parcel = ledger.next_parcel()
    assert parcel is not None
    assert (parcel.tries, parcel.due_ns, parcel.queued_ns) == (1, now_ns, now_ns)
    ledger.note_delivery(parcel, BAD, now_ns)
    ledger.note_look(ledger.kept.alerts, [], TARGETS, now_ns + 1)
    parcel = ledger.next_parcel()
    assert parcel is not None
    assert parcel.due_ns == now_ns + 2 * RETRY_FIRST_NS


def test_messages_of_one_target_arrive_in_order_and_do_not_wait_for_another(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    fire(ledger, 0, "team", "pager")
    fire(ledger, 1, "team", "pager")
    first = ledger.next_parcel()
    assert first is not None
    assert (first.target, first.queued_ns) == ("team", 0)
    ledger.note_delivery(first, BAD, 2)
    other = ledger.next_parcel()
    assert other is not None
    assert (other.target, other.queued_ns) == ("pager", 0)
    ledger.note_delivery(other, OK, 3)
    following = ledger.next_parcel()
    assert following is not None
    assert (following.target, following.queued_ns) == ("pager", 1)


def test_what_is_for_a_target_that_is_gone_goes(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    fire(ledger)
    parcel = ledger.next_parcel()
    assert parcel is not None
    ledger.note_delivery(parcel, BAD, 1)
    ledger.note_look(ledger.kept.alerts, [], ["pager"], 2)
    assert (ledger.kept.parcels, ledger.kept.deliveries) == ((), {})


def test_more_than_can_wait_is_given_up_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "PARCELS_MAX", 3)
    ledger = Ledger(tmp_path)
    for now_ns in range(5):
        fire(ledger, now_ns)
    assert [each.queued_ns for each in ledger.kept.parcels] == [0, 1, 2]
    assert ledger.kept.failing["team"].given_up == 2


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 2}', b'{"version": 1, "firing": 3}'])
def test_a_file_that_is_none_of_ours_is_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "alerts.json").write_bytes(content)
    assert read_kept(tmp_path) == Kept()


def test_a_disk_that_takes_nothing_does_not_silence_alerts(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "gone")
    fire(ledger)
    assert "cannot be written" in (ledger.trouble or "")
    parcel = ledger.next_parcel()
    assert parcel is not None
    ledger.note_delivery(parcel, OK, 1)
    assert ledger.next_parcel() is None
    (tmp_path / "gone").mkdir()
    fire(ledger, 2)
    assert ledger.trouble is None
