"""
Where a request goes: provider prefixes, bare paths by their shape, and what configuration moves. No I/O.

    /groq/openai/v1/chat/completions  ->  https://api.groq.com  +  /openai/v1/chat/completions
    /groq/v1/chat/completions         ->  the same: the provider's `root` is put in where it is missing
    /v1/messages                      ->  https://api.anthropic.com  +  /v1/messages
    /anthropic/messages               ->  the same: so does the version, which not all clients append

A moved provider (`--upstream groq=http://gateway/tenant-a`) gets its URL's path and the rest, verbatim.
The host always comes from this table or from configuration, never from a request.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from arc_proxy.errors import ConfigError
from arc_proxy.foreign import GATEWAYS
from arc_proxy.gateway.refusal import NO_RETRY, Refusal, Shape


@dataclass(frozen=True, slots=True)
class Provider:
    """
    `url` may hold `{part}`, filled from the path behind the prefix; `roots` are first words of that path
    which are no such part. `root` is where the API lives on a host that has more than an API. `versioned`
    are the words that stand behind `/v1` there and nowhere else.
    """

    name: str
    url: str
    root: str = ""
    versioned: frozenset[str] = frozenset()
    aliases: tuple[str, ...] = ()
    shape: Shape = Shape.OPENAI
    part: re.Pattern[str] | None = None
    part_is: str = ""
    roots: frozenset[str] = frozenset()


_RESOURCE = re.compile(r"[a-z0-9-]{1,63}")
REGION = re.compile(r"(?=[a-z0-9-]{1,63}\Z)[a-z]{2,3}(?:-[a-z]+)+-[0-9]{1,2}")
_AZURE_ROOTS = frozenset({"openai", "models", "anthropic", "providers"})
_BEDROCK_ROOTS = frozenset({"model", "guardrail", "async-invoke", "inference-profiles", "openai"})

_OPENAI_WORDS = (
    "assistants|audio|batches|chat|chatkit|completions|containers|conversations|embeddings|evals|files|"
    "fine_tuning|images|models|moderations|organization|organizations|realtime|responses|skills|threads|"
    "uploads|vector_stores|videos"
)

PROVIDERS = (
    Provider("openai", "https://api.openai.com", versioned=frozenset(_OPENAI_WORDS.split("|"))),
    Provider(
        "anthropic",
        "https://api.anthropic.com",
        versioned=frozenset({"messages", "complete", "models", "files", "skills"}),
        shape=Shape.ANTHROPIC,
    ),
    Provider(
        "gemini",
        "https://generativelanguage.googleapis.com",
        aliases=("google", "genai"),
        shape=Shape.GEMINI,
    ),
    Provider(
        "azure",
        "https://{part}.openai.azure.com",
        part=_RESOURCE,
        part_is="resource",
        roots=_AZURE_ROOTS,
    ),
    Provider(
        "azure_ai",
        "https://{part}.services.ai.azure.com",
        part=_RESOURCE,
        part_is="resource",
        roots=_AZURE_ROOTS,
    ),
    Provider(
        "bedrock",
        "https://bedrock-runtime.{part}.amazonaws.com",
        shape=Shape.BEDROCK,
        part=REGION,
        part_is="region",
        roots=_BEDROCK_ROOTS,
    ),
    Provider("vertex", "https://aiplatform.googleapis.com", aliases=("vertex_ai",), shape=Shape.GEMINI),
    Provider("codeassist", "https://cloudcode-pa.googleapis.com", shape=Shape.GEMINI),
    Provider("chatgpt", "https://chatgpt.com", root="/backend-api/codex"),
    Provider("openrouter", "https://openrouter.ai", root="/api"),
    Provider("groq", "https://api.groq.com", root="/openai"),
    Provider("mistral", "https://api.mistral.ai"),
    Provider("deepseek", "https://api.deepseek.com"),
    Provider("xai", "https://api.x.ai", aliases=("grok",)),
    Provider("together", "https://api.together.xyz"),
    Provider("fireworks", "https://api.fireworks.ai", root="/inference"),
    Provider("cohere", "https://api.cohere.com"),
    Provider("perplexity", "https://api.perplexity.ai"),
    Provider("cerebras", "https://api.cerebras.ai"),
    Provider("sambanova", "https://api.sambanova.ai"),
    Provider("deepinfra", "https://api.deepinfra.com"),
    Provider("moonshot", "https://api.moonshot.ai", aliases=("kimi",)),
    Provider("minimax", "https://api.minimax.io"),
    Provider("zai", "https://api.z.ai"),
    Provider("dashscope", "https://dashscope-intl.aliyuncs.com", root="/compatible-mode"),
    Provider("nvidia", "https://integrate.api.nvidia.com"),
    Provider("huggingface", "https://router.huggingface.co"),
    Provider("github", "https://models.github.ai"),
    Provider("voyage", "https://api.voyageai.com"),
    Provider("jina", "https://api.jina.ai"),
    Provider("replicate", "https://api.replicate.com"),
    Provider("ollama", "http://127.0.0.1:11434"),
    Provider("lmstudio", "http://127.0.0.1:1234"),
    Provider("llamacpp", "http://127.0.0.1:8080"),
    Provider("vllm", "http://127.0.0.1:8000"),
    Provider("sglang", "http://127.0.0.1:30000"),
    Provider("litellm", "http://127.0.0.1:4000"),
)

BY_WORD = {word: provider for provider in PROVIDERS for word in (provider.name, *provider.aliases)}

# Words at the front of a path that are ours or a bare path's, so that no provider can be called so.
_RESERVED = frozenset({"run", "session", "agent", "_arc", "metrics", "v1", "v1beta", "v1alpha", "v2", "api"})
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
SEGMENT = re.compile(r"/([^/?]*)")

# Paths that say by themselves whose they are, `v1` in front or not. The first that fits wins.
_SHAPES = (
    (re.compile(r"/v1(?:beta1)?/projects/[^/]+/locations/"), "vertex"),
    (re.compile(r"/(?:upload/)?v1(?:beta|alpha)/|/ws/google\.ai\.generativelanguage\."), "gemini"),
    (re.compile(r"/v1internal:"), "codeassist"),
    (re.compile(r"/v1/(?:models/[^/:?]+:[a-zA-Z]|interactions\b)"), "gemini"),
    (re.compile(r"/(?:v1/)?(?:messages|complete)(?:[/?]|\Z)"), "anthropic"),
    (re.compile(r"/v2/(?:chat|embed|rerank)(?:[/?]|\Z)|/v1/rerank(?:[/?]|\Z)"), "cohere"),
    (re.compile(r"/model/[^/]+/(?:invoke|converse)"), "bedrock"),
    (re.compile(r"/api/(?:chat|generate|embed|embeddings|tags|show|ps|pull|version)(?:[/?]|\Z)"), "ollama"),
)
_EITHER = re.compile(r"/v1/(?:models|files|skills|organizations)(?:[/?]|\Z)")
_OPENAI = re.compile(rf"/(?:v1/)?(?:{_OPENAI_WORDS})(?:[/?]|\Z)")
_LOCATION = re.compile(r"/locations/([a-z0-9-]{1,63})/")


@dataclass(frozen=True, slots=True)
class Upstream:
    """One host to forward to. `path` has no slash at its end; `authority` is what `Host` says."""

    name: str
    is_tls: bool
    host: str  # a name or an address, without brackets
    port: int
    path: str
    authority: str
    is_default: bool  # the provider's own host, not one that configuration chose
    shape: Shape = Shape.OPENAI
    origin: str = field(init=False)
    host_field: bytes = field(init=False)  # the authority, as a header's value
    may_be_gateway: bool = field(init=False)  # and read what is meant for one

    def __post_init__(self) -> None:
        object.__setattr__(self, "may_be_gateway", not self.is_default or self.name in GATEWAYS)
        object.__setattr__(self, "origin", f"http{'s' if self.is_tls else ''}://{self.authority}")
        object.__setattr__(self, "host_field", self.authority.encode())


@dataclass(frozen=True, slots=True)
class Route:
    upstream: Upstream
    path: str  # what the request line sent upstream says
    url: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", self.upstream.origin + self.path)


class Routes:
    """All routes of one configuration."""

    def __init__(self, moved: Mapping[str, str]) -> None:
        """Raises ConfigError for an upstream that is no http(s) URL or has a name that is taken."""
        for name in moved:
            if name != "*" and (name in _RESERVED or not _NAME.fullmatch(name)):
                raise ConfigError(f"--upstream {name}=...: no provider can be called so")
        self._moved: dict[str, Upstream] = {}
        for word, url in moved.items():
            if word != "*":
                provider = BY_WORD.get(word)
                name, shape = (provider.name, provider.shape) if provider else (word, Shape.OPENAI)
                self._moved[name] = parse_upstream(name, url, shape=shape)
        everything = moved.get("*")
        self._providers: dict[str, Provider | None] = dict.fromkeys(self._moved)
        self._providers |= BY_WORD
        self._fixed: dict[str, Upstream] = {}
        for provider in PROVIDERS:
            if everything is not None and provider.name not in self._moved:
                self._moved[provider.name] = parse_upstream(provider.name, everything, shape=provider.shape)
            if provider.part is None:
                self._fixed[provider.name] = parse_upstream(
                    provider.name, provider.url, shape=provider.shape, is_default=True
                )

    @property
    def names(self) -> tuple[str, ...]:
        """The prefixes that are known, for people."""
        return tuple(sorted(self._providers))

    def find(self, target: str, *, is_anthropic: bool = False) -> Route | Refusal:
        """
        The route of a target from which the callers' names have been split.

        `is_anthropic`: the headers look like an Anthropic client's, which decides paths that both have.
        """
        found = SEGMENT.match(target)
        if found is None:
            return _unknown_path(self.names)
        word = found[1]
        if word in self._providers:
            rest = target[found.end() :]
            if word == "openai" and rest.startswith("/deployments/"):
                # Azure's own form, asked of us as if we were the resource: its key is none for OpenAI.
                return self._under("azure", target)
            return self._under(word, rest)
        name = _name_of_bare(target, is_anthropic=is_anthropic)
        return _unknown_path(self.names) if name is None else self._under(name, target)

    def named(self, name: str, target: str) -> Route | Refusal:
        """The route of a provider that a header named. `name` has to be one of `names`."""
        return self._under(name, target)

    def _under(self, word: str, rest: str) -> Route | Refusal:
        provider = self._providers[word]
        name = word if provider is None else provider.name
        moved = self._moved.get(name)
        if not rest.startswith("/") and not (moved is not None and moved.path):
            rest = f"/{rest}"
        if provider is None or provider.part is None:
            upstream = moved or self._fixed[name]
            if moved is None and provider is not None:
                if name == "vertex":
                    upstream = _vertex_of(upstream, rest)
                rest = _versioned(provider.versioned, _rooted(provider.root, rest))
            return Route(upstream, upstream.path + rest)
        return _templated(provider, moved, rest)


@functools.lru_cache(maxsize=256)
def parse_upstream(name: str, url: str, *, shape: Shape = Shape.OPENAI, is_default: bool = False) -> Upstream:
    """Raises ConfigError for anything but http(s)://host[:port][/path]."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"--upstream {name}={url}: {error}") from error
    is_plain = not (parts.query or parts.fragment or parts.username or parts.password)
    if parts.scheme not in ("http", "https") or not parts.hostname or not is_plain or not url.isascii():
        raise ConfigError(f"--upstream {name}={url}: an upstream is http(s)://host[:port][/path]")
    if set(url) & set("\\ \t\r\n"):
        raise ConfigError(f"--upstream {name}=...: an upstream's URL holds no space and no backslash")
    is_tls = parts.scheme == "https"
    usual = 443 if is_tls else 80
    shown = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Upstream(
        name=name,
        is_tls=is_tls,
        host=parts.hostname,
        port=usual if port is None else port,
        path=parts.path.rstrip("/"),
        authority=shown if port is None or port == usual else f"{shown}:{port}",
        is_default=is_default,
        shape=shape,
    )


