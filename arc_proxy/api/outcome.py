"""
`POST /_arc/api/runs/{run id}/outcome`: how a run went, told by a program. The same as `arc-proxy outcome`.

    POST /_arc/api/runs/8f3c.../outcome?agent=finance
    Authorization: Bearer TOKEN        `arc-proxy open --token` prints it
    Content-Type: application/json
    Idempotency-Key: eval-17           optional; a text of the caller's own, up to 200 characters

    {"outcome": "success" or "failure", "score": 0..1, "reason": "...", "agent": "..."}

Only `outcome` is required. `agent`, here or in the query, says whose run it is where two agents share the id.
The run need not be known yet. A slash in its id is %2F.

The answer is 202 and {"fact_id", "run_id", "agent", "outcome", "score", "reason"}: it is in the journal, and
in the rows a moment later. Sent again with the same key it gives the same answer, and there is one fact. Else
it is {"error": {"type", "message"}}:

    400    what cannot be read, in words
    401    no token
    413    a body over BODY_BYTES_MAX
    415    another content type
    422    the key came with something else before, see
           https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header
    503    the journal cannot be written
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from arc_proxy.errors import ArcError, UsageError
from arc_proxy.prefix import NAME_LEN_MAX, is_name

BODY_BYTES_MAX = 64 * 1024
REASON_LEN_MAX = 10_000


class KeyUsed(ArcError):
    """An Idempotency-Key came with something else before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was told, and under which key."""

    run_id: str
    agent: str | None
    outcome: str
    score: float | None
    reason: str | None
    key: str | None

    def as_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "key"}

    def fact_id(self) -> bytes | None:
        """
        16 bytes that follow from the key, and None without one.

        A fact is known by its record's id, so one that is written twice is stored once. The four bytes in the
        middle are those of a writer: no writer is called 0.
        """
        if self.key is None:
            return None
        named = "\0".join((self.key, self.run_id, self.agent or ""))
        digest = hashlib.blake2b(
            named.encode(errors="replace"), digest_size=12, person=b"arc outcome"
        ).digest()
        return digest[:6] + bytes(4) + digest[6:]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    outcome: Literal["success", "failure"]
    score: float | None = Field(None, ge=0, le=1, allow_inf_nan=False)
    reason: str | None = Field(None, max_length=REASON_LEN_MAX)
    agent: str | None = None


def read_outcome(run_id: str, query: Mapping[str, str], key: str | None, body: bytes) -> Told:
    """Raises UsageError, with a sentence that says what would be right."""
    _check_name("the run's id", run_id)
    try:
        said = _Body.model_validate_json(body)
    except ValidationError as error:
        raise UsageError(_words(error)) from None
    agents = {agent for agent in (query.get("agent"), said.agent) if agent is not None}
    if len(agents) > 1:
        raise UsageError("the query and the body name two agents; one of them is enough.")
    agent = next(iter(agents), None)
    if agent is not None:
        _check_name("agent", agent)
    if key is not None:
        _check_name("Idempotency-Key", key)
    return Told(
        run_id=run_id, agent=agent, outcome=said.outcome, score=said.score, reason=said.reason, key=key
    )


def add_outcomes(app: web.Application, tell: Callable[[Told], str], threads: asyncio.Semaphore) -> None:
    """`tell` writes it, gives the fact's id and may block. Raises KeyUsed, and ArcError where it cannot."""

    async def outcome(request: web.Request) -> web.Response:
        try:
            body = await _read_body(request)
            if body is None:
                return _refused(413, "too_large", f"a body has at most {BODY_BYTES_MAX} bytes.")
            key = request.headers.get("Idempotency-Key")
            told = read_outcome(request.match_info["run"], request.query, key, body)
            async with threads:
                fact_id = await asyncio.to_thread(tell, told)
        except UsageError as error:
            return _refused(400, "bad_request", str(error))
        except KeyUsed as error:
            return _refused(422, "key_used", str(error))
        except ArcError as error:
            return _refused(503, type(error).__name__, str(error))
        return web.json_response({"fact_id": fact_id} | told.as_json(), status=202)

    app.router.add_post("/_arc/api/runs/{run}/outcome", outcome)


async def _read_body(request: web.Request) -> bytes | None:
    """None for one that is too long: no more of it is read than shows that."""
    body = b""
    async for piece in request.content.iter_any():
        body += piece
        if len(body) > BODY_BYTES_MAX:
            return None
    return body


def _check_name(what: str, text: str) -> None:
    if not is_name(text):
        raise UsageError(f"{what} has 1 to {NAME_LEN_MAX} printable characters.")


def _words(error: ValidationError) -> str:
    """The first mistake, without the value: it may be long, and somebody's secret."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}." if where else f"the body is not as it should be: {first['msg']}."


def _refused(status: int, kind: str, message: str) -> web.Response:
    return web.json_response({"error": {"type": kind, "message": message}}, status=status)
