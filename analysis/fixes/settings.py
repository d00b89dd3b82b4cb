"""
The line that sets a limit, retries, a deadline or a cap, in each framework's words. Pure.

Checked against openai 3.57, anthropic 2.14, google-genai 3.6, langchain 1.5, pydantic-ai 2.68, openai-agents
0.24, crewai 1.15, llama-index 0.14 and AI SDK 6. Sources:
https://github.com/openai/openai-python, https://github.com/anthropics/anthropic-sdk-python,
https://googleapis.github.io/python-genai/,
https://reference.langchain.com/python/integrations/langchain_openai,
https://ai.pydantic.dev/api/settings/, https://openai.github.io/openai-agents-python/ref/model_settings/,
https://docs.crewai.com/concepts/llms, https://docs.llamaindex.ai/en/stable/api_reference/llms/openai/,
https://ai-sdk.dev/docs/reference/ai-sdk-core/generate-text
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import Template

from analysis.fixes.fix import Snippet
from analysis.fixes.idiom import Idiom, client_of, idiom_of, language_of, vendor_of
from analysis.fixes.observed import Observed
from analysis.fixes.quote import identifier, json_literal, literal

# In templates: $n a number, $ms the same in milliseconds, $model a literal, $module and $client a class.
Templates = Mapping[Idiom, str]

_CHAT_MODELS = {
    "openai": ("langchain_openai", "ChatOpenAI"),
    "anthropic": ("langchain_anthropic", "ChatAnthropic"),
    "google": ("langchain_google_genai", "ChatGoogleGenerativeAI"),
}
_LLAMA_MODELS = {
    "openai": ("llama_index.llms.openai", "OpenAI"),
    "anthropic": ("llama_index.llms.anthropic", "Anthropic"),
    "google": ("llama_index.llms.google_genai", "GoogleGenAI"),
}

_LIMIT: Templates = {
    Idiom.OPENAI_CHAT: "response = client.chat.completions.create(..., $parameter=$n)",
    Idiom.OPENAI_RESPONSES: "response = client.responses.create(..., max_output_tokens=$n)",
    Idiom.ANTHROPIC: "message = client.messages.create(..., max_tokens=$n)",
    Idiom.GOOGLE: "config = types.GenerateContentConfig(..., max_output_tokens=$n)",
    Idiom.LANGCHAIN: "llm = $client(model=$model, max_tokens=$n)",
    Idiom.PYDANTIC_AI: "agent = Agent(..., model_settings=ModelSettings(max_tokens=$n))",
    Idiom.OPENAI_AGENTS: "agent = Agent(..., model_settings=ModelSettings(max_tokens=$n))",
    Idiom.CREWAI: "llm = LLM(model=$model, max_tokens=$n)",
    Idiom.LLAMA_INDEX: "llm = $client(model=$model, max_tokens=$n)",
    Idiom.VERCEL: "const result = await generateText({ ...options, maxOutputTokens: $n });",
    Idiom.OPENAI_NODE: "const response = await client.chat.completions.create({ ...r, $parameter: $n });",
    Idiom.ANTHROPIC_NODE: "const message = await client.messages.create({ ...request, max_tokens: $n });",
    Idiom.PLAIN: "request[$field] = $n",
}

_RETRIES: Templates = {
    Idiom.OPENAI_CHAT: """\
from $module import $client

