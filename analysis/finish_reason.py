"""
What the words mean by which providers say why an answer ended. Data, and two questions to it.

Words are compared in lower case: Google and Cohere write them in capitals. The numbers are those of Google's
enum, which some of its clients get instead of names. Sources:
https://platform.openai.com/docs/api-reference/chat/object,
https://platform.openai.com/docs/api-reference/responses/object (`incomplete_details.reason`),
https://docs.anthropic.com/en/api/handling-stop-reasons,
https://ai.google.dev/api/generate-content#FinishReason, https://docs.mistral.ai/api/#tag/chat,
https://docs.cohere.com/reference/chat,
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html (`stopReason`),
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html (`completionReason`)
"""

from __future__ import annotations

# At the limit that the request set, or the model has: Mistral's `model_length`.
CUT = frozenset({"length", "max_tokens", "max_output_tokens", "model_length", "2"})
# At the end of the context window.
OVERFLOWN = frozenset({"model_context_window_exceeded", "error_limit"})
REFUSED = frozenset(
    {"refusal", "content_filter", "content_filtered", "guardrail_intervened", "safety", "prohibited_content"}
    | {"blocklist", "spii", "recitation", "image_safety", "error_toxic", "sensitive", "3", "4"}
)
# Tool calls that the provider's own server could not read.
UNPARSED = frozenset(
    {"malformed_function_call", "unexpected_tool_call", "malformed_tool_use", "malformed_model_output"}
)
# More is to come, or would have: "incomplete" is what a response says that does not say why.
PARTIAL = CUT | OVERFLOWN | {"incomplete", "pause_turn", "compaction"}


def is_cut(reason: str | None) -> bool:
    """Whether the answer was cut at its limit."""
    return (reason or "").lower() in CUT


def is_partial(reason: str | None) -> bool:
    """Whether the answer has no end of its own, so that what it lacks is no fault of it."""
    return (reason or "").lower() in PARTIAL
