"""WebSockets from the journal to the rows: a call for each response, when it is over, whatever happens."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from arc_proxy.call import Captured, Kind
from arc_proxy.ingest.assemble import AGE_NS, IDLE_NS
from arc_proxy.ingest.intake import Intake
from arc_proxy.ingest.placing import Placer
from arc_proxy.ingest.projection import project
from arc_proxy.ingest.recost import recost
from arc_proxy.ingest.regroup import regroup
from arc_proxy.ingest.worker import catch_up, read_resume_points, rebuild, wanted_from
from arc_proxy.journal.head import Gap
from arc_proxy.journal.record import Ended, RecordKind
from arc_proxy.journal.retention import prune_journal
from arc_proxy.store.engine import Store
from arc_proxy.store.filters import CallFilter
from arc_proxy.store.read import iter_calls, whole_calls_after
from pricing.book import PriceBook
from pricing.cost import CostGrade
from tests.ingest.dump import dump
from tests.ingest.socket_tape import Socket
from tests.ingest.tape import Tape
from tests.wire.talk import Said, down
from tests.wire.test_openai_realtime import OPENING, SESSION, spoken
from tests.wire.test_openai_realtime import answers as realtime_answers
from tests.wire.test_openai_realtime import asks as realtime_asks
from tests.wire.test_openai_responses_socket import answers, asks


def idle() -> int:
    """When what was said now has been silent for long. A tape's clock may be a little ahead of the wall's."""
    return time.time_ns() + 2 * IDLE_NS


def rows(store: Store) -> dict[str, dict[str, Any]]:
    calls, _ = whole_calls_after(store, None)
    return {call.call_id: vars_of(call) for call in calls}


def vars_of(call: Any) -> dict[str, Any]:
    return {name: getattr(call, name) for name in call.__dataclass_fields__}


def ingest(tmp_path: Path, store: Store, book: PriceBook, **options: Any) -> None:
    catch_up(tmp_path, store, book, **options)


def test_each_response_is_a_call_as_soon_as_it_is_over(
    tmp_path: Path, either: Store, tape: Tape, book: PriceBook
) -> None:
    socket = Socket(tape)
    socket.say([asks("one"), *answers(1, "Eins"), asks("two")])
    ingest(tmp_path, either, book)
    assert list(rows(either)) == [f"{socket.id}.1"]
    socket.say(answers(2, "Zwei"))
    socket.end()
    ingest(tmp_path, either, book)
    found = rows(either)
    assert sorted(found) == [f"{socket.id}.1", f"{socket.id}.2"]
    first = found[f"{socket.id}.1"]
    assert (first["kind"], first["dialect"], first["endpoint"]) == (
        Kind.GENERATION,
        "openai.responses",
        "responses",
    )
    assert (first["status"], first["ended"], first["captured"]) == (101, Ended.COMPLETE, Captured.FULL)
    assert (first["provider"], first["reply"].output_text) == ("openai", "Eins")
    assert first["cost"].grade is CostGrade.COMPUTED
    assert first["cost"].nanousd
    assert 0 <= first["first_byte_ns"] <= first["duration_ns"]


def test_a_conversation_on_one_socket_is_one_run(
    tmp_path: Path, store: Store, tape: Tape, book: PriceBook
) -> None:
    realtime = Socket(tape, "/v1/realtime?model=gpt-realtime")
    realtime.say([*OPENING, *realtime_asks("i1", "Hello"), *realtime_answers(1, spoken("a1", "Hi"))])
    responses = Socket(tape)
    responses.say([asks("one"), *answers(1111111111111, "Eins")])
    responses.say([asks("two", previous_response_id="resp_1111111111111"), *answers(2, "Zwei")])
    realtime.say([*realtime_asks("i2", "More"), *realtime_answers(2, spoken("a2", "No"))])
    realtime.end()
    responses.end()
    ingest(tmp_path, store, book)
    found = rows(store)
    runs = {name: call["grouping"].run_id for name, call in found.items()}
    for socket in (realtime, responses):
        assert runs[f"{socket.id}.1"] == runs[f"{socket.id}.2"] == f"r-{socket.id}.1"
    regroup(tmp_path, store)
    assert {name: call["grouping"].run_id for name, call in rows(store).items()} == runs


def test_sound_is_billed_as_sound(tmp_path: Path, store: Store, tape: Tape, book: PriceBook) -> None:
    details = {"text_tokens": 100, "audio_tokens": 300, "cached_tokens": 64}
    cached = {"cached_tokens_details": {"text_tokens": 64, "audio_tokens": 0}}
    usage = {
        "total_tokens": 600,
        "input_tokens": 400,
        "output_tokens": 200,
        "input_token_details": details | cached,
        "output_token_details": {"text_tokens": 50, "audio_tokens": 150},
    }
    socket = Socket(tape, "/v1/realtime?model=gpt-realtime")
    socket.say(
        [*OPENING, *realtime_asks("i1", "Hello"), *realtime_answers(1, spoken("a1", "Hi"), usage=usage)]
    )
    socket.end()
    ingest(tmp_path, store, book)
    call = rows(store)[f"{socket.id}.1"]
    used = call["usage"]
    assert (used.input_text, used.input_audio, used.cache_read) == (36, 300, 64)
    assert (used.output_text, used.output_audio) == (50, 150)
    assert call["reply"].model == SESSION["model"]
    per_million_usd = 36 * 4 + 300 * 32 + 64 * 0.4 + 50 * 16 + 150 * 64
    assert call["cost"].nanousd == round(per_million_usd * 1000)
    assert recost(tmp_path, store, book, apply=True).changed == 0


NO_TURNS: dict[str, tuple[str, list[Said], Kind, CostGrade]] = {
    "nothing was said": ("/v1/realtime?model=gpt-realtime", OPENING, Kind.AUXILIARY, CostGrade.COMPUTED),
    "nothing was asked": ("/v1/responses", [], Kind.AUXILIARY, CostGrade.COMPUTED),
    "we do not know how it is spoken": (
        "/v1/audio/stream-input",
        [asks("one"), *answers(1, "Eins")],
        Kind.OTHER,
        CostGrade.UNKNOWN,
    ),
}


@pytest.mark.parametrize(("path", "said", "kind", "grade"), NO_TURNS.values(), ids=NO_TURNS)
def test_a_socket_without_turns_is_one_call(
    tmp_path: Path,
    store: Store,
    tape: Tape,
    book: PriceBook,
    path: str,
    said: list[Said],
    kind: Kind,
    grade: CostGrade,
) -> None:
    socket = Socket(tape, path)
    socket.say(said)
    socket.end()
    ingest(tmp_path, store, book)
    [(name, call)] = rows(store).items()
    assert (name, call["kind"], call["cost"].grade) == (socket.id, kind, grade)
    assert recost(tmp_path, store, book, apply=True).changed == 0


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/realtime"])
def test_a_request_that_is_refused_is_not_billed(
    tmp_path: Path, store: Store, tape: Tape, book: PriceBook, path: str
) -> None:
    """Whether the error names a status or not."""
    socket = Socket(tape, path)
    for fields in ({"status": 429}, {}):
        socket.say(
            [asks("one"), down("error", error={"type": "rate_limit_error", "message": "no"}, **fields)]
        )
    socket.end()
    ingest(tmp_path, store, book)
    calls = rows(store)
    assert [(call["cost"].nanousd, call["cost"].grade) for call in calls.values()] == [
        (0, CostGrade.COMPUTED)
    ] * 2
    assert recost(tmp_path, store, book, apply=True).changed == 0


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/realtime"])
def test_what_capture_lost_is_not_free(
    tmp_path: Path, store: Store, tape: Tape, book: PriceBook, path: str
) -> None:
    """Behind the ceiling there may have been responses that nobody saw."""
    socket = Socket(tape, path)
    socket.say([asks("one"), *answers(1, "Eins")] if path.endswith("responses") else OPENING)
    tape.write(socket.exchange_id, RecordKind.GAP, Gap(side="response", bytes_dropped=9).encode())
    socket.end()
    ingest(tmp_path, store, book)
    call = rows(store)[socket.id]
    assert (call["captured"], call["kind"], call["cost"].grade) == (
        Captured.HEAD,
        Kind.OTHER,
        CostGrade.UNKNOWN,
    )


ENDS = {
    "the client left": (Ended.CLIENT_CLOSED, Ended.CLIENT_CLOSED),
    "the upstream closed in the middle": (Ended.COMPLETE, Ended.TRUNCATED),
    "the upstream broke": (Ended.TRUNCATED, Ended.TRUNCATED),
}


@pytest.mark.parametrize(("ended", "told"), ENDS.values(), ids=ENDS)
def test_a_response_that_the_end_cuts_is_a_call(
    tmp_path: Path, store: Store, tape: Tape, book: PriceBook, ended: Ended, told: Ended
) -> None:
    socket = Socket(tape)
    socket.say([asks("one"), *answers(1, "Eins")[:-1]])
    socket.end(ended)
    ingest(tmp_path, store, book)
    [(name, call)] = rows(store).items()
    assert (name, call["ended"], call["reply"].output_text) == (f"{socket.id}.1", told, "Eins")
    assert call["cost"].grade is CostGrade.UNKNOWN


def test_a_gateway_that_died_leaves_what_was_said(tmp_path: Path, store: Store, book: PriceBook) -> None:
    tape = Tape(tmp_path / "journal")
    socket = Socket(tape)
    socket.say([asks("one"), *answers(1, "Eins"), asks("two"), *answers(2, "Zwei")[:-1]])
    tape.writer.close()
    ingest(tmp_path, store, book)
    found = rows(store)
    assert found[f"{socket.id}.1"]["ended"] is Ended.COMPLETE
    assert found[f"{socket.id}.2"]["ended"] is Ended.INTERRUPTED
    assert found[f"{socket.id}.2"]["reply"].output_text == "Zwei"


def test_a_long_response_shows_while_it_goes_on(
    tmp_path: Path, store: Store, tape: Tape, book: PriceBook
) -> None:
    socket = Socket(tape)
    socket.say([asks("one"), *answers(1, "Eins")[:-1]])
    ingest(tmp_path, store, book, clock=idle)
    [(name, call)] = rows(store).items()
    assert (name, call["duration_ns"], call["ended_detail"]) == (f"{socket.id}.1", None, "in flight")
    socket.say(answers(1, "Eins")[-1:])
    ingest(tmp_path, store, book)
    [(_, call)] = rows(store).items()
    assert (call["ended"], call["ended_detail"]) == (Ended.COMPLETE, "")


def ingest_in_steps(
    tmp_path: Path, store: Store, book: PriceBook, intake: Intake | None, now_ns: int
) -> Intake:
    """One pass of an ingester that lives on, or of one that starts anew."""
    intake = intake or Intake(tmp_path / "journal", read_resume_points(store))
    for batch in intake.batches(now_ns):
        project(store, batch, book, intake.whole, Placer())
    return intake


@pytest.mark.parametrize("deflates", [False, True])
@pytest.mark.parametrize("restarts", [False, True])
def test_a_socket_of_a_day_pins_nothing_and_loses_nothing(
    tmp_path: Path, store: Store, book: PriceBook, deflates: bool, restarts: bool
) -> None:
    """A turn every ten minutes, retention after each, an ingester that starts anew each time or never."""
    journal = tmp_path / "journal"
    tape = Tape(journal, segment_bytes_max=4096)
    socket = Socket(tape, deflates=deflates)
    quiet = Socket(tape, "/v1/realtime?model=gpt-realtime")
    now_ns, intake = time.time_ns(), None
    most = 0
    for number in range(1, 60):
        said = [asks(f"question {number}"), *answers(number, f"Answer {number}")]
        socket.say(said[:2])
        now_ns += AGE_NS + 1
        intake = ingest_in_steps(tmp_path, store, book, None if restarts else intake, now_ns)
        socket.say(said[2:])
        prune_journal(journal, wanted_from(store), now_ns=now_ns, days=None, bytes_max=1)
        most = max(most, len(list(journal.glob("*/*.seg"))))
    assert most <= 4
    assert len(list(journal.glob("*/*.tunnel"))) == 2
    socket.end()
    quiet.end()
    for _ in range(2):
        intake = ingest_in_steps(tmp_path, store, book, None if restarts else intake, now_ns)
    tape.writer.close()
    calls = rows(store)
    expected = {f"{socket.id}.{number}": f"Answer {number}" for number in range(1, 60)}
    assert {name: call["reply"].output_text for name, call in calls.items() if "." in name} == expected
    assert all(call["ended"] is Ended.COMPLETE for call in calls.values())
    assert [name for name in calls if "." not in name] == [quiet.id]
    ingest_in_steps(tmp_path, store, book, None, now_ns)
    assert list(journal.glob("*/*.tunnel*")) == []


def test_states_are_private_and_hold_no_credential_of_the_head(
    tmp_path: Path, store: Store, tape: Tape, book: PriceBook
) -> None:
    socket = Socket(tape)
    socket.say([asks("one"), *answers(1, "Eins")])
    ingest(tmp_path, store, book, clock=idle)
    [path] = (tmp_path / "journal").glob("*/*.tunnel")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_state_that_cannot_be_written_costs_nothing(
    tmp_path: Path, store: Store, tape: Tape, book: PriceBook
) -> None:
    """The socket is then read again from where it was."""
    socket = Socket(tape)
    socket.say([asks("one"), *answers(1, "Eins")])
    ingest(tmp_path, store, book)
    [(writer, point)] = read_resume_points(store).items()
    name = f"{socket.exchange_id.hex()}-{point.seen[0]}-{point.seen[1]}.tunnel.tmp"
    (tmp_path / "journal" / writer / name).mkdir()
    ingest(tmp_path, store, book, clock=idle)
    assert list((tmp_path / "journal").glob("*/*.tunnel")) == []
    socket.say([asks("two"), *answers(2, "Zwei")])
    ingest(tmp_path, store, book)
    assert [call["reply"].output_text for call in rows(store).values()] == ["Eins", "Zwei"]


def test_a_state_that_cannot_be_read_costs_no_other_call(
    tmp_path: Path, store: Store, tape: Tape, book: PriceBook
) -> None:
    socket = Socket(tape)
    socket.say([asks("one"), *answers(1, "Eins")])
    ingest(tmp_path, store, book, clock=idle)
    [path] = (tmp_path / "journal").glob("*/*.tunnel")
    path.write_bytes(b"nonsense")
    socket.say([asks("two"), *answers(2, "Zwei")])
    tape.call("hi")
    ingest(tmp_path, store, book)
    assert len(rows(store)) == 2


def test_reading_again_changes_nothing(tmp_path: Path, store: Store, tape: Tape, book: PriceBook) -> None:
    for path in ("/v1/responses", "/v1/realtime?model=gpt-realtime"):
        socket = Socket(tape, path)
        said = [asks("one"), *answers(1, "Eins"), asks("two"), *answers(2, "Zwei")]
        if "realtime" in path:
            said = [*OPENING, *realtime_asks("i1", "Hello"), *realtime_answers(1, spoken("a1", "Hi"))]
        socket.say(said)
        ingest(tmp_path, store, book)
        socket.end()
    ingest(tmp_path, store, book)
    before = dump(store)
    rebuild(tmp_path, store, book)
    assert dump(store) == before
    assert len(list(iter_calls(store, CallFilter()))) == 3


def test_a_credential_in_a_frame_does_not_reach_the_rows(
    tmp_path: Path, store: Store, tape: Tape, book: PriceBook
) -> None:
    secret = "token-of-an-mcp-server-0123456789"
    tool = {"type": "mcp", "server_url": "https://x.example", "authorization": secret}
    socket = Socket(tape)
    socket.say([asks("one", tools=[tool]), *answers(1, "Eins")])
    ingest(tmp_path, store, book)
    assert secret not in repr(rows(store))
    files = b"".join(path.read_bytes() for path in tmp_path.glob("arc.db*"))
    assert secret.encode() not in files
