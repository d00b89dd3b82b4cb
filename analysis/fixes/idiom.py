"""
In whose words a change is written: the framework or SDK that made the calls. Pure.

The names are those of `arc_proxy.runs.signatures`. A framework without an idiom of its own is plain Python
over its provider's request.
"""

from __future__ import annotations

from enum import StrEnum

from analysis.fixes.observed import Observed


class Idiom(StrEnum):
    OPENAI_CHAT = "openai chat"
    OPENAI_RESPONSES = "openai responses"
    ANTHROPIC = "anthropic"
    GOOGLE = "google-genai"
    LANGCHAIN = "langchain"
    PYDANTIC_AI = "pydantic-ai"
    OPENAI_AGENTS = "openai-agents"
    CREWAI = "crewai"
    LLAMA_INDEX = "llama-index"
    VERCEL = "vercel-ai-sdk"
    OPENAI_NODE = "openai-node"
    ANTHROPIC_NODE = "anthropic-node"
    PLAIN = "python"


_BY_FRAMEWORK = {
    "deepagents": Idiom.LANGCHAIN,
    "langgraph": Idiom.LANGCHAIN,
    "langchain": Idiom.LANGCHAIN,
    "pydantic-ai": Idiom.PYDANTIC_AI,
    "openai-agents": Idiom.OPENAI_AGENTS,
    "crewai": Idiom.CREWAI,
    "llama-index": Idiom.LLAMA_INDEX,
    "vercel-ai-sdk": Idiom.VERCEL,
    "google-genai": Idiom.GOOGLE,
    "anthropic-python": Idiom.ANTHROPIC,
    "anthropic-node": Idiom.ANTHROPIC_NODE,
    "openai-node": Idiom.OPENAI_NODE,
    "groq-node": Idiom.OPENAI_NODE,
    "cerebras-node": Idiom.OPENAI_NODE,
    "together-node": Idiom.OPENAI_NODE,
}
# Their Python SDKs have the form of OpenAI's, and a client class of their own.
CLIENTS = {
    "openai-python": ("openai", "OpenAI"),
    "groq-python": ("groq", "Groq"),
    "cerebras-python": ("cerebras.cloud.sdk", "Cerebras"),
    "together-python": ("together", "Together"),
    "openai-node": ("openai", "OpenAI"),
    "groq-node": ("groq-sdk", "Groq"),
    "cerebras-node": ("@cerebras/cerebras_cloud_sdk", "Cerebras"),
    "together-node": ("together-ai", "Together"),
}
TYPESCRIPT = frozenset({Idiom.VERCEL, Idiom.OPENAI_NODE, Idiom.ANTHROPIC_NODE})


def idiom_of(observed: Observed) -> Idiom:
    framework = observed.framework.strip().lower()
    if framework in ("openai-python", "groq-python", "cerebras-python", "together-python"):
        return Idiom.OPENAI_RESPONSES if "responses" in observed.dialect else Idiom.OPENAI_CHAT
    return _BY_FRAMEWORK.get(framework, Idiom.PLAIN)


def language_of(idiom: Idiom) -> str:
    return "typescript" if idiom in TYPESCRIPT else "python"


def client_of(observed: Observed) -> tuple[str, str]:
    """Module and class of the client of an SDK with the form of OpenAI's."""
    return CLIENTS.get(observed.framework.strip().lower(), ("openai", "OpenAI"))


def vendor_of(observed: Observed) -> str:
    """Whose model it is, where a framework has one class for each: "openai", "anthropic" or "google"."""
    told = f"{observed.dialect} {observed.provider}".lower()
    if "anthropic" in told:
        return "anthropic"
    if "google" in told or "gemini" in told:
        return "google"
    return "openai"
