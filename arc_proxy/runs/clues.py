"""Everything that grouping needs to know of one call, without its bodies. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from arc_proxy.call import Kind, Prompt, Reply
from arc_proxy.journal.record import Ended
from arc_proxy.prefix import Prefix
from arc_proxy.runs.auxiliary import read_auxiliary
from arc_proxy.runs.claim import Claim
from arc_proxy.runs.framework import detect_framework, read_fields, read_opening
from arc_proxy.runs.gist import Key, make_key
from arc_proxy.runs.passages import PASSAGES_MAX, brief_passages, issued_passages
from arc_proxy.runs.project import tag_project
from arc_proxy.runs.proposal import propose_agent, propose_version
from arc_proxy.runs.quotes import Quote, read_lineage
from arc_proxy.runs.said import read_claims

_RETRIED = frozenset({408, 409, 429})
_BROKEN = frozenset({Ended.TRUNCATED, Ended.UPSTREAM_ERROR})
_DIGITS_MAX = 4


@dataclass(slots=True, kw_only=True)
class Clues:
    """
    Not to be changed.

    `issued` and `quoted` are lineage: what a later request may quote of this call's reply, of which `kept` is
    worth storing, and what this request quotes of earlier replies, the strongest evidence first. `told` are
    texts that users and tools said since the last reply: another agent of the run may have written them.

    Passages are lines and sentences of some length: `passages` those of the reply, `brief` those of the
    messages by which a conversation begins. They tell that a worker was sent by an earlier reply, count for
    some minutes only, and are never stored.
    """

    call_id: str
    started_ns: int
    ended_ns: int | None  # when the last record was seen; None if it has not ended
    claims: tuple[Claim, ...] = ()  # strongest first
    tags: Mapping[str, str] = field(default_factory=dict)
    agent_hint: str | None = None  # proposed agent name where none is claimed
    framework: str | None = None
    version_hint: str | None = None
    auxiliary: str | None = None  # kind of auxiliary traffic, None if it is a step
    model: str | None = None  # as requested: it and `stream` tell runs apart that are equal so far
    stream: bool = False
    manner: Key | None = None  # where it went and with which parameters: tells them apart more finely
    issued: tuple[Key, ...] = ()
    kept: tuple[Key, ...] = ()
    quoted: tuple[Quote, ...] = ()
    told: tuple[Key, ...] = ()
    passages: tuple[Key, ...] = ()
    brief: tuple[Key, ...] = ()
    body_key: Key | None = None  # same method, path and body
    idempotency_key: Key | None = None
    retry_count: int | None = None  # x-stainless-retry-count
    failed: bool = False
    retryable: bool = False  # 408, 409, 429, >= 500, no response, a stream that was cut
    final: bool = False  # finished, and asks for no tool: a run may end here


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One exchange, read, as far as clues are taken from it."""

    call_id: str
    started_ns: int
    duration_ns: int | None
    method: str
    url: str  # where it went
    target: str  # path and query, arc-proxy's own prefixes taken off
    prefix: Prefix
    headers: Sequence[tuple[bytes, bytes]]  # of the request
    body: bytes  # of the request
    kind: Kind
    endpoint: str
    prompt: Prompt
    reply: Reply
    status: int | None
    ended: Ended


def read_clues(sent: Sent) -> tuple[Clues, tuple[str, ...]]:
    """The clues, and the names of `x-arc-*` headers and prefixes that were malformed. Never raises."""
    prompt, reply = sent.prompt, sent.reply
    said = read_claims(sent.headers, sent.prefix, prompt.parameters)
    fields = read_fields(sent.headers)
    opening = read_opening(prompt)
    framework = detect_framework(fields, opening, prompt.parameters)
    auxiliary = read_auxiliary(
        sent.method,
        sent.target,
        kind=sent.kind,
        endpoint=sent.endpoint,
        fields=fields,
        prompt=prompt,
        opening=opening,
        framework=framework,
    )
    tag_project(said.tags, framework, fields, prompt, opening)
    is_step = sent.kind is Kind.GENERATION and auxiliary is None
    status, failed = sent.status, _failed(sent)
    lineage = read_lineage(prompt, reply)
    brief = brief_passages(prompt) if is_step and not lineage.has_replies else ()
    # What a reply says first can only be told where the whole brief is known that it answers.
    is_writer = is_step and not failed and len(brief) < PASSAGES_MAX
    clues = Clues(
        call_id=sent.call_id,
        started_ns=sent.started_ns,
        ended_ns=None if sent.duration_ns is None else sent.started_ns + sent.duration_ns,
        claims=said.claims,
        tags=said.tags,
        agent_hint=propose_agent(framework, opening, auxiliary),
        framework=framework,
        version_hint=(
            propose_version(framework, fields.get(b"user-agent", b""), prompt, opening) if is_step else None
        ),
        auxiliary=auxiliary,
        model=prompt.model,
        stream=prompt.stream,
        manner=_manner(sent),
        issued=lineage.issued,
        kept=lineage.kept,
        quoted=lineage.quoted,
        told=lineage.told,
        passages=issued_passages(reply) if is_writer else (),
        brief=brief,
        body_key=_body_key(sent),
        idempotency_key=_idempotency_key(fields),
        retry_count=_number(fields.get(b"x-stainless-retry-count")),
        failed=failed,
        retryable=sent.ended in _BROKEN or (status is not None and (status in _RETRIED or status >= 500)),
        final=is_step and not failed and reply.finished and not reply.tool_calls,
    )
    return clues, said.malformed


def _failed(sent: Sent) -> bool:
    is_refused = sent.status is None or sent.status >= 400
    return is_refused or sent.reply.error is not None or sent.ended in _BROKEN


def _body_key(sent: Sent) -> Key | None:
    if not sent.body:
        return None
    return make_key(b"body", sent.method.encode(), sent.target.encode(errors="replace"), sent.body)


def _manner(sent: Sent) -> Key:
    parameters = repr(sorted(sent.prompt.parameters.items())).encode(errors="replace")
    return make_key(b"manner", sent.url.encode(errors="replace"), parameters)


def _idempotency_key(fields: Mapping[bytes, bytes]) -> Key | None:
    value = fields.get(b"idempotency-key")
    return make_key(b"idempotency", value) if value else None


def _number(value: bytes | None) -> int | None:
    is_number = value is not None and value.isdigit() and len(value) <= _DIGITS_MAX
    return int(value) if value is not None and is_number else None