def _rooted(root: str, rest: str) -> str:
    if not root or rest == root or rest.startswith((f"{root}/", f"{root}?")):
        return rest
    return root + rest


def _versioned(words: frozenset[str], rest: str) -> str:
    """
    With the one `/v1` that the path has at the vendor.

    Anthropic's own SDKs append it to a base URL and Vercel's does not, and both read ANTHROPIC_BASE_URL.
    """
    if not words:
        return rest
    if rest.startswith("/v1/v1/"):
        return rest[len("/v1") :]
    found = SEGMENT.match(rest)
    return f"/v1{rest}" if found is not None and found[1] in words else rest


def _vertex_of(upstream: Upstream, rest: str) -> Upstream:
    """Vertex has a host per region, which the path names."""
    found = _LOCATION.search(rest)
    if found is None or found[1] == "global":
        return upstream
    return parse_upstream(
        "vertex", f"https://{found[1]}-aiplatform.googleapis.com", shape=upstream.shape, is_default=True
    )


def _templated(provider: Provider, moved: Upstream | None, rest: str) -> Route | Refusal:
    found = SEGMENT.match(rest)
    word = found[1] if found else ""
    is_part = word not in provider.roots and provider.part is not None and provider.part.fullmatch(word)
    if found and is_part:
        rest = rest[found.end() :]
        rest = rest if rest.startswith("/") else f"/{rest}"
    if moved is not None:
        return Route(moved, moved.path + rest)
    if not is_part:
        return Refusal(
            status=404,
            code="unknown_prefix",
            message=f"arc-proxy forwards /{provider.name}/{{{provider.part_is}}}/..., "
            f"but this path names no {provider.part_is}.",
            shape=provider.shape,
            fields=(NO_RETRY,),
        )
    upstream = parse_upstream(
        provider.name, provider.url.replace("{part}", word), shape=provider.shape, is_default=True
    )
    return Route(upstream, rest)


def _name_of_bare(target: str, *, is_anthropic: bool) -> str | None:
    for pattern, name in _SHAPES:
        if pattern.match(target):
            return name
    if is_anthropic and _EITHER.match(target):
        return "anthropic"
    return "openai" if _OPENAI.match(target) else None


def _unknown_path(names: tuple[str, ...]) -> Refusal:
    return Refusal(
        status=404,
        code="unknown_prefix",
        message="arc-proxy does not know where to forward this path. It begins with one of: "
        + ", ".join(f"/{name}" for name in names)
        + "; or it is a path that one provider alone has, like /v1/messages.",
        fields=(NO_RETRY,),
    )
