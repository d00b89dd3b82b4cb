"""
Where a call belongs: the rules in their order of precedence, over the trail of earlier calls. No I/O.

The run of a call is, by the first of these that speaks:

    attempt         that of the call which it repeats
    a named run     `x-arc-run-id`, `/run/{id}`
    a separating id that of the coding agent's session or sub-agent, be it known or new
    evidence        that of the call to which the surest evidence leads: another product's id, the id of
                    a tool call or a response, lineage, quoted text
    passages        for the first call of a conversation: that of the reply which sent it off
    session         the latest run of its session, if that is not long ago
    none            its own: `r-<call id>`

Evidence joins; what separates is respected by all that only joins. Where several earlier calls fit equally,
which happens to parallel runs that are equal so far, further evidence, then the model, decide; then a call
that nobody went on from comes first, and of those the one that has waited longest.

Two runs become one by a `Move`, where a call was read later than one that goes on from it, and where a tool's
result turns out to be the answer of a run that began and ended meanwhile: a worker's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from arc_proxy.call import Grouping
from arc_proxy.runs.attempts import earlier_attempt
from arc_proxy.runs.claim import Claim, Level
from arc_proxy.runs.clues import Clues
from arc_proxy.runs.gist import Key, make_key
from arc_proxy.runs.quotes import QUOTED_CALL, QUOTED_TEXT, Quote
from arc_proxy.runs.trail import Mark, RunName, Trail

_MINUTE_NS = 60 * 1_000_000_000
NEAR_NS = 30 * _MINUTE_NS  # what joins only calls that are close in time
_PATIENT_NS = 10 * _MINUTE_NS  # of parallel runs that are equal so far, who waits longer has been left
_BRIEF_SHARE = 0.25  # of a brief's own passages, what has to come from the reply that sent it
_RUNS_MAX = 8  # a text that more runs said is everybody's


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A run that turns out to be part of another."""

    old_agent: str | None
    old_run_id: str
    agent: str | None
    run_id: str


class Placement(NamedTuple):
    grouping: Grouping
    attempt_of: str | None = None
    attempt: int = 1
    keys: tuple[Key, ...] = ()  # to keep with the call, so that later calls find it
    moves: tuple[Move, ...] = ()  # of calls placed before this one, in order


class _Found(NamedTuple):
    """The run of a call: the call that it joins, or the name that it was given."""

    rule: str
    confidence: float
    mark: Mark | None = None
    run_id: str | None = None


