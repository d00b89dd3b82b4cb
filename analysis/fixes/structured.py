"""
Code that asks for an answer in a schema that the provider itself enforces, in each framework's words. Pure.

Sources: https://platform.openai.com/docs/guides/structured-outputs,
https://docs.claude.com/en/docs/build-with-claude/structured-outputs,
https://ai.google.dev/gemini-api/docs/structured-output,
https://docs.langchain.com/oss/python/langchain/structured-output, https://ai.pydantic.dev/output/,
https://openai.github.io/openai-agents-python/agents/, https://docs.crewai.com/concepts/tasks,
https://docs.llamaindex.ai/en/stable/understanding/extraction/,
https://ai-sdk.dev/docs/ai-sdk-core/generating-structured-data
"""

from __future__ import annotations

from analysis.fixes.fix import Snippet
from analysis.fixes.idiom import Idiom, idiom_of, language_of, vendor_of
from analysis.fixes.observed import Observed

_MODEL = """\
from pydantic import BaseModel


class Answer(BaseModel):
    ...  # the fields that you read


"""
_ASKED = {
    Idiom.OPENAI_CHAT: """\
response = client.chat.completions.parse(..., response_format=Answer)
answer = response.choices[0].message.parsed""",
    Idiom.OPENAI_RESPONSES: """\
response = client.responses.parse(..., text_format=Answer)
answer = response.output_parsed""",
    Idiom.ANTHROPIC: """\
message = client.messages.parse(..., output_format=Answer)
answer = message.parsed_output""",
    Idiom.GOOGLE: """\
config = types.GenerateContentConfig(
    ..., response_mime_type="application/json", response_schema=Answer
)
answer = client.models.generate_content(model=model, contents=contents, config=config).parsed""",
    Idiom.LANGCHAIN: """\
agent = create_agent(..., response_format=Answer)
answer = agent.invoke(inputs)["structured_response"]
# Without an agent: llm.with_structured_output(Answer).invoke(messages)""",
    Idiom.PYDANTIC_AI: """\
agent = Agent(..., output_type=NativeOutput(Answer), retries=2)
answer = agent.run_sync(prompt).output""",
    Idiom.OPENAI_AGENTS: """\
agent = Agent(..., output_type=Answer)
answer = Runner.run_sync(agent, input).final_output""",
    Idiom.CREWAI: """\
task = Task(..., output_pydantic=Answer)
answer = crew.kickoff(inputs=inputs).pydantic""",
    Idiom.LLAMA_INDEX: """\
answer = llm.as_structured_llm(Answer).complete(prompt).raw
# Of an agent: FunctionAgent(..., output_cls=Answer)""",
}
_VERCEL = """\
import { generateText, Output } from "ai";
import { z } from "zod";

const { output } = await generateText({
  ...options,
  output: Output.object({ schema: z.object({ /* the fields that you read */ }) }),
});"""
_OPENAI_NODE = """\
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

const Answer = z.object({ /* the fields that you read */ });
const response = await client.chat.completions.parse({
  ...request,
  response_format: zodResponseFormat(Answer, "answer"),
});
const answer = response.choices[0].message.parsed;"""
_ANTHROPIC_NODE = """\
const message = await client.messages.create({
  ...request,
  output_config: { format: { type: "json_schema", schema: answerSchema } },
});"""
_REQUEST = {
    "openai": """\
request["response_format"] = {
    "type": "json_schema",
    "json_schema": {"name": "answer", "strict": True, "schema": ANSWER_SCHEMA},
}""",
    "anthropic": """\
request["output_config"] = {"format": {"type": "json_schema", "schema": ANSWER_SCHEMA}}""",
    "google": """\
request["generationConfig"] |= {
    "responseMimeType": "application/json",
    "responseJsonSchema": ANSWER_SCHEMA,
}""",
}
_UNFENCED = """\
import json


def read_json(text):
    \"\"\"The JSON of an answer, with or without a code fence around it.\"\"\"
    text = text.strip()
    if text.startswith("```"):
        text = text.partition("\\n")[2].rpartition("```")[0]
    return json.loads(text)"""
_UNFENCED_TYPESCRIPT = """\
function readJson(text: string) {
  const fenced = text.trim().match(/^```\\w*\\n([\\s\\S]*)\\n```$/);
  return JSON.parse(fenced ? fenced[1] : text);
}"""


def structured(observed: Observed) -> Snippet:
    idiom = idiom_of(observed)
    match idiom:
        case Idiom.VERCEL:
            text = _VERCEL
        case Idiom.OPENAI_NODE:
            text = _OPENAI_NODE
        case Idiom.ANTHROPIC_NODE:
            text = _ANTHROPIC_NODE
        case Idiom.PLAIN:
            text = _REQUEST[vendor_of(observed)]
        case _:
            text = _MODEL + _ASKED[idiom]
    return Snippet(text, language_of(idiom))


def unfenced(observed: Observed) -> Snippet:
    """Reads JSON out of a code fence."""
    language = language_of(idiom_of(observed))
    return Snippet(_UNFENCED_TYPESCRIPT if language == "typescript" else _UNFENCED, language)
