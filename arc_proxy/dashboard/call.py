"""One call: what was said since the step before, what came back, what it took, and what it cost and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from arc_proxy.call import Call
from arc_proxy.dashboard.frame import Frame, Link
from arc_proxy.dashboard.links import call_href, run_href
from arc_proxy.dashboard.rendering import render
from arc_proxy.dashboard.runs import PATH as RUNS_PATH
from arc_proxy.dashboard.source import NotFound, Source
from arc_proxy.export.jsonl import to_json
from arc_proxy.format import clean, clean_block, money, plural
from arc_proxy.report.detail import call_facts, cost_lines, usage_lines
from arc_proxy.report.facets import is_step, ns_duration
from arc_proxy.report.messages import reply_text, speaker_and_text
from arc_proxy.store.engine import Store
from arc_proxy.store.read import call_key_of, read_call, read_run_calls
from arc_proxy.store.views import CallDetail, CallLine

TEXT_CHARACTERS_MAX = 20_000
PIECES_MAX = 500


@dataclass(frozen=True, slots=True)
class Said:
    speaker: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallView:
    name: str
    facts: tuple[tuple[str, str], ...]
    run: Link
    before: Link | None
    after: Link | None
    resent: tuple[Said, ...]  # what the step before had, too
    resent_says: str
    messages: tuple[Said, ...]
    reply: str
    usage: str
    usage_raw: str
    cost: str
    headers: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    pieces: tuple[tuple[str, str], ...]
    pieces_say: str


def call_page(source: Source, query: Mapping[str, str], now_ns: int) -> str:
    """The HTML. Raises NotFound, StoreError."""
    store, call_id = source.store(), query.get("id", "")
    key = call_key_of(store, call_id)
    detail = None if key is None else read_call(store, key)
    if detail is None:
        raise NotFound(
            f"There is no call {clean(call_id, 60) or '(no id)'}. It may be older than what is kept."
        )
    view = _view(store, detail)
    return render("call.html", frame=Frame(title=f"{view.name} · arc-proxy", here=RUNS_PATH), view=view)


def _view(store: Store, detail: CallDetail) -> CallView:
    line, call = detail.line, detail.call
    before, after = _beside(store, line)
    earlier = read_call(store, before.key) if before is not None else None
    sent = call.prompt.messages
    resent = _common(sent, earlier.call) if earlier is not None else 0
    return CallView(
        name=clean(line.call_id),
        facts=tuple((label, clean(value)) for label, value in call_facts(line, call)),
        run=Link(clean(line.run_id), run_href(line.run_id, line.agent)),
        before=Link("step before", call_href(before.call_id)) if before else None,
        after=Link("next step", call_href(after.call_id)) if after else None,
        resent=tuple(map(_said, sent[:resent])),
        resent_says=f"{plural(resent, 'message')} re-sent from the step before" if resent else "",
        messages=tuple(map(_said, sent[resent:])),
        reply=_bounded(reply_text(call.reply)),
        usage="\n".join(map(clean_block, usage_lines(line))),
        usage_raw=clean_block(to_json(call.reply.usage).decode()) if call.reply.usage else "",
        cost="\n".join(map(clean_block, (*cost_lines(line, call), *_summands(call)))),
        headers=tuple(_headers(call)),
        pieces=tuple(
            (ns_duration(each.after_ns), f"{each.size:,}") for each in call.chunk_times[:PIECES_MAX]
        ),
        pieces_say=_pieces_say(len(call.chunk_times)),
    )


def _beside(store: Store, line: CallLine) -> tuple[CallLine | None, CallLine | None]:
    """The steps of the run before and after this call."""
    steps = [call for call in read_run_calls(store, line.run_key) if is_step(call)]
    places = [place for place, call in enumerate(steps) if call.key == line.key]
    if not places:
        return None, None
    [place] = places
    return steps[place - 1] if place else None, steps[place + 1] if place + 1 < len(steps) else None


def _common(sent: Sequence[bytes], earlier: Call) -> int:
    """How many messages both requests begin with, and the reply between them."""
    had = [*earlier.prompt.messages, *filter(None, [earlier.reply.message])]
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(sent, had, strict=False)))


def _said(message: bytes) -> Said:
    speaker, text = speaker_and_text(message)
    return Said(speaker, _bounded(text) or "(no text)")


def _bounded(text: str) -> str:
    more = len(text) - TEXT_CHARACTERS_MAX
    return text if more <= 0 else f"{text[:TEXT_CHARACTERS_MAX]}\n[{more:,} more characters]"


def _summands(call: Call) -> Iterator[str]:
    """What the cost is the sum of: units, at a price for a million of them."""
    for each in call.cost.lines:
        price = f"${each.rate_picousd / 1_000_000:g} a million"
        yield f"  {each.bucket:<18} {each.units:>12,} x {price} = {money(each.picousd / 1000)}"


def _pieces_say(pieces: int) -> str:
    first = f"the first {PIECES_MAX} of " if pieces > PIECES_MAX else ""
    return f"{first}{plural(pieces, 'piece')}"


def _headers(call: Call) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    for title, headers in (("Request", call.request_headers), ("Response", call.response_headers)):
        yield title, tuple((clean(name), clean(value)) for name, value in headers)