client = $client(max_retries=$n)  # 2 unless set; waits as long as retry-after says, else with backoff""",
    Idiom.ANTHROPIC: """\
from anthropic import Anthropic

client = Anthropic(max_retries=$n)  # 2 unless set; waits as long as retry-after says, else with backoff""",
    Idiom.GOOGLE: """\
from google import genai
from google.genai import types

# google-genai does not retry unless it is told to.
retry = types.HttpRetryOptions(attempts=$n, initial_delay=1.0, max_delay=60.0)
client = genai.Client(http_options=types.HttpOptions(retry_options=retry))""",
    Idiom.LANGCHAIN: """\
from $module import $client

llm = $client(model=$model, max_retries=$n)  # 2 unless set""",
    Idiom.PYDANTIC_AI: """\
from pydantic_ai import Agent
from pydantic_ai.settings import ModelSettings

agent = Agent(..., model_settings=ModelSettings(max_retries=$n))  # the SDK's 2 unless set""",
    Idiom.OPENAI_AGENTS: """\
from agents import Agent, ModelRetrySettings, ModelSettings, retry_policies

retry = ModelRetrySettings(
    max_retries=$n,
    backoff={"initial_delay": 1.0, "max_delay": 60.0, "multiplier": 2.0, "jitter": True},
    policy=retry_policies.any(
        retry_policies.retry_after(),
        retry_policies.http_status([408, 409, 429, 500, 502, 503, 504]),
        retry_policies.network_error(),
    ),
)
agent = Agent(..., model_settings=ModelSettings(retry=retry))""",
    Idiom.CREWAI: """\
from crewai import LLM

llm = LLM(model=$model, max_retries=$n)  # 2 unless set""",
    Idiom.LLAMA_INDEX: """\
from $module import $client

llm = $client(model=$model, max_retries=$n)  # 3 unless set""",
    Idiom.VERCEL: "const result = await generateText({ ...options, maxRetries: $n }); // 2 unless set",
    Idiom.OPENAI_NODE: "const client = new $client({ maxRetries: $n }); // 2 unless set",
    Idiom.ANTHROPIC_NODE: "const client = new Anthropic({ maxRetries: $n }); // 2 unless set",
    Idiom.PLAIN: """\
import random
import time

RETRIED = (408, 409, 429, 500, 502, 503, 504, 529)


def send_with_retries(send, attempts=$n):
    \"\"\"`send()` makes the request and returns a response with `status_code` and `headers`.\"\"\"
    for attempt in range(attempts):
        response = send()
        if response.status_code not in RETRIED or attempt == attempts - 1:
            break
        wait_s = response.headers.get("retry-after", "")
        time.sleep(float(wait_s) if wait_s.isdigit() else min(60, 2**attempt) * random.uniform(0.5, 1))
    return response""",
}

_TIMEOUT: Templates = {
    Idiom.OPENAI_CHAT: "client = $client(timeout=$n)  # seconds",
    Idiom.ANTHROPIC: "client = Anthropic(timeout=$n)  # seconds; stream answers that take longer than 600",
    Idiom.GOOGLE: "client = genai.Client(http_options=types.HttpOptions(timeout=$ms))  # milliseconds",
    Idiom.LANGCHAIN: "llm = $client(model=$model, timeout=$n)  # seconds",
    Idiom.PYDANTIC_AI: "agent = Agent(..., model_settings=ModelSettings(timeout=$n))  # seconds",
    Idiom.OPENAI_AGENTS: "agent = Agent(..., model_settings=ModelSettings(timeout=$n))  # seconds an attempt",
    Idiom.CREWAI: "llm = LLM(model=$model, timeout=$n)  # seconds",
    Idiom.LLAMA_INDEX: "llm = $client(model=$model, timeout=$n)  # seconds; 60 unless set",
    Idiom.VERCEL: "const result = await generateText({ ...options, timeout: { stepMs: $ms } });",
    Idiom.OPENAI_NODE: "const client = new $client({ timeout: $ms }); // milliseconds",
    Idiom.ANTHROPIC_NODE: "const client = new Anthropic({ timeout: $ms }); // milliseconds",
    Idiom.PLAIN: "response = session.post(url, json=request, timeout=$n)  # seconds",
}