class Grouper:
    """Places calls one by one, in the order they began where that is known."""

    def __init__(self, trail: Trail) -> None:
        self._trail = trail

    def wanted(self, batch: Iterable[Clues]) -> set[Key]:
        """The keys to ask the store for before a batch is placed; what it finds goes to `Trail.refill`."""
        issued: set[Key] = set()
        wanted: set[Key] = set()
        for clues in batch:
            keys = [_claim_key(claim) for claim in clues.claims if _leads(claim)]
            keys += [key for key in (clues.body_key, clues.idempotency_key) if key is not None]
            for quote in clues.quoted:
                if quote.key in self._trail or quote.key in issued:
                    break  # weaker evidence will hardly be needed
                keys.append(quote.key)
            else:
                keys += clues.told
            wanted.update(key for key in keys if key not in self._trail)
            issued.update(clues.issued)
        return wanted - issued

    def place(self, clues: Clues) -> Placement:
        """Where this call belongs; from now on it is an earlier call."""
        trail = self._trail
        separated_by = _separated_by(clues.claims)
        allowed = _Allowed(clues, separated_by)
        repeated = earlier_attempt(clues, trail)
        if repeated is not None and not allowed(repeated):
            repeated = None
        says_itself = any(claim.level is Level.RUN and claim.separates for claim in clues.claims)
        by_attempt = _Found("attempt", 0.9, repeated) if repeated and not says_itself else None
        found = by_attempt or self._find(clues, allowed)
        grouping = self._grouping(clues, found, separated_by)
        if found.mark is not None:
            trail.go_on(found.mark)
        attempt_of = (repeated.attempt_of or repeated.call_id) if repeated else None
        mark = Mark(
            call_id=clues.call_id,
            run_id=grouping.run_id,
            agent=grouping.agent,
            session_id=grouping.session_id,
            parent_run_id=grouping.parent_run_id,
            model=clues.model,
            stream=clues.stream,
            manner=clues.manner,
            started_ns=clues.started_ns,
            ended_ns=clues.ended_ns,
            attempt_of=attempt_of,
            attempt=repeated.attempt + 1 if repeated else 1,
            retryable=clues.retryable,
            rule=grouping.rule,
            confidence=grouping.confidence,
            separated_by=separated_by,
        )
        kept = self._enter(clues, mark)
        moves = [*self._late(clues, mark), *self._workers(clues, mark, found.mark)]
        self._listen(clues)
        return Placement(
            grouping=grouping,
            attempt_of=attempt_of,
            attempt=mark.attempt,
            keys=kept,
            moves=tuple(moves),
        )

    def keep(self, clues: Clues, mark: Mark) -> tuple[Key, ...]:
        """A call that has its place already is an earlier call from now on; gives the keys to keep."""
        kept = self._enter(clues, mark)
        self._listen(clues)
        return kept

    def _enter(self, clues: Clues, mark: Mark) -> tuple[Key, ...]:
        claimed = [_claim_key(claim) for claim in clues.claims if _leads(claim)]
        known = {key for key in claimed if key in self._trail}
        bodies = [key for key in (clues.body_key, clues.idempotency_key) if key is not None]
        self._trail.add(mark, (*claimed, *clues.issued, *bodies))
        kept = [key for key in claimed if key not in known]
        kept += clues.kept
        kept += bodies if clues.retryable else ()
        return tuple(dict.fromkeys(kept))

    def _find(self, clues: Clues, allowed: _Allowed) -> _Found:
        run = next((claim for claim in clues.claims if claim.level is Level.RUN), None)
        if run is not None and run.is_name:
            return _Found(run.rule, run.confidence, run_id=run.value)
        if run is not None and run.separates:
            before = self._trail.marks(_claim_key(run))
            return _Found(run.rule, run.confidence, before[-1] if before else None)
        return (
            self._by_evidence(clues, run, allowed)
            or self._by_told(clues, allowed)
            or self._by_passages(clues, allowed)
            or self._by_session(clues, allowed)
            or _Found(*((run.rule, run.confidence) if run else ("none", 0.0)))
        )

    def _by_evidence(self, clues: Clues, run: Claim | None, allowed: _Allowed) -> _Found | None:
        claimed = [mark for mark in self._trail.marks(_claim_key(run)) if allowed(mark)] if run else []
        fitting: list[Mark] = []
        by: Quote | None = None
        for quote in clues.quoted:
            marks = [mark for mark in self._trail.marks(quote.key) if allowed(mark)]
            if not marks or (quote.rule == QUOTED_TEXT and len({mark.run_id for mark in marks}) > _RUNS_MAX):
                continue
            if quote.rule == QUOTED_CALL and not (by is None and _is_left_alone(marks, clues)):
                continue
            if by is None:
                by, fitting = quote, marks
            else:
                runs = {(mark.agent, mark.run_id) for mark in marks}
                fitting = [mark for mark in fitting if (mark.agent, mark.run_id) in runs] or fitting
            if len({(mark.agent, mark.run_id) for mark in fitting}) == 1:
                break
        if run is not None and claimed and (by is None or by.confidence <= run.confidence):
            return _Found(run.rule, run.confidence, claimed[-1])
        if by is None:
            return None
        return _Found(by.rule, by.confidence, _choose(fitting, clues))

    def _by_told(self, clues: Clues, allowed: _Allowed) -> _Found | None:
        """What another agent said stands here as a user's message, or as the result of a tool."""
        for key in clues.told:
            marks = [mark for mark in self._trail.marks(key) if allowed(mark) and _is_near(mark, clues)]
            if marks and len({mark.run_id for mark in marks}) <= _RUNS_MAX:
                return _Found(QUOTED_TEXT, 0.8, _choose(marks, clues))
        return None

    def _by_passages(self, clues: Clues, allowed: _Allowed) -> _Found | None:
        """
        A brief that a reply wrote. What other briefs hold too is the framework's own; of the rest a good
        part has to be from that reply, since a line or two of code are written by many.
        """
        votes: dict[RunName, list[Mark]] = {}
        new = 0
        for key in clues.brief:
            writers = [
                mark
                for mark in self._trail.writers(key, clues.started_ns)
                if allowed(mark) and _is_near(mark, clues)
            ]
            runs = {(mark.agent, mark.run_id) for mark in writers}
            heard = {(mark.agent, mark.run_id) for mark in self._trail.hearers(key)}
            if not heard or heard <= runs:
                new += 1
            if len(runs) == 1 and heard <= runs:
                votes.setdefault(runs.pop(), []).append(writers[-1])
        if not votes:
            return None
        marks = max(votes.values(), key=len)
        return _Found(QUOTED_TEXT, 0.7, marks[-1]) if len(marks) >= _BRIEF_SHARE * new else None

    def _by_session(self, clues: Clues, allowed: _Allowed) -> _Found | None:
        session = next(
            (claim for claim in clues.claims if claim.level is Level.SESSION and claim.joins), None
        )
        if session is None:
            return None
        marks = [
            mark for mark in self._trail.marks(_claim_key(session)) if allowed(mark) and _is_near(mark, clues)
        ]
        return _Found("session", 0.6 * session.confidence, marks[-1]) if marks else None

    def _grouping(self, clues: Clues, found: _Found, separated_by: Key | None) -> Grouping:
        said: dict[Level, Claim] = {}
        for claim in clues.claims:
            said.setdefault(claim.level, claim)
        joined = found.mark
        agent = said[Level.AGENT].value if Level.AGENT in said else None
        session = said[Level.SESSION].value if Level.SESSION in said else None
        version = said[Level.VERSION].value if Level.VERSION in said else clues.version_hint
        if joined is not None:
            run_id = joined.run_id
            agent = agent or joined.agent
            session = session or joined.session_id
        else:
            # A run that was named without an agent is that of no agent: see `explicit`.
            run_id = found.run_id or f"r-{clues.call_id}"
            agent = agent or (None if found.run_id else clues.agent_hint)
        parent = self._parent(said.get(Level.PARENT_RUN)) or (joined.parent_run_id if joined else None)
        return Grouping(
            run_id=run_id,
            agent=agent,
            session_id=session,
            parent_run_id=None if parent == run_id else parent,
            user=said[Level.USER].value if Level.USER in said else None,
            version=version,
            tags=clues.tags,
            rule=found.rule,
            confidence=found.confidence,
            separated_by=separated_by,
        )

    def _parent(self, claim: Claim | None) -> str | None:
        if claim is None or claim.is_name:
            return claim.value if claim else None
        marks = self._trail.marks(_run_key(claim.rule, claim.value))
        return marks[-1].run_id if marks else None

    def _late(self, clues: Clues, mark: Mark) -> list[Move]:
        """Runs that began with a call which goes on from this one, and was read before it."""
        moves: list[Move] = []
        for key in clues.issued:
            for waiting in self._trail.waiting(key):
                is_own = waiting.run_id == f"r-{waiting.call_id}" and waiting.separated_by is None
                if is_own and waiting.started_ns > mark.started_ns and waiting.run_id != mark.run_id:
                    moves.append(self._move(waiting, mark))
        return moves

    def _workers(self, clues: Clues, mark: Mark, before: Mark | None) -> list[Move]:
        """Runs that began and ended since the call before this one, and whose answer is told here."""
        if before is None or before.run_id != mark.run_id:
            return []
        moves: list[Move] = []
        for key in clues.told:
            answers = [
                answer
                for answer in self._trail.marks(key)
                if answer.run_id != mark.run_id
                and not answer.continued
                and answer.separated_by is None
                and _is_near(answer, clues)
                and all(
                    (before.ended_ns or before.started_ns) <= part.started_ns < clues.started_ns
                    and part.separated_by is None
                    for part in self._trail.run(answer.agent, answer.run_id)
                )
            ]
            if answers:
                self._trail.go_on(answers[0])
                moves.append(self._move(answers[0], mark))
        return moves

    def _move(self, part: Mark, whole: Mark) -> Move:
        old, new = (part.agent, part.run_id), (whole.agent, whole.run_id)
        self._trail.move(old, new)  # from now on the part's mark says so
        return Move(old_agent=old[0], old_run_id=old[1], agent=new[0], run_id=new[1])

    def _listen(self, clues: Clues) -> None:
        """What calls that are still to come may be found by."""
        trail = self._trail
        trail.hear(clues.call_id, clues.brief, clues.started_ns)
        trail.write(clues.call_id, clues.passages, clues.ended_ns or clues.started_ns)
        placed = trail.mark(clues.call_id)
        if placed is not None and placed.rule == "none":
            trail.wait(clues.call_id, [quote.key for quote in clues.quoted])


