"""
Code that keeps a conversation within the context window, in each framework's words. Pure.

Sources: https://docs.claude.com/en/docs/build-with-claude/context-editing,
https://platform.openai.com/docs/guides/compaction,
https://docs.langchain.com/oss/python/langchain/middleware/built-in,
https://ai.pydantic.dev/message-history/,
https://docs.llamaindex.ai/en/stable/module_guides/deploying/agents/memory/,
https://ai-sdk.dev/docs/reference/ai-sdk-ui/prune-messages, https://docs.crewai.com/concepts/agents
"""

from __future__ import annotations

from string import Template

from analysis.fixes.fix import Snippet
from analysis.fixes.idiom import Idiom, idiom_of, language_of, vendor_of
from analysis.fixes.observed import Observed
from analysis.fixes.settings import model_literal

_CHAT = """\
def shorten_old_results(messages, keep=6, characters=2000):
    \"\"\"Cuts tool results before the last `keep` messages; calls and their results stay together.\"\"\"
    old = len(messages) - keep
    return [
        {**message, "content": message["content"][:characters] + " [cut]"}
        if place < old and message["role"] == "tool" and len(message["content"]) > characters
        else message
        for place, message in enumerate(messages)
    ]


request["messages"] = shorten_old_results(request["messages"])  # before each call"""

_CONTENTS = """\
def shorten_old_results(contents, keep=6, characters=2000):
    \"\"\"Cuts function responses before the last `keep` contents; calls and responses stay together.\"\"\"
    for content in contents[:-keep]:
        for part in content.parts or []:
            response = part.function_response
            if response and len(str(response.response)) > characters:
                response.response = {"result": str(response.response)[:characters] + " [cut]"}
    return contents


contents = shorten_old_results(contents)  # before each generate_content"""

_BLOCKS = """\
request["context_management"] = {
    "edits": [
        {
            "type": "clear_tool_uses_20250919",
            "trigger": {"type": "input_tokens", "value": $tokens},
            "keep": {"type": "tool_uses", "value": 3},
        }
    ]
}
headers["anthropic-beta"] = "context-management-2025-06-27\""""

_TRIM = {
    Idiom.OPENAI_CHAT: _CHAT,
    Idiom.OPENAI_RESPONSES: """\
response = client.responses.create(
    ...,
    context_management=[{"type": "compaction", "compact_threshold": $tokens}],
)""",
    Idiom.ANTHROPIC: """\
message = client.beta.messages.create(
    ...,
    betas=["context-management-2025-06-27"],
    context_management={
        "edits": [
            {
                "type": "clear_tool_uses_20250919",  # older tool results make room, the newest 3 stay
                "trigger": {"type": "input_tokens", "value": $tokens},
                "keep": {"type": "tool_uses", "value": 3},
            }
        ]
    },
)""",
    Idiom.GOOGLE: _CONTENTS,
    Idiom.LANGCHAIN: """\
from langchain.agents import create_agent
from langchain.agents.middleware import ClearToolUsesEdit, ContextEditingMiddleware, SummarizationMiddleware

agent = create_agent(
    ...,
    middleware=[
        ContextEditingMiddleware(edits=[ClearToolUsesEdit(trigger=$tokens, keep=3)]),
        SummarizationMiddleware(model=llm, trigger=("tokens", $more_tokens), keep=("messages", 20)),
    ],
)""",
    Idiom.PYDANTIC_AI: """\
from dataclasses import replace

from pydantic_ai import Agent
from pydantic_ai.capabilities import ProcessHistory
from pydantic_ai.messages import ToolReturnPart


def shorten_old_results(messages, keep=6, characters=2000):
    def shorten(part):
        if isinstance(part, ToolReturnPart) and len(str(part.content)) > characters:
            return replace(part, content=str(part.content)[:characters] + " [cut]")
        return part

    old = [replace(each, parts=[shorten(part) for part in each.parts]) for each in messages[:-keep]]
    return old + messages[-keep:]


agent = Agent(..., capabilities=[ProcessHistory(shorten_old_results)])""",
    Idiom.OPENAI_AGENTS: """\
from agents import Agent, ModelSettings

# The Responses API replaces older items by an encrypted summary from this size on.
compaction = [{"type": "compaction", "compact_threshold": $tokens}]
agent = Agent(..., model_settings=ModelSettings(context_management=compaction))""",
    Idiom.CREWAI: """\
from crewai import Agent

# Summarises when the window is full, and moves large tool results out of the prompt.
agent = Agent(..., respect_context_window=True, use_better_compaction=True)""",
    Idiom.LLAMA_INDEX: """\
from llama_index.core.memory import Memory

memory = Memory.from_defaults(session_id=run_id, token_limit=$tokens)
handler = agent.run(user_msg, memory=memory)""",
    Idiom.VERCEL: """\
import { generateText, pruneMessages } from "ai";

const result = await generateText({
  ...options,
  prepareStep: async ({ messages }) => ({
    messages: pruneMessages({
      messages,
      reasoning: "before-last-message",
      toolCalls: "before-last-6-messages",
    }),
  }),
});""",
    Idiom.OPENAI_NODE: """\
function shortenOldResults(messages, keep = 6, characters = 2000) {
  const old = messages.length - keep;
  return messages.map((message, place) =>
    place < old && message.role === "tool" && message.content.length > characters
      ? { ...message, content: message.content.slice(0, characters) + " [cut]" }
      : message,
  );
}

request.messages = shortenOldResults(request.messages); // before each call""",
    Idiom.ANTHROPIC_NODE: """\
const message = await client.beta.messages.create({
  ...request,
  betas: ["context-management-2025-06-27"],
  context_management: {
    edits: [
      {
        type: "clear_tool_uses_20250919", // older tool results make room, the newest 3 stay
        trigger: { type: "input_tokens", value: $tokens },
        keep: { type: "tool_uses", value: 3 },
      },
    ],
  },
});""",
    Idiom.PLAIN: _CHAT,
}


def trim(observed: Observed, tokens: int) -> Snippet:
    """Older tool results make room once a prompt has more than `tokens`."""
    idiom = idiom_of(observed)
    template = _TRIM[idiom]
    if idiom is Idiom.PLAIN and vendor_of(observed) == "anthropic":
        template = _BLOCKS
    filled = Template(template).substitute(
        tokens=tokens, more_tokens=tokens * 5 // 4, model=model_literal(observed)
    )
    return Snippet(filled, language_of(idiom))
