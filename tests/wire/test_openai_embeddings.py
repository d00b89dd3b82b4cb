from __future__ import annotations

from arc_proxy.call import Reply
from arc_proxy.wire.openai_embeddings import OPENAI_EMBEDDINGS


def test_the_input_is_one_message_however_long_the_batch() -> None:
    prompt = OPENAI_EMBEDDINGS.read_prompt({"model": "e", "input": ["a", "b"], "dimensions": 256})
    assert prompt.model == "e"
    assert prompt.messages == (b'{"input":["a","b"]}',)
    assert prompt.parameters == {"dimensions": 256}


def test_the_vectors_are_not_kept() -> None:
    body = {
        "object": "list",
        "model": "e-2026",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}],
        "usage": {"prompt_tokens": 2, "total_tokens": 2},
    }
    assert OPENAI_EMBEDDINGS.read_reply(body) == Reply(
        model="e-2026", usage={"prompt_tokens": 2, "total_tokens": 2}, finished=True
    )
