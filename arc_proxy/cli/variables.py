"""
The variables that lead a program's SDKs to the proxy. Pure; environment and network are arguments.

Which client reads which variable was tried with the clients of 2026. They differ in whether the version
belongs to it: OpenAI's SDKs want `/v1` in it, the others append it themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from arc_proxy.cli.way import LOOPBACK, Way


@dataclass(frozen=True, slots=True)
class Base:
    """What a variable holds: a provider's prefix at the proxy, and what its clients want behind that."""

    provider: str
    path: str = ""


# What a program is started with in any case.
BASES: Mapping[str, Base] = {
    "OPENAI_BASE_URL": Base("openai", "/v1"),
    "OPENAI_API_BASE": Base("openai", "/v1"),  # older SDKs, LlamaIndex, aider
    "ANTHROPIC_BASE_URL": Base("anthropic"),
    "GOOGLE_GEMINI_BASE_URL": Base("gemini"),
    "GROQ_BASE_URL": Base("groq"),
    "CO_API_URL": Base("cohere"),
    "OLLAMA_HOST": Base("ollama"),
}

# What is led through the proxy only where the user has it: each is read by few, and its path is the user's.
USERS_BASES: Mapping[str, Base] = {
    "ANTHROPIC_API_BASE": Base("anthropic"),
    "ANTHROPIC_AWS_BASE_URL": Base("anthropic"),
    "ANTHROPIC_BEDROCK_BASE_URL": Base("bedrock"),
    "ANTHROPIC_FOUNDRY_BASE_URL": Base("azure_ai"),
    "ANTHROPIC_VERTEX_BASE_URL": Base("vertex"),
    "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": Base("bedrock"),
    "AZURE_API_BASE": Base("azure"),
    "AZURE_OPENAI_ENDPOINT": Base("azure"),
    "CLOUD_CODE_URL": Base("codeassist"),
    "CODE_ASSIST_ENDPOINT": Base("codeassist"),
    "DEEPSEEK_API_BASE": Base("deepseek"),
    "DEEPSEEK_BASE_URL": Base("deepseek"),
    "GEMINI_API_BASE": Base("gemini"),
    "GOOGLE_VERTEX_BASE_URL": Base("vertex"),
    "KIMI_BASE_URL": Base("moonshot"),
    "OPENROUTER_API_BASE": Base("openrouter"),
    "OPENROUTER_BASE_URL": Base("openrouter"),
}
ALL_BASES: Mapping[str, Base] = {**BASES, **USERS_BASES}

BEDROCK_URL = "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"  # of boto3 and the other SDKs
BEARER = "AWS_BEARER_TOKEN_BEDROCK"

# Where one of these is set, calls of Bedrock carry no signature over their host, and may take another way.
_UNSIGNED = (BEARER, "CLAUDE_CODE_SKIP_BEDROCK_AUTH")
_PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


@dataclass(frozen=True, slots=True)
class Kept:
    """A variable that stays as the user has it, although calls then pass the proxy by."""

    url: str
    why: str


@dataclass(frozen=True, slots=True)
class Variables:
    """What to set, and what stays."""

    set: Mapping[str, str]
    kept: Mapping[str, Kept] = field(default_factory=dict)


def base_urls(url: str, bases: Mapping[str, Base]) -> dict[str, str]:
    """These base-URL variables for the proxy at `url`."""
    return {name: f"{url}/{base.provider}{base.path}" for name, base in bases.items()}


def usual_bases(environ: Mapping[str, str], *, signs: bool) -> Mapping[str, Base]:
    """Those of all SDKs, and what leads to Bedrock where the proxy signs."""
    return {**BASES, **(signed_bases(environ) if signs else {})}


def signed_bases(environ: Mapping[str, str]) -> Mapping[str, Base]:
    """
    What leads programs to Bedrock through a proxy that signs. Nothing with a bearer key: new versions of
    boto3 send it over HTTPS alone, and would rather fail than come here.

    No region: a signature names its own, so that a program may use several.
    """
    return {} if environ.get(BEARER) else {BEDROCK_URL: USERS_BASES[BEDROCK_URL]}


def lead_variables(
    way: Way,
    environ: Mapping[str, str],
    *,
    bases: Mapping[str, Base] = BASES,
    unsure: Iterable[str] = (),
) -> Variables:
    """
    Base URLs that the user has not set, and those that the user has, led through the proxy.

    `unsure`: variables of a `.env` file that the program may read by itself, or may not. Where nothing else
    sets one of these, setting it could send the key of one provider to another, so it is left alone.
    """
    chosen: dict[str, str] = {}
    kept: dict[str, Kept] = {}
    unsure = frozenset(unsure)
    for name, base in {**bases, **USERS_BASES}.items():
        users = environ.get(name, "")
        if not users and name in unsure:
            kept[name] = Kept("", "stands in ./.env, which the program may read or not; export it")
        elif not users and name not in bases:
            continue
        elif (
            base.provider == "bedrock"
            and name not in bases
            and not any(environ.get(each) for each in _UNSIGNED)
        ):
            kept[name] = Kept(users, "is covered by AWS's signature of each call")
        elif (value := way.through(base.provider, base.path, users)) is not None:
            chosen[name] = value
        else:
            kept[name] = Kept(users, way.why_not(base.provider, users))
    return Variables(chosen, kept)


def spare_loopback(environ: Mapping[str, str]) -> dict[str, str]:
    """Where an HTTP proxy is set, keep it from being asked for the one on this machine."""
    if not any(environ.get(name) for name in _PROXIES):
        return {}
    known = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    words = [word for word in known.split(",") if word]
    if "*" in words:
        return {}
    value = ",".join(words + [host for host in LOOPBACK[:2] if host not in words])
    return {"NO_PROXY": value, "no_proxy": value}
