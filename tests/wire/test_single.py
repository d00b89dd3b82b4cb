from __future__ import annotations

from typing import Any

import pytest

from arc_proxy.wire.exchange import HttpExchange, read_exchange
from pricing.usage import normalise_usage

ASKED: dict[str, tuple[str, bytes, tuple[bytes, ...], str]] = {
    "Cohere's embeddings": (
        "https://api.cohere.com/v2/embed",
        b'{"model":"embed-v4.0","texts":["a","b"],"input_type":"search_query"}',
        (b'{"texts":["a","b"]}',),
        "cohere.embed",
    ),
    "Ollama's embeddings": (
        "http://localhost:11434/api/embed",
        b'{"model":"nomic","input":"a"}',
        (b'{"input":"a"}',),
        "ollama.embed",
    ),
    "Titan's embeddings": (
        "https://bedrock-runtime.us-east-1.amazonaws.com/model/amazon.titan-embed-text-v2%3A0/invoke",
        b'{"inputText":"a","dimensions":256}',
        (b'{"inputText":"a"}',),
        "bedrock.embed",
    ),
    "Nova's embeddings": (
        "https://bedrock-runtime.us-east-1.amazonaws.com/model/amazon.nova-2-multimodal-embeddings/invoke",
        b'{"taskType":"SINGLE_EMBEDDING","singleEmbeddingParams":{"text":{"value":"a"}}}',
        (b'{"singleEmbeddingParams":{"text":{"value":"a"}}}',),
        "bedrock.embed",
    ),
    "a reranking": (
        "https://api.cohere.com/v2/rerank",
        b'{"model":"rerank-v3.5","query":"q","documents":["a"],"top_n":1}',
        (b'{"documents":["a"],"query":"q"}',),
        "rerank",
    ),
    "a moderation": (
        "https://api.openai.com/v1/moderations",
        b'{"model":"omni-moderation-latest","input":"a"}',
        (b'{"input":"a"}',),
        "openai.moderation",
    ),
    "DashScope's embeddings": (
        "https://dashscope.aliyuncs.com/api/v1/services/embeddings/text-embedding/text-embedding",
        b'{"model":"text-embedding-v3","input":{"texts":["a"]},"parameters":{"dimension":64}}',
        (b'{"input":{"texts":["a"]}}',),
        "dashscope.embed",
    ),
}


@pytest.mark.parametrize(("url", "body", "messages", "dialect"), ASKED.values(), ids=ASKED)
def test_what_is_asked_is_one_message(
    url: str, body: bytes, messages: tuple[bytes, ...], dialect: str
) -> None:
    reading = read_exchange(HttpExchange(method="POST", url=url, request_body=body))
    assert (reading.prompt.messages, reading.dialect, reading.notes) == (messages, dialect, ())


COUNTED: dict[str, tuple[str, dict[str, Any], int, int]] = {
    "Cohere's embeddings": ("cohere.embed", {"billed_units": {"input_tokens": 5}}, 5, 0),
    "Cohere's embeddings of pictures": (
        "cohere.embed",
        {"billed_units": {"input_tokens": 2, "image_tokens": 7}},
        9,
        0,
    ),
    "Ollama's embeddings": ("ollama.embed", {"prompt_eval_count": 4}, 4, 0),
    "DashScope's embeddings": ("dashscope.embed", {"total_tokens": 6}, 6, 0),
    "DashScope's generation with sound beside the text": (
        "dashscope.generation",
        {"input_tokens": 10, "output_tokens": 5, "audio_tokens": 20, "total_tokens": 35},
        30,
        5,
    ),
    "a reranking that counts tokens": ("rerank", {"prompt_tokens": 55, "total_tokens": 55}, 55, 0),
}


@pytest.mark.parametrize(("dialect", "raw", "given", "made"), COUNTED.values(), ids=COUNTED)
def test_counts(dialect: str, raw: dict[str, Any], given: int, made: int) -> None:
    usage, _ = normalise_usage(raw, dialect=dialect, provider="other")
    assert (usage.input_tokens, usage.output_tokens) == (given, made)


COUNTED_ON_BEDROCK: dict[str, tuple[bytes, tuple[tuple[str, str], ...]]] = {
    "in the body": (b'{"embedding":[0.1],"inputTextTokenCount":5}', ()),
    "in a header": (b'{"embeddings":[[0.1]],"id":"x"}', (("x-amzn-bedrock-input-token-count", "5"),)),
}


@pytest.mark.parametrize(("body", "headers"), COUNTED_ON_BEDROCK.values(), ids=COUNTED_ON_BEDROCK)
def test_an_embedding_on_bedrock_has_no_output_to_count(
    body: bytes, headers: tuple[tuple[str, str], ...]
) -> None:
    exchange = HttpExchange(
        method="POST",
        url="https://bedrock-runtime.us-east-1.amazonaws.com/model/cohere.embed-english-v3/invoke",
        status=200,
        response_headers=headers,
        response_body=body,
    )
    reading = read_exchange(exchange)
    usage, grade = normalise_usage(reading.reply.usage, dialect=reading.dialect, provider=reading.provider)
    assert (usage.input_tokens, usage.output_tokens, grade.value) == (5, 0, "reported")