_STEPS: Templates = {
    Idiom.LANGCHAIN: """\
# It counts nodes: a model call and its tools are two, and a hook of a middleware is one more.
result = agent.invoke(inputs, config={"recursion_limit": $triple})""",
    Idiom.PYDANTIC_AI: """\
from pydantic_ai import UsageLimits

result = agent.run_sync(prompt, usage_limits=UsageLimits(request_limit=$n))  # 50 unless set""",
    Idiom.OPENAI_AGENTS: """\
from agents import Runner

result = Runner.run_sync(agent, input, max_turns=$n)  # 10 unless set""",
    Idiom.CREWAI: "agent = Agent(..., max_iter=$n)",
    Idiom.LLAMA_INDEX: """\
# "generate": at the cap the model writes an answer from what it has, instead of an exception.
handler = agent.run(user_msg, max_iterations=$n, early_stopping_method="generate")""",
    Idiom.VERCEL: """\
import { generateText, stepCountIs } from "ai"; // isStepCount in AI SDK 7

const result = await generateText({ ...options, stopWhen: stepCountIs($n) });""",
    Idiom.GOOGLE: """\
from google.genai import types

calling = types.AutomaticFunctionCallingConfig(maximum_remote_calls=$n)  # 10 unless set
config = types.GenerateContentConfig(..., automatic_function_calling=calling)""",
    Idiom.OPENAI_NODE: "const STEPS_MAX = $n;",
    Idiom.ANTHROPIC_NODE: "const STEPS_MAX = $n;",
    Idiom.PLAIN: "STEPS_MAX = $n",
}

_FALLBACK: dict[Idiom, str] = {
    Idiom.LANGCHAIN: """\
from langchain.agents import create_agent
from langchain.agents.middleware import ModelFallbackMiddleware, ModelRetryMiddleware

agent = create_agent(
    ...,
    middleware=[
        ModelFallbackMiddleware("provider:second-model"),  # when the first still fails after its retries
        ModelRetryMiddleware(max_retries=$n, on_failure="error"),
    ],
)""",
    Idiom.PYDANTIC_AI: """\
from pydantic_ai import Agent
from pydantic_ai.models.fallback import FallbackModel

# The second model is asked when the first still fails after its SDK's retries.
agent = Agent(FallbackModel($model, "provider:second-model"))""",
    Idiom.VERCEL: """\
async function generateWithFallback(options) {
  try {
    return await generateText({ ...options, maxRetries: $n });
  } catch (error) {
    return await generateText({ ...options, model: secondModel });
  }
}""",
    Idiom.OPENAI_CHAT: """\
from $module import APIConnectionError, InternalServerError, $client, RateLimitError

client = $client(max_retries=$n)


def complete(**request):
    try:
        return client.chat.completions.create(**request)
    except (APIConnectionError, InternalServerError, RateLimitError):
        return client.chat.completions.create(**request | {"model": "second-model"})""",
    Idiom.OPENAI_RESPONSES: """\
from $module import APIConnectionError, InternalServerError, $client, RateLimitError

client = $client(max_retries=$n)


def respond(**request):
    try:
        return client.responses.create(**request)
    except (APIConnectionError, InternalServerError, RateLimitError):
        return client.responses.create(**request | {"model": "second-model"})""",
    Idiom.ANTHROPIC: """\
from anthropic import Anthropic, APIConnectionError, InternalServerError, RateLimitError

client = Anthropic(max_retries=$n)


def complete(**request):
    try:
        return client.messages.create(**request)
    except (APIConnectionError, InternalServerError, RateLimitError):  # 529 is an InternalServerError
        return client.messages.create(**request | {"model": "second-model"})""",
    Idiom.GOOGLE: """\
from google import genai
from google.genai import errors, types

retry = types.HttpRetryOptions(attempts=$n, initial_delay=1.0, max_delay=60.0)
client = genai.Client(http_options=types.HttpOptions(retry_options=retry))


def generate(**request):
    try:
        return client.models.generate_content(**request)
    except errors.ServerError:
        return client.models.generate_content(**request | {"model": "second-model"})""",
    Idiom.OPENAI_AGENTS: """\
from agents import Runner
from openai import APIConnectionError, InternalServerError, RateLimitError


async def run(agent, question):
    try:
        return await Runner.run(agent, question)
    except (APIConnectionError, InternalServerError, RateLimitError):  # after the SDK's retries
        return await Runner.run(agent.clone(model="second-model"), question)""",
    Idiom.OPENAI_NODE: """\
const client = new $client({ maxRetries: $n });

async function complete(request) {
  try {
    return await client.chat.completions.create(request);
  } catch (error) {
    if (error.status && error.status < 429) throw error; // the request itself is wrong
    return await client.chat.completions.create({ ...request, model: "second-model" });
  }
}""",
    Idiom.ANTHROPIC_NODE: """\
const client = new Anthropic({ maxRetries: $n });

async function complete(request) {
  try {
    return await client.messages.create(request);
  } catch (error) {
    if (error.status && error.status < 429) throw error; // the request itself is wrong
    return await client.messages.create({ ...request, model: "second-model" });
  }
}""",
    Idiom.LLAMA_INDEX: """\
from $module import $client

llm = $client(model=$model, max_retries=$n)
second = $client(model="second-model", max_retries=$n)


async def run(make_agent, question):
    try:
        return await make_agent(llm).run(question)
    except Exception as error:
        print(f"the first model failed: {error}")
        return await make_agent(second).run(question)""",
    Idiom.CREWAI: """\
from crewai import LLM

first = LLM(model=$model, max_retries=$n)
second = LLM(model="provider/second-model")


def kickoff(make_crew, inputs):
    try:
        return make_crew(first).kickoff(inputs=inputs)
    except Exception as error:
        print(f"the first model failed: {error}")
        return make_crew(second).kickoff(inputs=inputs)""",
}

