"""
Fixes of answers that broke off on the way. Pure.

Sources: https://docs.claude.com/en/docs/build-with-claude/streaming,
https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_read_timeout
"""

from __future__ import annotations

from analysis.fixes.fix import Remedy, Snippet, watched_runs
from analysis.fixes.idiom import idiom_of, language_of
from analysis.fixes.observed import Observed
from analysis.fixes.quote import name
from analysis.fixes.settings import timeout_line
from analysis.fixes.vendor import vendor_name

_ASK_WHOLE = """\
def whole_answer(stream_answer, attempts=3):
    \"\"\"`stream_answer()` yields events. One that breaks off is asked anew: show nothing before.\"\"\"
    for attempt in range(attempts):
        try:
            return list(stream_answer())
        except Exception as error:  # your SDK's APIConnectionError or httpx.RemoteProtocolError
            if attempt == attempts - 1:
                raise
            print(f"the stream broke off, asking again: {error}")"""
_ASK_WHOLE_TYPESCRIPT = """\
async function wholeAnswer(streamAnswer, attempts = 3) {
  for (let attempt = 1; ; attempt++) {
    try {
      const events = [];
      for await (const event of streamAnswer()) events.push(event);
      return events;
    } catch (error) {
      if (attempt === attempts) throw error; // broke off every time
    }
  }
}"""


def aborted(observed: Observed) -> Remedy:
    who = vendor_name(observed)
    return Remedy(
        title=f"Streams of {name(observed.model) or who} end before their last event",
        what=f"{who}'s stream broke off {observed.times}{observed.saying}.",
        why="The other side closed the connection in the middle of an answer. SDKs do not retry a stream "
        "that has begun, and some code takes the part that came for the whole answer: a tool call in it "
        "can be cut.",
        advice="Ask for the whole answer again when a stream ends without its last event.",
        guard=_again(observed),
        check=f"in the next {watched_runs(observed)} runs every stream that breaks off is followed by a "
        "whole one",
    )


def client_closed(observed: Observed) -> Remedy:
    limit = observed.number("timeout")
    seconds = min(max(2 * (limit or 0), 120), 600)
    after = f" after {limit} s" if limit else ""
    return Remedy(
        title=f"The agent hangs up{after} before the answer ends",
        what=f"The agent closed the connection first {observed.times}{observed.saying}.",
        why="A user who stops a run does this, and then all is well. If it comes always after the same "
        "time, it is a deadline: of the SDK, of the web request that the agent runs in, or of a proxy in "
        "front. The provider bills what it has written.",
        advice=f"If nobody stopped it, give the answer {seconds} s.",
        guard=timeout_line(observed, seconds),
        check=f"no stream.client_closed in the next {watched_runs(observed)} runs, but for those a user "
        "stops",
    )


def _again(observed: Observed) -> Snippet:
    language = language_of(idiom_of(observed))
    return Snippet(_ASK_WHOLE_TYPESCRIPT if language == "typescript" else _ASK_WHOLE, language)
