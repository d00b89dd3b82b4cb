"""
The noun Observed: what was seen of one issue, as far as it was seen. Pure.

    max_tokens             256                  the limit that cut the answers
    p99_output_tokens      410                  99th percentile of the answers that were whole
    tools                  search,read_file     what was offered
    arguments              {"id":"W1"}          of a call that failed
    working_arguments      {"id":"#W1"}         of a call of the same tool that went well
    window                 200000               the model's context window, tokens
    prompt_tokens          215000               of the call that did not fit, or of the latest
    largest_tool           read_file            whose results take up most of the prompt
    largest_tool_tokens    90000
    tokens_per_step        4100                 by which a prompt grows
    retry_after            20                   seconds, as the provider said
    limit                  30000 TPM            the provider's limit
    concurrency            12                   most calls that were open at once
    timeout                60                   seconds after which it was given up
    p99_duration           95                   seconds, of the calls that went well
    key                    sk-...abcd           the credential, without its middle
    host                   api.openai.com       where the call went
    status                 401                  of the response
    schema_path            parameters.items     what of a schema was refused
    parameter              max_tokens           what of a request was refused
    expected               ["open","closed"]    values that a schema allows
    result                 []                   what the tool answered
    steps                  25                   calls of the runs that ended there
    p95_good_steps         14                   calls of the runs that went well
    category               violence             of a refusal
    value                  #W1234567            what was given for the parameter
    request_id             req_011C             of the provider, for its support
    traceback              File "a.py", ...     innermost frame
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from analysis.failure import Failure, FailureCode
from analysis.fixes.quote import name, plain, said

_NOTHING = frozenset({"", "none", "null", "{}", "[]", "nan", "undefined"})
_EMPTY_RESULTS = {"[]": "an empty list", "{}": "an empty object", "null": "null", "None": "nothing"}
_NUMBER_MAX = 10**12
_SEEN_CHARACTERS_MAX = 2000  # of what is searched for words


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """
    One issue. `subject`: a tool, a field or a parameter, `cause`: the message as first seen; `events` in
    `runs` of `total_runs`; `facts` as in the table above, each of which may be missing.
    """

    code: FailureCode
    agent: str = ""
    framework: str = ""
    provider: str = ""
    model: str = ""
    dialect: str = ""
    subject: str = ""
    cause: str = ""
    events: int = 1
    runs: int = 1
    total_runs: int = 0
    examples: tuple[Failure, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)

    def fact(self, key: str) -> str:
        """On one line; "" where it was not seen."""
        found = plain(self.facts.get(key, ""))
        return "" if found.lower() in _NOTHING else found

    def number(self, key: str) -> int | None:
        """Of a fact, rounded up; None where it was not seen, or is no amount."""
        try:
            value = -int(-float(self.facts.get(key, "")) // 1)
        except (ValueError, OverflowError):
            return None
        return value if 0 < value < _NUMBER_MAX else None

    @property
    def message(self) -> str:
        """
        What was said, whole, as data: to be searched, and quoted by `said`. An example's evidence comes
        first, because a cause may be a label, such as "arguments required".
        """
        evidence = self.examples[0].evidence if self.examples else ""
        return evidence if evidence.strip() else self.cause

    @property
    def seen(self) -> str:
        """All that was said, for words that tell one cause from another."""
        return "\n".join([*(each.evidence for each in self.examples[:3]), self.cause])[:_SEEN_CHARACTERS_MAX]

    @property
    def quoted(self) -> str:
        """The message with its quotes; "" where nothing was said."""
        return said(self.message) if plain(self.message) else ""

    @property
    def saying(self) -> str:
        """`: “the message”`, for the end of a sentence; "" where nothing was said."""
        return f": {self.quoted}" if self.quoted else ""

    @property
    def result(self) -> str:
        """What the tool answered, an empty one in words."""
        found = plain(self.facts.get("result", ""))
        return _EMPTY_RESULTS.get(found, found)

    @property
    def times(self) -> str:
        """How often: "9 times in 7 of 60 runs"."""
        events, runs = max(self.events, 1), max(self.runs, 1)
        where = f"{runs} of {self.total_runs} runs" if self.total_runs >= runs else _count(runs, "run")
        return f"in {where}" if events <= runs else f"{_count(events, 'time')} in {where}"

    def called(self, otherwise: str) -> str:
        """The subject as it stands in a sentence."""
        return name(self.subject) or otherwise


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