_FALLBACK[Idiom.PLAIN] = f"""\
{_RETRIES[Idiom.PLAIN]}


def send_or_ask_second(send, request):
    response = send_with_retries(lambda: send(request))
    if response.status_code in RETRIED:
        response = send({{**request, "model": "second-model"}})
    return response"""

# Others retry where one SDK's client does.
_SAME_CLIENT = {Idiom.OPENAI_RESPONSES: Idiom.OPENAI_CHAT}


def output_limit_line(observed: Observed, tokens: int, note: str, parameter: str = "") -> Snippet:
    """`note`: on one line, goes into a comment. `parameter`: the request's name for it from now on."""
    return _with_note(_filled(_LIMIT, observed, tokens, parameter), note)


def retries_line(observed: Observed, retries: int = 5) -> Snippet:
    return _filled(_RETRIES, observed, retries)


def timeout_line(observed: Observed, seconds: int) -> Snippet:
    return _filled(_TIMEOUT, observed, seconds)


def steps_line(observed: Observed, steps: int) -> Snippet:
    return _filled(_STEPS, observed, steps)


def fallback(observed: Observed, retries: int = 4) -> Snippet:
    """Retries, and then a second model."""
    return _filled(_FALLBACK, observed, retries)


def output_limit_name(observed: Observed) -> str:
    """The request's own word for the limit of an answer."""
    vendor, told = vendor_of(observed), f"{observed.subject} {observed.cause}"
    if vendor == "anthropic":
        return "max_tokens"
    if vendor == "google":
        return "maxOutputTokens"
    if "responses" in observed.dialect:
        return "max_output_tokens"
    is_old = re.search(r"\bmax_tokens\b", told) or "max_tokens" in observed.facts
    return "max_tokens" if is_old or observed.provider != "openai" else "max_completion_tokens"


def _filled(templates: Templates, observed: Observed, number: int, parameter: str = "") -> Snippet:
    idiom = idiom_of(observed)
    known = next(each for each in (idiom, _SAME_CLIENT.get(idiom, idiom), Idiom.PLAIN) if each in templates)
    text = Template(templates[known]).substitute(
        n=number,
        ms=number * 1000,
        triple=number * 3,
        model=model_literal(observed),
        parameter=identifier(parameter, output_limit_name(observed)),
        field=literal(parameter or output_limit_name(observed)),
        **dict(zip(("module", "client"), _class_of(observed, known), strict=True)),
    )
    return Snippet(text, language_of(known))


def model_literal(observed: Observed) -> str:
    model = observed.model or "your-model"
    return json_literal(model) if language_of(idiom_of(observed)) == "typescript" else literal(model)


def _class_of(observed: Observed, idiom: Idiom) -> tuple[str, str]:
    match idiom:
        case Idiom.LANGCHAIN:
            return _CHAT_MODELS[vendor_of(observed)]
        case Idiom.LLAMA_INDEX:
            return _LLAMA_MODELS[vendor_of(observed)]
    return client_of(observed)


def _with_note(snippet: Snippet, note: str) -> Snippet:
    mark = "//" if snippet.language == "typescript" else "#"
    return Snippet(f"{mark} {note}\n{snippet.text}" if note else snippet.text, snippet.language)