class _Allowed:
    """Whether evidence may lead to a call: one that began earlier and is kept apart by nothing."""

    __slots__ = ("_separated_by", "_started_ns")

    def __init__(self, clues: Clues, separated_by: Key | None) -> None:
        self._started_ns = clues.started_ns
        self._separated_by = separated_by

    def __call__(self, mark: Mark) -> bool:
        return mark.started_ns < self._started_ns and (
            mark.separated_by is None or self._separated_by in {None, mark.separated_by}
        )


def _choose(marks: Sequence[Mark], clues: Clues) -> Mark:
    """One of the calls that fit equally, the earliest first."""
    alike = [mark for mark in marks if mark.model == clues.model] or marks
    alike = [mark for mark in alike if mark.stream is clues.stream] or alike
    alike = [mark for mark in alike if mark.manner == clues.manner] or alike
    fresh = [mark for mark in alike if not mark.continued]
    patient = [mark for mark in fresh if clues.started_ns - (mark.ended_ns or mark.started_ns) <= _PATIENT_NS]
    return patient[0] if patient else (fresh or alike)[-1]


def _is_left_alone(marks: Sequence[Mark], clues: Clues) -> bool:
    """One call fits, a while ago at most, and nobody went on from it: many ask a tool for the same."""
    return len(marks) == 1 and not marks[0].continued and _is_near(marks[0], clues)


def _is_near(mark: Mark, clues: Clues) -> bool:
    return clues.started_ns - (mark.ended_ns or mark.started_ns) <= NEAR_NS


def _leads(claim: Claim) -> bool:
    """Whether earlier calls are found by it: by a name they need not be."""
    return claim.joins and (claim.level is Level.SESSION or (claim.level is Level.RUN and not claim.is_name))


def _claim_key(claim: Claim) -> Key:
    if claim.level is Level.RUN:
        return _run_key(claim.rule, claim.value)
    return make_key(b"session", claim.value.encode())


def _run_key(rule: str, value: str) -> Key:
    """A product's claims speak of one space of ids, whichever of its fields they came from."""
    return make_key(b"run", rule.partition(".")[0].encode(), value.encode())


def _separated_by(claims: Sequence[Claim]) -> Key | None:
    """By the narrowest level that separates."""
    for level in (Level.RUN, Level.SESSION, Level.AGENT):
        for claim in claims:
            if claim.level is level and claim.separates:
                return make_key(b"separate", level.encode(), claim.value.encode())
    return None
