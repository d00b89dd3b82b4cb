"""A store on either database, emptied for each test, and calls to put in."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from arc_proxy.call import Call, Grouping, Kind, Prompt, Reply
from arc_proxy.journal.record import Ended, id_text, make_exchange_id
from arc_proxy.store import tables
from arc_proxy.store.engine import Store, open_store, writing
from pricing.cost import Cost, CostGrade, CostLine
from pricing.usage import Usage, UsageGrade

MakeCall = Callable[..., Call]

BASE_NS = 1_790_000_000_000_000_000  # 2026-09-21T13:33:20Z
RATE = "openai/gpt-4o-mini@2024-07-18"


@pytest.fixture(scope="session")
def postgres_store(postgres_url: str) -> Iterator[Store]:
    store = open_store(postgres_url)
    yield store
    store.close()


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new database, to be copied: that is quicker than making one."""
    path = tmp_path_factory.mktemp("empty") / "arc.db"
    open_store(path).close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path, empty_sqlite: Path) -> Iterator[Store]:
    if request.param == "sqlite":
        shutil.copy(empty_sqlite, tmp_path / "arc.db")
        opened = open_store(tmp_path / "arc.db")
        yield opened
        opened.close()
    else:
        opened = request.getfixturevalue("postgres_store")
        empty(opened)
        yield opened


def empty(store: Store) -> None:
    """Forget everything, as if the store had just been made."""
    # Not TRUNCATE, which makes new files for every table and index.
    with writing(store) as connection:
        for table in reversed(tables.metadata.sorted_tables):
            connection.execute(table.delete())
    store.memory.forget()


@pytest.fixture
def clear() -> Callable[[Store], None]:
    """`empty`, for tests that use one store for many examples."""
    return empty


@pytest.fixture(scope="session")
def make_call() -> MakeCall:
    return build_call


def build_call(number: int = 1, *, at_ms: int | None = None, **fields: Any) -> Call:
    """
    A finished chat completion, `number` seconds after BASE_NS. Fields of Call override, and those of its
    parts by prefix: `grouping_agent="a"`, `prompt_messages=(...)`, `reply_model=None`, `cost_grade=...`.
    """
    wall_ms = at_ms if at_ms is not None else BASE_NS // 1_000_000 + number * 1000
    call_id = fields.get("call_id") or id_text(make_exchange_id(wall_ms, 0xABCDEF01, number))
    parts: dict[str, Any] = {
        "grouping": Grouping(run_id=f"r-{call_id}", agent="finance"),
        "prompt": Prompt(
            model="gpt-4o-mini",
            messages=(b'{"content":"be brief","role":"system"}', b'{"content":"hi","role":"user"}'),
            parameters={"temperature": 0.5},
        ),
        "reply": Reply(
            model="gpt-4o-mini-2024-07-18",
            response_id=f"chatcmpl-{number}",
            finish_reason="stop",
            output_text="hello",
            usage={"prompt_tokens": 10, "completion_tokens": 5},
            message=b'{"content":"hello","role":"assistant"}',
            finished=True,
        ),
        "usage": Usage(input_text=10, output_text=5),
        "cost": Cost(
            nanousd=4500,
            grade=CostGrade.COMPUTED,
            lines=(CostLine(bucket="input_text", units=10, rate_picousd=150_000, rate_id=RATE),),
            rate_id=RATE,
            table_version="2026-11-20",
        ),
    }
    for name in list(fields):
        part, _, field = name.partition("_")
        if (part in parts and field and field not in ("grade",)) or name == "cost_grade":
            parts[part] = dataclasses.replace(parts[part], **{field: fields.pop(name)})
    whole: dict[str, Any] = {
        "call_id": call_id,
        "writer": "abcdef01",
        "provider": "openai",
        "dialect": "openai.chat",
        "endpoint": "chat.completions",
        "kind": Kind.GENERATION,
        "method": "POST",
        "target": "/openai/v1/chat/completions",
        "url": "https://api.openai.com/v1/chat/completions",
        "started_ns": wall_ms * 1_000_000,
        "first_byte_ns": 300_000_000,
        "duration_ns": 900_000_000,
        "status": 200,
        "ended": Ended.COMPLETE,
        "usage_grade": UsageGrade.REPORTED,
        "request_bytes": 120,
        "response_bytes": 340,
        "request_headers": (("host", "127.0.0.1:8000"), ("authorization", "Bearer cut-12345678")),
        "response_headers": (("content-type", "application/json"), ("x-request-id", f"req_{number}")),
        "request_id": f"req_{number}",
        **parts,
    }
    return Call(**(whole | fields))
